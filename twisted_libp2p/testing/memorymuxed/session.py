# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Sessions that are connected in memory, and need no bytes between them.

Each step of a stream (opening, data, credit, end, reset) is a call of the other
session, in a later turn of the clock.  The streams are those of the muxers, with the
same L{table<twisted_libp2p.muxer.table>} and L{turns<twisted_libp2p.muxer.turns>}.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IAddress, IProtocol, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.errors import (
    ClosedHere,
    ConnectionClosing,
    ErrorCode,
    LimitExceeded,
    PeerUnresponsive,
    SessionEnded,
    StreamAborted,
)
from twisted_libp2p.interfaces import (
    Direction,
    IConnectionScope,
    IFlushable,
    IMuxedConnection,
    IMuxerSession,
    INativeSession,
    Role,
)
from twisted_libp2p.logger import Logger
from twisted_libp2p.muxer.phase import PHASES, Phase
from twisted_libp2p.muxer.stream import Stream
from twisted_libp2p.muxer.table import StreamTable
from twisted_libp2p.muxer.turns import Turns
from twisted_libp2p.pacing import stateAfter

__all__ = ["MAX_STREAMS", "WINDOW", "MemorySession"]

#: The most streams that each side may have open.
MAX_STREAMS = 256

#: The most bytes that a stream may send before the peer's application reads them.
WINDOW = 256 * 1024

#: The most bytes of one step.
PIECE = 64 * 1024


@implementer(INativeSession, IMuxerSession, IFlushable)
class MemorySession:
    """
    One of two sessions that are connected in memory.

    @ivar other: the other session.
    @ivar connection: the owner of the session.
    @ivar phase: where the session is in its life.
    @ivar budget: never asked: the windows do not grow.
    """

    keepsAlive = True
    roundTrip = 0.0
    exhausted = False
    budget: IConnectionScope | None = None
    other: MemorySession
    connection: IMuxedConnection
    _owner: IMuxedConnection | None = None

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        delay: float,
        role: Role,
        host: IAddress,
        peer: IAddress,
    ) -> None:
        """
        @param clock: runs the turns.
        @param delay: seconds that each step is on its way.
        @param role: the part of our side: it decides the numbers of our streams.
        @param host: the address of our end.
        @param peer: the address of the peer's end.
        """
        self._clock = clock
        self._delay = delay
        self._host = host
        self._peer = peer
        self._nextID = 1 if role is Role.CLIENT else 2
        self._steps: deque[tuple[float, Callable[..., object], tuple[Any, ...]]] = (
            deque()
        )
        self._scheduled = False
        self._pings: list[tuple[Deferred[float], float]] = []
        self._reason: Failure | None = None
        self.phase = Phase.NEW
        self.table: StreamTable[Stream] = StreamTable(clock, MAX_STREAMS, MAX_STREAMS)
        self.turns = Turns(clock)

    # INativeSession

    def getHost(self) -> IAddress:
        """
        Return the address of our end.
        """
        return self._host

    def getPeer(self) -> IAddress:
        """
        Return the address of the peer's end.
        """
        return self._peer

    def start(self, connection: IMuxedConnection) -> None:
        """
        Connect the session with its owner.  Steps of the peer were kept until now.
        """
        self.connection = self._owner = connection
        self.phase = stateAfter(PHASES, self.phase, "start")
        self.turns.start(self, self)
        connection.sessionStarted(self)
        self.other._schedule()

    # IMuxerSession

    @property
    def streams(self) -> Collection[Stream]:
        """
        The streams that are not closed yet.
        """
        return self.table.streams

    @property
    def ended(self) -> bool:
        """
        Whether the session has ended.
        """
        return self.phase > Phase.RUNNING

    @property
    def full(self) -> LimitExceeded | None:
        """
        The error of L{openStream} while our side has as many streams open as it
        may have; None while it may open more.
        """
        if self.table.outbound < self.table.maxOutbound:
            return None
        return LimitExceeded(
            "outbound streams of a connection",
            self.table.maxOutbound,
            self.table.outbound,
            "MAX_STREAMS of the memory transport",
        )

    @property
    def received(self) -> int:
        """
        The received bytes.
        """
        return self.turns.received

    @property
    def sent(self) -> int:
        """
        The sent bytes.
        """
        return self.turns.sent

    def openStream(self, protocol: IProtocol) -> Stream:
        """
        Open a stream and connect the protocol to it.

        @raise ConnectionClosing: the session has ended, or has not begun.
        @raise LimitExceeded: too many streams are open.
        """
        if self.phase is not Phase.RUNNING:
            raise ConnectionClosing("the session has ended, or has not begun")
        full = self.full
        if full is not None:
            raise full
        stream = Stream(self, self._nextID, Direction.OUTBOUND, WINDOW, 0, 1)
        self._nextID += 2
        self._connect(stream, protocol)
        if not stream.queued:
            self.turns.ready(stream)
        return stream

    def idleGrowth(self, since: float) -> None:
        """
        Return None: the windows do not grow.
        """

    def ping(self) -> Deferred[float]:
        """
        Measure the round trip.

        @return: fires with seconds.
        """
        if self.phase is not Phase.RUNNING:
            return fail(ConnectionClosing("the session has ended, or has not begun"))
        waiting: Deferred[float] = Deferred()
        self._pings.append((waiting, self._clock.seconds()))
        self._send(self.other._pinged)
        return waiting

    def close(self, code: int = 0) -> None:
        """
        End the session in order: written bytes that the windows admit are sent.
        """
        suffix = f" (code {code:#x})" if code else ""
        reason = Failure(StreamAborted("this side ended the session" + suffix))
        if self.ended:
            self._endStreams(reason)
            return
        self.turns.pump(everything=True)
        self._send(self.other._closed, code)
        self._end(reason, Failure(ClosedHere(code)))

    def abort(self, reason: Failure) -> None:
        """
        End the session at once.
        """
        keep = reason.check(PeerUnresponsive) is not None
        if not self.ended:
            self._end(reason, reason, keep)
        else:
            self._endStreams(reason, keep)
        if self.phase is not Phase.GONE:
            self._steps.clear()
            self._clock.callLater(0, self._lost)
            self._clock.callLater(self._delay, self.other._aborted)

    # What streams and turns ask for

    def emit(self, stream: Stream, batch: list[bytes | memoryview]) -> int:
        """
        Send the next steps of a stream.  There are no bytes for the batch.
        """
        number = stream.streamID
        if stream.announce:
            stream.announce = 0
            self._send(self.other._opened, number)
        size = min(stream.unsentSize, stream.sendWindow, PIECE)
        if size:
            pieces: list[bytes | memoryview] = []
            stream.take(size, pieces)
            stream.sendWindow -= size
            self._send(self.other._received, number, b"".join(pieces))
        if stream.state.draining and stream.writeEnding:
            self._send(self.other._ended, number)
            stream.finSent()
        return size

    def reset(self, stream: Stream, code: int) -> None:
        """
        Send a reset of a stream.
        """
        self.turns.dequeue(stream)
        if not stream.announce:
            self._send(self.other._reset, stream.streamID, code)

    def delivered(self, stream: Stream, size: int) -> None:
        """
        Return credit to the peer for bytes that the application has read.
        """
        stream.receiveWindow += size
        if stream.receiveWindow * 2 >= WINDOW:
            self._send(self.other._credited, stream.streamID, stream.receiveWindow)
            stream.receiveWindow = 0

    def closed(self, stream: Stream, reason: Failure) -> None:
        """
        Forget a stream: both its halves have ended, and its protocol was notified.
        """
        if not self.table.remove(stream):
            return
        self.turns.forget(stream)
        try:
            self.connection.streamClosed(stream, reason)
        except Exception:
            self._log.failure("the owner of {stream} raised", stream=stream)
        stream.protocol = None

    def controlSent(self) -> None:
        """
        Do nothing: there are no control frames.
        """

    # IFlushable: what turns write to, which gets no bytes

    def write(self, data: bytes) -> None:
        """
        Do nothing.
        """

    writeNow = write

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """
        Do nothing.
        """

    def flush(self) -> None:
        """
        Do nothing.
        """

    # Steps

    def _send(self, step: Callable[..., object], *arguments: Any) -> None:
        """
        Call a method of the other session, in a later turn.
        """
        if not self.ended:
            due = self._clock.seconds() + self._delay
            self._steps.append((due, step, arguments))
            self._schedule()

    def _schedule(self) -> None:
        if self._steps and not self._scheduled and self.other.phase is not Phase.NEW:
            self._scheduled = True
            due = self._steps[0][0] - self._clock.seconds()
            self._clock.callLater(max(0.0, due), self._deliver)

    def _deliver(self) -> None:
        """
        Take the steps that are due at the other session, then let it answer.
        """
        self._scheduled = False
        turns, now = self.other.turns, self._clock.seconds()
        turns.held = True
        try:
            while self._steps and self._steps[0][0] <= now:
                _, step, arguments = self._steps.popleft()
                step(*arguments)
        finally:
            turns.held = False
        if turns.queue or turns.toNotify or turns.wantsMore:
            turns.run()
        self._schedule()

    def _opened(self, number: int) -> None:
        """
        Take a stream that the peer opens.
        """
        if self.ended:
            return
        stream = Stream(self, number, Direction.INBOUND, WINDOW, 0, 0)
        protocol: IProtocol | None = None
        try:
            if self.table.inbound < self.table.maxInbound:
                # The contract passes the stream instead of an address.
                protocol = self.connection.buildProtocol(stream)  # type: ignore[arg-type]
            else:
                self.connection.streamRefused()
        except Exception:
            self._log.failure("no protocol for {stream}", stream=stream)
        if self.ended:
            if protocol is not None:
                self.connection.streamClosed(stream, self._reason or connectionDone)
        elif protocol is None:
            self._send(self.other._reset, number, ErrorCode.LIMIT_EXCEEDED)
        else:
            self._connect(stream, protocol)

    def _find(self, number: int) -> Stream | None:
        stream = self.table.byKey.get(number)
        return None if stream is None or stream.state.closed else stream

    def _received(self, number: int, data: bytes) -> None:
        self.turns.received += len(data)
        stream = self._find(number)
        if stream is not None:
            stream.deliver(data)

    def _credited(self, number: int, size: int) -> None:
        stream = self._find(number)
        if stream is not None:
            stream.sendWindow += size
            if stream.unsentSize:
                self.turns.ready(stream)

    def _ended(self, number: int) -> None:
        stream = self._find(number)
        if stream is not None:
            stream.finReceived()

    def _reset(self, number: int, code: int) -> None:
        stream = self._find(number)
        if stream is not None:
            stream.resetReceived(code)

    def _pinged(self) -> None:
        self._send(self.other._ponged)

    def _ponged(self) -> None:
        if self._pings:
            waiting, since = self._pings.pop(0)
            waiting.callback(self._clock.seconds() - since)

    def _closed(self, code: int) -> None:
        """
        End the session, since the peer has ended it in order.
        """
        reason = Failure(SessionEnded(code))
        self._end(reason, reason if code else connectionDone, keep=True)
        self._lost()
        self.other._lost()

    def _aborted(self) -> None:
        """
        End the session, since the peer has dropped it.
        """
        reason = Failure(ConnectionLost())
        self._end(reason, reason, keep=True)
        self._lost()

    # Within

    def _connect(self, stream: Stream, protocol: IProtocol) -> None:
        """
        Put a stream into the table and connect its protocol.
        """
        self.table.add(stream.streamID, stream)
        stream.protocol = protocol
        try:
            protocol.makeConnection(stream)
        except Exception:
            stream.failed("makeConnection")

    def _end(self, streamReason: Failure, reason: Failure, keep: bool = False) -> None:
        """
        End the session, once: its streams, and then itself.
        """
        phase, self.phase = self.phase, stateAfter(PHASES, self.phase, "end")
        if self.phase is phase:
            return
        self._reason = reason
        self.turns.stop()
        self.table.stop()
        pings, self._pings = self._pings, []
        for waiting, _ in pings:
            waiting.errback(ConnectionClosing("the session has ended"))
        self._endStreams(streamReason, keep)

    def _endStreams(self, reason: Failure, keep: bool = False) -> None:
        """
        End all streams, or all that need not be kept.
        """
        self.turns.end(list(self.table.streams), reason, keep)

    def _lost(self) -> None:
        """
        Report to the owner that the session is over.
        """
        if self.phase is Phase.CLOSING:
            self.phase = stateAfter(PHASES, self.phase, "lose")
            self._steps.clear()
            if self._owner is not None:
                self._owner.sessionLost(self._reason or connectionDone)
