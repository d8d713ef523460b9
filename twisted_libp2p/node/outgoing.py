# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The way from a node to its peers: connections, streams and questions.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final, TypeVar, cast, overload

from twisted.application.service import IService
from twisted.internet.defer import Deferred, TimeoutError, fail, succeed
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.connection import ConnectionContext
from twisted_libp2p.connection.building import Builder, factoryOf
from twisted_libp2p.connection.connection import isDirect
from twisted_libp2p.connection.dialer import Dialer
from twisted_libp2p.connection.endpointdials import EndpointDials
from twisted_libp2p.connection.firststream import FirstStream
from twisted_libp2p.connection.talk import Talk
from twisted_libp2p.connmanager.service import ConnectionManager
from twisted_libp2p.errors import (
    ConfigurationError,
    LimitedConnection,
    NodeStopping,
    UnsupportedAddress,
)
from twisted_libp2p.events import EventBus, OpenedConn
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    DEFAULT_OPTIONS,
    Connection,
    DialOptions,
    IConnection,
    Identification,
    IProxy,
    PeerStore,
    Role,
)
from twisted_libp2p.node.keeping import Keeping
from twisted_libp2p.node.targets import Target, isEndpoint, parse
from twisted_libp2p.pacing import addTimeout
from twisted_libp2p.protocols.exchange import MAX_MESSAGE, TIMEOUT, Exchange
from twisted_libp2p.protocols.identify import IdentifyService
from twisted_libp2p.protocols.ping import Ping, PingService
from twisted_libp2p.transport.endpoint import NamedEndpoint

__all__ = ["OutgoingNode", "ProtocolClient"]

S = TypeVar("S", bound=IService)
P = TypeVar("P")
M = TypeVar("M", bound=Protocol)


#: Seconds that a connection through a relay has to get a direct one beside it, if the
#: stream may not run over the relay.
DIRECT_TIME: Final = 10.0


@implementer(IStreamClientEndpoint)
class ProtocolClient:
    """
    Opens streams to a peer.
    """

    def __init__(
        self,
        node: OutgoingNode,
        target: Target,
        protocols: str | Sequence[str],
        options: DialOptions,
    ) -> None:
        """
        @param target: a peer id, or an address.
        @param protocols: a protocol id, or several in order of preference.
        """
        self._node = node
        self._target = target
        self._protocols = protocols
        self._options = options

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect to the peer, unless that is done, and open a stream.

        If the peer is reached through a relay that limits the connection, the stream
        waits for a direct one, as long as a hole usually takes, unless the options
        allow the limited one.
        """
        opening = self._open(protocolFactory)
        return opening.addErrback(self._directly, protocolFactory)

    def _open(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        return self._node.openStream(
            self._target, self._protocols, factory, self._options
        )

    def _directly(
        self, reason: Failure, factory: IProtocolFactory
    ) -> Deferred[IProtocol]:
        """
        Open the stream on a direct connection, as soon as there is one.
        """
        reason.trap(LimitedConnection)
        peer, _ = parse(self._target)
        if peer is None:
            return fail(reason)

        def ready(connection: IConnection | None) -> Deferred[IProtocol]:
            if connection is None:
                raise LimitedConnection(
                    f"no direct connection within {DIRECT_TIME:g} s:"
                    f" {reason.getErrorMessage()}"
                )
            return self._open(factory)

        return self._node.whenDirect(peer, DIRECT_TIME).addCallback(ready)


class OutgoingNode:
    """
    A node as the peer that begins: it connects, opens streams, and asks.

    @ivar reactor: the reactor, for sockets and names.
    @ivar clock: the reactor, for times and timers.
    @ivar events: its events.
    @ivar peerstore: the known peers.
    @ivar connections: the service that owns the connections.
    @ivar proxy: the proxy through which it dials; None without one.
    """

    reactor: Any
    clock: IReactorTime
    events: EventBus
    peerstore: PeerStore
    proxy: IProxy | None
    connections: ConnectionManager
    _context: ConnectionContext
    _dialer: Dialer
    _endpointDials: EndpointDials
    # Waits for connections, which end when the node stops.
    _waits: set[Deferred[OpenedConn]]

    def service(self, kind: type[S]) -> S:
        """
        Return the service of a class.
        """
        raise NotImplementedError

    def connect(
        self,
        target: Target | IStreamClientEndpoint | Any,
        options: DialOptions = DEFAULT_OPTIONS,
    ) -> Deferred[Connection]:
        """
        Return an existing connection to a peer, or open one.

        @param target: a peer id, whose addresses are known; or an address, with the
            peer id at its end, or without one to take any peer that answers; a peer
            that is connected already keeps that connection; or a client endpoint of
            Twisted, or C{endpoint:} and its description, to take any peer.
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
            if isEndpoint(target):
                found = self._endpointDials.dial(self._endpoint(target), options)
                return cast("Deferred[Connection]", found)
            peer, addresses = parse(cast(Target, target))
        except ValueError:
            return fail()
        if peer is not None and not options.fresh:
            for connection in self.connections.to(peer):
                if connection.connected:
                    return succeed(connection)
        dialing = self._dialer.dial(peer, addresses, options=options)
        return cast("Deferred[Connection]", dialing)

    def whenDirect(self, peer: PeerID, seconds: float) -> Deferred[IConnection | None]:
        """
        Wait for a direct connection to a peer, as
        L{IHost<twisted_libp2p.interfaces.IHost>} says.
        """
        for each in self.connections.to(peer):
            if each.connected and isDirect(each):
                return succeed(each)
        if not self._context.open:
            return fail(NodeStopping())
        opened = self.events.next(
            OpenedConn,
            lambda event: event.peer == peer and isDirect(event.connection),
        )

        def late(reason: Failure) -> None:
            if not self._context.open:
                raise NodeStopping
            reason.trap(TimeoutError)

        addTimeout(opened, seconds, self.clock)
        self._waits.add(opened)
        opened.addBoth(self._waited, opened)
        return opened.addCallbacks(lambda event: event.connection, late)

    def _waited(self, result: P, wait: Deferred[OpenedConn]) -> P:
        """
        Forget a wait that is over.
        """
        self._waits.discard(wait)
        return result

    def dials(self, address: Multiaddr) -> bool:
        """
        Check whether a transport of this node dials an address.
        """
        return self._dialer.dials(address)

    def punch(
        self,
        peer: PeerID,
        addresses: Iterable[Multiaddr],
        role: Role,
        roundTrip: float | None,
        seconds: float,
        origin: Origin,
    ) -> Deferred[IConnection]:
        """
        Dial a peer that dials us at the same time, as
        L{IHost<twisted_libp2p.interfaces.IHost>} says.
        """
        if not self._context.open:
            return fail(NodeStopping())
        if self.proxy is not None:
            return fail(
                UnsupportedAddress(f"no hole can be punched by the proxy {self.proxy}")
            )
        return self._dialer.puncher.punch(
            peer, addresses, role, roundTrip, seconds, origin
        )

    def _endpoint(self, target: str | IStreamClientEndpoint) -> NamedEndpoint:
        """
        Return an endpoint to connect with.

        @raise UnsupportedAddress: it would go around the proxy.
        """
        if self.proxy is not None:
            raise UnsupportedAddress(
                f"an endpoint would go around the proxy {self.proxy}"
            )
        return NamedEndpoint.client(target, self.reactor)

    @overload
    def openStream(
        self,
        target: Target,
        protocols: str | Sequence[str],
        factory: Callable[[], P],
        options: DialOptions = DEFAULT_OPTIONS,
    ) -> Deferred[P]: ...

    @overload
    def openStream(
        self,
        target: Target,
        protocols: str | Sequence[str],
        factory: Factory[M],
        options: DialOptions = DEFAULT_OPTIONS,
    ) -> Deferred[M]: ...

    @overload
    def openStream(
        self,
        target: Target,
        protocols: str | Sequence[str],
        factory: IProtocolFactory | Factory[Any],
        options: DialOptions = DEFAULT_OPTIONS,
    ) -> Deferred[Any]: ...

    def openStream(
        self,
        target: Target,
        protocols: str | Sequence[str],
        factory: Builder,
        options: DialOptions = DEFAULT_OPTIONS,
    ) -> Deferred[Any]:
        """
        Connect to a peer, unless that is done, and open a stream.

        @param target: as for L{connect}.
        @param protocols: a protocol id, or several in order of preference.
        @param factory: builds the protocol of the stream: a factory, or a class of
            protocols, or a function without arguments that returns a protocol.  Over
            QUIC it is called before the peer has accepted us; if the peer does not, and
            the dial leads to another connection, it is called again.
        @param options: how to dial, and whether the stream may run over a relay.
        @return: fires with the connected protocol.
        """
        try:
            built = factoryOf(factory)
        except ConfigurationError:
            return fail()
        first = FirstStream(protocols, built, options.allowLimited)
        if options is DEFAULT_OPTIONS:
            # See "Few calls for each connection" in docs/internals.rst.
            options = DialOptions(first=first)
        else:
            options = replace(options, first=first)
        connecting = self.connect(target, options)
        opening: Deferred[Any] = connecting.addCallbacks(first.connected, first.failed)
        return opening

    @asynccontextmanager
    async def open(
        self,
        target: Target,
        protocols: str | Sequence[str],
        options: DialOptions = DEFAULT_OPTIONS,
    ) -> AsyncIterator[Talk]:
        """
        Open a stream for a block of a coroutine: C{async with node.open(...) as talk}.

        At the end of the block the stream is closed, and all written bytes are sent; if
        it is lost before that, the block raises C{ConnectionClosed}.  It is reset if
        the block raises, or is cancelled.  Arguments and other errors are those of
        L{openStream}.
        """
        async with await self.openStream(target, protocols, Talk, options) as talk:
            yield talk

    def keep(self, target: Target, why: str = "kept") -> Keeping:
        """
        Stay connected to a peer: dial it at once, and again whenever it is lost, with
        waits that grow; never trim its connection.  Before the start of the node, the
        dial waits for the start.

        @param target: a peer id, whose addresses are known; or an address that ends in
            the peer id, which is stored.
        @param why: the reason, which the log and the status page show.
        @return: an object whose C{cancel} ends this.
        @raise ConfigurationError: the address names no peer.
        """
        return Keeping(self.connections, self.peerstore, target, why)

    def connector(
        self,
        target: Target,
        protocols: str | Sequence[str],
        options: DialOptions = DEFAULT_OPTIONS,
    ) -> IStreamClientEndpoint:
        """
        Return an endpoint of Twisted that opens streams to a peer, for code that takes
        an endpoint.

        @param target: as for L{connect}.
        @param protocols: a protocol id, or several in order of preference.
        @param options: how to dial, and whether the stream may run over a relay.
        """
        return ProtocolClient(self, target, protocols, options)

    # Questions to peers

    async def ask(
        self,
        target: Target,
        protocols: str | Sequence[str],
        request: bytes,
        *,
        timeout: float = TIMEOUT,
        maximum: int = MAX_MESSAGE,
        options: DialOptions = DEFAULT_OPTIONS,
    ) -> bytes:
        """
        Send a request to a peer, as a message on a stream of its own, and return the
        answer: the other side of C{answer}.

        @param target: as for L{connect}.
        @param protocols: a protocol id, or several in order of preference.
        @param request: the request.
        @param timeout: seconds for the answer, from the beginning of the stream.
        @param maximum: maximum size of the answer, in bytes.
        @param options: how to dial, and whether the stream may run over a relay.
        @raise ProtocolViolation: the answer is too long, or not complete.
        @raise UpgradeTimeout: the answer is late.
        @raise Libp2pError: as L{connect} and C{openStream} fail: the peer does not
            serve the protocol, or has refused us.
        """
        exchange = Exchange(protocols, self.clock, timeout=timeout, maximum=maximum)
        connection = await self.connect(target, options)
        return await exchange.ask(
            connection, request, allowLimited=options.allowLimited
        )

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
