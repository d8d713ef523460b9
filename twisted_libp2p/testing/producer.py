# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A producer that produces nothing.
"""

from __future__ import annotations

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

__all__ = ["Producer"]


@implementer(IPushProducer)
class Producer:
    """
    A producer that records the calls of its consumer.

    @ivar calls: C{"pause"}, C{"resume"} and C{"stop"}, in order.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []

    def pauseProducing(self) -> None:
        """
        The transport is full.
        """
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        """
        The transport has room again, or asks for data.
        """
        self.calls.append("resume")

    def stopProducing(self) -> None:
        """
        The transport is gone.
        """
        self.calls.append("stop")
