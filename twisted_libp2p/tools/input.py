# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The lines of stdin, or all of it.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["Input"]

#: Number of waiting lines from which no further ones are read.
_ENOUGH: Final = 64


@implementer(IHalfCloseableProtocol)
class Input(Protocol):
    """
    An asynchronous iterator over the lines that it receives, without their ends.

    The input ends after a line that is longer than the maximum; that line is then the
    last item, cut off.
    """

    transport: Any

    def __init__(self, maximum: int, whole: bool = False) -> None:
        """
        @param maximum: the size of the longest line in bytes.
        @param whole: whether everything is one item.
        """
        self._maximum = maximum
        self._whole = whole
        self._rest = bytearray()
        self._lines: deque[bytes] = deque()
        self._waiting: Deferred[bytes] | None = None
        self._ended = self._paused = False

    def dataReceived(self, data: bytes) -> None:
        """
        Cut off the lines.
        """
        if self._ended:
            return
        self._rest += data
        if not self._whole:
            *lines, last = self._rest.split(b"\n")
            self._lines.extend(map(bytes, lines))
            self._rest = last
        if len(self._rest) > self._maximum:
            self._end()
            self.transport.loseConnection()
        elif len(self._lines) >= _ENOUGH and not self._paused:
            self._paused = True
            self.transport.pauseProducing()
        self._serve()

    def readConnectionLost(self) -> None:
        """
        Take the last line, which needs no end.
        """
        self._end()
        self._serve()

    def writeConnectionLost(self) -> None:
        """
        Ignore that stdout was closed.
        """

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        End the iteration.
        """
        self.readConnectionLost()

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            if self._rest:
                self._lines.append(bytes(self._rest))

    def _serve(self) -> None:
        waiting = self._waiting
        if waiting is None or not (self._lines or self._ended):
            return
        self._waiting = None
        if self._lines:
            waiting.callback(self._lines.popleft())
        else:
            waiting.errback(StopAsyncIteration())

    def __aiter__(self) -> Input:
        return self

    def __anext__(self) -> Deferred[bytes]:
        if self._paused and len(self._lines) < _ENOUGH // 2 and not self._ended:
            self._paused = False
            self.transport.resumeProducing()
        waiting: Deferred[bytes] = Deferred(self._cancelled)
        self._waiting = waiting
        self._serve()
        return waiting

    def _cancelled(self, _: Deferred[bytes]) -> None:
        self._waiting = None
