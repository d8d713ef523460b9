# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The contracts between the rooms of twisted_libp2p::

    ITransport          a multiaddr becomes Twisted endpoints
    ISecurity           wraps a factory: bytes in, authenticated bytes out
    ISecureTransport    what such a wrapper is to the protocol above it
    IMuxer              wraps a factory: one connection in, many streams out
    IMuxerSession       the muxer of one connection, as its owner uses it
    IMuxedConnection    the owner: a factory of protocols for inbound streams
    IConnectionManager  is asked before there is a connection, and owns it then
    IConnectionScope    what one connection may have, and has, of all limits
    IStreamScope        the use of all limits by one stream
    IGater              says who is dialed and who is let in
    IExpendability      says which connections can be done without
    IPeerStore          everything that is known about peers: an IAddressBook, an
                        IKeyBook, an IProtocolBook and an IMetadataBook in one
    IProvider           a plugin that provides one of these by its name

Everything else that passes between rooms is Twisted's own: C{IProtocol},
C{IProtocolFactory}, C{ITransport}, endpoints, producers and consumers.
"""

from twisted_libp2p.interfaces.connections import (
    IConnectionManager,
    IConnectionScope,
    IExpendability,
    IGater,
    IStreamScope,
)
from twisted_libp2p.interfaces.direction import Direction, Role
from twisted_libp2p.interfaces.muxer import (
    IMuxedConnection,
    IMuxer,
    IMuxerSession,
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
from twisted_libp2p.interfaces.providers import (
    IMuxerProvider,
    IProvider,
    ISecurityProvider,
    ITransportProvider,
)
from twisted_libp2p.interfaces.security import (
    ISecureTransport,
    ISecurity,
)
from twisted_libp2p.interfaces.transport import (
    ITransport,
)

__all__ = [
    "AddressInfo",
    "Direction",
    "IAddressBook",
    "IConnectionManager",
    "IConnectionScope",
    "IExpendability",
    "IGater",
    "IKeyBook",
    "IMetadataBook",
    "IMuxedConnection",
    "IMuxer",
    "IMuxerProvider",
    "IMuxerSession",
    "IPeerStore",
    "IProtocolBook",
    "IProvider",
    "ISecureTransport",
    "ISecurity",
    "ISecurityProvider",
    "IStreamScope",
    "ITransport",
    "ITransportProvider",
    "Identification",
    "PeerInfo",
    "Role",
    "Source",
    "TagInfo",
]
