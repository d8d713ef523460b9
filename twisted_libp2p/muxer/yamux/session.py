# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The yamux session of one connection.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from twisted_libp2p.errors import (
    ConnectionClosing,
    LimitExceeded,
    PeerUnresponsive,
    ProtocolViolation,
)
from twisted_libp2p.interfaces import Direction, Role
from twisted_libp2p.muxer.frames import FIRST_DATA, MAX_BODY
from twisted_libp2p.muxer.phase import RUNNING
from twisted_libp2p.muxer.session import MuxerSession
from twisted_libp2p.muxer.stream import Stream
from twisted_libp2p.muxer.turns import EARLY
from twisted_libp2p.muxer.yamux.frame import (
    ACK,
    DATA,
    FIN,
    GO_AWAY,
    HEADER_SIZE,
    PING,
    PROTOCOL_ID,
    RST,
    SYN,
    WINDOW_UPDATE,
    FrameReader,
    GoAwayCode,
    pack,
)
from twisted_libp2p.muxer.yamux.window import (
    INITIAL_WINDOW,
    MAX_SEND_WINDOW,
    ReceiveWindow,
)

if TYPE_CHECKING:
    from twisted_libp2p.interfaces import IMuxedConnection
    from twisted_libp2p.muxer.yamux.muxer import Yamux

__all__ = ["APART", "MAX_PONGS", "YamuxSession"]

#: The most answers to pings that wait to be sent; more pings go unanswered.
MAX_PONGS = 32

#: Seconds that the pings may take by which the end of an accepted stream is kept apart
#: from its first data.
APART = 0.1

_INBOUND, _OUTBOUND = Direction

_MAX_STREAM_ID = (1 << 32) - 1


class YamuxSession(MuxerSession):
    """
    The yamux session of one connection.

    @ivar roundTrip: the smoothed round trip in seconds; 0 until it is known.
    """

    __slots__ = (
        "_bodyFlags",
        "_growth",
        "_heard",
        "_keepAliveCall",
        "_muxer",
        "_nextID",
        "_nextPing",
        "_pings",
        "_pongs",
        "_reader",
        "_receiver",
        "_unacknowledged",
        "_waiting",
        "roundTrip",
    )

    protocolID = PROTOCOL_ID
    apart = APART
    outboundOption = "Yamux.maxOutboundStreams"

    def __init__(
        self,
        muxer: Yamux,
        role: Role,
        connection: IMuxedConnection,
    ) -> None:
        super().__init__(
            muxer.clock,
            role,
            connection,
            muxer.maxInboundStreams,
            muxer.maxOutboundStreams,
        )
        self._muxer = muxer
        self._reader = FrameReader(self)
        self._receiver: Stream | None = None
        self._bodyFlags = 0
        self._nextID = 1 if role is Role.CLIENT else 2
        self._unacknowledged: set[int] = set()
        self._waiting: OrderedDict[Stream, None] = OrderedDict()
        self._growth = 0
        self._pongs = 0
        self._pings: dict[int, tuple[float, Deferred[float] | None]] = {}
        self._nextPing = 0
        self._heard = False
        self._keepAliveCall: IDelayedCall | None = None
        self.keepsAlive = muxer.keepAlive is not None
        self.roundTrip = 0.0

    # Liveness and the round trip

    def started(self) -> None:
        """
        Begin, with a ping: windows grow by the measured round trip.
        """
        if self._muxer.keepAlive is not None:
            self._keepAliveCall = self.clock.callLater(
                self._muxer.keepAlive, self._keepAlive, self._muxer.keepAlive
            )
        self._sendPing(None)

    def resumeProducing(self) -> None:
        """
        Note that the peer reads, and send it more.
        """
        self._heard = True
        super().resumeProducing()

    def ping(self) -> Deferred[float]:
        """
        Measure the round trip.

        @return: fires with seconds, or fails when the session ends.
        """
        if self.phase is not RUNNING:
            return fail(ConnectionClosing("the session has ended, or has not begun"))
        answered: Deferred[float] = Deferred()
        self._sendPing(answered)
        return answered

    def _sendPing(self, answered: Deferred[float] | None) -> None:
        value = self._nextPing
        self._nextPing = (value + 1) & 0xFFFFFFFF
        self._pings[value] = (self.clock.seconds(), answered)
        self.sendControl(pack(PING, SYN, 0, value))

    def _keepAlive(self, interval: float) -> None:
        """
        Consider a peer dead that let a whole interval pass without an answer,
        without a byte, and without taking one; otherwise ask it again.
        """
        self._keepAliveCall = None
        if self._pings and not self._heard:
            # When this process was stopped, or busy, the answer waits in the socket.
            self._keepAliveCall = self.clock.callLater(0, self._silent, interval)
            return
        self._askAgain(interval)

    def _silent(self, interval: float) -> None:
        """
        End the session, unless the peer was heard in the read that came after the
        deadline.
        """
        self._keepAliveCall = None
        if self._pings and not self._heard:
            self.abort(Failure(PeerUnresponsive(interval)))
            return
        self._askAgain(interval)

    def _askAgain(self, interval: float) -> None:
        """
        Give the peer another interval for a sign of life.
        """
        self._heard = False
        self._keepAliveCall = self.clock.callLater(interval, self._keepAlive, interval)
        # A busy peer may drop a ping; any received byte counts as the answer.
        self._pings = {
            value: ping for value, ping in self._pings.items() if ping[1] is not None
        }
        self._sendPing(None)

    def _pingReceived(self, flags: int, value: int) -> None:
        if flags & SYN:
            if self._pongs < MAX_PONGS:
                self._pongs += 1
                self.sendControl(pack(PING, ACK, 0, value))
        elif flags & ACK and value in self._pings:
            sent, answered = self._pings.pop(value)
            measured = max(self.clock.seconds() - sent, 0.0)
            known = self.roundTrip
            self.roundTrip = (known + measured) / 2 if known else measured
            if answered is not None:
                answered.callback(measured)

    def holdEnd(self, stream: Stream) -> None:
        """
        Let the end of our half leave when the peer has answered two pings, one after
        the other: the second one comes when it has acted on the data.  A peer that
        does not answer in time has had its time.
        """
        super().holdEnd(stream)
        if len(self._pings) < MAX_PONGS:
            answered: Deferred[float] = Deferred()
            answered.addCallback(lambda _: self.ping())
            answered.addCallbacks(lambda _: self.releaseEnd(stream), lambda _: None)
            self._sendPing(answered)

    def controlSent(self) -> None:
        """
        Note that the answers to pings leave.
        """
        self._pongs = 0

    # Receiving

    def parse(self, data: bytes) -> None:
        """
        Note that the peer lives, and cut received bytes into frames.
        """
        self._heard = True
        self._reader.feed(data)

    def headerReceived(self, kind: int, flags: int, streamID: int, length: int) -> None:
        """
        Act on a header; the body of a Data frame is awaited only if it fits
        the window.

        @raise ProtocolViolation: the frame is not acceptable.
        """
        if kind > WINDOW_UPDATE:
            if kind == PING:
                self._pingReceived(flags, length)
            else:
                self.peerEnded(length)
            return
        if flags & SYN:
            stream = self._synReceived(flags, streamID)
        else:
            stream = self.table.byKey.get(streamID)
        self._receiver = None
        if stream is None or stream.state.closed:
            # Frames that crossed our reset.  They are nobody's fault, but no
            # peer was ever allowed to send more than a window.
            if kind == DATA and length > self._muxer.maxWindow:
                raise self.violation(streamID, f"{length} bytes exceed any window")
            return
        if flags:
            if flags & ACK and streamID in self._unacknowledged:
                self._acknowledged(streamID)
            if flags & RST:
                stream.resetReceived(length if kind == WINDOW_UPDATE else 0)
                return
        if kind == DATA:
            if length:
                window: ReceiveWindow = stream.receiveWindow
                if length > window.available or stream.state.peerEnded:
                    raise self._excess(stream, length)
                window.available -= length
                self._receiver = stream
                self._bodyFlags = flags
                return
        elif length:
            self._windowRaised(stream, length)
        if flags & FIN:
            stream.finReceived()

    def bodyReceived(self, data: bytes, last: bool) -> None:
        """
        Hand a part of a body to its stream.
        """
        stream = self._receiver
        if stream is None:
            return
        stream.deliver(data)
        if last and self._bodyFlags & FIN and not stream.state.closed:
            stream.finReceived()
        if len(self.turns.queue) >= EARLY:
            self.turns.flushNow()

    def _synReceived(self, flags: int, streamID: int) -> Stream | None:
        """
        Let the peer open a stream.

        @return: the stream; None if it is refused.
        """
        if streamID & 1 == self._nextID & 1:
            raise self.violation(streamID, "the peer opened a stream of our parity")
        if self.table.occupant(streamID) is not None:
            raise self.violation(streamID, "the peer opened it twice")
        if flags & RST:
            return None
        stream = Stream(
            self,
            streamID,
            _INBOUND,
            INITIAL_WINDOW,
            ReceiveWindow(self.clock.seconds()),
            ACK | FIRST_DATA,
        )
        if not self.streamReceived(stream):
            return None
        if not stream.queued:
            self.turns.ready(stream)
        return stream

    def _excess(self, stream: Stream, length: int) -> ProtocolViolation:
        """
        Return the error for the body of a Data frame that may not come.
        """
        if stream.state.peerEnded:
            return self.violation(stream._streamID, "data came after the end")
        return self.violation(
            stream._streamID,
            f"{length} bytes exceed the window of {stream.receiveWindow.available}",
        )

    def _windowRaised(self, stream: Stream, delta: int) -> None:
        """
        Note that the peer takes more.
        """
        window = stream.sendWindow + delta
        if window > MAX_SEND_WINDOW:
            raise self.violation(stream._streamID, "its window exceeds 32 bits")
        blocked = not stream.sendWindow
        stream.sendWindow = window
        if blocked and stream.unsentSize:
            self.turns.ready(stream)

    def delivered(self, stream: Stream, size: int) -> None:
        """
        Count the bytes that the application has taken, and send credit in time.
        """
        window: ReceiveWindow = stream.receiveWindow
        window.consumed += size
        if window.consumed * 2 >= window.size:
            self.turns.ready(stream)

    # Opening

    def newStream(self) -> Stream:
        """
        Make an outbound stream.

        When too many of our streams wait for the peer's acknowledgement, as a
        peer is free to reset what exceeds its backlog, a new one is announced
        only after some of these were acknowledged or have ended.

        @raise LimitExceeded: the stream ids of this connection are used up.
        """
        streamID = self._nextID
        if streamID > _MAX_STREAM_ID:
            raise LimitExceeded(
                "stream ids of a connection",
                _MAX_STREAM_ID // 2,
                _MAX_STREAM_ID // 2,
                "yamux: connect again",
            )
        self._nextID += 2
        if self._nextID > _MAX_STREAM_ID:
            self.exhausted = True
        backlogged = len(self._unacknowledged) >= self._muxer.ackBacklog
        stream = Stream(
            self,
            streamID,
            _OUTBOUND,
            0 if backlogged else INITIAL_WINDOW,
            ReceiveWindow(self.clock.seconds()),
            SYN,
        )
        if backlogged:
            self._waiting[stream] = None
        else:
            self._unacknowledged.add(streamID)
        return stream

    def _acknowledged(self, streamID: int) -> None:
        """
        Note that the peer has acknowledged a stream of ours, and announce the next.
        """
        self._unacknowledged.discard(streamID)
        if self._waiting:
            stream = self._waiting.popitem(last=False)[0]
            self._unacknowledged.add(stream._streamID)
            stream.sendWindow = INITIAL_WINDOW
            self.turns.ready(stream)

    def key(self, stream: Stream) -> int:
        """
        Both sides' ids are in one table: they differ in parity.
        """
        return stream._streamID

    def announced(self, stream: Stream) -> bool:
        """
        Whether the SYN of the stream, if it is ours, has left.
        """
        return not stream.announce & SYN

    def streamEnded(self, stream: Stream) -> None:
        """
        Free everything that the stream held.
        """
        if self._receiver is stream:
            self._receiver = None
        growth = stream.receiveWindow.size - INITIAL_WINDOW
        if growth:
            self._growth -= growth
            if self.budget is not None:
                self.budget.free(growth)
        if self._waiting:
            self._waiting.pop(stream, None)
        if stream._streamID in self._unacknowledged:
            self._acknowledged(stream._streamID)

    # Sending

    def emit(self, stream: Stream, batch: list[bytes | memoryview]) -> int:
        """
        Append the frames that a stream needs, as few as will do: SYN, ACK and
        credit travel together, and with data where there is some.  FIN never
        does: go-yamux would take it to be in front of the data.
        """
        if self._waiting and stream in self._waiting:
            return 0
        streamID = stream._streamID
        flags = stream.announce
        first = delta = 0
        if flags:
            first = flags & FIRST_DATA
            flags ^= first
            stream.announce = 0
        window: ReceiveWindow = stream.receiveWindow
        if window.consumed * 2 >= window.size and not stream.state.peerEnded:
            delta = self._credit(stream, window)
        written = 0
        size = stream.unsentSize
        if size:
            size = min(size, stream.sendWindow, MAX_BODY)
        if size:
            if delta:
                batch.append(pack(WINDOW_UPDATE, flags, streamID, delta))
                flags = delta = 0
                written = HEADER_SIZE
            batch.append(pack(DATA, flags, streamID, size))
            flags = 0
            stream.take(size, batch)
            stream.sendWindow -= size
            written += HEADER_SIZE + size
        if first and (not size or stream.state.shut):
            stream.announce = first
        ending = stream.state.draining and stream.writeEnding
        if ending:
            if first and size and stream._scope is not None:
                self.holdEnd(stream)
                return written
            flags |= FIN
        if flags or delta:
            batch.append(pack(WINDOW_UPDATE, flags, streamID, delta))
            written += HEADER_SIZE
            if ending:
                stream.finSent()
        return written

    def _credit(self, stream: Stream, window: ReceiveWindow) -> int:
        """
        Update a window; one of a stream that is being closed does not grow.
        """
        muxer, budget = self._muxer, self.budget
        room = muxer.maxGrowth - self._growth
        before = window.size
        delta = window.update(
            self.clock.seconds(),
            0.0 if stream.disconnecting else self.roundTrip,
            muxer.maxWindow,
            room if budget is None else min(room, budget.claim()),
        )
        growth = window.size - before
        if growth:
            self._growth += growth
            if budget is not None:
                budget.hold(growth)
        return delta

    def idleGrowth(self, since: float) -> Stream | None:
        """
        Return the stream with the largest window that has grown, and that the peer has
        used by less than half since a time.
        """
        found, most = None, 0
        for stream in self.table.byKey.values():
            window: ReceiveWindow = stream.receiveWindow
            if (
                window.growth > most
                and window.updated <= since
                and not stream.unreadSize
            ):
                found, most = stream, window.growth
        return found

    def resetFrame(self, stream: Stream, code: int) -> bytes:
        """
        A reset carries its code in the length, as go-libp2p does.
        """
        return pack(WINDOW_UPDATE, RST, stream._streamID, code)

    # The end

    def goAwayFrame(self, code: int) -> bytes:
        """
        The go-away of a normal end.
        """
        return pack(GO_AWAY, 0, 0, code)

    def protocolErrorFrame(self) -> bytes:
        """
        The go-away for a protocol error.
        """
        return pack(GO_AWAY, 0, 0, GoAwayCode.PROTOCOL_ERROR)

    def sessionEnded(self, reason: Failure) -> None:
        """
        Stop parsing, and fail the pings that wait.
        """
        self._reader.stop()
        # It knows this session.
        del self._reader
        if self._keepAliveCall is not None:
            self._keepAliveCall.cancel()
            self._keepAliveCall = None
        pings, self._pings = self._pings, {}
        for _, answered in pings.values():
            if answered is not None:
                answered.errback(reason)
