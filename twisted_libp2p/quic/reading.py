# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Reading the streams of a session: their unread bytes stay in the backend, which gives
the peer credit for those that are read.
"""

from __future__ import annotations

from twisted_libp2p.interfaces import FIN
from twisted_libp2p.quic.below import Line
from twisted_libp2p.quic.stream import QuicStream
from twisted_libp2p.quic.windows import Windows

__all__ = ["PIECE", "Reader"]

#: The most bytes that are read from the backend, or offered to it, at once.
PIECE = 256 * 1024


class Reader:
    """
    Reads the streams of one session.

    @ivar received: the bytes that were read.
    """

    __slots__ = ("_line", "_windows", "received")

    def __init__(self, line: Line, windows: Windows) -> None:
        self._line = line
        self._windows = windows
        self.received = 0

    def pull(self, stream: QuicStream, everything: bool = False) -> None:
        """
        Read from the backend as long as the application reads, and hand bytes and the
        end of the peer's half to a stream.

        @param everything: read on if the application does not: the backend forgets the
            stream now.  These bytes are at most a window.
        """
        line = self._line
        while stream.readable:
            if not (everything or stream.reads):
                self._windows.hold(stream)
                return
            got = line.endpoint.read(line.handle, stream._streamID, PIECE)
            if got is None:
                stream.readable = False
                break
            line.touch()
            data, end = got
            size = len(data)
            if end is not None or size < PIECE:
                stream.readable = False
            if size:
                self.received += size
                stream.taken += size
                stream.deliver(data)
            if end == FIN:
                stream.finReceived()
            elif end is not None:
                self.wasReset(stream, end)
        if stream.held:
            self._windows.release(stream)

    def wasReset(self, stream: QuicStream, code: int) -> None:
        """
        Act on a reset of the peer's half.  It ends both halves, and the peer counts the
        stream until ours has ended too.
        """
        stream.readable = False
        if not stream.state.sent:
            line = self._line
            line.endpoint.reset(line.handle, stream._streamID, code)
            line.touch()
        stream.resetReceived(code)
