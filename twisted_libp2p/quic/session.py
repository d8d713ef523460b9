# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The session of one QUIC connection: its streams are those of the muxers, and their bytes
go to a backend.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, fail
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
    StreamAborted,
)
from twisted_libp2p.interfaces import (
    Direction,
    IFlushable,
    IMuxerSession,
    INativeSession,
    LossCause,
    QuicEvent,
    QuicStats,
)
from twisted_libp2p.logger import Logger
from twisted_libp2p.muxer.phase import GONE, NEW, PHASES, RUNNING, Phase
from twisted_libp2p.muxer.table import StreamTable
from twisted_libp2p.muxer.turns import Turns
from twisted_libp2p.pacing import Deadline, stateAfter
from twisted_libp2p.quic.below import Line
from twisted_libp2p.quic.endings import lossOf
from twisted_libp2p.quic.openings import Openings
from twisted_libp2p.quic.reading import Reader
from twisted_libp2p.quic.sending import Sender
from twisted_libp2p.quic.stream import QuicStream
from twisted_libp2p.quic.windows import Windows

if TYPE_CHECKING:
    from twisted_libp2p.interfaces import IConnectionScope, IMuxedConnection

__all__ = ["CLOSE_TIMEOUT", "MAX_STREAMS", "QuicSession"]

#: The most streams that each side may have open.
MAX_STREAMS = 256

#: Seconds in which the peer has to acknowledge the ends of streams before our side
#: closes the connection.
CLOSE_TIMEOUT = 2.0

Event = tuple[Any, ...]

# To read a member of an enumeration costs a call.
_INBOUND, _OUTBOUND = Direction
_READABLE = QuicEvent.READABLE

_log = Logger()


@implementer(INativeSession, IMuxerSession, IFlushable)
class QuicSession:
    """
    The session of one connection.

    @ivar connection: the owner of the session.
    @ivar phase: where the session is in its life.
    @ivar table: the streams.
    @ivar turns: when these are sent and notified.
    """

    __slots__ = (
        "_closeCall",
        "_closeCode",
        "_early",
        "_host",
        "_line",
        "_openings",
        "_owner",
        "_peer",
        "_reader",
        "_reason",
        "_sender",
        "_windows",
        "clock",
        "connection",
        "phase",
        "table",
        "turns",
    )

    keepsAlive = True
    exhausted = False
    connection: IMuxedConnection

    def __init__(
        self, clock: IReactorTime, line: Line, host: IAddress, peer: IAddress
    ) -> None:
        """
        @param clock: runs the turns.
        @param line: the connection below.
        @param host: the address of our end.
        @param peer: the address of the peer's end.
        """
        self._line = line
        self._host = host
        self._peer = peer
        self._owner: IMuxedConnection | None = None
        self._reason: Failure | None = None
        self._closeCall: Deadline | None = None
        self._closeCode = 0
        # Events before the start.
        self._early: list[Event] = []
        self.clock = clock
        self.phase: Phase = NEW
        self.table: StreamTable[QuicStream] = StreamTable(
            clock, MAX_STREAMS, MAX_STREAMS
        )
        self.turns = Turns(clock)
        self._openings = Openings(clock, line, self.table, self.turns)
        self._windows = Windows(line)
        self._reader = Reader(line, self._windows)
        self._sender = Sender(line, self.turns, self._openings)

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
        Connect the session with its owner, and act on the events that came before.
        """
        self.connection = self._owner = connection
        self.phase = stateAfter(PHASES, self.phase, "start")
        self.turns.start(self._sender, self)
        connection.sessionStarted(self)
        early, self._early = self._early, []
        self.happened(early)

    @property
    def budget(self) -> IConnectionScope | None:
        """
        The scope that grants the memory for windows.
        """
        return self._windows.budget

    @budget.setter
    def budget(self, budget: IConnectionScope | None) -> None:
        self._windows.budget = budget

    # IMuxerSession

    @property
    def streams(self) -> Collection[QuicStream]:
        """
        The streams that are not closed yet.
        """
        return self.table.byKey.values()

    @property
    def ended(self) -> bool:
        """
        Whether the session has ended; its connection may still be closing.
        """
        return self.phase > RUNNING

    @property
    def full(self) -> LimitExceeded | None:
        """
        The error of L{openStream} while our side has as many streams open as it may
        have, or as many wait as may; None while it may open more.
        """
        table = self.table
        if table.outbound >= table.maxOutbound:
            return LimitExceeded(
                "outbound streams of a connection",
                table.maxOutbound,
                table.outbound,
                "MAX_STREAMS of the QUIC transport",
            )
        return self._openings.full

    def openStream(self, protocol: IProtocol) -> QuicStream:
        """
        Open a stream and connect the protocol to it.  The peer learns of it with the
        first bytes.  If the peer allows no further stream now, the stream waits for
        that, with a deadline.

        @raise ConnectionClosing: the session has ended, or has not begun.
        @raise LimitExceeded: too many streams are open, or wait.
        """
        if self.phase is not RUNNING:
            raise ConnectionClosing("the session has ended, or has not begun")
        full = self.full
        if full is not None:
            raise full
        stream = QuicStream(self, -1, _OUTBOUND)
        self._connect(stream, protocol)
        return stream

    def idleGrowth(self, since: float) -> None:
        """
        Return None: the windows of streams do not grow.
        """

    @property
    def roundTrip(self) -> float:
        """
        The smoothed round trip in seconds.
        """
        stats: QuicStats = self._line.endpoint.stats(self._line.handle)
        return stats.roundTrip

    @property
    def received(self) -> int:
        """
        The bytes that were read from the streams.
        """
        return self._reader.received

    @property
    def sent(self) -> int:
        """
        The bytes that the backend took of the streams.
        """
        return self.turns.sent

    def ping(self) -> Deferred[float]:
        """
        Return a failure: QUIC measures its round trips by itself, and has no answer to
        wait for.
        """
        return fail(NotImplementedError("QUIC has no message to ping with"))

    def close(self, code: int = 0) -> None:
        """
        End the session.  Bytes that the streams have written and the peer is ready to
        take are sent; streams that have not ended by then are lost with
        L{StreamAborted}.

        @param code: the reason, for the peer.
        """
        suffix = f" (code {code:#x})" if code else ""
        reason = Failure(StreamAborted("this side ended the session" + suffix))
        if self.ended:
            self._endStreams(reason)
            return
        self.turns.pump(everything=True)
        self._closeCode = code
        self._end(reason, Failure(ClosedHere(code)))
        if self._sender.unacknowledged:
            self._line.hurry()
            self._closeCall = Deadline(self.clock, CLOSE_TIMEOUT, self._close)
        else:
            self._line.close(code)

    def abort(self, reason: Failure) -> None:
        """
        End the session at once.
        """
        keep = reason.check(PeerUnresponsive) is not None
        if not self.ended:
            self._end(reason, reason, keep)
        else:
            self._endStreams(reason, keep)
        self._stopClosing()
        self._line.abort(self._closeCode)

    def _close(self) -> None:
        """
        Close the connection, after what can be sent.
        """
        self._stopClosing()
        self._line.close(self._closeCode)

    def _stopClosing(self) -> None:
        call, self._closeCall = self._closeCall, None
        if call is not None and call.active():
            call.cancel()

    # Events of the connection

    def happened(self, events: Iterable[Event]) -> None:
        """
        Act on the events of one poll, then send all that came of it.
        """
        if self.phase is NEW:
            self._early += events
            return
        turns = self.turns
        turns.held = True
        try:
            for event in events:
                kind = event[0]
                if kind == _READABLE:
                    self._readable(event[1])
                elif kind in _HANDLERS:
                    _HANDLERS[kind](self, *event[1:])
        finally:
            turns.held = False
        if turns.queue or turns.toNotify or turns.wantsMore:
            turns.run()

    def _opened(self, number: int) -> None:
        """
        Let the peer open a stream.
        """
        if self.phase is not RUNNING:
            return
        stream = QuicStream(self, number, _INBOUND)
        protocol: IProtocol | None = None
        try:
            if self.table.inbound < self.table.maxInbound:
                # The contract passes the stream instead of an address.
                protocol = self.connection.buildProtocol(stream)  # type: ignore[arg-type]
            else:
                self.connection.streamRefused()
        except Exception:
            _log.failure("no protocol for {stream}", stream=stream)
        if self.phase is not RUNNING:
            if protocol is not None:
                self.connection.streamClosed(stream, self._reason or connectionDone)
        elif protocol is None:
            self._sender.reset(number, ErrorCode.LIMIT_EXCEEDED)
        else:
            self._connect(stream, protocol)

    def _readable(self, number: int) -> None:
        stream = self.table.byKey.get(number)
        if stream is not None:
            stream.readable = True
            self._reader.pull(stream)

    def pull(self, stream: QuicStream) -> None:
        """
        Read as long as the application of a stream reads.
        """
        self._reader.pull(stream)

    def _writable(self, number: int) -> None:
        self._sender.writable(self.table.byKey.get(number))

    def _stopped(self, number: int, code: int) -> None:
        self._sender.stopped(number, code, self.table.byKey.get(number))

    def _wasReset(self, number: int, code: int) -> None:
        stream = self.table.byKey.get(number)
        if stream is not None:
            self._line.endpoint.read(self._line.handle, number, 1)
            self._reader.wasReset(stream, code)

    def _available(self) -> None:
        self._openings.available()

    def _finished(self, number: int) -> None:
        self._sender.unacknowledged.discard(number)
        if self._closeCall is not None and not self._sender.unacknowledged:
            self._close()

    def _lost(self, cause: LossCause, code: int, text: str) -> None:
        """
        End the session, as the connection is gone.
        """
        streamReason, reason = lossOf(
            cause, code, text, self._line.idleTimeout, self._line.layer
        )
        if not self.ended:
            for stream in list(self.table.byKey.values()):
                self._reader.pull(stream, everything=True)
            self._end(streamReason, reason, keep=True)
        self.phase = stateAfter(PHASES, self.phase, "lose")
        self._stopClosing()
        self._endStreams(streamReason, keep=True)
        if self._owner is not None:
            self._owner.sessionLost(self._reason or reason)

    # What streams ask for

    def reset(self, stream: QuicStream, code: int) -> None:
        """
        Reset both halves of a stream.
        """
        self.turns.dequeue(stream)
        stream.readable = False
        if stream._streamID < 0:
            self._openings.forget(stream)
        elif self.phase is not GONE:
            self._sender.reset(stream._streamID, code)

    def delivered(self, stream: QuicStream, size: int) -> None:
        """
        Do nothing: reading from the backend has given the credit.
        """

    def closed(self, stream: QuicStream, reason: Failure) -> None:
        """
        Forget a stream: both its halves have ended, and its protocol was notified.
        """
        if not self.table.remove(stream):
            return
        self.turns.forget(stream)
        if stream._streamID < 0:
            self._openings.forget(stream)
        if stream.held:
            self._windows.release(stream)
        try:
            self.connection.streamClosed(stream, reason)
        except Exception:
            _log.failure("the owner of {stream} raised", stream=stream)
        stream.protocol = None

    # IFlushable: the object that turns write to, which gets no bytes

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
        Send all that the backend has.
        """
        self._line.drive()

    # Within

    def _connect(self, stream: QuicStream, protocol: IProtocol) -> None:
        """
        Put a stream into the table and connect its protocol.
        """
        number = stream._streamID
        self.table.add(~id(stream) if number < 0 else number, stream)
        stream.protocol = protocol
        try:
            protocol.makeConnection(stream)
        except Exception:
            stream.failed("makeConnection")

    def _end(self, streamReason: Failure, reason: Failure, keep: bool = False) -> None:
        """
        End the session, once: its streams, and then itself.
        """
        self.phase = stateAfter(PHASES, self.phase, "end")
        self._reason = reason
        self.turns.stop()
        self.table.stop()
        self._openings.stop()
        self._windows.end()
        self._endStreams(streamReason, keep)

    def _endStreams(self, reason: Failure, keep: bool = False) -> None:
        """
        End all streams, or all that need not be kept.
        """
        self.turns.end(list(self.table.byKey.values()), reason, keep)


# All but the most frequent one.
_HANDLERS: dict[int, Callable[..., None]] = {
    QuicEvent.LOST: QuicSession._lost,
    QuicEvent.OPENED: QuicSession._opened,
    QuicEvent.WRITABLE: QuicSession._writable,
    QuicEvent.STOPPED: QuicSession._stopped,
    QuicEvent.AVAILABLE: QuicSession._available,
    QuicEvent.FINISHED: QuicSession._finished,
    QuicEvent.RESET: QuicSession._wasReset,
}
