# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.dht.optimism}.
"""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.dht.keyspace import BITS
from twisted_libp2p.dht.netsize import SPACE, chanceOf, meanOf
from twisted_libp2p.dht.optimism import Optimism
from twisted_libp2p.dht.query import Query

SIZE = 1000


def at(*ranks: float) -> list[tuple[int, int]]:
    """
    Return peers whose distances from 0 are those of some ranks in a network.
    """
    places = [int(rank / SIZE * SPACE) for rank in ranks]
    return [(each, each) for each in places]


class ThresholdTests(SynchronousTestCase):
    """
    The probabilities behind the thresholds.
    """

    def test_values(self) -> None:
        """
        The means are those of go-libp2p-kad-dht, and the inverse of the chances.
        """
        self.assertAlmostEqual(meanOf(20, 0.1), 14.525, places=3)
        self.assertAlmostEqual(meanOf(11, 0.9), 15.407, places=3)
        for count, chance in ((1, 0.5), (20, 0.9), (40, 0.01)):
            self.assertAlmostEqual(chanceOf(count, meanOf(count, chance)), chance, 5)
        self.assertEqual(chanceOf(3, 0.0), 0.0)
        self.assertEqual(chanceOf(0, 0.0), 1.0)
        self.assertEqual(chanceOf(5, 5000.0), 1.0)


class OptimismTests(SynchronousTestCase):
    """
    Servers that are chosen during a lookup.
    """

    def setUp(self) -> None:
        self.optimism: Optimism[int] = Optimism(SIZE, 20)

    def test_choose(self) -> None:
        """
        A server is chosen once, after it has answered, if it is near enough.
        """
        peers = at(1, 14, 15)
        query: Query[int] = Query(0, None, peers)
        query.next()
        self.assertEqual(self.optimism.choose(query), [])
        for each, _ in peers:
            query.answered(each, [])
        near = [each for each, _ in peers[:2]]
        self.assertEqual(self.optimism.choose(query), near)
        self.assertEqual(self.optimism.choose(query), [])
        self.assertEqual(list(self.optimism.chosen), near)

    def test_enough(self) -> None:
        """
        The lookup may end once the 20 nearest known servers are near enough together,
        and then the record goes to all of them.
        """
        far: Query[int] = Query(0, None, at(*(each + 6 for each in range(20))))
        self.assertFalse(self.optimism.enough(far))
        few: Query[int] = Query(0, None, at(*range(1, 20)))
        self.assertFalse(self.optimism.enough(few))
        peers = at(*(each + 5 for each in range(20)))
        query: Query[int] = Query(0, None, peers)
        query.next()
        query.answered(peers[0][0], [])
        self.assertTrue(self.optimism.enough(query))
        self.assertEqual(self.optimism.choose(query), [peers[0][0]])
        self.assertEqual(self.optimism.rest(query), [each for each, _ in peers[1:]])
        self.assertTrue(self.optimism.enough(query))
        self.assertEqual(self.optimism.rest(query), [])

    def test_failed(self) -> None:
        """
        A server that has failed is not chosen.
        """
        peers = at(*(each + 1 for each in range(21)))
        query: Query[int] = Query(0, None, peers)
        failing = query.next()[0]
        query.failed(failing)
        self.assertNotIn(failing, self.optimism.rest(query))

    def test_random(self) -> None:
        """
        Among evenly spread servers, most of the nearest 20 are near enough.
        """
        random = Random(4)
        peers = sorted(random.getrandbits(BITS) for _ in range(SIZE))[:20]
        query: Query[int] = Query(0, None, [(each, each) for each in peers])
        while asked := query.next():
            for each in asked:
                query.answered(each, [])
        self.assertTrue(self.optimism.enough(query))
        self.assertGreater(len(self.optimism.choose(query)), 10)
