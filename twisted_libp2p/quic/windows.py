# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The window of a connection, of which streams that nobody reads must not use up the share
of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_libp2p.errors import ErrorCode
from twisted_libp2p.interfaces import windowOf
from twisted_libp2p.quic.below import Line
from twisted_libp2p.quic.stream import QuicStream

if TYPE_CHECKING:
    from twisted_libp2p.interfaces import IConnectionScope

__all__ = ["Windows"]

#: The largest window: backends count with 32 bits.
_LARGEST = (1 << 31) - 1


class Windows:
    """
    The window of one connection.

    A stream is held if its application has paused it while it has unread bytes:
    these may be a whole window of the stream.  Up to half of the initial window of the
    connection may be kept so.  Beyond that the window is raised by what held streams
    may keep, and the memory is asked of the limits; if they refuse, the stream is
    reset, since the others would stand still.

    @ivar budget: grants the memory; None grants all of it.
    """

    __slots__ = ("_ended", "_held", "_line", "_raised", "budget")

    def __init__(self, line: Line) -> None:
        self.budget: IConnectionScope | None = None
        self._line = line
        self._ended = False
        # Bytes that held streams may keep, and by which the window was raised.
        self._held = 0
        self._raised = 0

    def hold(self, stream: QuicStream) -> None:
        """
        Note that a stream has unread bytes that its application does not take.
        """
        if stream.held or self._ended:
            return
        line, budget = self._line, self.budget
        size = windowOf(line.streamWindow, stream.taken)
        stream.held = size
        self._held += size
        more = self._held - line.connectionWindow // 2 - self._raised
        if more <= 0:
            return
        if budget is not None:
            if budget.claim() < more:
                stream.abortConnection(ErrorCode.LIMIT_EXCEEDED)
                return
            budget.hold(more)
        self._raised += more
        self._change()

    def release(self, stream: QuicStream) -> None:
        """
        Note that a stream is read again, or has ended.
        """
        size, stream.held = stream.held, 0
        self._held -= size
        less = self._raised - max(self._held - self._line.connectionWindow // 2, 0)
        if less <= 0:
            return
        self._raised -= less
        if self.budget is not None:
            self.budget.free(less)
        if not self._ended:
            self._change()

    def end(self) -> None:
        """
        Change the window no longer, since the session has ended.
        """
        self._ended = True

    def _change(self) -> None:
        line = self._line
        size = line.connectionWindow + self._raised
        line.endpoint.setWindow(line.handle, min(size, _LARGEST))
        line.touch()
