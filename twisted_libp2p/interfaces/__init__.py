# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The contracts between the rooms of twisted_libp2p::

    ITransport          a multiaddr becomes Twisted endpoints
    IPeerTransport      the same, with the help of the peer's id
    IMuxedTransport     a multiaddr becomes secured, multiplexed sessions
    IPortEndpoint       a TCP port, and the layers of a transport above it
    IInheritsPorts      a reactor with sockets that another program has opened
    IReloadable         a transport, or a gater, with files that others may change
    IBackedTransport    a transport that is implemented by one of several libraries
    ITrustedProxies     the proxies that may state the address of their client
    IUpgrade            takes such a session over
    IQuicBackend        makes endpoints of QUIC, which are machines without I/O
    IQuicEndpoint       datagrams of one socket in and out, streams of connections
    ISecurity           wraps a factory: bytes in, authenticated bytes out
    ISecureTransport    what such a wrapper is to the protocol above it
    IMuxer              wraps a factory: one connection in, many streams out
    IMuxerSession       the muxer of one connection, as its owner uses it
    IStream             a stream, as applications and services use it
    ISelfDelimiting     a protocol whose messages show their own end
    IMuxedStream        a stream, as the owner of its connection uses it
    IMuxedConnection    the owner: a factory of protocols for inbound streams
    IHost               what a service may use of a node
    IHostService        what a node expects of a service
    IDrainable          a service that ends in two steps
    IFlushable          a transport that can send at once
    IHalfCloseable      a transport that can close one direction
    ISwitchable         a transport whose protocol can be replaced
    IAddressFilter      the filter of all addresses that peers name
    IOwnAddresses       the addresses at which peers reach a node
    IMovingPort         a port whose addresses change while it listens
    IConnection         a connection, as applications and services use it
    IManagedConnection  a connection, as its manager uses it
    IConnectionManager  approves each connection before it exists, and owns it then
    IConnectionScope    the use of all limits by one connection
    IStreamScope        the use of all limits by one stream
    IGater              decides which peers are dialed and which are let in
    IExpendability      orders connections by how well the node can do without them
    IDatabase           a database that services of a node may share
    IPresence           finds the processes that are connected to a peer
    IPeerRouting        finds the addresses of a peer
    IContentRouting     finds the peers that provide a key
    IDiscovery          finds the peers of a namespace
    IExplaining         a routing that describes its last lookup
    IPeerStore          everything that is known about peers: an IAddressBook, an
                        IKeyBook, an IProtocolBook and an IMetadataBook in one
    IProvider           a plugin that provides one of these by its name

Everything else that passes between rooms is Twisted's own: C{IProtocol},
C{IProtocolFactory}, C{ITransport}, endpoints, producers and consumers.
"""

from twisted_libp2p.interfaces.addressfilter import IAddressFilter
from twisted_libp2p.interfaces.allowance import IAllowance, ILimitedAddress
from twisted_libp2p.interfaces.connections import (
    IConnection,
    IConnectionManager,
    IExpendability,
    IGater,
    IManagedConnection,
)
from twisted_libp2p.interfaces.database import IDatabase
from twisted_libp2p.interfaces.dialing import (
    DEFAULT_OPTIONS,
    DialOptions,
    IFirstStream,
)
from twisted_libp2p.interfaces.direction import Direction, Role
from twisted_libp2p.interfaces.ending import Ending
from twisted_libp2p.interfaces.host import (
    IConnections,
    IDrainable,
    IEventBus,
    IHost,
    IHostService,
    IRegistration,
    IRegistry,
    ISubscription,
)
from twisted_libp2p.interfaces.layer import IFlushable, IHalfCloseable, ISwitchable
from twisted_libp2p.interfaces.limits import (
    IConnectionScope,
    IStreamScope,
    Resource,
    ScopeKind,
)
from twisted_libp2p.interfaces.muxer import (
    IMuxedConnection,
    IMuxer,
    IMuxerSession,
)
from twisted_libp2p.interfaces.ownaddresses import (
    AddressSource,
    Confidence,
    IMovingPort,
    IOwnAddresses,
    OwnAddress,
)
from twisted_libp2p.interfaces.peerinfo import (
    AddressInfo,
    Identification,
    PeerInfo,
    Source,
    TagInfo,
)
from twisted_libp2p.interfaces.peerstore import (
    IAddressBook,
    IKeyBook,
    IMetadataBook,
    IPeerStore,
    IProtocolBook,
)
from twisted_libp2p.interfaces.presence import IPresence
from twisted_libp2p.interfaces.providers import (
    IMuxerProvider,
    IProvider,
    ISecurityProvider,
    ITransportProvider,
)
from twisted_libp2p.interfaces.proxy import IKeepsToProxy, IProxy
from twisted_libp2p.interfaces.quic import (
    FIN,
    IQuicBackend,
    IQuicConnections,
    IQuicEndpoint,
    Knock,
    LossCause,
    QuicEvent,
    QuicSettings,
    QuicStats,
    ReceivedDatagram,
    SentDatagram,
    windowOf,
)
from twisted_libp2p.interfaces.reachability import Reachability, Verdict
from twisted_libp2p.interfaces.routing import (
    IContentRouting,
    IDiscovery,
    IExplaining,
    IPeerRouting,
)
from twisted_libp2p.interfaces.security import (
    Handshake,
    ISecureTransport,
    ISecurity,
    Secured,
)
from twisted_libp2p.interfaces.stream import (
    IMuxedStream,
    ISelfDelimiting,
    IStream,
)
from twisted_libp2p.interfaces.transport import (
    AnyTransport,
    FirstBytes,
    IAddressing,
    IBackedTransport,
    IInheritsPorts,
    IMuxedTransport,
    INativeSession,
    IOpaqueDials,
    IOpaqueListeners,
    IPacketPunching,
    IPeerTransport,
    IPortEndpoint,
    IReloadable,
    ITransport,
    ITrustedProxies,
    IUpgrade,
)
from twisted_libp2p.interfaces.typed import Connection, PeerStore, Stream

__all__ = [
    "DEFAULT_OPTIONS",
    "FIN",
    "AddressInfo",
    "AddressSource",
    "AnyTransport",
    "Confidence",
    "Connection",
    "DialOptions",
    "Direction",
    "Ending",
    "FirstBytes",
    "Handshake",
    "IAddressBook",
    "IAddressFilter",
    "IAddressing",
    "IAllowance",
    "IBackedTransport",
    "IConnection",
    "IConnectionManager",
    "IConnectionScope",
    "IConnections",
    "IContentRouting",
    "IDatabase",
    "IDiscovery",
    "IDrainable",
    "IEventBus",
    "IExpendability",
    "IExplaining",
    "IFirstStream",
    "IFlushable",
    "IGater",
    "IHalfCloseable",
    "IHost",
    "IHostService",
    "IInheritsPorts",
    "IKeepsToProxy",
    "IKeyBook",
    "ILimitedAddress",
    "IManagedConnection",
    "IMetadataBook",
    "IMovingPort",
    "IMuxedConnection",
    "IMuxedStream",
    "IMuxedTransport",
    "IMuxer",
    "IMuxerProvider",
    "IMuxerSession",
    "INativeSession",
    "IOpaqueDials",
    "IOpaqueListeners",
    "IOwnAddresses",
    "IPacketPunching",
    "IPeerRouting",
    "IPeerStore",
    "IPeerTransport",
    "IPortEndpoint",
    "IPresence",
    "IProtocolBook",
    "IProvider",
    "IProxy",
    "IQuicBackend",
    "IQuicConnections",
    "IQuicEndpoint",
    "IRegistration",
    "IRegistry",
    "IReloadable",
    "ISecureTransport",
    "ISecurity",
    "ISecurityProvider",
    "ISelfDelimiting",
    "IStream",
    "IStreamScope",
    "ISubscription",
    "ISwitchable",
    "ITransport",
    "ITransportProvider",
    "ITrustedProxies",
    "IUpgrade",
    "Identification",
    "Knock",
    "LossCause",
    "OwnAddress",
    "PeerInfo",
    "PeerStore",
    "QuicEvent",
    "QuicSettings",
    "QuicStats",
    "Reachability",
    "ReceivedDatagram",
    "Resource",
    "Role",
    "ScopeKind",
    "Secured",
    "SentDatagram",
    "Source",
    "Stream",
    "TagInfo",
    "Verdict",
    "windowOf",
]
