# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.status.rate}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.status.rate import SECONDS, Rate


class RateTests(SynchronousTestCase):
    """
    Counting by the second.
    """

    def test_history(self) -> None:
        """
        The present second is told when it is over, and all for a minute.
        """
        rate = Rate()
        for now in (1000.0, 1000.9, 1002.5):
            rate.count(now)
        self.assertEqual(rate.history(1002.9)[-3:], [0, 2, 0])
        self.assertEqual(rate.history(1003.0)[-3:], [2, 0, 1])
        self.assertEqual(rate.history(1060.0)[:3], [2, 0, 1])
        self.assertEqual(rate.history(1061.0)[:3], [0, 1, 0])
        self.assertEqual(len(rate.history(1061.0)), SECONDS)
        self.assertEqual(rate.total, 3)

    def test_quiet(self) -> None:
        """
        After a long time nothing is left; the total is.
        """
        rate = Rate()
        rate.count(5.0)
        self.assertEqual(rate.history(1e9), [0] * SECONDS)
        self.assertEqual(rate.total, 1)

    def test_backwards(self) -> None:
        """
        When the clock is set back, the counts go on with the next second.
        """
        rate = Rate()
        rate.count(100.0)
        for now in (50.0, 51.0, 51.5):
            rate.count(now)
        self.assertEqual(rate.history(52.0)[-3:], [0, 2, 2])
        self.assertEqual(rate.history(53.0)[-3:], [2, 2, 0])
        # Now and then a clock is set more than once.
        rate.count(20.0)
        self.assertEqual(rate.history(21.0)[-3:], [2, 0, 1])
