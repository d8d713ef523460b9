# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of clocks that jump: what is known of peers has times, and so have the rows in
a database.
"""

from __future__ import annotations

import sqlite3
from math import inf

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.peerstore.stores import NOW, OnSQLite
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import Identification, Source
from twisted_libp2p.peerstore import Limits, MemoryPeerStore, PeerStoreService

YEAR = 365 * 86_400.0

ONE, TWO = (PeerID.fromBytes(b"\x12\x20" + bytes([n]) * 32) for n in (1, 2))
A, B = (Multiaddr(f"/ip4/192.0.2.1/tcp/{port}") for port in (1, 2))


class MemoryTests(SynchronousTestCase):
    """
    Of what is in memory.
    """

    def setUp(self) -> None:
        """
        Know two peers: one by configuration, the other by hearsay.
        """
        self.clock = Clock()
        self.clock.advance(NOW)
        self.store = MemoryPeerStore(self.clock, Limits(peers=4))
        self.store.addAddresses(ONE, [A], Source.CONFIGURED)
        self.store.addAddresses(TWO, [A], Source.DISCOVERED)
        self.store.setTag(TWO, "good", 1, ttl=60.0)

    def test_forwards(self) -> None:
        """
        What has a time expires; what is configured stays.
        """
        self.clock.advance(YEAR)
        self.assertEqual(self.store.addresses(ONE), [A])
        self.assertEqual(self.store.addresses(TWO), [])
        self.assertEqual(self.store.tags(TWO), {})

    def test_backwards(self) -> None:
        """
        Nothing is lost, what is learnt then counts, and there are bounds still.
        """
        self.clock.rightNow -= YEAR
        self.assertEqual(self.store.addresses(TWO), [A])
        self.store.setAddresses(TWO, [B], Source.DISCOVERED)
        self.assertEqual(self.store.addresses(TWO), [B])
        self.store.learn(TWO, Identification("agent/2", "", ("/a",)))
        self.assertEqual(self.store.protocols(TWO), ("/a",))
        self.store.setTag(TWO, "good", 2)
        self.assertEqual(self.store.tags(TWO), {"good": 2})
        for number in range(10, 30):
            peer = PeerID.fromBytes(b"\x12\x20" + bytes([number]) * 32)
            self.store.addAddresses(peer, [A])
        self.assertLessEqual(len(self.store.peers()), 4)
        self.assertEqual(self.store.addresses(ONE), [A])

    def test_connectedMeanwhile(self) -> None:
        """
        A peer that is connected while the clock jumps is known all the time,
        and for a while afterwards.
        """
        for jump in (YEAR, -2 * YEAR):
            self.store.connected(TWO)
            self.clock.rightNow += jump
            self.assertEqual(self.store.addresses(TWO), [A], jump)
            self.store.disconnected(TWO)
            self.assertEqual(self.store.addresses(TWO), [A], jump)


class DatabaseTests(OnSQLite, TestCase):
    """
    Of what is in a database.
    """

    def told(self) -> tuple[str, bytes, list[int]]:
        """
        Read what is kept of a peer, with another program.
        """
        connection = sqlite3.connect(self.description.partition(":")[2])
        self.addCleanup(connection.close)
        ((agent,),) = connection.execute("SELECT agent FROM peers")
        ((value,),) = connection.execute("SELECT value FROM metadata")
        tags = connection.execute("SELECT value FROM tags WHERE expires > 0")
        return agent, value, [tag for (tag,) in tags]

    async def learn(self, store: PeerStoreService, number: int) -> None:
        """
        Learn one thing of each kind.
        """
        store.learn(ONE, Identification(f"agent/{number}", "", ()))
        store.setMetadata(ONE, "name", str(number).encode())
        store.setTag(ONE, "good", number)
        store.addAddresses(ONE, [A], Source.CONFIGURED)
        await store.flush()

    async def test_backwards(self) -> None:
        """
        What is learnt after a clock was put back replaces, in the database,
        too, what was learnt before.
        """
        store = await self.open()
        await self.learn(store, 1)
        self.clock.rightNow -= YEAR
        await self.learn(store, 2)
        self.assertEqual(self.told(), ("agent/2", b"2", [2]))
        store.removeTag(ONE, "good")
        store.removeAddresses(ONE, [A])
        await store.flush()
        await store.stopService()
        again = await self.open()
        self.assertEqual(again.tags(ONE), {})
        self.assertEqual(again.addresses(ONE), [])
        self.assertEqual(again.metadata(ONE), {"name": b"2"})

    async def test_startedBefore(self) -> None:
        """
        A program whose clock is behind that of the last one finds all that was
        kept.
        """
        store = await self.open()
        await self.learn(store, 1)
        await store.stopService()
        self.clock.rightNow -= YEAR
        again = await self.open()
        self.assertEqual(again.tags(ONE), {"good": 1})
        self.assertEqual(again.addresses(ONE), [A])
        info = again.info(ONE)
        assert info is not None
        self.assertEqual(info.agent, "agent/1")
        self.assertEqual([each.expires for each in info.addresses], [inf])

    async def test_startedLater(self) -> None:
        """
        So does one that starts a year later: for a database time stands still
        while nobody uses it.
        """
        store = await self.open()
        store.addAddresses(ONE, [A])
        await self.learn(store, 1)
        await store.stopService()
        self.clock.advance(YEAR)
        again = await self.open()
        self.assertEqual(again.addresses(ONE), [A])
        self.assertEqual(again.metadata(ONE), {"name": b"1"})
