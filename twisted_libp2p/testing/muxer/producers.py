# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Producers that write on a stream.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IPullProducer, IPushProducer
from zope.interface import implementer

from twisted_libp2p.interfaces import IStream

__all__ = ["PullProducer", "PushProducer"]


@implementer(IPushProducer)
class PushProducer:
    """
    Writes pieces of one size until it is paused.

    @ivar left: how many pieces are still to be written.
    @ivar paused: whether it is paused.
    @ivar stopped: whether it was stopped.
    @ivar wrote: called after each piece.
    """

    def __init__(self, stream: IStream, piece: bytes, count: int) -> None:
        self.stream = stream
        self.piece = piece
        self.left = count
        self.paused = False
        self.stopped = False
        self.wrote: Callable[[], object] = lambda: None
        stream.registerProducer(self, True)
        self._write()

    def _write(self) -> None:
        while self.left and not self.paused and not self.stopped:
            self.left -= 1
            self.stream.write(self.piece)
            self.wrote()
            if not self.left:
                self.stream.unregisterProducer()

    def pauseProducing(self) -> None:
        """
        Stop writing.
        """
        self.paused = True

    def resumeProducing(self) -> None:
        """
        Go on.
        """
        self.paused = False
        self._write()

    def stopProducing(self) -> None:
        """
        Stop writing for good.
        """
        self.stopped = True


@implementer(IPullProducer)
class PullProducer:
    """
    Writes one piece whenever it is asked.

    @ivar left: how many pieces are still to be written.
    @ivar stopped: whether it was stopped.
    """

    def __init__(self, stream: IStream, piece: bytes, count: int) -> None:
        self.stream = stream
        self.piece = piece
        self.left = count
        self.stopped = False
        stream.registerProducer(self, False)

    def resumeProducing(self) -> None:
        """
        Write one piece.
        """
        self.left -= 1
        self.stream.write(self.piece)
        if not self.left:
            self.stream.unregisterProducer()

    def stopProducing(self) -> None:
        """
        Stop writing for good.
        """
        self.stopped = True
