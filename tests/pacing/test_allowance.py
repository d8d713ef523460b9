# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of how often a peer may do something.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.pacing.allowance import Allowance


class AllowanceTests(SynchronousTestCase):
    """
    Three times at once, and once more every five seconds.
    """

    def setUp(self) -> None:
        """
        Begin at some time.
        """
        self.allowance = Allowance(3, 5.0, 1000.0)

    def taken(self, now: float) -> int:
        """
        Take as often as that is allowed, out of ten times.
        """
        return sum(self.allowance.take(now) for _ in range(10))

    def test_burst(self) -> None:
        """
        At first it is three times, then once for every interval.
        """
        self.assertEqual(self.taken(1000.0), 3)
        self.assertEqual(self.taken(1004.9), 0)
        self.assertEqual(self.taken(1005.0), 1)
        self.assertEqual(self.taken(1015.0), 2)

    def test_neverMore(self) -> None:
        """
        Patience earns no more than the burst.
        """
        self.assertEqual(self.taken(9000.0), 3)

    def test_whole(self) -> None:
        """
        It tells when it is as good as new.
        """
        self.assertTrue(self.allowance.whole(1000.0))
        self.allowance.take(1000.0)
        self.assertFalse(self.allowance.whole(1004.9))
        self.assertTrue(self.allowance.whole(1005.1))

    def test_clockGoesBack(self) -> None:
        """
        A clock that is set back gives nothing, and takes nothing.
        """
        self.assertEqual(self.taken(1000.0), 3)
        self.assertEqual(self.taken(500.0), 0)
        self.assertEqual(self.taken(505.0), 1)
