# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The muxer C{/bundle/1.0.0}: an example.

A frame is the id of a stream (32 bits), what it is (8 bits), and a number (32
bits), which for C{DATA} is the size of the body that follows.  The ids of the
side that opened the connection are odd, those of the other side even.  Each
side may have sent L{WINDOW} bytes of a stream that the other's application has
not read; C{CREDIT} tells that it has.

No other implementation speaks it.  It lacks yamux's windows that grow with the
distance, and a ping that notices when a peer has died.
"""

from __future__ import annotations

from struct import Struct

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_libp2p.errors import LimitExceeded
from twisted_libp2p.interfaces import Direction, IMuxedConnection, IMuxer, Role
from twisted_libp2p.muxer import Stream
from twisted_libp2p.muxer.frames import MAX_BODY
from twisted_libp2p.muxer.layer import SessionFactory
from twisted_libp2p.muxer.session import MuxerSession

PROTOCOL_ID = "/bundle/1.0.0"

WINDOW = 256 * 1024
MAX_STREAMS = 256
MAX_STREAM_ID = 0xFFFFFFFF

HEADER = Struct(">IBI")
START, DATA, CREDIT, END, RESET = range(5)


class BundleSession(MuxerSession):
    """
    The session of one connection.

    Of each stream C{announce} tells whether its C{START} is still to be sent,
    and C{receiveWindow} how many bytes the peer may send.
    """

    protocolID = PROTOCOL_ID

    def __init__(
        self,
        clock: IReactorTime,
        role: Role,
        connection: IMuxedConnection,
    ) -> None:
        super().__init__(clock, role, connection, MAX_STREAMS, MAX_STREAMS)
        self._partial = b""
        self._nextID = 1 if role is Role.CLIENT else 2

    # Receiving

    def parse(self, data: bytes) -> None:
        """
        Cut what was received into frames; keep the beginning of the next.
        """
        data = self._partial + data
        offset = 0
        while not self.ended and offset + HEADER.size <= len(data):
            streamID, kind, number = HEADER.unpack_from(data, offset)
            size = number if kind == DATA else 0
            if kind > RESET or size > MAX_BODY:
                raise self.violation(streamID, f"a frame {kind} of {number}")
            start = offset + HEADER.size
            if start + size > len(data):
                break
            offset = start + size
            self._frameReceived(streamID, kind, number, data[start:offset])
        self._partial = data[offset:]

    def _frameReceived(
        self, streamID: int, kind: int, number: int, body: bytes
    ) -> None:
        stream = self.find(streamID)
        if kind == START:
            if stream is not None or streamID % 2 == self._nextID % 2:
                raise self.violation(streamID, "it cannot be opened")
            self.streamReceived(
                Stream(self, streamID, Direction.INBOUND, WINDOW, WINDOW, 0)
            )
        elif stream is None or stream.state.closed:
            pass  # The frame and our reset have crossed.
        elif kind == DATA:
            if stream.state.peerEnded or number > stream.receiveWindow:
                raise self.violation(streamID, f"{number} bytes are too many")
            stream.receiveWindow -= number
            stream.deliver(body)
        elif kind == CREDIT:
            stream.sendWindow += number
            self.turns.ready(stream)
        elif kind == END:
            stream.finReceived()
        else:
            stream.resetReceived(number)

    def delivered(self, stream: Stream, size: int) -> None:
        """
        Allow more when half of the window is free; not for every byte.
        """
        free = WINDOW - stream.receiveWindow - stream.unreadSize
        if free >= WINDOW // 2 and not stream.state.peerEnded:
            stream.receiveWindow += free
            self.sendControl(HEADER.pack(stream.streamID, CREDIT, free))

    # Opening

    def newStream(self) -> Stream:
        """
        Make an outbound stream.

        @raise LimitExceeded: the ids of this connection are used up.
        """
        streamID = self._nextID
        if streamID > MAX_STREAM_ID:
            used = MAX_STREAM_ID // 2
            raise LimitExceeded("stream ids", used, used, "a new connection")
        self._nextID += 2
        return Stream(self, streamID, Direction.OUTBOUND, WINDOW, WINDOW, 1)

    def key(self, stream: Stream) -> int:
        """
        Both sides' ids are in one table: they differ in parity.
        """
        return stream.streamID

    def announced(self, stream: Stream) -> bool:
        """
        Whether the peer can know of the stream.
        """
        return not stream.announce

    # Sending

    def emit(self, stream: Stream, batch: list[bytes | memoryview]) -> int:
        """
        Append the frames that a stream needs.
        """
        streamID, before = stream.streamID, len(batch)
        if stream.announce:
            stream.announce = 0
            batch.append(HEADER.pack(streamID, START, 0))
        size = min(stream.unsentSize, stream.sendWindow, MAX_BODY)
        if size:
            stream.sendWindow -= size
            batch.append(HEADER.pack(streamID, DATA, size))
            stream.take(size, batch)
        if stream.writeEnding:
            batch.append(HEADER.pack(streamID, END, 0))
            stream.finSent()
        return sum(map(len, batch[before:]))

    def resetFrame(self, stream: Stream, code: int) -> bytes:
        """
        The frame that resets a stream.
        """
        return HEADER.pack(stream.streamID, RESET, code)


@implementer(IMuxer)
class Bundle:
    """
    What a node is given.
    """

    protocolID = PROTOCOL_ID

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock

    def wrap(self, role: Role, connection: IMuxedConnection) -> SessionFactory:
        """
        Give a factory whose protocol is the session of one connection.
        """
        return SessionFactory(connection, BundleSession(self._clock, role, connection))
