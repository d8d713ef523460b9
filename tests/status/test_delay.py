# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.status.delay}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.status.delay import ReactorDelay


class DelayTests(SynchronousTestCase):
    """
    The delay of the reactor.
    """

    def test_late(self) -> None:
        """
        A timer that fires late is counted with its delay, until the measurement is
        stopped.
        """
        clock = Clock()
        delay = ReactorDelay(clock)
        delay.start()
        clock.advance(1.0)
        clock.advance(1.25)
        self.assertEqual(sum(delay.times.counts), 2)
        self.assertEqual(delay.times.total, 0.25)
        delay.stop()
        self.assertEqual(clock.getDelayedCalls(), [])
