# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.muxer.ends}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.muxer.ends import HeldEnds


class Ending:
    """
    A stream whose end may leave.
    """

    writeEnding = True


def ending() -> Any:
    """
    Make a stream.
    """
    return Ending()


class HeldEndsTests(SynchronousTestCase):
    """
    Ends that are held back.
    """

    def setUp(self) -> None:
        """
        Hold the ends of two streams back.
        """
        self.clock = Clock()
        self.sent: list[Any] = []
        self.ends = HeldEnds(self.sent.append)
        self.first = ending()
        self.second = ending()
        self.ends.hold(self.clock, 0.1, self.first)
        self.ends.hold(self.clock, 0.2, self.second)

    def test_time(self) -> None:
        """
        An end leaves when its time is over.
        """
        self.clock.advance(0.1)
        self.assertEqual(self.sent, [self.first])
        self.clock.advance(0.1)
        self.assertEqual(self.sent, [self.first, self.second])

    def test_release(self) -> None:
        """
        An end leaves earlier if it is released, once; and so do all.
        """
        self.ends.release(self.second)
        self.ends.release(self.second)
        self.assertEqual(self.sent, [self.second])
        self.ends.releaseAll()
        self.assertEqual(self.sent, [self.second, self.first])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_notEnding(self) -> None:
        """
        A stream that has been reset meanwhile has no end to send.
        """
        self.first.writeEnding = False
        self.ends.release(self.first)
        self.assertEqual(self.sent, [])

    def test_stop(self) -> None:
        """
        No end leaves after the end of the session.
        """
        self.ends.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.ends.releaseAll()
        self.assertEqual(self.sent, [])
