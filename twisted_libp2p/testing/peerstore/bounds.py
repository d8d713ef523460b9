# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The tests of the bounds of a peerstore.
"""

from __future__ import annotations

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.peerstore import Limits
from twisted_libp2p.testing.peerstore.base import (
    HOUR,
    MINUTE,
    PeerStoreCase,
    tcp,
)

__all__ = ["BoundTests"]


class BoundTests(PeerStoreCase):
    """
    A store that is full.
    """

    async def test_tooManyPeers(self) -> None:
        """
        There are never more peers than allowed: the peer that expires next is dropped.
        Connected and protected peers stay, and do not count.
        """
        store = await self.open(Limits(peers=10))
        connected, protected, long = self.peer(), self.peer(), self.peer()
        store.connected(connected)
        store.addAddresses(protected, [tcp(1)], ttl=1.0)
        store.protect(protected)
        store.addAddresses(long, [tcp(1)], ttl=2 * HOUR)
        for _ in range(1000):
            store.addAddresses(self.peer(), [tcp(1)])
            self.assertLessEqual(len(store.peers()), 12)
        known = store.peers()
        self.assertEqual(len(known), 12)
        self.assertEqual({connected, protected, long} - set(known), set())
        store.disconnected(connected)
        store.unprotect(protected)
        self.assertEqual(len(store.peers()), 10)
        self.assertNotIn(protected, store.peers())
        store = await self.reopen(store)
        self.assertIn(long, store.peers())

    async def test_flood(self) -> None:
        """
        A flood of invented peers does not displace a peer to which there was a
        connection, even hours ago.
        """
        store, peer = await self.open(Limits(peers=10)), self.peer()
        store.connected(peer, tcp(1))
        store.disconnected(peer)
        self.clock.advance(12 * HOUR)
        for _ in range(1000):
            store.addAddresses(self.peer(), [tcp(1)])
        self.assertIn(peer, store.peers())

    async def test_tooMuchMemory(self) -> None:
        """
        The store never takes more memory than allowed.
        """
        store = await self.open(Limits(memory=100_000))
        long = Multiaddr("/dns4/" + "a" * 1000)
        for _ in range(1000):
            store.addAddresses(self.peer(), [long])
        self.assertLess(len(store.peers()), 100)
        self.assertGreater(len(store.peers()), 10)

    async def test_connectedTakeAll(self) -> None:
        """
        If connected peers take all the room, there is none for others.
        """
        store = await self.open(Limits(memory=10_000))
        connected = [self.peer() for _ in range(100)]
        for peer in connected:
            store.connected(peer, tcp(1))
        store.addAddresses(self.peer(), [tcp(1)])
        self.assertEqual(store.peers(), connected)

    async def test_collected(self) -> None:
        """
        Peers whose facts have expired make room for others.
        """
        store = await self.open(Limits())
        for _ in range(100):
            store.addAddresses(self.peer(), [tcp(1)])
        self.clock.advance(HOUR + MINUTE)
        for _ in range(20):
            store.addAddresses(self.peer(), [tcp(1)])
        self.assertEqual(len(store.peers()), 20)
