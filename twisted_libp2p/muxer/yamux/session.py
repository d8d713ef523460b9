# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The yamux session of one connection.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from twisted.python.failure import Failure

from twisted_libp2p.errors import (
    LimitExceeded,
    ProtocolViolation,
)
from twisted_libp2p.interfaces import Direction, Role
from twisted_libp2p.muxer.ends import keptApart
from twisted_libp2p.muxer.frames import FIRST_DATA, MAX_BODY
from twisted_libp2p.muxer.stream import Stream
from twisted_libp2p.muxer.turns import EARLY
from twisted_libp2p.muxer.yamux.frame import (
    ACK,
    DATA,
    FIN,
    GO_AWAY,
    HEADER_SIZE,
    PING,
    RST,
    SYN,
    WINDOW_UPDATE,
    FrameReader,
    GoAwayCode,
    pack,
)
from twisted_libp2p.muxer.yamux.pings import PingingSession
from twisted_libp2p.muxer.yamux.window import (
    INITIAL_WINDOW,
    MAX_SEND_WINDOW,
    ReceiveWindow,
)

if TYPE_CHECKING:
    from twisted_libp2p.interfaces import IMuxedConnection
    from twisted_libp2p.muxer.yamux.muxer import Yamux

__all__ = ["YamuxSession"]

_INBOUND, _OUTBOUND = Direction

_MAX_STREAM_ID = (1 << 32) - 1

_ANSWERED = ACK | RST


class YamuxSession(PingingSession):
    """
    The yamux session of one connection.
    """

    __slots__ = (
        "_bodyFlags",
        "_growth",
        "_nextID",
        "_reader",
        "_receiver",
        "_unacknowledged",
        "_waiting",
    )

    outboundOption = "Yamux.maxOutboundStreams"

    def __init__(
        self,
        muxer: Yamux,
        role: Role,
        connection: IMuxedConnection,
    ) -> None:
        super().__init__(muxer, role, connection)
        self._reader = FrameReader(self)
        self._receiver: Stream | None = None
        self._bodyFlags = 0
        self._nextID = 1 if role is Role.CLIENT else 2
        self._unacknowledged: set[int] = set()
        self._waiting: OrderedDict[Stream, None] = OrderedDict()
        self._growth = 0

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
                self.pingReceived(flags, length)
            else:
                self.peerEnded(length)
            return
        if flags & SYN:
            stream = self._synReceived(flags, streamID)
        else:
            stream = self.table.byKey.get(streamID)
        self._receiver = None
        if stream is None or stream.state.closed:
            self._crossed(kind, streamID, length)
            return
        if flags & _ANSWERED:
            if flags & RST:
                stream.resetReceived(length if kind == WINDOW_UPDATE else 0)
                return
            self._acknowledged(streamID)
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

    def _crossed(self, kind: int, streamID: int, length: int) -> None:
        """
        Ignore a frame that has crossed our reset.  It is nobody's fault, but no peer
        was ever allowed to send more than a window.
        """
        if kind == DATA and length > self._muxer.maxWindow:
            raise self.violation(streamID, f"{length} bytes exceed any window")

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
        table = self.table
        if streamID in table.byKey and table.occupant(streamID) is not None:
            raise self.violation(streamID, "the peer opened it twice")
        if flags & RST:
            return None
        stream = Stream(
            self,
            streamID,
            _INBOUND,
            INITIAL_WINDOW,
            ReceiveWindow(self.clock.seconds()),
            ACK | FIRST_DATA if self.connection.endsApart else ACK,
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
        Note that the peer has acknowledged a stream, or that it has ended; if it was
        one of ours that waited for that, announce the next.
        """
        if streamID not in self._unacknowledged:
            return
        self._unacknowledged.remove(streamID)
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
        if window.consumed * 2 >= window.size:
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
        if flags or delta or stream.state.draining:
            written += self._emitRest(stream, batch, flags, delta, bool(first and size))
        return written

    def _emitRest(
        self,
        stream: Stream,
        batch: list[bytes | memoryview],
        flags: int,
        delta: int,
        opening: bool,
    ) -> int:
        """
        Append the frame for flags and credit that no data frame carries, and for the
        end of our half.

        @param opening: whether the first data of an accepted stream is in the batch:
            its end is kept apart.
        @return: how many bytes these are.
        """
        ending = stream.writeEnding
        if ending:
            if opening and keptApart(stream):
                self.holdEnd(stream)
                return 0
            flags |= FIN
        if not (flags or delta):
            return 0
        batch.append(pack(WINDOW_UPDATE, flags, stream._streamID, delta))
        if ending:
            stream.finSent()
        return HEADER_SIZE

    def _credit(self, stream: Stream, window: ReceiveWindow) -> int:
        """
        Update a window, unless the peer has ended its half.  The window of a stream
        that is being closed does not grow.  A round trip that is not measured yet has
        taken no longer than the upgrade of the connection.

        @return: by how much the peer's allowance rises.
        """
        if stream.state.peerEnded:
            return 0
        muxer, budget = self._muxer, self.budget
        room = muxer.maxGrowth - self._growth
        before = window.size
        delta = window.update(
            self.clock.seconds(),
            0.0
            if stream.disconnecting
            else self.roundTrip or self.connection.upgradeTime,
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
        super().sessionEnded(reason)
