# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.dht.query}.
"""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from twisted_libp2p.dht.query import Bounds, Ending, Phase, Query, State

SMALL = Bounds(k=4, alpha=2, beta=1, asked=12, heard=16, named=5)


def pairs(*peers: int) -> list[tuple[int, int]]:
    """
    Return peers whose place is their number.
    """
    return [(each, each) for each in peers]


class QueryTests(SynchronousTestCase):
    """
    Single lookups; the target is 0, so a place is its own distance.
    """

    def query(self, *seeds: int, bounds: Bounds = SMALL) -> Query[int]:
        """
        Begin a lookup.
        """
        return Query(0, 999, pairs(*seeds), bounds)

    def test_empty(self) -> None:
        """
        A lookup without a seed ends at once.
        """
        query = self.query()
        self.assertEqual(query.next(), [])
        self.assertIs(query.ending, Ending.STARVED)

    def test_course(self) -> None:
        """
        The nearest are asked first, then all of the k nearest until they have answered.
        """
        query = self.query(80, 70, 60)
        self.assertEqual(query.next(), [60, 70])
        query.answered(60, pairs(10, 20, 999))
        self.assertEqual(query.next(), [10])
        query.answered(10, pairs(30, 40, 50))
        # The nearest has answered: the others are asked together.
        self.assertEqual(query.next(), [20, 30, 40])
        self.assertIs(query.phase, Phase.FOLLOWING)
        query.answered(20, pairs(5))
        self.assertEqual(query.next(), [5])
        for each in (30, 5):
            query.answered(each, [])
            self.assertEqual(query.next(), [])
        self.assertIs(query.ending, Ending.COMPLETED)
        self.assertEqual(query.nearest(), [5, 10, 20, 30])
        self.assertEqual(query.path(5), [60, 20, 5])
        self.assertEqual(query.hops(5), 3)

    def test_failed(self) -> None:
        """
        The next peer takes the position of one that fails.
        """
        query = self.query(1, 2, 3, 4, 5)
        self.assertEqual(query.next(), [1, 2])
        query.failed(1)
        query.failed(2)
        self.assertEqual(query.next(), [3, 4])
        query.answered(3, [])
        query.answered(4, [])
        self.assertEqual(query.next(), [5])
        query.answered(5, [])
        self.assertEqual(query.next(), [])
        self.assertIs(query.ending, Ending.STARVED)
        self.assertEqual(query.nearest(), [3, 4, 5])
        self.assertEqual(query.failures, 2)

    def test_late(self) -> None:
        """
        A late peer frees its slot, is not waited for, and its answer is taken.
        """
        query = self.query(1, 2, 3, 4, 5, 6)
        self.assertEqual(query.next(), [1, 2])
        query.late(1)
        self.assertEqual(query.next(), [3])
        query.answered(1, pairs(7))
        self.assertIs(query.state(7), State.HEARD)
        for each in (2, 3):
            query.answered(each, [])
        self.assertEqual(query.next(), [4])
        query.late(4)
        self.assertEqual(query.next(), [5])
        query.answered(5, [])
        self.assertEqual(query.next(), [])
        self.assertIs(query.ending, Ending.COMPLETED)
        self.assertEqual(query.nearest(), [1, 2, 3, 5])

    def test_onlyLate(self) -> None:
        """
        If nobody has answered, the lookup waits for late answers.
        """
        query = self.query(1, 2)
        query.next()
        query.late(1)
        query.late(2)
        self.assertEqual(query.next(), [])
        self.assertIsNone(query.ending)
        query.failed(2)
        query.answered(1, [])
        self.assertEqual(query.next(), [])
        self.assertIs(query.ending, Ending.STARVED)

    def test_ignored(self) -> None:
        """
        Events of unknown or finished peers are ignored, and so are answers after the
        end.
        """
        query = self.query(1, 2, 3)
        query.next()
        query.answered(77, pairs(1))
        query.late(3)
        query.answered(3, pairs(0))
        query.answered(1, [])
        query.failed(1)
        self.assertIs(query.state(1), State.ANSWERED)
        self.assertIsNone(query.state(0))
        query.stop()
        query.answered(2, pairs(8))
        self.assertIsNone(query.state(8))
        self.assertEqual(query.next(), [])
        query.expire()
        self.assertIs(query.ending, Ending.STOPPED)

    def test_named(self) -> None:
        """
        An answer names a few peers; the others are not read.
        """
        query = self.query(1)
        query.next()
        query.answered(1, ((each, each) for each in range(2, 10**9)))
        self.assertEqual(query.heard, 6)
        self.assertEqual(query.dropped, 1)

    def test_heard(self) -> None:
        """
        A nearer peer takes the position of the farthest; a farther one is left out.
        """
        bounds = Bounds(k=2, alpha=1, beta=1, asked=9, heard=3, named=9)
        query = self.query(50, 60, bounds=bounds)
        query.next()
        query.answered(50, pairs(70, 80, 40))
        self.assertEqual([each for each, _ in query], [50, 60, 40])
        self.assertEqual(query.dropped, 2)

    def test_endless(self) -> None:
        """
        Ever closer peers end a lookup at its bound.
        """
        query: Query[int] = Query(0, None, [(1 << 200, 1 << 200)], SMALL)
        place = 1 << 200
        while True:
            asked = query.next()
            if not asked:
                break
            for each in asked:
                place >>= 1
                query.answered(each, [(place, place)])
        self.assertIs(query.ending, Ending.BOUNDED)
        self.assertEqual(query.asked, 12)

    def test_expired(self) -> None:
        """
        The time may be over.
        """
        query = self.query(1)
        query.next()
        query.expire()
        self.assertIs(query.ending, Ending.BOUNDED)


class ModelTests(SynchronousTestCase):
    """
    Lookups among peers that answer, are late or fail in any order.
    """

    @drawn(60, seed=st.integers(0, 1 << 32), size=st.integers(1, 60))
    def test_anyOrder(self, seed: int, size: int) -> None:
        """
        A lookup ends, keeps its bounds, and finds the nearest peers that answer if
        everybody knows them.
        """
        random = Random(seed)
        peers = [random.getrandbits(40) for _ in range(size)]
        dead = {each for each in peers if random.random() < 0.3}
        known = sorted(peers)
        bounds = Bounds(k=5, alpha=3, beta=2, asked=100, heard=200)
        query: Query[int] = Query(
            0, None, pairs(*random.sample(peers, min(3, size))), bounds
        )
        waiting: list[int] = []
        late: set[int] = set()
        while query.ending is None:
            asked = query.next()
            self.assertFalse(set(asked) & (set(waiting) | late))
            waiting += asked
            active = [each for each in waiting if each not in late]
            self.assertLessEqual(len(active), bounds.k)
            if query.ending is not None:
                break
            self.assertTrue(waiting)
            each = random.choice(waiting)
            if random.random() < 0.2 and each not in late:
                query.late(each)
                late.add(each)
            elif each in dead:
                waiting.remove(each)
                query.failed(each)
            else:
                waiting.remove(each)
                query.answered(each, pairs(*known[:20]))
        found = query.nearest()
        self.assertEqual(found, sorted(found))
        self.assertFalse(set(found) & dead)
        if query.ending is Ending.COMPLETED:
            # Each nearer peer is dead or was late.
            for each in known[:20]:
                if each <= found[-1] and each not in dead | late:
                    self.assertIn(each, found)
