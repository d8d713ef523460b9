# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.quic.aioquic.parts}.
"""

from __future__ import annotations

from random import Random

from aioquic.quic.connection import QuicConnectionError
from aioquic.quic.rangeset import RangeSet
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import explained, seeds
from twisted_libp2p.quic.aioquic.parts import MAX_PARTS, Parts


class PartsTests(SynchronousTestCase):
    """
    The received parts of a stream.
    """

    def test_model(self) -> None:
        """
        They are what aioquic's own class has, whatever is added and removed.
        """
        for seed in seeds(30):
            random = Random(seed)
            ours, model = Parts(), RangeSet()
            with explained(f"seed {seed}".format):
                for _ in range(100):
                    start = random.randrange(300)
                    stop = start + random.randrange(1, 20)
                    ours.add(start, stop)
                    model.add(start, stop)
                    if random.random() < 0.1:
                        self.assertEqual(ours.shift(), model.shift())
                    found = [ours[place] for place in range(len(ours))]
                    self.assertEqual(found, list(model))

    def test_bound(self) -> None:
        """
        There is a most of them; a range that joins others is no further one.
        """
        parts = Parts()
        for place in range(MAX_PARTS):
            parts.add(3 * place, 3 * place + 1)
        self.assertRaises(
            QuicConnectionError, parts.add, 9 * MAX_PARTS, 9 * MAX_PARTS + 1
        )
        self.assertEqual(len(parts), MAX_PARTS)
        parts.add(1, 3)
        self.assertEqual(len(parts), MAX_PARTS - 1)

    def test_empty(self) -> None:
        """
        aioquic asks for the first one where there is none.
        """
        self.assertRaises(IndexError, Parts().__getitem__, 0)
