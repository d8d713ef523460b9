# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.dht.diversity}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.dht.diversity import Diversity, networksOf, withoutCrowds


def networks(*hosts: str) -> frozenset[bytes]:
    """
    Return the networks of some IP addresses.
    """
    return networksOf(
        Multiaddr(f"/ip{6 if ':' in each else 4}/{each}/tcp/4001") for each in hosts
    )


class NetworkTests(SynchronousTestCase):
    """
    The networks of addresses.
    """

    def test_sizes(self) -> None:
        """
        A network is /16, /8 for some owners, and /32 for IPv6.
        """
        self.assertEqual(networks("45.45.1.1", "45.45.200.9"), {b"\x2d\x2d"})
        self.assertEqual(networks("12.1.1.1", "12.200.1.1"), {b"\x0c"})
        self.assertEqual(
            networks("2a00:1450:1::1", "2a00:1450:ffff::2"), {b"\x2a\x00\x14\x50"}
        )

    def test_exempt(self) -> None:
        """
        Addresses that are not public belong to no network.
        """
        self.assertEqual(networks("127.0.0.1", "10.0.0.1", "fe80::1", "::1"), set())
        self.assertEqual(networksOf([Multiaddr("/dns4/example.org/tcp/1")]), set())

    def test_crowds(self) -> None:
        """
        An answer loses all peers of a network that occurs too often.
        """
        crowd = [(each, networks(f"45.45.0.{each + 1}")) for each in range(4)]
        others = [(9, networks("46.1.1.1")), (10, frozenset())]
        self.assertEqual(withoutCrowds(crowd[:3] + others), [0, 1, 2, 9, 10])
        self.assertEqual(withoutCrowds(crowd + others), [9, 10])


class DiversityTests(SynchronousTestCase):
    """
    The counts of networks.
    """

    def test_limits(self) -> None:
        """
        A bucket has two peers of a network, the table three; removal makes room.
        """
        counts = Diversity()
        one, other = networks("45.45.1.1"), networks("46.46.1.1")
        for bucket in (0, 0, 1):
            self.assertTrue(counts.admits(bucket, one))
            counts.add(bucket, one)
        self.assertFalse(counts.admits(5, one))
        self.assertFalse(counts.admits(5, one | other))
        self.assertTrue(counts.admits(5, other))
        counts.remove(1, one)
        self.assertTrue(counts.admits(5, one))
        self.assertFalse(counts.admits(0, one))

    def test_unlimited(self) -> None:
        """
        There may be no limit.
        """
        counts = Diversity(None, None)
        for _ in range(50):
            counts.add(0, networks("45.45.1.1"))
        self.assertTrue(counts.admits(0, networks("45.45.1.1")))
