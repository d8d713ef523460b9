# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The mplex session of one connection.

mplex has no windows: bytes that the peer sends on a stream that nobody reads can only
be stored, or stop the whole connection.  So they are stored, up to a bound for the
connection, if the owner grants the memory; at the bound the session stops reading its
transport; and if that does not help in time, the stream with the most unread bytes is
reset, so that the others go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from twisted_libp2p.errors import ErrorCode
from twisted_libp2p.interfaces import Direction, Role
from twisted_libp2p.muxer.ends import keptApart
from twisted_libp2p.muxer.frames import FIRST_DATA, MAX_BODY
from twisted_libp2p.muxer.mplex.frame import (
    PROTOCOL_ID,
    Flag,
    FrameReader,
    pack,
)
from twisted_libp2p.muxer.phase import GONE
from twisted_libp2p.muxer.session import MuxerSession
from twisted_libp2p.muxer.stream import Stream
from twisted_libp2p.muxer.turns import EARLY

if TYPE_CHECKING:
    from twisted_libp2p.interfaces import IMuxedConnection
    from twisted_libp2p.muxer.mplex.muxer import Mplex

__all__ = ["MplexSession"]

#: So many unread bytes a session may have without asking for more memory.
FREE = 256 * 1024

#: The send window of every stream: never used up.
_BOUNDLESS = 1 << 62

_INBOUND, _OUTBOUND = Direction

# A Stream's note that its NewStream has not left yet.
_NEW = 1

# As plain numbers, since they are compared for every frame.
_NEW_STREAM = int(Flag.NEW_STREAM)
_MESSAGE = int(Flag.MESSAGE_RECEIVER)
_LAST_MESSAGE = int(Flag.MESSAGE_INITIATOR)
_CLOSE = int(Flag.CLOSE_RECEIVER)
_LAST_CLOSE = int(Flag.CLOSE_INITIATOR)
_RESET = int(Flag.RESET_RECEIVER)
_RESERVED = 7


class MplexSession(MuxerSession):
    """
    The mplex session of one connection.
    """

    __slots__ = (
        "_blockedCall",
        "_free",
        "_muxer",
        "_nextID",
        "_reader",
        "_receiver",
        "_room",
        "_unread",
    )

    protocolID = PROTOCOL_ID
    outboundOption = "Mplex.maxOutboundStreams"

    def __init__(
        self,
        muxer: Mplex,
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
        self._nextID = 0
        self._unread = 0
        self._free = self._room = min(FREE, muxer.maxUnread)
        self._blockedCall: IDelayedCall | None = None

    # Receiving

    def parse(self, data: bytes) -> None:
        """
        Cut received bytes into frames.
        """
        self._reader.feed(data)

    def headerReceived(self, flag: int, streamID: int, size: int) -> None:
        """
        Act on a header.  Only messages have a body that matters.

        @raise ProtocolViolation: the frame is not acceptable.
        """
        self._receiver = None
        if flag == _NEW_STREAM:
            self._newStreamReceived(streamID)
            return
        # The even flags are for streams that the sender has opened.
        ours = flag & 1
        stream = self.table.byKey.get(streamID << 1 | ours)
        if stream is None or stream.state.closed:
            return
        if flag <= _LAST_MESSAGE:
            if stream.state.peerEnded:
                self._misused(stream)
            else:
                self._receiver = stream
        elif flag <= _LAST_CLOSE:
            stream.finReceived()
        elif flag == _RESERVED:
            self._misused(stream)
        else:
            stream.resetReceived(ErrorCode.NONE)

    def bodyReceived(self, data: bytes) -> None:
        """
        Hand a part of a message to its stream.
        """
        stream = self._receiver
        if stream is None:
            return
        self._unread += len(data)
        stream.deliver(data)
        if self._unread > self._room and self._blockedCall is None and not self._grow():
            self._block()
        if len(self.turns.queue) >= EARLY:
            self.turns.flushNow()

    def _newStreamReceived(self, streamID: int) -> None:
        """
        Let the peer open a stream.  The name that it gives the stream is not used.
        """
        if self.table.occupant(streamID << 1) is not None:
            raise self.violation(streamID, "the peer opened it twice")
        announce = FIRST_DATA if self.connection.endsApart else 0
        self.streamReceived(
            Stream(self, streamID, _INBOUND, _BOUNDLESS, None, announce)
        )

    def _misused(self, stream: Stream) -> None:
        """
        Reset the one stream whose rules the peer broke.
        """
        error = self.violation(stream._streamID, "a frame out of place")
        stream.fail(Failure(error), error.wireCode)

    # Unread bytes

    def delivered(self, stream: Stream, size: int) -> None:
        """
        Count the read bytes; read the transport again when half of the room is free.
        """
        self._unread -= size
        if self._blockedCall is not None and self._unread * 2 <= self._room:
            self._unblock()
        if not self._unread and self._room > self._free:
            if self.budget is not None:
                self.budget.free(self._room - self._free)
            self._room = self._free

    def _grow(self) -> bool:
        """
        Make room for twice as many unread bytes.

        @return: whether there is room enough now.
        """
        unread, room = self._unread, self._room
        growth = min(max(room, unread - room), self._muxer.maxUnread - room)
        if self.budget is not None:
            growth = min(growth, max(self.budget.claim(), 0))
            self.budget.hold(growth)
        self._room = room + growth
        return unread <= self._room

    def _block(self) -> None:
        """
        Stop reading the transport, for a while.
        """
        self._blockedCall = self.clock.callLater(self._muxer.patience, self._waited)
        self.transport.pauseProducing()

    def _unblock(self) -> None:
        """
        Read the transport again, if it is still there.
        """
        call, self._blockedCall = self._blockedCall, None
        if call is not None:
            if call.active():
                call.cancel()
            if self.phase is not GONE:
                self.transport.resumeProducing()

    def _waited(self) -> None:
        """
        Let the reactor serve all sockets once: when this process was stopped, or
        busy, applications had no chance to read.
        """
        self._blockedCall = self.clock.callLater(0, self._outOfPatience)

    def _outOfPatience(self) -> None:
        """
        Reset the stream with most unread bytes, and wait again if that was not
        enough; but not if there is memory now that others had before.
        """
        if self._grow():
            self._unblock()
            return
        self._blockedCall = self.clock.callLater(self._muxer.patience, self._waited)
        laziest = max(self.table.byKey.values(), key=lambda stream: stream.unreadSize)
        laziest.abortConnection(ErrorCode.LIMIT_EXCEEDED)

    # Opening

    def newStream(self) -> Stream:
        """
        Make an outbound stream.
        """
        streamID = self._nextID
        self._nextID += 1
        return Stream(self, streamID, _OUTBOUND, _BOUNDLESS, None, _NEW)

    def key(self, stream: Stream) -> int:
        """
        Both sides may use the same id: whose it is goes into the key.
        """
        return stream._streamID << 1 | (stream._direction is _OUTBOUND)

    def announced(self, stream: Stream) -> bool:
        """
        Whether the NewStream of the stream, if it is ours, has left.
        """
        return not stream.announce & _NEW

    # Sending

    def emit(self, stream: Stream, batch: list[bytes | memoryview]) -> int:
        """
        Append the frames that a stream needs.  Its name is left empty.
        """
        streamID, ours = stream._streamID, stream._direction is _OUTBOUND
        header = b""
        first = stream.announce
        size = stream.unsentSize
        if first == _NEW:
            stream.announce = first = 0
            header = pack(_NEW_STREAM, streamID, 0)
        elif first and size and not stream.state.shut:
            stream.announce = 0
        if size:
            size = min(size, MAX_BODY)
            header += pack(_MESSAGE + ours, streamID, size)
            batch.append(header)
            stream.take(size, batch)
            size += len(header)
            header = b""
        if stream.state.draining and stream.writeEnding:
            if first and size and keptApart(stream):
                self.holdEnd(stream)
                return size
            header += pack(_CLOSE + ours, streamID, 0)
            stream.finSent()
        if header:
            batch.append(header)
        return size + len(header)

    def resetFrame(self, stream: Stream, code: int) -> bytes:
        """
        A reset has no place for a code.
        """
        ours = stream._direction is _OUTBOUND
        return pack(_RESET + ours, stream._streamID, 0)

    # The end

    def goAwayFrame(self, code: int) -> bytes:
        """
        Return the resets of the streams on which our half has not ended, so that the
        peer does not take their bytes for complete: mplex cannot announce the end of
        the session.
        """
        return b"".join(
            self.resetFrame(stream, code)
            for stream in self.table.byKey.values()
            if not stream.state.sent and self.announced(stream)
        )

    def sessionEnded(self, reason: Failure) -> None:
        """
        Stop parsing; but read, to notice when the transport is closed.
        """
        self._reader.stop()
        self._unblock()
