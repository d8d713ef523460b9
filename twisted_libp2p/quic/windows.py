# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The window of a connection, of which streams that nobody reads must not use up the share
of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_libp2p.errors import ErrorCode
from twisted_libp2p.quic.below import Line
from twisted_libp2p.quic.stream import QuicStream

if TYPE_CHECKING:
    from twisted_libp2p.quic.session import QuicSession

__all__ = ["Windows"]

#: The largest window: backends count with 32 bits.
_LARGEST = (1 << 31) - 1


class Windows:
    """
    The window of one connection.

    A held stream is one that its application has paused while it has unread bytes:
    these may be a whole window of a stream.  Up to half of the initial window of the
    connection may be kept so.  Beyond that the window is raised by that of a stream for
    each held stream, and the memory is asked of the limits; if they refuse, the stream
    is reset, since the others would stand still.
    """

    __slots__ = ("_held", "_line", "_raised", "_session")

    def __init__(self, session: QuicSession, line: Line) -> None:
        self._session = session
        self._line = line
        self._held = 0
        self._raised = 0

    def hold(self, stream: QuicStream) -> None:
        """
        Note that a stream has unread bytes that its application does not take.
        """
        if stream.held or self._session.ended:
            return
        line, budget = self._line, self._session.budget
        size = line.streamWindow
        stream.held = True
        self._held += 1
        if self._held * size - self._raised * size <= line.connectionWindow // 2:
            return
        if budget is not None:
            if budget.claim() < size:
                stream.abortConnection(ErrorCode.LIMIT_EXCEEDED)
                return
            budget.hold(size)
        self._raised += 1
        self._change()

    def release(self, stream: QuicStream) -> None:
        """
        Note that a stream is read again, or has ended.
        """
        if not stream.held:
            return
        stream.held = False
        self._held -= 1
        if self._raised > self._held:
            self._raised -= 1
            budget = self._session.budget
            if budget is not None:
                budget.free(self._line.streamWindow)
            if not self._session.ended:
                self._change()

    def _change(self) -> None:
        line = self._line
        size = line.connectionWindow + self._raised * line.streamWindow
        line.endpoint.setWindow(line.handle, min(size, _LARGEST))
        line.touch()
