# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The node: what an application holds.

It joins an identity, transports, securities, muxers, the registry of
protocols and the services, and gives them one face.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from functools import lru_cache
from random import random
from typing import Any, TypeVar

from twisted.application.service import IService, MultiService
from twisted.internet.defer import (
    CancelledError,
    Deferred,
    fail,
    maybeDeferred,
    succeed,
)
from twisted.internet.interfaces import (
    IDelayedCall,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IResolver,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p import __version__
from twisted_libp2p.address import Multiaddr, PeerAddress, isWildcard, unmapped
from twisted_libp2p.connection import ConnectionContext, Dialer, Upgrader
from twisted_libp2p.connection.dnsaddr import DNSAddrResolver
from twisted_libp2p.connection.registry import Registration, Registry
from twisted_libp2p.connection.stack import MULTISTREAM
from twisted_libp2p.connmanager import ConnectionManager, ConnectionPolicy
from twisted_libp2p.errors import (
    ConfigurationError,
    NodeStopping,
    UnsupportedAddress,
)
from twisted_libp2p.events import (
    AddressesChanged,
    EventBus,
    Identified,
    Listen,
    ListenClose,
)
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import (
    IConnection,
    Identification,
    IGater,
    IHost,
    IHostService,
    IMuxer,
    IMuxerProvider,
    IPeerStore,
    ISecurity,
    ISecurityProvider,
    ITransport,
    ITransportProvider,
)
from twisted_libp2p.limits import Limits
from twisted_libp2p.node.arguments import check, provided
from twisted_libp2p.peerstore import PeerStoreUpdater, openPeerStore
from twisted_libp2p.plugin import providers
from twisted_libp2p.protocols.identify import IdentifyService
from twisted_libp2p.protocols.ping import Ping, PingService
from twisted_libp2p.transport.names import NameResolver
from twisted_libp2p.transport.private import PrivateNetwork, protect

S = TypeVar("S", bound=IService)

__all__ = ["MUXERS", "SECURITIES", "Listener", "Node", "ProtocolPort"]

#: The security protocols that a node speaks unless it is told otherwise, in the
#: order of preference.
SECURITIES = ("noise", "tls")

#: The muxers that it speaks, likewise.
MUXERS = ("yamux", "mplex")

#: The number of known peers to which a node connects when it starts, if its
#: peerstore outlives it; but no more than an eighth of its connections.
REJOINED = 16

#: The number of addresses of each of them that are tried.
REJOINED_ADDRESSES = 4

#: Seconds after which a node that listens on a wildcard looks at the interfaces of
#: this host again, as go-libp2p.
INTERFACE_INTERVAL = 5.0

#: What the nodes of this package say they are.
AGENT = f"twisted_libp2p/{__version__}"

#: The network that nodes say they belong to, unless told otherwise.
PROTOCOL_VERSION = "ipfs/0.1.0"


class Life(Enum):
    """
    Where a node is in its life.
    """

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    #: It stops, and will start again after that.
    RESTARTING = "restarting"


#: By where a node is and what happens: where it is then, and the method that does it.
#: What is not in the table changes nothing.
LIFE: dict[tuple[Life, str], tuple[Life, str | None]] = {
    (Life.STOPPED, "start"): (Life.STARTING, "_begin"),
    (Life.STARTING, "listening"): (Life.RUNNING, None),
    # A node that was never started may have connections all the same.
    (Life.STOPPED, "stop"): (Life.STOPPING, "_end"),
    (Life.STARTING, "stop"): (Life.STOPPING, "_end"),
    (Life.RUNNING, "stop"): (Life.STOPPING, "_end"),
    (Life.STOPPING, "start"): (Life.RESTARTING, None),
    (Life.RESTARTING, "stop"): (Life.STOPPING, None),
    (Life.STOPPING, "stopped"): (Life.STOPPED, None),
    (Life.RESTARTING, "stopped"): (Life.STARTING, "_begin"),
}


class Listener:
    """
    An address that a node listens on.

    @ivar requested: the address as it was asked for.
    @ivar port: the port that accepts connections.
    @ivar addresses: the real addresses, with the peer id.  Those of a wildcard change
        with the interfaces of this host.
    @ivar wildcard: whether the requested address stands for all of this host.
    @ivar users: how many share it.
    """

    _log = Logger()

    def __init__(
        self,
        requested: Multiaddr,
        port: IListeningPort,
        transport: ITransport,
        peerID: PeerID,
    ) -> None:
        self.requested = requested
        self.port = port
        self.addresses: list[Multiaddr] = []
        self.wildcard = isWildcard(unmapped(requested))
        self.users = 1
        self._transport = transport
        self._peerID = peerID
        self._blind = False

    def look(self) -> tuple[list[Multiaddr], list[Multiaddr]]:
        """
        Find out the addresses.  If the interfaces of this host cannot be listed,
        those that were known stay.

        @return: the addresses that are new, and those that are gone.
        """
        try:
            found = self._transport.listeningOn(self.requested, self.port)
        except OSError as error:
            if not self._blind:
                self._blind = True
                self._log.warn(
                    "listening on {address}, but at which addresses of this host is"
                    " not known: {error}",
                    address=str(self.requested),
                    error=str(error),
                )
            return [], []
        self._blind = False
        before = self.addresses
        self.addresses = [each.withPeer(self._peerID) for each in found]
        return (
            [each for each in self.addresses if each not in before],
            [each for each in before if each not in self.addresses],
        )


@implementer(IListeningPort)
class ProtocolPort:
    """
    A protocol that is served: what C{listen} of L{Node.listener} gives.
    """

    def __init__(
        self, node: Node, registration: Registration, factory: IProtocolFactory
    ) -> None:
        self._node = node
        self._registration: Registration | None = registration
        self._factory = factory

    def startListening(self) -> None:
        """
        Nothing to do: it serves since it was made.
        """

    def stopListening(self) -> Deferred[None]:
        """
        Serve no further stream; those that are open go on.
        """
        registration, self._registration = self._registration, None
        if registration is not None:
            registration.cancel()
            self._factory.doStop()
        return succeed(None)

    def getHost(self) -> Any:
        """
        Give our peer id, an address on which we listen, and the protocol.
        """
        return self._node.address(
            self._registration.protocols[0]
            if self._registration is not None and self._registration.protocols
            else None
        )


@implementer(IStreamServerEndpoint)
class _ProtocolServer:
    """
    Serves a protocol of a node.
    """

    def __init__(
        self, node: Node, protocols: str | Iterable[str] | Callable[[str], bool]
    ) -> None:
        self._node = node
        self._protocols = protocols

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Serve from now on.
        """
        try:
            registration = self._node.registry.register(
                self._protocols, protocolFactory
            )
        except ConfigurationError:
            return fail()
        protocolFactory.doStart()
        return succeed(ProtocolPort(self._node, registration, protocolFactory))


@implementer(IStreamClientEndpoint)
class _ProtocolClient:
    """
    Opens streams to a peer.
    """

    def __init__(
        self, node: Node, target: str | Multiaddr | PeerID, protocols: Sequence[str]
    ) -> None:
        self._node = node
        self._target = target
        self._protocols = protocols

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect to the peer if that is still to be done, and open a stream.
        """
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, protocolFactory: IProtocolFactory) -> IProtocol:
        connection = await self._node.connect(self._target)
        return await connection.openStream(self._protocols, protocolFactory)


@implementer(IHost)
class Node(MultiService):
    """
    A libp2p peer.

    Start it as any service, or below one; then it listens.

    @ivar reactor: the reactor, for sockets and names.
    @ivar clock: the reactor, for times and timers.
    @ivar identity: its private key.
    @ivar events: its events.
    @ivar registry: the protocols that it serves.
    @ivar peerstore: the known peers.
    @ivar connections: the service that owns its connections.
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
        transports: Iterable[str | ITransport] | None = None,
        network: PrivateNetwork | None = None,
        peerstore: IPeerStore | str | None = None,
        policy: ConnectionPolicy | None = None,
        limits: Limits | None = None,
        gater: IGater | None = None,
        resolver: IResolver | None = None,
        dialect: str = MULTISTREAM,
        agent: str = AGENT,
        protocolVersion: str = PROTOCOL_VERSION,
        services: Iterable[IHostService] = (),
        random: Callable[[], float] = random,
    ) -> None:
        """
        @param reactor: what it runs on.
        @param identity: who it is; a fresh Ed25519 key, by default.
        @param listen: the addresses on which it listens once it is started.
        @param security: the security protocols, in order of preference: names
            of plugins, or providers of
            L{ISecurity<twisted_libp2p.interfaces.ISecurity>}.
        @param muxers: the muxers, in order of preference: names of plugins,
            or providers of L{IMuxer<twisted_libp2p.interfaces.IMuxer>}.
        @param transports: what it dials and listens with: names of plugins, or
            providers of L{ITransport<twisted_libp2p.interfaces.ITransport>}; all
            plugins, by default.
        @param network: the private network that it belongs to; without its
            key nobody gets in, or out.
        @param peerstore: what it knows of peers: an object, or where it is
            kept, C{sqlite:PATH} or C{postgresql:DSN}; in memory, by default.
        @param policy: how many connections there should be: water marks, the
            order of trimming, keep-alive.
        @param limits: how many connections, streams and bytes there may be;
            what fits the machine, by default.
        @param gater: who is dialed and let in; everybody, by default.
        @param resolver: whom to ask what stands behind C{/dnsaddr}; the name
            servers of the system, by default.
        @param dialect: what it speaks first on a transport that it opens:
            C{"multistream"} as all deployed peers, C{"bootstrap"} as the
            draft, C{"auto"} to try the latter.
        @param agent: the software that it says it is.
        @param protocolVersion: the network that it says it belongs to.
        @param services: further services, as for L{add}; identify and ping are always
            there.
        @param random: returns numbers from 0 to 1, which spread the waits before a
            lost peer is dialed again; a test makes these waits certain with
            C{lambda: 0.0}.
        @raise ConfigurationError: an option has no usable value.
        @raise InvalidMultiaddr: an address is none.
        """
        super().__init__()
        for name, value, kind, right in (
            ("identity", identity, Identity, "Identity.fromFile(path)"),
            (
                "network",
                network,
                PrivateNetwork,
                "PrivateNetwork.fromFile(path)",
            ),
            ("policy", policy, ConnectionPolicy, "a ConnectionPolicy"),
            ("limits", limits, Limits, "the Limits of twisted_libp2p.limits"),
            ("gater", gater, IGater, "an IGater, such as a ListGater"),
        ):
            if value is not None:
                check(name, value, kind, right)
        self.reactor = reactor
        self.clock: IReactorTime = reactor
        self.identity = identity or Identity.generate()
        self.events = EventBus()
        self.registry = Registry()
        self.peerstore: IPeerStore = (
            openPeerStore(reactor, peerstore or "memory:")
            if peerstore is None or isinstance(peerstore, str)
            else peerstore
        )
        check("peerstore", self.peerstore, IPeerStore, "an IPeerStore or sqlite:PATH")
        # What is learnt is written by a service, if it is kept anywhere.
        kept = IService(self.peerstore, None)
        self._keeps = kept is not None
        if kept is not None and kept.parent is None:
            kept.setServiceParent(self)
        # It lives in its subscriptions.
        PeerStoreUpdater(self.peerstore, self.events)
        self.connections = ConnectionManager(
            reactor,
            self.events,
            policy=policy,
            limits=limits,
            gater=gater,
            dial=self.connect,
            ping=lambda connection: self.service(PingService).ping(connection),
            random=random,
        )
        self.connections.setServiceParent(self)
        self._transports = protect(
            self._everyTransport()
            if transports is None
            else provided(
                ITransportProvider, "transports", transports, ITransport, self
            ),
            network,
        )
        self._services = ConnectionContext(
            self.registry, self.events, reactor, self.connections
        )
        self.connections.unread = self._services.unread
        self._upgrader = Upgrader(
            self.identity,
            provided(ISecurityProvider, "security", security, ISecurity, self),
            provided(IMuxerProvider, "muxers", muxers, IMuxer, self),
            self._services,
        )
        self._dialer = Dialer(
            self._upgrader,
            self._transports,
            self.peerstore,
            dialect,
            resolver=DNSAddrResolver(
                reactor, resolver, lambda each: self._dialer.dials(each)
            ),
            names=NameResolver(reactor),
            own=lambda: self.addresses,
            existing=self.connections.to,
            instead=self.connections.instead,
        )
        self.peerstore.prefer(self._dialer.dials)
        self.events.subscribe(
            Identified,
            lambda event: self._dialer.hearsay.heard(
                event.peer, event.connection.remoteAddress, event.listenAddresses
            ),
        )
        self._requested = [self._listenable(each) for each in Multiaddr.several(listen)]
        self._listeners: list[Listener] = []
        self._looking: IDelayedCall | None = None
        self._rejoining: Deferred[None] | None = None
        self._starting: Deferred[Exception | None] | None = None
        self.life = Life.STOPPED
        # How often it was stopped: what was begun before that is void.
        self._era = 0
        # Those that wait for the end of a stop.
        self._stopped: list[Deferred[Any]] = []
        # What privilegedStartService has begun, and on how many of the requested
        # addresses it has listened.
        self._binding: Deferred[None] | None = None
        self._bound = 0
        # What the subscribers of AddressesChanged know.
        self._announced: tuple[Multiaddr, ...] = ()
        self.add(IdentifyService(agent=agent, protocolVersion=protocolVersion))
        self.add(PingService())
        for each in services:
            self.add(each)

    def _everyTransport(self) -> list[ITransport]:
        """
        Make the transports of all plugins, without those that cannot be made: no
        user has asked for them by name.
        """
        found = []
        for provider in providers(ITransportProvider).values():
            try:
                found.append(provider.provide(self))
            except ConfigurationError as error:
                self._log.warn("{error}", error=str(error))
        return found

    def add(self, service: IHostService) -> None:
        """
        Attach a service to this node; it starts and stops with the node, and starts
        at once if the node runs.

        @raise Exception: the service cannot be attached, such as when its protocol is
            served already; it is no service of the node then.
        """
        service.attach(self)
        service.setServiceParent(self)

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
        The full addresses at which peers can dial this node by now.
        """
        return [address for each in self._listeners for address in each.addresses]

    def address(self, protocol: str | None = None) -> Any:
        """
        @return: the L{PeerAddress<twisted_libp2p.address.PeerAddress>} of
            this node for a protocol.
        """
        first = next(iter(self.addresses), None)
        return PeerAddress(
            self.peerID, first.withoutPeer() if first is not None else None, protocol
        )

    # Listening

    def privilegedStartService(self) -> None:
        """
        Listen before C{twistd} changes its user, for only root may listen on low
        ports.

        @raise Exception: an address that the node was made with cannot be
            listened on, and the program had better end.
        """
        super().privilegedStartService()
        failures: list[Failure] = []
        self._binding = Deferred.fromCoroutine(self._bindAll())
        self._binding.addErrback(failures.append)
        if failures:
            failures[0].raiseException()

    async def _bindAll(self) -> None:
        for address in self._requested:
            await self.listenOn(address)
            self._bound += 1

    def startService(self) -> None:
        """
        Start to listen on the addresses that the node was made with;
        L{whenListening} reports the result.  A node that is stopping starts again
        when it has stopped.
        """
        self._happened("start")

    def _happened(self, event: str) -> None:
        """
        Go on to the next state of L{LIFE}, and do what belongs to it.
        """
        following = LIFE.get((self.life, event))
        if following is not None:
            self.life, effect = following
            if effect is not None:
                getattr(self, effect)()

    def _begin(self) -> None:
        """
        Start: first the services, then the listeners.
        """
        era = self._era
        self._services.admit(True)
        super().startService()
        if era != self._era:
            # A service has stopped the node as it was started.
            return
        starting = Deferred.fromCoroutine(self._listenAll())
        if era != self._era:
            # A subscriber of L{Listen} has.
            starting.cancel()
            return
        self._starting = starting
        if self._keeps:
            self._rejoining = Deferred.fromCoroutine(self._rejoin())

    async def _rejoin(self) -> None:
        """
        Connect to a few known peers, as soon as the peerstore has loaded them:
        to peers that we had dialed, or that had stayed, rather than to any
        stranger that came last.
        """
        try:
            await self.peerstore.whenLoaded()
        except (CancelledError, ConfigurationError) as error:
            self._log.debug("nobody is known: {error}", error=str(error))
            return
        cap = self.connections.limiter.limits.system.connections
        for peer in self.peerstore.recent(min(REJOINED, max(cap // 8, 1))):
            if self.connections.to(peer):
                continue
            self._dialer.dial(peer, few=REJOINED_ADDRESSES).addErrback(
                lambda reason: self._log.debug(
                    "{reason}", reason=reason.getErrorMessage()
                )
            )

    async def _listenAll(self) -> Exception | None:
        """
        Listen on the addresses that the node was made with.

        @return: why one of them cannot be listened on; None if all can.
        """
        era = self._era
        failure: Exception | None = None
        binding, self._binding = self._binding, None
        try:
            if binding is not None:
                await binding
            bound, self._bound = self._bound, 0
            for address in self._requested[bound:]:
                if era != self._era:
                    raise NodeStopping
                await self.listenOn(address)
        except (CancelledError, NodeStopping) as error:
            failure = error
        except Exception as error:
            failure = error
            self._log.error("cannot listen: {error}", error=str(error))
        if era == self._era:
            self._happened("listening")
        return failure

    def whenListening(self) -> Deferred[list[Multiaddr]]:
        """
        Wait until the started node listens on all its addresses.

        @return: fires with the full addresses to dial; fails with why one of
            them cannot be listened on.
        """
        waiting: Deferred[list[Multiaddr]] = Deferred()
        if self.life is Life.RESTARTING:
            self._stopped.append(waiting)
            return waiting.addCallback(lambda _: self.whenListening())
        if self._starting is None:
            return fail(ConfigurationError("the node is not started"))

        def tell(error: Exception | None) -> Exception | None:
            if error is not None:
                waiting.errback(error)
            else:
                waiting.callback(self.addresses)
            return error

        self._starting.addCallback(tell)
        return waiting

    def listenOn(self, address: str | Multiaddr) -> Deferred[list[Multiaddr]]:
        """
        Listen on one more address.

        @param address: port 0 takes a free one; C{0.0.0.0} and C{::} stand
            for all interfaces.
        @return: fires with the full addresses to dial.  Fails with
            L{UnsupportedAddress}, or as the endpoint does.
        """
        return Deferred.fromCoroutine(self._listenOn(address))

    async def _listenOn(self, address: str | Multiaddr) -> list[Multiaddr]:
        return (await self._open(self._listenable(address))).addresses

    async def _open(self, requested: Multiaddr) -> Listener:
        if not self._services.open:
            raise NodeStopping
        era = self._era
        transport = next(each for each in self._transports if each.canListen(requested))
        port = await transport.serverEndpoint(requested).listen(
            self._upgrader.inbound(transport)
        )
        if era != self._era:
            # The node was stopped meanwhile, and nobody else knows of this port.
            await maybeDeferred(port.stopListening)
            raise NodeStopping
        listener = Listener(requested, port, transport, self.peerID)
        try:
            added, _ = listener.look()
        except BaseException:
            # Nobody else knows of the port.
            await maybeDeferred(port.stopListening)
            raise
        self._listeners.append(listener)
        if listener.wildcard and self._looking is None:
            self._lookLater()
        self._announce(added, [])
        self._addressesChanged()
        return listener

    def _announce(self, added: list[Multiaddr], gone: list[Multiaddr]) -> None:
        """
        Log and publish where we listen now, and where we no longer do.
        """
        for each in gone:
            self._log.info("no longer listening on {address}", address=str(each))
            self.events.publish(ListenClose(time=self.reactor.seconds(), address=each))
        era = self._era
        for each in added:
            if era != self._era:
                # A subscriber has stopped the node, and so closed them all.
                return
            self._log.info("listening on {address}", address=str(each))
            self.events.publish(Listen(time=self.reactor.seconds(), address=each))

    def _addressesChanged(self) -> None:
        """
        Publish the addresses on which we listen, if they have changed.
        """
        addresses = tuple(each.withoutPeer() for each in self.addresses)
        before, self._announced = self._announced, addresses
        if set(before) != set(addresses):
            self.events.publish(
                AddressesChanged(
                    time=self.clock.seconds(), peer=self.peerID, addresses=addresses
                )
            )

    def _lookLater(self) -> None:
        self._looking = self.reactor.callLater(INTERFACE_INTERVAL, self._lookAgain)

    def _lookAgain(self) -> None:
        """
        Look at the interfaces of this host again, which come and go, as long as any
        listener depends on them; and announce the changes to the peers.
        """
        self._looking = None
        listeners = [each for each in self._listeners if each.wildcard]
        if not listeners:
            return
        self._lookLater()
        changed = False
        for listener in listeners:
            if listener not in self._listeners:
                # The application has closed it when it was notified of another.
                continue
            try:
                added, gone = listener.look()
            except Exception:
                self._log.failure(
                    "the addresses of {address} are not known",
                    address=str(listener.requested),
                )
                continue
            self._announce(added, gone)
            changed = changed or bool(added or gone)
        if changed:
            self._addressesChanged()

    async def stopListeningOn(self, address: str | Multiaddr) -> None:
        """
        Listen no more on an address; its connections go on.

        @param address: what was given to L{listenOn}.
        """
        requested = self._listenable(address)
        for listener in [
            each for each in self._listeners if each.requested == requested
        ]:
            if listener in self._listeners:
                self._listeners.remove(listener)
                await self._close(listener)
        self._addressesChanged()

    async def share(self, address: str | Multiaddr) -> Listener:
        """
        Listen on an address, together with whoever does already.

        @param address: as for L{listenOn}.
        """
        requested = self._listenable(address)
        for listener in self._listeners:
            if listener.requested == requested:
                listener.users += 1
                return listener
        return await self._open(requested)

    async def release(self, listener: Listener) -> None:
        """
        End one L{share}; with the last one, listen no more.
        """
        listener.users -= 1
        if not listener.users and listener in self._listeners:
            self._listeners.remove(listener)
            await self._close(listener)
            self._addressesChanged()

    async def _close(self, listener: Listener) -> None:
        """
        Close a listener; one that cannot be closed keeps nothing else from its end.
        """
        try:
            await maybeDeferred(listener.port.stopListening)
        except Exception:
            self._log.failure(
                "{address} cannot be closed", address=str(listener.requested)
            )
        for address in listener.addresses:
            self.events.publish(
                ListenClose(time=self.reactor.seconds(), address=address)
            )

    def _listenable(self, address: str | Multiaddr) -> Multiaddr:
        """
        @raise UnsupportedAddress: no transport of this node can listen on it.
        @raise ConfigurationError: it ends in the id of another peer.
        """
        parsed = Multiaddr.of(address)
        if parsed.peerID not in (None, self.peerID):
            raise ConfigurationError(
                f"{parsed} belongs to another peer: this node is {self.peerID}"
            )
        parsed = parsed.withoutPeer()
        if not any(each.canListen(parsed) for each in self._transports):
            raise UnsupportedAddress(
                f"no transport of this node listens on {parsed};"
                " /ip4/127.0.0.1/tcp/4001 is one that TCP listens on"
            )
        return parsed

    def stopService(self) -> Deferred[None]:
        """
        Stop: first the listeners, then what is being dialed and upgraded,
        then the connections, within two seconds, then the rest.

        From now on the node refuses to connect, to listen and to open streams,
        with L{NodeStopping<twisted_libp2p.errors.NodeStopping>}, until it is
        started again.

        @return: fires when the node has stopped.
        """
        waiting: Deferred[None] = Deferred()
        self._stopped.append(waiting)
        self._happened("stop")
        return waiting

    def _end(self) -> None:
        """
        Take no more orders, and stop.
        """
        self._era += 1
        self.running = 0
        self._services.admit(False)
        Deferred.fromCoroutine(self._stop()).addErrback(
            lambda reason: self._log.failure("the node failed to stop", reason)
        ).addBoth(self._hasStopped)

    def _hasStopped(self, _: object) -> None:
        """
        Go on with what was asked for meanwhile, and report the end of the stop.
        """
        waiting, self._stopped = self._stopped, []
        self._happened("stopped")
        for each in waiting:
            each.callback(None)

    async def _stop(self) -> None:
        self._bound = 0
        starting, self._starting = self._starting, None
        rejoining, self._rejoining = self._rejoining, None
        binding, self._binding = self._binding, None
        for pending in (starting, rejoining, binding):
            if pending is not None:
                pending.cancel()
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            await self._close(listener)
        upgrading = len(self._upgrader.upgrades)
        self._dialer.stop()
        self._upgrader.upgrades.abortAll()
        await self.connections.stopService()
        # Those that had ended before, and whose streams nobody has read.
        for connection in list(self._services.unread):
            connection.close()
        await maybeDeferred(super().stopService)
        if upgrading:
            # What was aborted is gone in the next turn of the reactor.
            await deferLater(self.reactor, 0)

    # Connecting

    def connect(self, target: str | Multiaddr | PeerID) -> Deferred[IConnection]:
        """
        Give a connection to a peer: one that is there, or a new one.

        @param target: a peer id, whose addresses are known; or an address,
            with the peer id at its end, or without one to take whoever
            answers; a peer that is connected already keeps that connection.
        @return: fires with the connection.  Fails with
            L{DialFailed<twisted_libp2p.errors.DialFailed>}, which tells for
            each address why, with
            L{NoAddresses<twisted_libp2p.errors.NoAddresses>}, or with
            L{DialToSelf<twisted_libp2p.errors.DialToSelf>}, or, after
            L{stopService}, with
            L{NodeStopping<twisted_libp2p.errors.NodeStopping>}.
        """
        if not self._services.open:
            return fail(NodeStopping())
        try:
            peer, addresses = _parse(target)
        except ValueError:
            return fail()
        if peer is not None:
            for connection in self.connections.to(peer):
                if connection.connected:
                    return succeed(connection)
        return self._dialer.dial(peer, addresses)

    def openStream(
        self,
        target: str | Multiaddr | PeerID,
        protocols: str | Sequence[str],
        factory: IProtocolFactory,
    ) -> Deferred[IProtocol]:
        """
        Connect to a peer, unless that is done, and open a stream.

        @param target: as for L{connect}.
        @param protocols: a protocol id, or several in order of preference.
        @param factory: builds the protocol of the stream.
        @return: fires with the connected protocol.
        """
        return self.connector(target, protocols).connect(factory)

    def listener(
        self, protocols: str | Iterable[str] | Callable[[str], bool]
    ) -> IStreamServerEndpoint:
        """
        Give an endpoint that serves a protocol to the peers of this node.

        @param protocols: a protocol id, or several, or a function that tells
            for an id whether it is served; C{transport.getHost()} tells a
            protocol which one was agreed.
        """
        return _ProtocolServer(self, protocols)

    def connector(
        self, target: str | Multiaddr | PeerID, protocols: str | Sequence[str]
    ) -> IStreamClientEndpoint:
        """
        Give an endpoint that opens streams to a peer.

        @param target: as for L{connect}.
        @param protocols: a protocol id, or several in order of preference.
        """
        return _ProtocolClient(
            self, target, (protocols,) if isinstance(protocols, str) else protocols
        )

    # Questions to peers

    async def ping(self, target: str | Multiaddr | PeerID) -> float:
        """
        Ping a peer once.

        @return: the round trip in seconds.
        """
        return await self.service(PingService).ping(await self.connect(target))

    async def pinger(self, target: str | Multiaddr | PeerID) -> Ping:
        """
        Open a stream for any number of pings.
        """
        return await self.service(PingService).open(await self.connect(target))

    async def identify(self, target: str | Multiaddr | PeerID) -> Identification:
        """
        Return the description that a peer gives of itself.
        """
        connection = await self.connect(target)
        return await self.service(IdentifyService).identified(connection)


def _parse(
    target: str | Multiaddr | PeerID,
) -> tuple[PeerID | None, list[Multiaddr]]:
    """
    Take apart what is to be connected to.

    @raise InvalidMultiaddr: it begins with a slash and is no address.
    @raise InvalidPeerID: it is no peer id.
    """
    if isinstance(target, PeerID):
        return target, []
    if isinstance(target, str):
        peer, address = _read(target)
    elif isinstance(target, Multiaddr):
        peer, address = _split(target)
    else:
        # Neither an id nor an address: say what would be one.
        return PeerID.of(target), []
    return peer, [address] if address else []


@lru_cache(128)
def _read(text: str) -> tuple[PeerID | None, Multiaddr | None]:
    """
    Read what is to be connected to.  Programs say it time and again, and to read
    a peer id takes as long as to verify a signature.
    """
    if text.startswith("/"):
        return _split(Multiaddr(text))
    return PeerID.fromText(text), None


def _split(address: Multiaddr) -> tuple[PeerID | None, Multiaddr | None]:
    """
    Take the peer from its address.
    """
    return address.peerID, address.withoutPeer() or None
