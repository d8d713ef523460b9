# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.dht.table}.
"""

from __future__ import annotations

from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import explore
from twisted_libp2p.dht.diversity import Diversity
from twisted_libp2p.dht.keyspace import BITS, commonPrefix
from twisted_libp2p.dht.table import RoutingTable, Verdict

TOP = 1 << (BITS - 1)


class TableTests(SynchronousTestCase):
    """
    One table.
    """

    def test_full(self) -> None:
        """
        Old peers win, unless they are replaceable.
        """
        table: RoutingTable[int] = RoutingTable(0, size=2)
        self.assertIs(table.offer(0, 0, 0.0), Verdict.OWN)
        for each in (1, 2):
            table.offer(each, TOP | each, float(each), replaceable=True)
        self.assertIs(table.offer(3, TOP | 3, 3.0), Verdict.ADDED)
        self.assertNotIn(1, table)
        table.settle()
        self.assertIs(table.offer(4, TOP | 4, 4.0), Verdict.FULL)
        self.assertIs(table.judge(4, TOP | 4, frozenset()), Verdict.FULL)
        self.assertIs(table.offer(3, TOP | 3, 9.0), Verdict.KNOWN)
        self.assertEqual(table.stale(5.0), [2])
        self.assertTrue(table.remove(3))
        self.assertFalse(table.remove(3))
        self.assertIs(table.offer(4, TOP | 4, 4.0), Verdict.ADDED)

    def test_replacedLast(self) -> None:
        """
        A bucket of one peer that is replaced stays a bucket.
        """
        table: RoutingTable[int] = RoutingTable(0, size=1)
        table.offer(1, TOP | 1, 0.0, replaceable=True)
        table.offer(2, TOP | 2, 0.0)
        self.assertEqual(table.sizes(), {0: 1})
        self.assertEqual(table.nearest(TOP, 9), [2])

    def test_crowded(self) -> None:
        """
        A table has few peers of one network.
        """
        table: RoutingTable[int] = RoutingTable(0)
        network = frozenset([b"\x2d\x2d"])
        verdicts = [
            table.offer(each, TOP | each, 0.0, network).value for each in (1, 2, 3)
        ]
        self.assertEqual(verdicts, ["added", "added", "crowded"])
        self.assertIs(table.offer(5, TOP >> 3, 0.0, network), Verdict.ADDED)
        self.assertIs(table.offer(6, TOP >> 4, 0.0, network), Verdict.CROWDED)
        table.remove(1)
        self.assertIs(table.offer(6, TOP >> 4, 0.0, network), Verdict.ADDED)

    def test_depth(self) -> None:
        """
        The deepest bucket is known.
        """
        table: RoutingTable[int] = RoutingTable(0)
        self.assertEqual(table.depth, -1)
        table.offer(1, 1, 0.0)
        self.assertEqual(table.depth, BITS - 1)


PLACES = st.integers(0, 63).map(lambda number: number << (BITS - 6))
NETWORKS = st.sampled_from([frozenset(), frozenset([b"a"]), frozenset([b"b"])])


class TableModel(RuleBasedStateMachine):
    """
    A table, and the list of peers that it should have.
    """

    @initialize(own=PLACES)
    def begin(self, own: int) -> None:
        """
        Begin without peers.
        """
        self.own = own
        self.table: RoutingTable[int] = RoutingTable(own, 3, Diversity(2, 3))
        self.peers: dict[int, frozenset[bytes]] = {}
        self.now = 0.0

    @rule(place=PLACES, networks=NETWORKS, replaceable=st.booleans())
    def offer(self, place: int, networks: frozenset[bytes], replaceable: bool) -> None:
        """
        Offer a peer, which is judged in the same way before.
        """
        self.now += 1.0
        judged = self.table.judge(place, place, networks)
        verdict = self.table.offer(place, place, self.now, networks, replaceable)
        assert verdict is judged
        if verdict is Verdict.ADDED:
            self.peers[place] = networks
            for each in set(self.peers) - {entry.peer for entry in self.table}:
                del self.peers[each]
        assert (verdict is Verdict.OWN) == (place == self.own)

    @rule(place=PLACES)
    def remove(self, place: int) -> None:
        """
        Remove a peer.
        """
        assert self.table.remove(place) == (self.peers.pop(place, None) is not None)

    @rule(place=PLACES, count=st.integers(1, 20))
    def nearest(self, place: int, count: int) -> None:
        """
        The nearest peers are those of a sorted list.
        """
        expected = sorted(self.peers, key=lambda each: each ^ place)[:count]
        assert self.table.nearest(place, count) == expected

    @rule()
    def settle(self) -> None:
        """
        Keep the present peers.
        """
        self.table.settle()

    @invariant()
    def bounded(self) -> None:
        """
        Buckets and networks keep their bounds.
        """
        if not hasattr(self, "table"):
            return
        assert {entry.peer for entry in self.table} == set(self.peers)
        sizes = Counter(commonPrefix(self.own, each) for each in self.peers)
        assert self.table.sizes() == dict(sorted(sizes.items()))
        assert all(size <= 3 for size in sizes.values())
        networks = Counter(net for nets in self.peers.values() for net in nets)
        assert all(count <= 3 for count in networks.values())


class ModelTests(SynchronousTestCase):
    """
    Tables after any offers and removals.
    """

    def test_model(self) -> None:
        """
        A table has the same peers as its model.
        """
        explore(TableModel, 40)
