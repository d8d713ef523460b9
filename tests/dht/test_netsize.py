# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.dht.netsize}.
"""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.dht.keyspace import BITS
from twisted_libp2p.dht.netsize import MAX_AGE, NetworkSize


class NetworkSizeTests(SynchronousTestCase):
    """
    The estimate, and the alarm that uses it.
    """

    def setUp(self) -> None:
        random = Random(7)
        self.peers = [random.getrandbits(BITS) for _ in range(2000)]
        self.targets = [random.getrandbits(BITS) for _ in range(40)]
        self.size = NetworkSize()

    def nearest(self, target: int) -> list[int]:
        """
        Return the 20 nearest places.
        """
        return sorted(self.peers, key=lambda each: each ^ target)[:20]

    def test_estimate(self) -> None:
        """
        The estimate is near the size, needs a few lookups, and forgets old ones.
        """
        for number, target in enumerate(self.targets):
            self.assertEqual(self.size.estimate(0.0) is None, number < 5)
            self.size.observe(target, self.nearest(target), 0.0)
        estimate = self.size.estimate(0.0)
        assert estimate is not None
        self.assertTrue(1700 < estimate < 2300, estimate)
        self.assertIsNone(self.size.estimate(MAX_AGE + 1.0))

    def test_incomplete(self) -> None:
        """
        A lookup with fewer peers does not count.
        """
        for target in self.targets:
            self.size.observe(target, self.nearest(target)[:19], 0.0)
        self.assertIsNone(self.size.estimate(0.0))

    def test_alarm(self) -> None:
        """
        Ids made for one target are noticed, and no target without them is suspected.
        """
        random = Random(8)
        self.assertFalse(self.size.tooDense(0, self.peers[:20], 0.0))
        for target in self.targets:
            self.size.observe(target, self.nearest(target), 0.0)
        for target in self.targets:
            self.assertFalse(self.size.tooDense(target, self.nearest(target), 0.0))
            made = [target ^ random.getrandbits(BITS - 20) for _ in range(20)]
            near = sorted(made, key=lambda each: each ^ target)
            self.assertTrue(self.size.tooDense(target, near, 0.0))
        self.assertTrue(self.size.tooDense(0, [0] * 20, 0.0))
