# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The node: the object that an application holds.

It joins an identity, transports, securities, muxers, the registry of protocols and the
services, and gives them one face.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from random import random
from typing import TYPE_CHECKING, Any, TypeVar, cast

from twisted.application.service import IService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IResolver,
    IStreamServerEndpoint,
)
from zope.interface import implementer

from twisted_libp2p import __version__
from twisted_libp2p.address import Multiaddr, PeerAddress
from twisted_libp2p.connection import ConnectionContext
from twisted_libp2p.connection.addressfilter import AddressFilter
from twisted_libp2p.connection.building import Builder
from twisted_libp2p.connection.dialrecord import DialRecord
from twisted_libp2p.connection.registry import Registry
from twisted_libp2p.connection.stack import MULTISTREAM
from twisted_libp2p.connmanager import ConnectionPolicy
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.events import EventBus
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import (
    AnyTransport,
    IBackedTransport,
    IConnection,
    IGater,
    IHost,
    IHostService,
    IMuxer,
    IPeerRouting,
    IPeerStore,
    IReloadable,
    ISecurity,
    ITransportProvider,
)
from twisted_libp2p.limits import Limits
from twisted_libp2p.limits.refusallog import RefusalLog
from twisted_libp2p.logger import Logger
from twisted_libp2p.node.addresses import OwnAddresses
from twisted_libp2p.node.arguments import checkKinds, networked, repeatable
from twisted_libp2p.node.listeners import Listenable
from twisted_libp2p.node.outgoing import OutgoingNode
from twisted_libp2p.node.parts import (
    makeConnections,
    makeDialer,
    makeListeners,
    makeProxy,
    makeUpgrader,
    openStore,
    usualServices,
)
from twisted_libp2p.node.routing import Routing
from twisted_libp2p.node.running import RunningNode
from twisted_libp2p.node.serving import ServingNode
from twisted_libp2p.node.stranger import Stranger
from twisted_libp2p.protocols.session import Partners, Session
from twisted_libp2p.reachability.service import ReachabilityService
from twisted_libp2p.transport.endpoint import NamedEndpoint
from twisted_libp2p.transport.private import PrivateNetwork
from twisted_libp2p.transport.proxies import TrustedProxies
from twisted_libp2p.transport.proxy import Proxy

if TYPE_CHECKING:
    # A program without it need not load it.
    from twisted_libp2p.pubsub.service import PubSub

S = TypeVar("S", bound=IService)

__all__ = ["MUXERS", "SECURITIES", "Node"]

#: The security protocols of a node by default, in order of preference.
SECURITIES = ("noise", "tls")

#: The muxers of a node by default, in order of preference.
MUXERS = ("yamux", "mplex")

#: The software that nodes of this package state.
AGENT = f"twisted_libp2p/{__version__}"

#: The network that nodes state by default.
PROTOCOL_VERSION = "ipfs/0.1.0"


@implementer(IHost)
class Node(ServingNode, OutgoingNode, RunningNode):
    """
    A libp2p peer.

    In a program, C{async with Node(...) as node:} starts it, and stops it at the end of
    the block or when the reactor stops.  It is a service too: below an application
    C{twistd} starts and stops it.  While it stops, and until
    it is started again, it refuses to connect, to listen and to open streams, with
    L{NodeStopping<twisted_libp2p.errors.NodeStopping>}.

    @param reactor: the reactor that it runs on.
    @param identity: its private key; a new Ed25519 key by default.
    @param listen: the addresses on which it listens after its start; in place of an
        address there may be a server endpoint of Twisted, or C{endpoint:} and its
        description.
    @param security: the security protocols, in order of preference: names of plugins,
        or providers of L{ISecurity<twisted_libp2p.interfaces.ISecurity>}.
    @param muxers: the muxers, in order of preference: names of plugins, or providers
        of L{IMuxer<twisted_libp2p.interfaces.IMuxer>}.
    @param transports: the transports: names of plugins, or providers of
        L{ITransport<twisted_libp2p.interfaces.ITransport>} or
        L{IMuxedTransport<twisted_libp2p.interfaces.IMuxedTransport>}; all plugins by
        default.
    @param network: its private network; only peers with the same key can connect.
    @param peerstore: the store of known peers: an object, or C{sqlite:PATH} or
        C{postgresql:DSN}; in memory by default.
    @param policy: how many connections it keeps: water marks, the order of trimming,
        keep-alive.
    @param limits: maximum numbers of connections, streams and bytes; by default as many
        as fit the machine.
    @param gater: decides which peers are dialed and let in; all of them by default.
    @param resolver: resolver for the TXT records of C{/dnsaddr} names; the name servers
        of the system by default.
    @param dialect: the first dialect on a transport that it opens: C{"multistream"} as
        all deployed peers, C{"bootstrap"} as the draft, C{"auto"} to try the latter.
    @param agent: the software that it states to peers.
    @param protocolVersion: the network that it states to peers.
    @param announce: addresses that it states in addition to those of its listeners,
        such as the public address of a gateway that forwards a port.
    @param proxies: addresses and networks, such as C{10.0.0.0/8}, of proxies in front
        of the node.  They are believed when they state the address of their client, by
        C{X-Forwarded-For} or the PROXY protocol; other peers are not.
    @param holePunching: whether relayed connections get a direct one beside them, where
        that can be; our public addresses are stated to the peer for this.
    @param reachability: whether it finds out at which of its addresses peers reach it,
        and answers others that ask the same (AutoNAT).
    @param services: services in addition to identify and ping, as for L{add}.
    @param routings: ways to find the addresses of a peer; the dialer asks them when it
        knows no address, and once more when all known ones have failed.
    @param dialThrough: a proxy through which it dials, such as
        C{"socks5://127.0.0.1:9050"} (L{Proxy<twisted_libp2p.transport.proxy.Proxy>});
        nothing is dialed or resolved around it.
    @param random: returns numbers from 0 to 1, which spread the waits before a lost
        peer is dialed again; a test makes these waits certain with C{lambda: 0.0}.
    @param strict: whether C{async with} raises the error of an address that the node
        cannot listen on, instead of going on without it.
    @raise ConfigurationError: an argument has no usable value.
    @raise InvalidMultiaddr: an address is malformed.

    @ivar reactor: the reactor, for sockets and names.
    @ivar clock: the reactor, for times and timers.
    @ivar identity: its private key.
    @ivar events: its events.
    @ivar registry: the protocols that it serves.
    @ivar peerstore: the known peers.
    @ivar connections: the service that owns its connections.
    @ivar proxy: the proxy through which it dials; None without one.
    @ivar ownAddresses: the addresses at which peers reach it, and their sources.
    @ivar addressFilter: decides which addresses that peers name are stored and dialed.
    @ivar listeners: the addresses on which it listens.
    @ivar proxies: the proxies that may state the address of their client.
    @ivar routing: the ways to find the addresses of a peer.
    @ivar life: its state.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        identity: Identity | None = None,
        listen: Listenable | Iterable[Listenable | Any] = (),
        *,
        security: str | Iterable[str | ISecurity | Any] = SECURITIES,
        muxers: str | Iterable[str | IMuxer | Any] = MUXERS,
        transports: Iterable[str | AnyTransport | ITransportProvider | Any]
        | None = None,
        network: PrivateNetwork | None = None,
        peerstore: IPeerStore | Any | str | None = None,
        policy: ConnectionPolicy | None = None,
        limits: Limits | None = None,
        gater: IGater | Any | None = None,
        resolver: IResolver | Any | None = None,
        dialect: str = MULTISTREAM,
        agent: str = AGENT,
        protocolVersion: str = PROTOCOL_VERSION,
        announce: Iterable[str | Multiaddr] = (),
        proxies: Iterable[str] = (),
        holePunching: bool = True,
        reachability: bool = True,
        services: Iterable[IHostService | Any] = (),
        routings: Iterable[IPeerRouting | Any] = (),
        dialThrough: Proxy | str | None = None,
        random: Callable[[], float] = random,
        strict: bool = True,
    ) -> None:
        super().__init__()
        checkKinds(identity, network, policy, limits, gater)
        transports = repeatable(transports)
        self.reactor = self.clock = reactor
        self.identity = identity or Identity.generate()
        self.events = EventBus()
        self.registry = Registry(RefusalLog(reactor.seconds, self.events))
        self.ownAddresses = OwnAddresses(self.peerID, reactor, self.events, announce)
        self.addressFilter = AddressFilter(self.ownAddresses, reactor.seconds)
        self.proxies = TrustedProxies(proxies)
        self.strict, self._random = strict, random
        self.routing = Routing(reactor, routings)
        self.peerstore = openStore(peerstore, self)
        self.connections = makeConnections(self, policy, limits, gater, random)
        self.proxy = makeProxy(self, dialThrough)
        self._transports = networked(transports, network, self)
        self._context = ConnectionContext(
            self.registry, self.events, reactor, self.connections
        )
        self.connections.unread = self._context.unread
        self._upgrader = makeUpgrader(self, self._context, security, muxers)
        self._waits = set()
        self._dialer = makeDialer(self, self._transports, dialect, resolver, random)
        self.listeners, self._endpointDials = makeListeners(
            self, self._transports, listen, network
        )
        usual = usualServices(agent, protocolVersion, holePunching, reachability)
        for each in (*usual, *services):
            self.add(each)
        make = partial(Node, reactor, security=security, muxers=muxers)
        self._stranger = Stranger(self, make, transports, network, gater)

    # Its parts

    def add(self, service: IHostService | Any) -> None:
        """
        Attach a service to this node; it starts and stops with the node, and starts
        at once if the node runs.  A service that provides
        L{IPeerRouting<twisted_libp2p.interfaces.IPeerRouting>} is asked by the dialer.

        @raise Exception: the service cannot be attached, such as when its protocol is
            served already; the node does not keep it then.
        """
        service.attach(self)
        service.setServiceParent(self)
        if IPeerRouting.providedBy(service):
            self.routing.add(service)

    def session(
        self,
        partners: Partners,
        protocol: str,
        factory: Builder,
        *,
        allowLimited: bool = False,
    ) -> Session:
        """
        Have one stream with each connected peer that speaks a protocol, and has a
        session of it too.  The peer with the smaller id opens the stream, and opens it
        again when it is lost.

        @param partners: C{"all"} for all peers, or a peer id, or several.
        @param protocol: the protocol id.
        @param factory: builds the protocol of each stream, as for C{serve}.
        @param allowLimited: whether streams may run over a relay.
        @return: the session; C{protocols} has the protocol of each peer, and C{cancel}
            ends it.
        @raise ConfigurationError: the protocol is served already, or its id is invalid.
        @raise InvalidPeerID: a partner is not a peer id.
        """
        session = Session(partners, protocol, factory, allowLimited=allowLimited)
        self.add(session)
        return session

    def service(self, kind: type[S]) -> S:
        """
        Return the service of a class.

        @param kind: such as L{PingService}.
        @raise ConfigurationError: this node has no such service.
        """
        for each in self.services:
            if isinstance(each, kind):
                return each
        raise ConfigurationError(
            f"this node has no {kind.__name__}: node.add({kind.__name__}(...)) adds one"
        )

    @property
    def peerID(self) -> PeerID:
        """
        The peer id of this node.
        """
        return self.identity.peerID

    @property
    def limits(self) -> Limits:
        """
        The limits of this node.
        """
        return self.connections.limiter.limits

    @property
    def addresses(self) -> list[Multiaddr]:
        """
        The addresses at which peers can dial this node now, with its peer id.
        """
        return self.ownAddresses.full()

    @property
    def reachability(self) -> ReachabilityService:
        """
        The service that knows whether peers can dial this node:
        C{node.reachability.state}, C{node.reachability.explain()}.

        @raise ConfigurationError: the node was made with C{reachability=False}.
        """
        return self.service(ReachabilityService)

    @property
    def pubsub(self) -> PubSub:
        """
        The service that publishes and subscribes: C{await node.pubsub.join("news")}.

        @raise ConfigurationError: none was added: C{node.add(PubSub())} adds it.
        """
        try:
            return cast("PubSub", self.getServiceNamed("pubsub"))
        except KeyError:
            raise ConfigurationError(
                "this node has no PubSub: node.add(PubSub(...)) adds one"
            ) from None

    def dialsBack(self, address: Multiaddr) -> bool:
        """
        Check whether C{dialBack} can dial an address.
        """
        return self._stranger.dials(address)

    def dialBack(self, peer: PeerID, address: Multiaddr) -> Deferred[IConnection]:
        """
        Dial one address of a peer as a stranger, as
        L{IHost<twisted_libp2p.interfaces.IHost>} says.
        """
        return self._stranger.dial(peer, address)

    def address(self, protocol: str | None = None) -> PeerAddress:
        """
        Return the address of this node: its peer id, and the first address at which it
        can be dialed.

        @param protocol: the protocol that the address names.
        """
        first = next(iter(self.addresses), None)
        place = None if first is None else first.withoutPeer()
        return PeerAddress(self.peerID, place, protocol)

    @property
    def dialRecord(self) -> DialRecord:
        """
        The record of its dials.
        """
        return self._dialer.record

    @property
    def backends(self) -> dict[str, str]:
        """
        The names and versions of the libraries that transports use, by the names of the
        transports; those that were not used yet are missing.
        """
        return {
            each.name: each.backendName
            for each in self._transports
            if IBackedTransport.providedBy(each) and each.backendName is not None
        }

    def reload(self) -> None:
        """
        Read the files again that others may change: certificates, and the list of a
        L{FileGater<twisted_libp2p.connmanager.FileGater>}.
        """
        for each in (*self._transports, self.connections.gatekeeper.gater):
            if IReloadable.providedBy(each):
                each.reload()

    # Listening

    def listenOn(
        self,
        address: str | Multiaddr | None = None,
        *,
        endpoint: IStreamServerEndpoint | Any | str | None = None,
    ) -> Deferred[list[Multiaddr]]:
        """
        Listen on one more address, or endpoint.

        @param address: port 0 takes a free port; C{0.0.0.0} and C{::} stand for all
            interfaces.
        @param endpoint: an endpoint of Twisted, or its description, in place of an
            address.
        @return: fires with the full addresses to dial, which an endpoint need not have.
            Fails with L{UnsupportedAddress<twisted_libp2p.errors.UnsupportedAddress>},
            or as the endpoint does.
        """
        opening = self.listeners.open(self._listenable(address, endpoint))
        return Deferred.fromCoroutine(opening).addCallback(
            lambda listener: listener.addresses
        )

    async def stopListeningOn(
        self,
        address: str | Multiaddr | None = None,
        *,
        endpoint: IStreamServerEndpoint | Any | str | None = None,
    ) -> None:
        """
        Stop to listen on an address, or endpoint; its connections go on.

        @param address: the address that was given to L{listenOn}.
        @param endpoint: the endpoint that was given to L{listenOn}.
        """
        await self.listeners.close(self._listenable(address, endpoint))

    def _listenable(
        self,
        address: str | Multiaddr | None,
        endpoint: IStreamServerEndpoint | str | None,
    ) -> str | Multiaddr | NamedEndpoint:
        if (address is None) == (endpoint is None):
            raise ConfigurationError("listen on an address, or endpoint=..., not both")
        if endpoint is not None:
            return NamedEndpoint.server(endpoint, self.reactor)
        assert address is not None
        return address
