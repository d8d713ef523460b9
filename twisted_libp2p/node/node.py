# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The node: the object that an application holds.

It joins an identity, transports, securities, muxers, the registry of protocols and the
services, and gives them one face.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import random
from typing import Any, TypeVar

from twisted.application.service import IService, MultiService
from twisted.internet.defer import (
    Deferred,
    fail,
    succeed,
)
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IResolver,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from twisted.internet.task import deferLater
from twisted.logger import Logger
from zope.interface import implementer

from twisted_libp2p import __version__
from twisted_libp2p.address import Multiaddr, PeerAddress
from twisted_libp2p.connection import ConnectionContext, Upgrader
from twisted_libp2p.connection.registry import Registry
from twisted_libp2p.connection.stack import MULTISTREAM
from twisted_libp2p.connmanager import ConnectionPolicy
from twisted_libp2p.errors import ConfigurationError, NodeStopping
from twisted_libp2p.events import EventBus
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import (
    DEFAULT_OPTIONS,
    AnyTransport,
    DialOptions,
    IConnection,
    Identification,
    IGater,
    IHost,
    IHostService,
    IMuxer,
    IMuxerProvider,
    IPeerRouting,
    IPeerStore,
    ISecurity,
    ISecurityProvider,
    ITransportProvider,
)
from twisted_libp2p.limits import Limits
from twisted_libp2p.node.addresses import OwnAddresses
from twisted_libp2p.node.arguments import checkKinds, networked, provided
from twisted_libp2p.node.life import Life, LivingService, stopAll
from twisted_libp2p.node.listeners import Listeners
from twisted_libp2p.node.parts import makeConnections, makeDialer, openStore
from twisted_libp2p.node.rejoin import rejoin
from twisted_libp2p.node.serving import ProtocolClient, ProtocolServer, hostAddress
from twisted_libp2p.node.targets import Target, parse
from twisted_libp2p.protocols.identify import IdentifyService
from twisted_libp2p.protocols.ping import Ping, PingService
from twisted_libp2p.transport.private import PrivateNetwork

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

#: Seconds that the services of a stopping node have before its connections are closed.
SERVICES_TIME = 1.0


@implementer(IHost)
class Node(LivingService):
    """
    A libp2p peer.

    Start it as any service, or below one; then it listens.  While it stops, and until
    it is started again, it refuses to connect, to listen and to open streams, with
    L{NodeStopping<twisted_libp2p.errors.NodeStopping>}.

    @param reactor: the reactor that it runs on.
    @param identity: its private key; a new Ed25519 key by default.
    @param listen: the addresses on which it listens after its start.
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
    @param services: services in addition to identify and ping, as for L{add}.
    @param routings: ways to find the addresses of a peer; the dialer asks them when it
        knows no address, and once more when all known ones have failed.
    @param random: returns numbers from 0 to 1, which spread the waits before a lost
        peer is dialed again; a test makes these waits certain with C{lambda: 0.0}.
    @raise ConfigurationError: an argument has no usable value.
    @raise InvalidMultiaddr: an address is malformed.

    @ivar reactor: the reactor, for sockets and names.
    @ivar clock: the reactor, for times and timers.
    @ivar identity: its private key.
    @ivar events: its events.
    @ivar registry: the protocols that it serves.
    @ivar peerstore: the known peers.
    @ivar connections: the service that owns its connections.
    @ivar ownAddresses: the addresses at which peers reach it, and their sources.
    @ivar listeners: the addresses on which it listens.
    @ivar routings: the ways to find the addresses of a peer.
    @ivar life: its state.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        identity: Identity | None = None,
        listen: Iterable[str | Multiaddr] = (),
        *,
        security: str | Iterable[str | ISecurity] = SECURITIES,
        muxers: str | Iterable[str | IMuxer] = MUXERS,
        transports: Iterable[str | AnyTransport | ITransportProvider] | None = None,
        network: PrivateNetwork | None = None,
        peerstore: IPeerStore | str | None = None,
        policy: ConnectionPolicy | None = None,
        limits: Limits | None = None,
        gater: IGater | None = None,
        resolver: IResolver | None = None,
        dialect: str = MULTISTREAM,
        agent: str = AGENT,
        protocolVersion: str = PROTOCOL_VERSION,
        announce: Iterable[str | Multiaddr] = (),
        services: Iterable[IHostService] = (),
        routings: Iterable[IPeerRouting] = (),
        random: Callable[[], float] = random,
    ) -> None:
        super().__init__()
        checkKinds(identity, network, policy, limits, gater)
        self.reactor = reactor
        self.clock: IReactorTime = reactor
        self.identity = identity or Identity.generate()
        self.events = EventBus()
        self.registry = Registry()
        self.ownAddresses = OwnAddresses(self.peerID, reactor, self.events, announce)
        self.routings: list[IPeerRouting] = list(routings)
        self.peerstore = openStore(peerstore, self)
        self.connections = makeConnections(self, policy, limits, gater, random)
        self._transports = networked(transports, network, self)
        self._context = ConnectionContext(
            self.registry, self.events, reactor, self.connections
        )
        self.connections.unread = self._context.unread
        self._upgrader = Upgrader(
            self.identity,
            provided(ISecurityProvider, "security", security, ISecurity, self),
            provided(IMuxerProvider, "muxers", muxers, IMuxer, self),
            self._context,
        )
        self._dialer = makeDialer(
            self, self._upgrader, self._transports, dialect, resolver
        )
        self.listeners = Listeners(
            self.ownAddresses, self._transports, self._upgrader.listen, listen
        )
        self._rejoining: Deferred[None] | None = None
        self.add(IdentifyService(agent=agent, protocolVersion=protocolVersion))
        self.add(PingService())
        for each in services:
            self.add(each)

    # Its parts

    def add(self, service: IHostService) -> None:
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
            self.routings.append(service)

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

    def address(self, protocol: str | None = None) -> PeerAddress:
        """
        Return the address of this node for a protocol.
        """
        return hostAddress(self, protocol)

    # Life

    def privilegedStartService(self) -> None:
        """
        Listen before C{twistd} changes its user, for only root may listen on low
        ports.

        @raise Exception: an address that the node was made with cannot be listened
            on, and the program should end.
        """
        super().privilegedStartService()
        self.listeners.bind()

    def begin(self) -> None:
        """
        Start the services, then the listeners.
        """
        stops = self.listeners.stops
        self._admit(True)
        MultiService.startService(self)
        if stops != self.listeners.stops:
            # A service has stopped the node as it was started.
            return
        self.listeners.start(lambda: self.happened("listening"))
        if stops == self.listeners.stops and IService.providedBy(self.peerstore):
            self._rejoining = Deferred.fromCoroutine(
                rejoin(self.peerstore, self.connections, self._dialer)
            )

    def _admit(self, open: bool) -> None:
        """
        Let connections, streams and listeners begin, or refuse them from now on.
        """
        self._context.admit(open)
        self.listeners.admit(open)

    def whenListening(self) -> Deferred[list[Multiaddr]]:
        """
        Wait until the started node listens on all its addresses.

        @return: fires with the full addresses to dial; fails with the error of one
            that cannot be listened on.
        """
        if self.life is Life.RESTARTING:
            return self.whenStopped().addCallback(lambda _: self.whenListening())
        return self.listeners.whenStarted().addCallback(lambda _: self.addresses)

    def refuse(self) -> None:
        """
        Refuse to connect, to listen and to open streams, with
        L{NodeStopping<twisted_libp2p.errors.NodeStopping>}.
        """
        self._admit(False)

    async def end(self) -> None:
        """
        Stop the listeners, the dials and the upgrades, then the services, within a
        second, then the connections, within two seconds, then the rest.
        """
        rejoining, self._rejoining = self._rejoining, None
        if rejoining is not None:
            rejoining.cancel()
        await self.listeners.closeAll()
        upgrading = len(self._upgrader.upgrades)
        self._dialer.stop()
        self._upgrader.upgrades.abortAll()
        speaking = [each for each in self.services if IHostService.providedBy(each)]
        await stopAll(speaking, self.clock, SERVICES_TIME)
        await self.connections.stopService()
        # Connections that had ended before, and whose streams have unread bytes.
        for connection in list(self._context.unread):
            connection.close()
        stopped = [*speaking, self.connections]
        await stopAll(
            [each for each in self.services if each not in stopped], self.clock
        )
        if upgrading:
            # Aborted transports are gone in the next turn of the reactor.
            await deferLater(self.reactor, 0)

    # Listening

    def listenOn(self, address: str | Multiaddr) -> Deferred[list[Multiaddr]]:
        """
        Listen on one more address.

        @param address: port 0 takes a free port; C{0.0.0.0} and C{::} stand for all
            interfaces.
        @return: fires with the full addresses to dial.  Fails with
            L{UnsupportedAddress<twisted_libp2p.errors.UnsupportedAddress>}, or as the
            endpoint does.
        """
        return Deferred.fromCoroutine(self.listeners.open(address)).addCallback(
            lambda listener: listener.addresses
        )

    async def stopListeningOn(self, address: str | Multiaddr) -> None:
        """
        Stop to listen on an address; its connections go on.

        @param address: the address that was given to L{listenOn}.
        """
        await self.listeners.close(address)

    def listener(
        self, protocols: str | Iterable[str] | Callable[[str], bool]
    ) -> IStreamServerEndpoint:
        """
        Return an endpoint that serves a protocol to the peers of this node.

        @param protocols: a protocol id, or several, or a function that returns
            whether an id is served; C{transport.getHost()} has the negotiated id.
        """
        return ProtocolServer(self, protocols)

    # Connecting

    def connect(
        self, target: Target, options: DialOptions = DEFAULT_OPTIONS
    ) -> Deferred[IConnection]:
        """
        Return an existing connection to a peer, or open one.

        @param target: a peer id, whose addresses are known; or an address, with the
            peer id at its end, or without one to take any peer that answers; a peer
            that is connected already keeps that connection.
        @param options: how to dial.
        @return: fires with the connection.  Fails with
            L{DialFailed<twisted_libp2p.errors.DialFailed>}, which has the error of each
            address, with L{NoAddresses<twisted_libp2p.errors.NoAddresses>}, with
            L{DialToSelf<twisted_libp2p.errors.DialToSelf>}, or, after a stop,
            with L{NodeStopping<twisted_libp2p.errors.NodeStopping>}.
        """
        if not self._context.open:
            return fail(NodeStopping())
        try:
            peer, addresses = parse(target)
        except ValueError:
            return fail()
        if peer is not None and not options.fresh:
            for connection in self.connections.to(peer):
                if connection.connected:
                    return succeed(connection)
        return self._dialer.dial(peer, addresses, options=options)

    def openStream(
        self,
        target: Target,
        protocols: str | Sequence[str],
        factory: IProtocolFactory,
        options: DialOptions = DEFAULT_OPTIONS,
    ) -> Deferred[IProtocol]:
        """
        Connect to a peer, unless that is done, and open a stream.

        @param target: as for L{connect}.
        @param protocols: a protocol id, or several in order of preference.
        @param factory: builds the protocol of the stream.
        @param options: how to dial, and whether the stream may run over a relay.
        @return: fires with the connected protocol.
        """
        return self.connect(target, options).addCallback(
            lambda connection: connection.openStream(
                protocols, factory, allowLimited=options.allowLimited
            )
        )

    def connector(
        self,
        target: Target,
        protocols: str | Sequence[str],
        options: DialOptions = DEFAULT_OPTIONS,
    ) -> IStreamClientEndpoint:
        """
        Return an endpoint that opens streams to a peer.

        @param target: as for L{connect}.
        @param protocols: a protocol id, or several in order of preference.
        @param options: how to dial, and whether the stream may run over a relay.
        """
        return ProtocolClient(self, target, protocols, options)

    # Questions to peers

    async def ping(self, target: Target) -> float:
        """
        Ping a peer once.

        @return: the round trip in seconds.
        """
        return await self.service(PingService).ping(await self.connect(target))

    async def pinger(self, target: Target) -> Ping:
        """
        Open a stream for any number of pings.
        """
        return await self.service(PingService).open(await self.connect(target))

    async def identify(self, target: Target) -> Identification:
        """
        Return the description that a peer gives of itself.
        """
        connection = await self.connect(target)
        return await self.service(IdentifyService).identified(connection)
