# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Sending the streams of a session: bytes go to the backend, which says how many it takes.
"""

from __future__ import annotations

from twisted_libp2p.muxer.turns import Turns
from twisted_libp2p.quic.below import Line
from twisted_libp2p.quic.openings import Openings
from twisted_libp2p.quic.reading import PIECE
from twisted_libp2p.quic.stream import ROOM, QuicStream

__all__ = ["Sender"]


class Sender:
    """
    Sends the streams of one session, in their turns.

    @ivar unacknowledged: the streams whose end the peer has not acknowledged.
    """

    __slots__ = ("_line", "_openings", "_turns", "unacknowledged")

    def __init__(self, line: Line, turns: Turns, openings: Openings) -> None:
        self._line = line
        self._turns = turns
        self._openings = openings
        self.unacknowledged: set[int] = set()

    def emit(self, stream: QuicStream, batch: list[bytes | memoryview]) -> int:
        """
        Hand bytes of a stream to the backend, and the end of our half.

        @param batch: gets nothing: the backend makes the frames.
        @return: how many bytes it took.
        """
        line = self._line
        number = stream._streamID
        if number < 0:
            if not self._openings.open(stream):
                stream.sendWindow = 0
                return 0
            number = stream._streamID
        size = stream.unsentSize
        if size > PIECE:
            size = PIECE
        if size:
            pieces: list[bytes | memoryview] = []
            stream.take(size, pieces)
            if not stream.stopped:
                taken = line.endpoint.write(line.handle, number, pieces)
                if taken < size:
                    stream.putBack(pieces, taken)
                    stream.sendWindow = 0
                    size = taken
        if stream.state.draining and stream.writeEnding:
            if not stream.stopped:
                line.endpoint.finish(line.handle, number)
                self.unacknowledged.add(number)
            stream.finSent()
        line.touch()
        return size

    def controlSent(self) -> None:
        """
        Do nothing: there are no control frames.
        """

    def writable(self, stream: QuicStream | None) -> None:
        """
        Send on: the backend takes bytes of a stream again.
        """
        if stream is not None and not stream.state.closed:
            stream.sendWindow = ROOM
            if stream.unsentSize or stream.writeEnding:
                self._turns.ready(stream)

    def stopped(self, number: int, code: int, stream: QuicStream | None) -> None:
        """
        Act on a peer that reads no longer.

        If its own half goes on, what is written from now on is dropped: go-libp2p does
        this when it closes a stream.  If that has ended, the stream is reset.
        """
        line = self._line
        line.endpoint.reset(line.handle, number, code)
        line.touch()
        self.unacknowledged.discard(number)
        if stream is None or stream.state.sent:
            return
        if stream.state.peerEnded:
            stream.resetReceived(code)
        else:
            stream.stopped = True
            stream.sendWindow = ROOM
            self._turns.ready(stream)

    def reset(self, number: int, code: int) -> None:
        """
        Reset both halves of a stream.
        """
        line = self._line
        line.endpoint.reset(line.handle, number, code)
        line.endpoint.stop(line.handle, number, code)
        self.unacknowledged.discard(number)
        line.touch()
