# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Many bytes that mean nothing, as fast as they are taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

__all__ = ["flood"]


def flood(transport: Any, size: int, block: int, done: Callable[[], None]) -> None:
    """
    Write so many bytes.

    @param transport: anything with producers.
    @param size: how many bytes.
    @param block: how many of them are written at once.
    @param done: called when the last one is written.
    """
    producer = _Flood(transport, size, block, done)
    transport.registerProducer(producer, True)
    producer.resumeProducing()


@implementer(IPushProducer)
class _Flood:
    """
    Writes blocks until it is paused.
    """

    def __init__(
        self, transport: Any, size: int, block: int, done: Callable[[], None]
    ) -> None:
        self._transport = transport
        self._left = size
        self._block = bytes(block)
        self._done = done
        self._paused = False
        self._ended = False

    def resumeProducing(self) -> None:
        """
        Write until there is enough, or nothing left.
        """
        self._paused = False
        write, block = self._transport.write, self._block
        while self._left >= len(block) and not self._paused:
            self._left -= len(block)
            write(block)
        if self._paused or self._ended:
            return
        self._ended = True
        if self._left:
            write(block[: self._left])
        self._transport.unregisterProducer()
        self._done()

    def pauseProducing(self) -> None:
        """
        There is enough for now.
        """
        self._paused = True

    def stopProducing(self) -> None:
        """
        Nobody takes any more; the protocol is told.
        """
        self._paused = self._ended = True
