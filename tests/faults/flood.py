# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A protocol that sends without an end.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["PIECE", "Flood"]

PIECE = bytes(65507)


@implementer(IPushProducer)
class Flood(Protocol):
    """
    Sends as much as there is room for.

    @ivar sent: how many bytes were written.
    @ivar paused: whether there is no room.
    @ivar reason: why it has ended; None so far.
    """

    transport: Any
    reason: BaseException | None = None

    def __init__(self) -> None:
        self.sent = 0
        self.paused = False

    def connectionMade(self) -> None:
        """
        Begin.
        """
        self.transport.registerProducer(self, True)
        self.resumeProducing()

    def resumeProducing(self) -> None:
        """
        There is room.
        """
        self.paused = False
        while not self.paused:
            self.sent += len(PIECE)
            self.transport.write(PIECE)

    def pauseProducing(self) -> None:
        """
        Wait.
        """
        self.paused = True

    stopProducing = pauseProducing

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        It is over.
        """
        self.reason = reason.value
