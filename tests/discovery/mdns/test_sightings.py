# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.discovery.mdns.sightings}.
"""

from __future__ import annotations

from functools import cache

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.discovery.mdns.packet import MAX_KNOWN, Named
from twisted_libp2p.discovery.mdns.sightings import (
    MAX_ADDRESSES,
    MAX_PEERS,
    MAX_SOURCES,
    MAX_TTL,
    Sightings,
)
from twisted_libp2p.identity import Identity, PeerID


@cache
def peer(number: int) -> PeerID:
    """
    Return one of many peers.
    """
    return Identity.generate().peerID


def named(who: PeerID, *ports: int, ttl: int = 120, name: bytes = b"x") -> Named:
    """
    Name a peer.
    """
    addresses = tuple(Multiaddr(f"/ip4/10.0.0.1/tcp/{port}") for port in ports or (1,))
    return Named(name, who, addresses, ttl)


class SightingsTests(SynchronousTestCase):
    """
    The peers that are there.
    """

    def setUp(self) -> None:
        self.sightings = Sightings()

    def test_new(self) -> None:
        """
        A peer is new, and a further address of it, and nothing else.
        """
        see = self.sightings.see
        self.assertEqual(see("a", named(peer(0), 1, 2), 0.0), (True, None))
        self.assertEqual(see("a", named(peer(0), 1, 2), 1.0), (False, None))
        self.assertEqual(see("a", named(peer(0), 2), 2.0), (False, None))
        self.assertEqual(see("b", named(peer(0), 2), 2.0), (False, None))
        self.assertEqual(see("b", named(peer(0), 3), 3.0), (True, None))
        self.assertEqual(list(self.sightings), [peer(0)])
        self.assertEqual(len(self.sightings), 1)
        self.assertEqual(
            self.sightings.addresses(peer(0)),
            [Multiaddr(f"/ip4/10.0.0.1/tcp/{port}") for port in (2, 3)],
        )
        self.assertEqual(self.sightings.addresses(peer(1)), [])

    def test_expire(self) -> None:
        """
        A peer that is silent expires, after an hour at the latest.
        """
        self.assertIsNone(self.sightings.due())
        self.sightings.see("a", named(peer(0)), 0.0)
        self.sightings.see("a", named(peer(1), ttl=1 << 31), 0.0)
        self.assertEqual(self.sightings.due(), 120.0)
        self.assertEqual(self.sightings.expire(119.0), [])
        self.assertEqual(self.sightings.expire(120.0), [peer(0)])
        self.assertEqual(self.sightings.due(), MAX_TTL)
        self.assertEqual(self.sightings.expire(MAX_TTL), [peer(1)])

    def test_leave(self) -> None:
        """
        A goodbye counts for the source that named the peer.
        """
        self.sightings.see("a", named(peer(0), 1), 0.0)
        self.sightings.see("b", named(peer(0), 2), 0.0)
        self.assertFalse(self.sightings.leave("c", peer(0)))
        self.assertFalse(self.sightings.leave("a", peer(0)))
        self.assertTrue(self.sightings.leave("b", peer(0)))
        self.assertFalse(self.sightings.leave("b", peer(0)))
        self.assertEqual(len(self.sightings), 0)

    def test_addresses(self) -> None:
        """
        A source names a bounded number of addresses, and a bounded number of sources
        name a peer.
        """
        for number in range(MAX_SOURCES + 2):
            ports = range(number * 100 + 1, number * 100 + 50)
            self.sightings.see(str(number), named(peer(0), *ports), 0.0)
        found = self.sightings.addresses(peer(0))
        self.assertEqual(len(found), MAX_SOURCES * MAX_ADDRESSES)
        self.assertEqual(found[0], Multiaddr("/ip4/10.0.0.1/tcp/201"))

    def test_full(self) -> None:
        """
        A source that names many peers drives out its own.
        """
        for number in range(10):
            self.sightings.see("honest", named(peer(number)), 0.0)
        displaced = []
        for number in range(10, MAX_PEERS + 50):
            _, gone = self.sightings.see("hostile", named(peer(number)), 1.0)
            displaced.append(gone)
        self.assertEqual(len(self.sightings), MAX_PEERS)
        for number in range(10):
            self.assertTrue(self.sightings.addresses(peer(number)))
        self.assertEqual(displaced[-50:], [peer(number) for number in range(10, 60)])
        _, gone = self.sightings.see("other", named(peer(1000)), 2.0)
        self.assertEqual(gone, peer(60))

    def test_fullOfSources(self) -> None:
        """
        Among sources with a peer each, the peer that was named longest ago goes.
        """
        for number in range(MAX_PEERS):
            self.sightings.see(str(number), named(peer(number)), 0.0)
        self.sightings.see("0", named(peer(0)), 1.0)
        _, gone = self.sightings.see("new", named(peer(1000)), 2.0)
        self.assertEqual(gone, peer(1))
        # One that has a peer already has the largest share with a second one.
        _, gone = self.sightings.see("new", named(peer(1001)), 2.0)
        self.assertEqual(gone, peer(1000))

    def test_known(self) -> None:
        """
        A peer need not answer for the first half of its time.
        """
        self.sightings.see("a", named(peer(0), name=b"first"), 0.0)
        self.assertEqual(self.sightings.known(1.5), [(b"first", 118)])
        self.assertEqual(self.sightings.known(60.0), [])
        for number in range(MAX_KNOWN + 5):
            self.sightings.see("a", named(peer(number)), 0.0)
        self.assertEqual(len(self.sightings.known(0.0)), MAX_KNOWN)
