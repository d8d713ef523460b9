# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.dht.sweep}.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from random import Random

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from twisted_libp2p.dht.keyspace import BITS, placeOf
from twisted_libp2p.dht.sweep import FEW_KEYS, MAX_EXPLORED, Sweep


def keysOf(count: int, name: str = "key") -> list[tuple[int, bytes]]:
    """
    Return keys in the order of their places.
    """
    keys = (sha256(b"%s %d" % (name.encode(), each)).digest() for each in range(count))
    return sorted((placeOf(each), each) for each in keys)


class Servers:
    """
    A network in which each lookup finds the nearest servers.

    @ivar lookups: the number of lookups.
    """

    def __init__(self, count: int, seed: int = 1) -> None:
        random = Random(seed)
        self.places = [random.getrandbits(BITS) for _ in range(count)]
        self.lookups = 0

    def nearest(self, key: bytes, count: int) -> list[int]:
        """
        Return the nearest servers.
        """
        place = placeOf(key)
        return sorted(self.places, key=place.__xor__)[:count]

    def run(self, sweep: Sweep[int], k: int) -> dict[bytes, list[int]]:
        """
        Run a sweep, and return the servers of each key.
        """
        placed: dict[bytes, list[int]] = {}
        while (key := sweep.next()) is not None:
            self.lookups += 1
            nearest = self.nearest(key, k)
            for each, servers in sweep.found([(place, place) for place in nearest]):
                assert each not in placed
                placed[each] = list(servers)
        return placed


def due(keys: Iterable[tuple[int, bytes]]) -> list[bytes]:
    """
    Return keys without their places.
    """
    return [key for _, key in keys]


class SweepTests(SynchronousTestCase):
    """
    Sweeps of keys.
    """

    @drawn(
        20,
        servers=st.integers(0, 120),
        number=st.integers(1, 60),
        seed=st.integers(0, 1 << 32),
    )
    def test_nearest(self, servers: int, number: int, seed: int) -> None:
        """
        Each key is placed once, at its nearest servers.
        """
        network = Servers(servers, seed)
        keys = keysOf(number)
        placed = network.run(Sweep(due(keys), keys, 4, Random(seed)), 4)
        self.assertEqual(placed, {each: network.nearest(each, 4) for _, each in keys})
        self.assertLessEqual(network.lookups, max(number, 2 * servers + 1))

    def test_saved(self) -> None:
        """
        The number of lookups depends on that of the servers, not of the keys.
        """
        network = Servers(200)
        keys = keysOf(500)
        placed = network.run(Sweep(due(keys), keys, 20, Random(1)), 20)
        self.assertEqual(len(placed), 500)
        self.assertLess(network.lookups, 40)

    def test_few(self) -> None:
        """
        Each of few keys is looked up by itself.
        """
        network = Servers(500)
        keys = keysOf(FEW_KEYS)
        network.run(Sweep(due(keys), keys, 20, Random(1)), 20)
        self.assertEqual(network.lookups, FEW_KEYS)

    def test_taken(self) -> None:
        """
        A region with one key that is due has all of its keys placed; other regions have
        none.
        """
        network = Servers(1000)
        keys = keysOf(1000)
        first = keys[0][1]
        placed = network.run(Sweep([first], keys, 20, Random(1)), 20)
        self.assertGreater(len(placed), 10)
        self.assertLess(len(placed), 100)
        self.assertEqual(due(keys)[: len(placed)], sorted(placed, key=placeOf))

    def test_alone(self) -> None:
        """
        In a network smaller than k one lookup is enough; without a server no key is
        placed anywhere.
        """
        keys = keysOf(50)
        network = Servers(7)
        placed = network.run(Sweep(due(keys), keys, 20, Random(1)), 20)
        self.assertEqual((len(placed), network.lookups), (50, 1))

    def test_removed(self) -> None:
        """
        A key that is removed meanwhile is not placed.
        """
        keys = keysOf(50)
        [(_, first), (_, second), *_] = keys
        sweep: Sweep[int] = Sweep([first, second], keys, 20, Random(1))
        self.assertEqual(sweep.next(), first)
        del keys[:2]
        placed = sweep.found([(1, 1)])
        del keys[0]
        self.assertEqual([key for key, _ in placed], due(keys))
        self.assertIsNone(sweep.next())

    def test_failed(self) -> None:
        """
        A failed lookup leaves out its key, or its part of the region.
        """
        network = Servers(1000)
        keys = keysOf(1000)
        sweep: Sweep[int] = Sweep(due(keys)[:2], keys, 20, Random(1))
        self.assertEqual(sweep.next(), keys[0][1])
        sweep.failed()
        self.assertEqual(sweep.next(), keys[1][1])
        self.assertEqual(list(sweep.found(self.pairs(network, keys[1][1]))), [])
        while sweep.next() is not None:
            placed = sweep.failed()
        self.assertTrue(list(placed))

    def test_bounded(self) -> None:
        """
        Servers that never fill a region do not prolong its exploration for ever.
        """
        keys = keysOf(1000)
        sweep: Sweep[int] = Sweep(due(keys)[:1], keys, 1, Random(1))
        lookups = 0
        placed: list[bytes] = []
        while (key := sweep.next()) is not None:
            lookups += 1
            # The only found server is nearer than any other could be.
            near = placeOf(key) ^ (1 if lookups > 1 else 1 << (BITS - 1))
            placed += [each for each, _ in sweep.found([(near, near)])]
        self.assertEqual(lookups, MAX_EXPLORED)
        self.assertEqual(len(placed), 1000)

    def pairs(self, network: Servers, key: bytes) -> list[tuple[int, int]]:
        """
        Return the result of a lookup.
        """
        return [(each, each) for each in network.nearest(key, 20)]
