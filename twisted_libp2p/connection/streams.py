# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The streams of a connection: they are counted, negotiated, announced, and given back.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from twisted_libp2p.connection.building import Builder, factoryOf
from twisted_libp2p.connection.context import ConnectionContext
from twisted_libp2p.connection.negotiations import Outbound
from twisted_libp2p.connection.waiting import StreamQueue
from twisted_libp2p.errors import (
    ConfigurationError,
    ConnectionClosing,
    ErrorCode,
    Libp2pError,
    LimitedConnection,
    LimitExceeded,
    NodeStopping,
)
from twisted_libp2p.events import ClosedStream, OpenedStream
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    Direction,
    IConnectionScope,
    IMuxedStream,
    IMuxerSession,
)
from twisted_libp2p.negotiation import Negotiator, protocolids
from twisted_libp2p.pacing.allowance import Allowance

__all__ = ["ABANDONED_RATE", "MAX_ABANDONED", "MAX_NEGOTIATING", "Streams"]

#: How many inbound streams of one connection may be in negotiation at once;
#: one more is reset (rust-libp2p's bound).
MAX_NEGOTIATING = 128

#: How many streams of a peer may end at once before their protocol is negotiated, and
#: how many more in each second, whichever side ends them: otherwise a peer could open
#: and end streams without limit.
MAX_ABANDONED = 1024
ABANDONED_RATE = 100

INBOUND, OUTBOUND = Direction


class Streams:
    """
    The part of a connection that deals with its streams.

    It is a base class, and no object of its own: there is one for each idle
    connection.

    @ivar limited: whether the connection leads through a relay, which limits its time
        and bytes.
    @ivar reason: the reason for which the connection has ended; None until then.
    """

    # Nothing is made before it is used: most connections are idle most of the time.
    __slots__ = (
        "_abandoned",
        "_asked",
        "_context",
        "_remotePeer",
        "_scope",
        "_session",
        "limited",
        "reason",
    )

    def __init__(
        self,
        context: ConnectionContext,
        remotePeer: PeerID,
        scope: IConnectionScope,
        limited: bool,
    ) -> None:
        """
        Begin with no streams.

        @param context: the objects that all connections of the node share.
        @param remotePeer: the peer at the other end.
        @param scope: the use of all limits by the connection.
        @param limited: whether the connection leads through a relay.
        """
        self._context = context
        self._remotePeer = remotePeer
        self._scope: IConnectionScope = scope
        self.limited = limited
        self._session: IMuxerSession | None = None
        # How many of the peer's streams are in negotiation: ours do not take their
        # places.
        self._asked = 0
        self._abandoned: Allowance | None = None
        self.reason: Failure | None = None

    # What an application may read, and may not change: the counts depend on it

    @property
    def remotePeer(self) -> PeerID:
        """
        The peer at the other end, as its key has proven.
        """
        return self._remotePeer

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

    @abstractmethod
    def close(self, code: int = 0) -> Deferred[None]:
        """
        End the connection in order.

        @param code: the reason, for the peer; 0 is a normal end.
        """

    # Opening

    def openStream(
        self,
        protocols: str | Sequence[str],
        factory: Builder,
        *,
        allowLimited: bool = False,
    ) -> Deferred[Any]:
        """
        Open a stream and negotiate its protocol.

        If our side has as many streams open as the muxer may have, the stream waits
        for up to 10 seconds until another stream has ended.

        If only one protocol is proposed, the factory's protocol is connected
        at once, and its writes in C{connectionMade} travel with the
        proposal.  Before the peer has agreed, it receives nothing, and its
        half is not closed.  If the peer does not agree, its connection is lost.

        @param protocols: a protocol id, or several in order of preference.
        @param factory: builds the protocol: a factory, which is called with a
            L{PeerAddress<twisted_libp2p.address.PeerAddress>} that has the
            negotiated id; or a class of protocols, or a function without arguments
            that returns a protocol.
        @param allowLimited: whether the stream may be opened on a connection that
            leads through a relay (C{limited}).  Protocols that are registered with
            C{allowLimited} may be in any case.
        @return: fires with the protocol when the peer has agreed.  Fails with
            L{UnsupportedProtocol<twisted_libp2p.errors.UnsupportedProtocol>},
            L{UpgradeTimeout<twisted_libp2p.errors.UpgradeTimeout>} after 10
            seconds, L{LimitExceeded}, L{LimitedConnection}, L{ConnectionClosing},
            L{ConfigurationError} if a protocol id is invalid, or with the error that
            has ended the stream.  To cancel it is to reset the stream.
        """
        session = self._session
        if session is None:
            return fail(self._ended())
        if session.exhausted:
            return fail(
                ConnectionClosing(
                    f"all stream ids of the connection to {self.remotePeer} are used:"
                    " connect again"
                )
            )
        try:
            proposals = protocolids.proposals(protocols)
            if not isinstance(factory, Factory):
                factory = factoryOf(factory)
        except ConfigurationError:
            return fail(Failure())
        context = self._context
        if self.limited and not (
            allowLimited or all(map(context.registry.allowsLimited, proposals))
        ):
            return fail(
                LimitedConnection(
                    f"the connection to {self.remotePeer} leads through a relay:"
                    " connect directly, or pass allowLimited=True"
                )
            )
        opening = Outbound(
            self,
            proposals,
            factory,
            context.negotiating,
            context.clock,
            context.deadlines,
        )
        if not self._begin(opening):
            self._wait(opening)
        return opening.result

    def _begin(self, opening: Outbound) -> bool:
        """
        Open a stream and begin its negotiation; fail it if that cannot be.

        @return: False if it has to wait, since our side has too many streams open.
        """
        session = self._session
        if session is None:
            opening.failed(Failure(self._ended()), None)
            return True
        if not self._context.open:
            opening.failed(Failure(NodeStopping()), None)
            return True
        if session.full is not None and not session.ended:
            return False
        try:
            scope = opening.scope = self._scope.openStream(OUTBOUND)
        except Libp2pError:
            opening.failed(Failure(), None)
            return True
        try:
            session.openStream(opening.buildProtocol(None))
        except Libp2pError:
            scope.close()
            opening.failed(Failure(), None)
        return True

    def _wait(self, opening: Outbound) -> None:
        """
        Let a stream wait until another of our streams has ended.
        """
        waiting, session = self._context.waiting, self._session
        queue = waiting.get(self)
        if queue is None:
            queue = waiting[self] = StreamQueue(
                self._context.clock,
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

    def _waited(self, queue: StreamQueue[Outbound]) -> None:
        """
        Forget a queue in which nothing waits any longer.
        """
        if self._context.waiting.get(self) is queue:
            del self._context.waiting[self]

    def withdraw(self, opening: Outbound) -> None:
        """
        Forget a stream that waits to be opened, and was cancelled.
        """
        queue = self._context.waiting.get(self)
        if queue is not None:
            queue.remove(opening)

    def _failWaiting(self) -> None:
        """
        Fail the streams that wait to be opened: the connection has ended.
        """
        queue = self._context.waiting.get(self)
        if queue is not None:
            queue.fail(self._ended())

    def _ended(self) -> ConnectionClosing:
        return ConnectionClosing(f"the connection to {self.remotePeer} ended")

    # Reports of the session on streams: IMuxedConnection

    def buildProtocol(self, stream: Any) -> Negotiator | None:
        """
        Negotiate on a stream that the peer has opened; refuse it if too many
        are in negotiation.
        """
        if self._asked >= MAX_NEGOTIATING:
            self._abandon()
            return None
        try:
            scope = self._scope.openStream(INBOUND)
        except Libp2pError:
            self._abandon()
            return None
        stream.adopt(scope)
        self._asked += 1
        context = self._context
        context.negotiating[stream] = self
        return context.inbound.buildProtocol(None)

    def streamRefused(self) -> None:
        """
        Count a stream that the session has refused.
        """
        self._abandon()

    def streamClosed(self, stream: IMuxedStream, reason: Failure) -> None:
        """
        Give back the use of the limits by a stream, and announce its end if its
        beginning was announced.
        """
        context, session = self._context, self._session
        if self.reason is not None:
            self._leave()
        elif session is not None and session.exhausted and not session.streams:
            # Our side opens its streams on another connection.
            self.close()
        if context.waiting and stream.direction is OUTBOUND:
            queue = context.waiting.get(self)
            if queue is not None:
                queue.freed()
        scope = stream.scope
        if scope is None:
            # It was not opened by way of this class, and never counted.
            return
        scope.close()
        if context.negotiating.pop(stream, None) is not None:
            if stream.direction is INBOUND:
                self._asked -= 1
                # Whichever side ended it, it has cost a negotiation.
                self._abandon()
        elif context.events.subscribers[ClosedStream]:
            context.events.publish(
                ClosedStream(**self._describe(stream), reason=reason)
            )

    @abstractmethod
    def _leave(self) -> bool:
        """
        Let go of the session, which has ended, unless a stream of it has unread
        bytes.

        @return: whether it has none.
        """

    def _abandon(self) -> None:
        """
        Count a stream of the peer that has ended without a protocol, and end the
        connection when there are too many.
        """
        now = self._context.clock.seconds()
        if self._abandoned is None:
            self._abandoned = Allowance(MAX_ABANDONED, 1 / ABANDONED_RATE, now)
        if not self._abandoned.take(now):
            self.close(ErrorCode.RATE_LIMITED)

    # What negotiations report: StreamOwner

    def agreed(self, stream: IMuxedStream, direction: Direction) -> None:
        """
        Announce a stream whose protocol is negotiated.

        @param direction: the side that opened it.
        """
        context = self._context
        if direction is INBOUND:
            self._asked -= 1
        if context.events.subscribers[OpenedStream]:
            context.events.publish(OpenedStream(**self._describe(stream)))

    def _describe(self, stream: IMuxedStream) -> dict[str, Any]:
        return {
            "time": self._context.clock.seconds(),
            "stream": stream,
            "connection": self,
            "peer": self.remotePeer,
            "protocolID": stream.protocolID,
            "direction": stream.direction,
        }
