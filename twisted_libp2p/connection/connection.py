# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A connection to an authenticated peer, and the streams on it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.interfaces import (
    IAddress,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection.registry import Registry
from twisted_libp2p.connection.waiting import StreamQueue
from twisted_libp2p.errors import (
    ConfigurationError,
    ConnectionClosing,
    ErrorCode,
    Libp2pError,
    LimitedConnection,
    LimitExceeded,
    NodeStopping,
    untraced,
)
from twisted_libp2p.events import ClosedStream, EventBus, OpenedStream
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    Direction,
    IConnection,
    IConnectionManager,
    IConnectionScope,
    IMuxedConnection,
    IMuxedStream,
    IMuxerSession,
    IStreamScope,
    Role,
)
from twisted_libp2p.negotiation import Negotiation, Negotiator, multistream
from twisted_libp2p.pacing import Deadlines
from twisted_libp2p.pacing.allowance import Allowance
from twisted_libp2p.security import Secured

__all__ = ["Connection", "ConnectionContext"]

INBOUND, OUTBOUND = Direction

#: How many inbound streams of one connection may be in negotiation at once;
#: one more is reset (rust-libp2p's bound).
MAX_NEGOTIATING = 128

#: How many streams of a peer may end at once before their protocol was agreed, and
#: how many more in each second, whoever ends them: otherwise a peer could open and
#: end streams without limit.
MAX_ABANDONED = 1024
ABANDONED_RATE = 100

#: Seconds in which the protocol of a stream has to be agreed.
STREAM_DEADLINE = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class ConnectionContext:
    """
    What the connections of one node share.

    @ivar registry: what is served on inbound streams.
    @ivar events: who is told of streams.
    @ivar clock: what runs the deadlines.
    @ivar connections: who owns the connections, and may refuse them.
    @ivar open: whether anything new may begin; not while the node stops.
    @ivar deadlines: the time for the negotiation of each stream.
    @ivar negotiating: the streams whose protocol is not agreed.
    @ivar unread: the connections that have ended, and whose streams have bytes that
        applications have not read.
    @ivar waiting: the streams that wait to be opened, of each connection that has
        such streams.
    @ivar inbound: negotiates on the streams that peers open.
    """

    registry: Registry
    events: EventBus
    clock: IReactorTime
    connections: IConnectionManager
    open: bool = field(init=False, default=True)
    deadlines: Deadlines = field(init=False)
    negotiating: set[IMuxedStream] = field(init=False, default_factory=set)
    unread: set[Connection] = field(init=False, default_factory=set)
    waiting: dict[Connection, StreamQueue[_Opening]] = field(
        init=False, default_factory=dict
    )
    inbound: Negotiation = field(init=False)

    def __post_init__(self) -> None:
        """
        Make what is made of the others.
        """
        # The way to set what nobody else may set.
        keep = object.__setattr__
        keep(self, "deadlines", Deadlines(self.clock, STREAM_DEADLINE))
        keep(
            self,
            "inbound",
            Negotiation(
                lambda: multistream.Responder(
                    self.registry.lookup, self.registry.protocols
                ),
                _serve,
                agreed=_agreed,
                clock=self.clock,
                deadlines=self.deadlines,
            ),
        )

    def admit(self, open: bool) -> None:
        """
        Let connections and streams begin, or refuse them from now on.
        """
        object.__setattr__(self, "open", open)


@implementer(IMuxedConnection, IConnection)
class Connection:
    """
    A connection to an authenticated peer: both sides open streams on it.

    @ivar localPeer: who we are.
    @ivar remoteKey: the key that proved it.
    @ivar localAddress: our end of the transport; None if it has no address.
    @ivar remoteAddress: the peer's end of it; None likewise.
    @ivar direction: the side that opened it.
    @ivar role: the part of our side in the upgrade.  It follows from the direction,
        except in hole punching, where both sides dial and one of them is the server.
    @ivar limited: whether it leads through a relay, which limits its time and bytes.
    @ivar transport: the name of the transport, such as C{tcp}.
    @ivar security: the security protocol.
    @ivar muxer: the muxer.
    @ivar early: whether the muxer was agreed inside the security handshake.
    @ivar upgradeTime: seconds from the transport's connect to readiness.
    @ivar reason: why it has ended; None while it has not.
    """

    # Nothing is made before it is used: most connections are idle most of the time.
    __slots__ = (
        "__weakref__",
        "_abandoned",
        "_asked",
        "_openedAt",
        "_ready",
        "_remotePeer",
        "_scope",
        "_services",
        "_session",
        "_waiting",
        "direction",
        "early",
        "limited",
        "localAddress",
        "localPeer",
        "muxer",
        "reason",
        "remoteAddress",
        "remoteKey",
        "role",
        "security",
        "transport",
        "upgradeTime",
    )

    def __init__(
        self,
        services: ConnectionContext,
        localPeer: PeerID,
        secured: Secured,
        muxer: str,
        *,
        direction: Direction,
        role: Role,
        transport: str,
        localAddress: Multiaddr | None,
        remoteAddress: Multiaddr | None,
        upgradeTime: float,
        scope: IConnectionScope,
        ready: Callable[[Connection], None],
    ) -> None:
        self._services = services
        self.localPeer = localPeer
        self._remotePeer = secured.remotePeer
        self.remoteKey = secured.remoteKey
        self.security = secured.protocolID
        self.muxer = muxer
        self.early = secured.muxer is not None
        self.direction = direction
        self.role = role
        self.transport = transport
        self.localAddress = localAddress
        self.remoteAddress = remoteAddress
        self.limited = remoteAddress is not None and "p2p-circuit" in (
            remoteAddress.names
        )
        self.upgradeTime = upgradeTime
        self._openedAt = services.clock.seconds()
        self._scope: IConnectionScope = scope
        self._ready: Callable[[Connection], None] | None = ready
        self._session: IMuxerSession | None = None
        # How many of the peer's streams are in negotiation: ours do not take their
        # places.
        self._asked = 0
        self._abandoned: Allowance | None = None
        self._waiting: list[Deferred[None]] | None = None
        self.reason: Failure | None = None

    def __repr__(self) -> str:
        return (
            f"<Connection {self.direction} {self.remotePeer}"
            f" {self.remoteAddress} {self.security} {self.muxer}>"
        )

    # What an application may read, and may not change: the counts depend on it

    @property
    def remotePeer(self) -> PeerID:
        """
        The peer at the other end, as its key has proven.
        """
        return self._remotePeer

    @property
    def openedAt(self) -> float:
        """
        The time at which the connection was ready, in seconds since the epoch.
        """
        return self._openedAt

    @property
    def scope(self) -> IConnectionScope:
        """
        The use of all limits by this connection.
        """
        return self._scope

    @property
    def streams(self) -> Collection[IMuxedStream]:
        """
        The streams that are not closed yet.
        """
        return self._session.streams if self._session is not None else ()

    @property
    def connected(self) -> bool:
        """
        Whether streams can be opened.
        """
        session = self._session
        return session is not None and not (session.ended or session.exhausted)

    @property
    def keepsAlive(self) -> bool:
        """
        Whether the muxer notices by itself that the peer is dead.
        """
        return self._session is not None and self._session.keepsAlive

    def openStream(
        self,
        protocols: str | Sequence[str],
        factory: IProtocolFactory,
        *,
        allowLimited: bool = False,
    ) -> Deferred[IProtocol]:
        """
        Open a stream and agree on its protocol.

        If our side has as many streams open as the muxer may have, the stream waits
        for up to 10 seconds until another one has ended.

        If one protocol only is proposed, the factory's protocol is connected
        at once, and what it writes in C{connectionMade} travels with the
        proposal; it receives nothing before the peer has agreed, nor is its
        half closed before, and if the peer does not agree, its connection is
        lost.

        @param protocols: a protocol id, or several in order of preference.
        @param factory: builds the protocol; it is called with a
            L{PeerAddress<twisted_libp2p.address.PeerAddress>} that tells the
            id that was agreed.
        @param allowLimited: whether the stream may be opened on a connection that
            leads through a relay (L{limited}).  Protocols that are registered with
            C{allowLimited} may in any case.
        @return: fires with the protocol when the peer has agreed.  Fails with
            L{UnsupportedProtocol<twisted_libp2p.errors.UnsupportedProtocol>},
            L{UpgradeTimeout<twisted_libp2p.errors.UpgradeTimeout>} after 10
            seconds, L{LimitExceeded<twisted_libp2p.errors.LimitExceeded>},
            L{LimitedConnection<twisted_libp2p.errors.LimitedConnection>},
            L{ConnectionClosing}, L{ConfigurationError} if a protocol id is none,
            or what ended the stream.  To cancel it is to reset the stream.
        """
        session = self._session
        if session is None:
            return fail(ConnectionClosing(f"the connection to {self.remotePeer} ended"))
        if session.exhausted:
            return fail(
                ConnectionClosing(
                    f"all stream ids of the connection to {self.remotePeer} are used:"
                    " connect again"
                )
            )
        try:
            proposals = multistream.proposals(protocols)
        except ConfigurationError:
            return fail(Failure())
        if self.limited and not (
            allowLimited or all(map(self._services.registry.allowsLimited, proposals))
        ):
            return fail(
                LimitedConnection(
                    f"the connection to {self.remotePeer} leads through a relay:"
                    " connect directly, or pass allowLimited=True"
                )
            )
        opening = _Opening(self, proposals, factory, self._services.clock)
        if not self._begin(opening):
            self._wait(opening)
        return opening.result

    def _begin(self, opening: _Opening) -> bool:
        """
        Open a stream and begin its negotiation; fail it if that cannot be.

        @return: False if it has to wait, since our side has too many streams open.
        """
        session = self._session
        if session is None:
            opening.failed(Failure(self._ended()), None)
            return True
        if not self._services.open:
            opening.failed(Failure(NodeStopping()), None)
            return True
        if session.full is not None and not session.ended:
            return False
        try:
            scope = opening.scope = self._scope.openStream(False)
        except Libp2pError:
            opening.failed(Failure(), None)
            return True
        try:
            session.openStream(opening.buildProtocol(None))
        except Libp2pError:
            scope.close()
            opening.failed(Failure(), None)
        return True

    def _wait(self, opening: _Opening) -> None:
        """
        Let a stream wait until another one of ours has ended.
        """
        waiting, session = self._services.waiting, self._session
        queue = waiting.get(self)
        if queue is None:
            queue = waiting[self] = StreamQueue(
                self._services.clock,
                self._begin,
                lambda opening, error: opening.failed(Failure(error), None),
                self._waited,
            )
        full = session.full if session is not None else None
        assert full is not None
        try:
            queue.add(opening, full)
        except LimitExceeded:
            opening.failed(Failure(), None)

    def _waited(self, queue: StreamQueue[_Opening]) -> None:
        """
        Forget a queue in which nothing waits any longer.
        """
        if self._services.waiting.get(self) is queue:
            del self._services.waiting[self]

    def _ended(self) -> ConnectionClosing:
        return ConnectionClosing(f"the connection to {self.remotePeer} ended")

    def idleGrowth(self, since: float) -> IMuxedStream | None:
        """
        Return the stream with the largest grown window that was of little use
        since a time; None if there is none.
        """
        return None if self._session is None else self._session.idleGrowth(since)

    def ping(self) -> Deferred[float]:
        """
        Measure the round trip of the muxer, below all streams.

        @return: fires with seconds; fails with C{NotImplementedError} over a
            muxer that has no such message.
        """
        if self._session is None:
            return fail(ConnectionClosing(f"the connection to {self.remotePeer} ended"))
        return self._session.ping()

    def close(self, code: int = 0) -> Deferred[None]:
        """
        End the connection: what was written is flushed, the peer is told.

        @param code: why, for the peer; 0 is a normal end.
        @return: fires when it has ended, like L{whenClosed}.
        """
        if self._session is not None:
            self._session.close(code)
        return self.whenClosed()

    def abort(self, reason: Failure) -> None:
        """
        End the connection at once.

        @param reason: what streams and events are told.
        """
        if self._session is not None:
            self._session.abort(reason)

    def whenClosed(self) -> Deferred[None]:
        """
        @return: fires when the connection has ended; at once if it has.
        """
        if self.reason is not None:
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        if self._waiting is None:
            self._waiting = []
        self._waiting.append(waiting)
        return waiting

    # What the muxer tells: IMuxedConnection.

    def doStart(self) -> None:
        """
        Nothing to prepare.
        """

    def doStop(self) -> None:
        """
        Nothing to clear away.
        """

    def sessionStarted(self, session: IMuxerSession) -> None:
        """
        The connection is ready.
        """
        session.budget = self._scope
        self._session = session
        ready, self._ready = self._ready, None
        if ready is not None:
            ready(self)

    def buildProtocol(self, stream: Any) -> Negotiator | None:
        """
        Negotiate on a stream that the peer has opened; refuse it if too many
        are in negotiation.
        """
        if self._asked >= MAX_NEGOTIATING:
            self._abandon()
            return None
        try:
            scope = self._scope.openStream(True)
        except Libp2pError:
            self._abandon()
            return None
        stream.adopt(scope)
        self._asked += 1
        services = self._services
        services.negotiating.add(stream)
        return services.inbound.buildProtocol(None)

    def streamRefused(self) -> None:
        """
        Count a stream that the session has refused.
        """
        self._abandon()

    def streamClosed(self, stream: IMuxedStream, reason: Failure) -> None:
        """
        Give back what a stream has used, and publish its end if its beginning
        was published.
        """
        session = self._session
        if self.reason is not None:
            self._leave()
        elif session is not None and session.exhausted and not session.streams:
            # Our side opens its streams on another connection.
            self.close()
        if self._services.waiting and stream.direction is OUTBOUND:
            queue = self._services.waiting.get(self)
            if queue is not None:
                queue.freed()
        scope = stream.scope
        if scope is None:
            # It was not opened by way of this class, and never counted.
            return
        scope.close()
        if stream in self._services.negotiating:
            self._settled(stream)
            # Whoever ended it, it has cost a negotiation.
            if stream.direction is INBOUND:
                self._abandon()
        elif self._services.events.wants(ClosedStream):
            self._services.events.publish(
                ClosedStream(**self._describe(stream), reason=reason)
            )

    def _abandon(self) -> None:
        """
        Count a stream of the peer that has ended without a protocol, and end the
        connection when there are too many.
        """
        now = self._services.clock.seconds()
        if self._abandoned is None:
            self._abandoned = Allowance(MAX_ABANDONED, 1 / ABANDONED_RATE, now)
        if not self._abandoned.take(now):
            self.close(ErrorCode.RATE_LIMITED)

    def sessionLost(self, reason: Failure) -> None:
        """
        Publish the end of the connection.  Streams that the peer had ended, and
        whose applications have paused them, stay until everything is read.
        """
        if isinstance(reason.value, Libp2pError):
            reason = Failure(untraced(reason.value))
        self.reason = reason
        kept = not self._leave()
        queue = self._services.waiting.get(self)
        if queue is not None:
            queue.fail(self._ended())
        self._services.deadlines.rest()
        self._services.connections.closed(self, reason)
        self._scope.close(kept)
        waiting, self._waiting = self._waiting, None
        for each in waiting or ():
            each.callback(None)

    def _leave(self) -> bool:
        """
        Let go of the session, which has ended, unless a stream of it has unread
        bytes.

        @return: whether it has none.
        """
        unread = self._services.unread
        if self._session is not None and self._session.streams:
            unread.add(self)
            return False
        self._session = None
        unread.discard(self)
        return True

    def serve(self, protocol: str, stream: IMuxedStream) -> IProtocolFactory | None:
        """
        The peer has asked for a protocol on its stream.

        @return: who serves it; None if there are too many streams that speak it.
        """
        scope = stream.scope
        assert scope is not None
        try:
            scope.agree(protocol)
        except Libp2pError as error:
            stream.abortConnection(error.wireCode)
            return None
        return self._services.registry.lookup(protocol)

    def agreed(self, protocol: IProtocol, stream: IMuxedStream) -> None:
        """
        Publish that the protocol of a stream was agreed, unless the application
        has ended the stream, or its connection, as it began.
        """
        if stream not in self._services.negotiating:
            return
        self._settled(stream)
        if self._services.events.wants(OpenedStream):
            self._services.events.publish(OpenedStream(**self._describe(stream)))

    def _settled(self, stream: IMuxedStream) -> None:
        """
        Take a stream from those in negotiation.
        """
        self._services.negotiating.discard(stream)
        if stream.direction is INBOUND:
            self._asked -= 1

    def _describe(self, stream: IMuxedStream) -> dict[str, Any]:
        return {
            "time": self._services.clock.seconds(),
            "stream": stream,
            "connection": self,
            "peer": self.remotePeer,
            "protocolID": stream.protocolID,
            "direction": stream.direction,
        }


def _serve(protocol: str, stream: IMuxedStream) -> IProtocolFactory | None:
    """
    Have the connection of a stream serve it.
    """
    connection: Any = stream.connection
    served: IProtocolFactory | None = connection.serve(protocol, stream)
    return served


def _agreed(protocol: IProtocol, stream: IMuxedStream) -> None:
    """
    Tell the connection of a stream.
    """
    connection: Any = stream.connection
    connection.agreed(protocol, stream)


class _Proposer(Negotiator):
    """
    The negotiator of a stream that our side opens.
    """

    factory: _Opening

    def makeConnection(self, transport: IMuxedStream) -> None:
        """
        Note the stream before anything of the application is called, which may
        end it.
        """
        opening = self.factory
        opening.stream = transport
        transport.adopt(opening.scope)
        opening.negotiating.add(transport)
        super().makeConnection(transport)


class _Opening(Negotiation):
    """
    The negotiation of one stream that our side opens.

    @ivar result: fires with the protocol of the stream.
    @ivar scope: the use of the limits by the stream.
    @ivar stream: the stream; None until it is opened.
    """

    scope: IStreamScope
    stream: IMuxedStream | None = None

    def __init__(
        self,
        connection: Connection,
        proposals: tuple[str, ...],
        factory: IProtocolFactory,
        clock: IReactorTime,
    ) -> None:
        # The callables of the base class are methods here: a stream is cheap
        # enough to be opened for every question, and they are not.
        self.connection = connection
        self._proposals = proposals
        self._factory = factory
        self.clock = clock
        self.deadlines = connection._services.deadlines
        self.negotiating = connection._services.negotiating
        self.optimistic = proposals[0] if len(proposals) == 1 else None
        self.result: Deferred[IProtocol] = Deferred(self._cancelled)

    def machine(self) -> multistream.Initiator:
        return multistream.Initiator(self._proposals)

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> Negotiator:
        negotiator = _Proposer(self, self.machine())
        negotiator.optimistic = self.optimistic
        return negotiator

    def choose(self, protocol: str, stream: IMuxedStream) -> IProtocolFactory | None:
        try:
            self.scope.agree(protocol)
        except Libp2pError as error:
            self.failed(Failure(), None)
            stream.abortConnection(error.wireCode)
            return None
        # The end of our half must not overtake the negotiation: js-libp2p
        # (3.3.11) resets a stream whose data and end came before it had
        # answered, "Cannot push data onto a stream that is closed".
        stream.negotiating = self.optimistic is not None
        return self._factory

    def agreed(self, protocol: IProtocol, stream: IMuxedStream) -> None:
        stream.negotiated()
        self.connection.agreed(protocol, stream)
        if self.result.called:
            return
        if self.scope.closed:
            # By a subscriber of the event.
            self.failed(Failure(ConnectionClosing("the stream has ended")), protocol)
        else:
            self.result.callback(protocol)

    def failed(self, reason: Failure, _: IProtocol | None) -> None:
        if not self.result.called:
            self.result.errback(reason)

    def _cancelled(self, result: Deferred[IProtocol]) -> None:
        result.errback(CancelledError())
        if self.stream is not None:
            self.stream.abortConnection()
            return
        queue = self.connection._services.waiting.get(self.connection)
        if queue is not None:
            queue.remove(self)
