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
    """

    __slots__ = ("_line", "_windows")

    def __init__(self, line: Line, windows: Windows) -> None:
        self._line = line
        self._windows = windows

    def pull(self, stream: QuicStream) -> None:
        """
        Read from the backend as long as the application reads.
        """
        line = self._line
        endpoint, handle = line.endpoint, line.handle
        while stream.readable:
            if not stream.reads:
                self._windows.hold(stream)
                return
            got = endpoint.read(handle, stream._streamID, PIECE)
            if got is None:
                stream.readable = False
                break
            line.touch()
            self._deliver(stream, *got)
        self._windows.release(stream)

    def _deliver(self, stream: QuicStream, data: bytes, end: int | None) -> None:
        """
        Hand bytes, and the end of the peer's half, to a stream.
        """
        if end is not None:
            stream.readable = False
        if data:
            stream.deliver(data)
        if end == FIN:
            stream.finReceived()
        elif end is not None:
            self.wasReset(stream, end)

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

    def drain(self, stream: QuicStream) -> None:
        """
        Take what the backend has of a stream, which it forgets now; these bytes are at
        most a window.
        """
        line = self._line
        while stream.readable:
            got = line.endpoint.read(line.handle, stream._streamID, PIECE)
            if got is None:
                stream.readable = False
            else:
                self._deliver(stream, *got)
