# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of nodes that share one database, or find it again.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.trial.unittest import TestCase

from tests.peerstore.stores import OnPostgreSQL, OnSQLite, StoresMixin
from twisted_libp2p.address import Multiaddr, PeerRecord
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import Identification, Source
from twisted_libp2p.node import Node
from twisted_libp2p.peerstore import PeerStoreService, PeerStoreUpdater, openPeerStore


def tcp(port: int) -> Multiaddr:
    """
    Invent an address.
    """
    return Multiaddr(f"/ip4/192.0.2.1/tcp/{port}")


def peer(number: int) -> PeerID:
    """
    Invent a peer.
    """
    return PeerID.fromBytes(b"\x12\x20" + number.to_bytes(32, "big"))


class SharingTests(StoresMixin):
    """
    Several stores on one database.
    """

    async def test_both(self) -> None:
        """
        What two stores have learnt of one peer both know, whatever came first.
        """
        identity = Identity.generate()
        id = identity.peerID
        one, two = await self.open(), await self.open()
        one.addAddresses(id, [tcp(1)])
        self.clock.advance(0.1)
        two.addAddresses(id, [tcp(2)])
        one.learn(id, Identification("old", "net", ()))
        records = [PeerRecord(id, n, ()).seal(identity) for n in (5, 4)]
        one.addRecord(id, records[0])
        two.addRecord(id, records[1])
        self.clock.advance(0.1)
        two.learn(id, Identification("new", "net", ("/a",)))
        one.setTag(id, "one", 1)
        two.setMetadata(id, "two", b"2")
        await two.flush()
        await one.flush()
        await two.flush()
        self.assertEqual(one.info(id), two.info(id))
        info = one.info(id)
        assert info is not None
        self.assertEqual({each.address for each in info.addresses}, {tcp(1), tcp(2)})
        self.assertEqual(info.agent, "new")
        self.assertEqual(info.record, records[0])
        self.assertEqual((one.tags(id), two.metadata(id)), ({"one": 1}, {"two": b"2"}))

    async def test_lookup(self) -> None:
        """
        What one has written the other finds at once.
        """
        one, two = await self.open(), await self.open()
        one.addAddresses(peer(1), [tcp(1)])
        await one.flush()
        self.assertEqual(two.addresses(peer(1)), [])
        found = await gatherResults([two.lookup(peer(1)) for _ in range(3)])
        self.assertEqual(found, [[tcp(1)]] * 3)

    async def test_removal(self) -> None:
        """
        What one takes away, or forgets, the other knows no more.
        """
        one, two = await self.open(), await self.open()
        one.addAddresses(peer(1), [tcp(1), tcp(2)])
        one.addAddresses(peer(2), [tcp(1)])
        one.addAddresses(peer(3), [tcp(1)])
        await one.flush()
        await two.flush()
        self.assertEqual(len(two.peers()), 3)
        self.clock.advance(0.1)
        two.addAddresses(peer(3), [tcp(3)], Source.CONFIGURED)
        one.removeAddresses(peer(1), [tcp(2)])
        one.removeAddresses(peer(3), [tcp(3)])
        one.forget(peer(2))
        await one.flush()
        await two.flush()
        self.assertEqual(two.addresses(peer(1)), [tcp(1)])
        self.assertEqual(set(two.peers()), {peer(1), peer(3)})
        self.assertIn(tcp(3), two.addresses(peer(3)))

    async def test_atOnce(self) -> None:
        """
        Several that write at once lose nothing, and miss nothing.
        """
        stores = [await self.open() for _ in range(3)]
        for turn in range(20):
            for number, store in enumerate(stores):
                store.addAddresses(peer(turn), [tcp(100 * turn + number + 1)])
            await gatherResults([store.flush() for store in stores])
        await gatherResults([store.flush() for store in stores])
        for turn in range(20):
            expected = {tcp(100 * turn + number + 1) for number in range(3)}
            for store in stores:
                self.assertEqual(set(store.addresses(peer(turn))), expected)

    async def test_startAtOnce(self) -> None:
        """
        Several that make the schema at once do not disturb each other.
        """
        stores = [self.make() for _ in range(4)]
        for store in stores:
            store.startService()
        await gatherResults([store.whenLoaded() for store in stores])


class SQLiteSharingTests(SharingTests, OnSQLite, TestCase):
    """
    On one file of SQLite's.
    """


class PostgreSQLSharingTests(SharingTests, OnPostgreSQL, TestCase):
    """
    On one database of PostgreSQL's.
    """

    async def test_brokenConnection(self) -> None:
        """
        When the server has ended a connection the next one is used, and
        nothing is lost.
        """
        one, two = await self.open(), await self.open()
        one.addAddresses(peer(1), [tcp(1)])

        def end(connection: Any) -> None:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND application_name = 'twisted_libp2p'"
            )

        await two._run(end)
        flushing = one.flush()
        await self.assertFailure(flushing, Exception)
        await one.flush()
        self.assertEqual(await two.lookup(peer(1)), [tcp(1)])


class NodesMixin(StoresMixin):
    """
    Whole nodes, over TCP.
    """

    def start(self, description: str = "memory:", *listen: str) -> Node:
        """
        Start a node.
        """
        store = openPeerStore(reactor, description)
        node = Node(reactor, listen=listen, peerstore=store)
        updater = PeerStoreUpdater(store, node.events)
        if isinstance(store, PeerStoreService):
            store.startService()

        async def stop() -> None:
            await node.stopService()
            updater.stop()
            if isinstance(store, PeerStoreService):
                await store.stopService()

        node.startService()
        self.stops[node] = stop
        self.addCleanup(stop)
        return node

    def setUp(self) -> None:
        """
        No node runs yet.
        """
        super().setUp()
        self.stops: dict[Node, Any] = {}

    async def test_restart(self) -> None:
        """
        A node that starts again connects to those that it knew, with nobody's
        help.
        """
        known = self.start("memory:", "/ip4/127.0.0.1/tcp/0")
        (address,) = await known.whenListening()
        first = self.start(self.description)
        await first.connect(address)
        await self.stops[first]()
        second = self.start(self.description)
        await second.peerstore.whenLoaded()
        self.assertEqual(second.peerstore.recent(10), [known.peerID])
        connection = await second.connect(known.peerID)
        self.assertEqual(connection.remotePeer, known.peerID)

    async def test_fleet(self) -> None:
        """
        What one node learns, another one on the same database dials.
        """
        known = self.start("memory:", "/ip4/127.0.0.1/tcp/0")
        (address,) = await known.whenListening()
        one, two = self.start(self.description), self.start(self.description)
        await two.peerstore.whenLoaded()
        await one.connect(address)
        await one.peerstore.flush()
        await two.peerstore.lookup(known.peerID)
        connection = await two.connect(known.peerID)
        self.assertEqual(connection.remotePeer, known.peerID)


class SQLiteNodesTests(NodesMixin, OnSQLite, TestCase):
    """
    Nodes on SQLite.
    """


class PostgreSQLNodesTests(NodesMixin, OnPostgreSQL, TestCase):
    """
    Nodes on PostgreSQL.
    """
