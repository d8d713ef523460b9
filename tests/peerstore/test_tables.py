# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.peerstore.tables}: the migration of a database that an
earlier program has made.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from twisted.internet import reactor
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.peerstore.stores import OnPostgreSQL, OnSQLite, StoresMixin
from tests.peerstore.test_sql import NOW, PEER, openDatabase
from tests.test_architecture import ROOT
from twisted_libp2p.address import Multiaddr, PeerRecord
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import Identity, KeyType
from twisted_libp2p.interfaces import Identification, Source
from twisted_libp2p.peerstore import PeerStoreService
from twisted_libp2p.peerstore.rows import AddressRow, PeerRow
from twisted_libp2p.peerstore.service import POLL_INTERVAL
from twisted_libp2p.peerstore.sql import Engine, Place, Schema
from twisted_libp2p.peerstore.tables import MIGRATIONS, TABLES

ADDRESS = Multiaddr("/ip4/192.0.2.1/tcp/1")
OTHER = Multiaddr("/ip4/192.0.2.1/tcp/2")

# The names of the columns in the schema of version 1.
FORMER = {
    "recorded_at": "noted",
    "last_connected": "met",
    "public_key": "key",
    "identified_at": "told",
    "protocol_version": "network",
    "dialect_learnt_at": "spoken",
    "address": "name",
}


def former(sql: str) -> str:
    """
    Return a statement as the program of version 1 wrote it.
    """
    if re.search(r"\b(FROM|INTO|UPDATE) peers\b", sql):
        sql = re.sub(r"\bexpires\b", "due", sql)
    return re.sub(r"\w+", lambda found: FORMER.get(found[0], found[0]), sql)


class FormerSchema(Schema):
    """
    The transactions of the program of version 1.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine, MIGRATIONS[:1])

    def _execute(self, cursor: Any, sql: str, values: Sequence[object] = ()) -> None:
        super()._execute(cursor, former(sql), values)

    def _executeMany(
        self, cursor: Any, sql: str, values: Iterable[Sequence[object]]
    ) -> None:
        super()._executeMany(cursor, former(sql), values)


class MigrationTests(SynchronousTestCase):
    """
    A database of version 1, whose columns had shorter names.
    """

    #: Rows as that program has written them.
    PEER_ROW = PeerRow(
        PEER,
        1.0,
        NOW + 9,
        2.0,
        b"key",
        3.0,
        "agent",
        "net",
        "/a",
        b"\x07" * 8,
        b"signed",
        4.0,
        "multistream",
    )
    ADDRESS_ROW = AddressRow(PEER, b"address", 1.0, 2, NOW + 5, 3.0, 4.0)

    def setUp(self) -> None:
        """
        Make the database, as that program did.
        """
        self.path = self.mktemp()
        self.former, self.formerSchema = openDatabase(self.path, MIGRATIONS[:1])
        self.addCleanup(self.former.close)
        with self.former:
            self.former.execute(
                f"INSERT INTO peers VALUES ({', '.join('?' * 14)})", (*self.PEER_ROW, 1)
            )
            self.former.execute(
                f"INSERT INTO addresses VALUES ({', '.join('?' * 8)})",
                (*self.ADDRESS_ROW, 1),
            )
            self.former.execute("UPDATE store SET number = 1")

    def upgrade(self) -> tuple[sqlite3.Connection, Schema]:
        """
        Let this program open the database.
        """
        connection, schema = openDatabase(self.path)
        self.addCleanup(connection.close)
        return connection, schema

    def test_migrated(self) -> None:
        """
        Nothing is lost, and the names can be read.
        """
        connection, schema = self.upgrade()
        peer, address = self.PEER_ROW, self.ADDRESS_ROW
        self.assertEqual(schema.find(connection, PEER), [peer, address])
        rows, place = schema.page(connection, Place(), NOW, 10)
        self.assertEqual((rows, place), ([peer, address], None))
        self.assertEqual(schema.exchange(connection, None, 0, NOW)[0], rows)
        self.assertEqual(
            (peer.recordedAt, peer.lastConnected, peer.identifiedAt), (1.0, 2.0, 3.0)
        )
        names = [each[1] for each in connection.execute("PRAGMA table_info(peers)")]
        self.assertEqual(
            names,
            [
                "peer",
                "recorded_at",
                "expires",
                "last_connected",
                "public_key",
                "identified_at",
                "agent",
                "protocol_version",
                "protocols",
                "sequence",
                "envelope",
                "dialect_learnt_at",
                "dialect",
                "version",
            ],
        )

    def test_same(self) -> None:
        """
        A migrated database has the same tables and indexes as a new one.
        """
        made, _ = openDatabase()
        self.addCleanup(made.close)
        migrated, _ = self.upgrade()
        names = "SELECT type, name, tbl_name FROM sqlite_master ORDER BY name"
        self.assertEqual(
            migrated.execute(names).fetchall(), made.execute(names).fetchall()
        )

    def test_sideBySide(self) -> None:
        """
        The earlier program, if it still runs, can no longer read or write, and changes
        nothing; when it starts again it says that it has to be updated.
        """
        connection, schema = self.upgrade()
        before = schema.find(connection, PEER)
        for statement in (
            "SELECT peer, noted, due FROM peers",
            "INSERT INTO peers (peer, noted) VALUES (x'00', 1.0)"
            " ON CONFLICT (peer) DO UPDATE SET noted = excluded.noted",
            "SELECT peer FROM peers WHERE due < 1 AND noted < 1",
            "DELETE FROM addresses WHERE peer = x'00' AND name = x'00'",
        ):
            with self.assertRaises(sqlite3.OperationalError):
                self.former.execute(statement)
            self.former.rollback()
        self.assertEqual(schema.find(connection, PEER), before)
        with self.assertRaises(ConfigurationError) as caught:
            self.formerSchema.prepare(self.former, NOW)
        self.former.rollback()
        self.assertEqual(
            str(caught.exception),
            f"its schema is version {len(MIGRATIONS)}, and this program knows 1 at the"
            " most: update the program",
        )


class UpgradeTests(StoresMixin):
    """
    Nodes of version 1 and of this version on one database.
    """

    identity = Identity.generate(KeyType.RSA)

    def makeFormer(self) -> PeerStoreService:
        """
        Make a store of version 1 that is not started.
        """
        backend = self.make()._backend
        schema = FormerSchema(backend.schema._engine)
        store = PeerStoreService(
            reactor, replace(backend, schema=schema), clock=self.clock
        )
        self.addCleanup(store.stopService)
        return store

    async def openFormer(self) -> PeerStoreService:
        """
        Start a store of version 1.
        """
        store = self.makeFormer()
        store.startService()
        await store.whenLoaded()
        return store

    def fill(self, store: PeerStoreService) -> None:
        """
        Store one fact of each kind.
        """
        peer = self.identity.peerID
        record = PeerRecord(peer, 7, (ADDRESS,)).seal(self.identity)
        store.connected(peer, ADDRESS)
        store.setPublicKey(peer, self.identity.publicKey)
        store.learn(
            peer,
            Identification("agent", "net", ("/a",), (ADDRESS, OTHER), record=record),
        )
        store.failed(peer, OTHER)
        store.setDialect(peer, "multistream")
        store.setTag(peer, "tag", 3, ttl=1000.0)
        store.setMetadata(peer, "name", b"value")
        store.disconnected(peer)

    async def test_stopped(self) -> None:
        """
        A node of this version takes over all facts that one of version 1 has stored.
        """
        store = await self.openFormer()
        self.fill(store)
        await store.stopService()
        upgraded = await self.open()
        self.assertEqual(upgraded.peers(), [self.identity.peerID])
        self.assertEqual(
            upgraded.info(self.identity.peerID), store.info(self.identity.peerID)
        )

    async def test_sideBySide(self) -> None:
        """
        When a node of this version starts, those of version 1 that still run go on from
        memory: each logs one line, and neither reads nor writes.  They cannot start
        again on this database.
        """
        old = await self.openFormer()
        self.fill(old)
        await old.flush()
        peer, stranger = self.identity.peerID, Identity.generate().peerID
        new = await self.open()
        with capturedLogs() as logs:
            old.setTag(peer, "old", 1)
            new.setTag(peer, "new", 2)
            await new.flush()
            await self.assertFailure(old.flush(), Exception)
            for _ in range(3):
                self.clock.advance(POLL_INTERVAL)
                await self.assertFailure(old.flush(), Exception)
            self.assertEqual(await old.lookup(stranger), [])
        self.assertEqual(len(logs), 1, logs)
        self.assertNotIn("\n", logs[0]["reason"])
        self.assertEqual(old.tags(peer), {"tag": 3, "old": 1})
        self.assertEqual(new.tags(peer), {"tag": 3, "new": 2})
        another = await self.open()
        self.assertEqual(another.info(peer), new.info(peer))
        with capturedLogs():
            await old.stopService()
            again = self.makeFormer()
            again.startService()
            with self.assertRaises(ConfigurationError) as caught:
                await again.whenLoaded()
        self.assertIn("update the program", str(caught.exception))
        new.addAddresses(stranger, [OTHER], Source.CONFIGURED)
        await new.flush()
        self.assertEqual(await another.lookup(stranger), [OTHER])

    async def test_startAtOnce(self) -> None:
        """
        Several nodes that migrate a database at once do not disturb each other.
        """
        store = await self.openFormer()
        self.fill(store)
        await store.stopService()
        stores = [self.make() for _ in range(3)]
        for each in stores:
            each.startService()
        for each in stores:
            await each.whenLoaded()
            self.assertEqual(each.peers(), [self.identity.peerID])


class SQLiteUpgradeTests(UpgradeTests, OnSQLite, TestCase):
    """
    On one file of SQLite's.
    """


class PostgreSQLUpgradeTests(UpgradeTests, OnPostgreSQL, TestCase):
    """
    On one database of PostgreSQL's.
    """


class DocumentationTests(SynchronousTestCase):
    """
    The manual describes the tables.
    """

    def test_columns(self) -> None:
        """
        Every column is in docs/howto/peerstore.rst, and only columns are.
        """
        page = (ROOT / "docs" / "howto" / "peerstore.rst").read_text()
        peers, others = re.split(r"^\.\. list-table::", page, flags=re.M)[1:]

        def documented(table: str) -> set[str]:
            rows = re.findall(r"^   \* - (``.*)$", table, re.M)
            return set(re.findall("``(.+?)``", " ".join(rows)))

        first, *children = TABLES
        self.assertEqual(documented(peers), {*first.columns, "version"})
        columns = {column for table in children for column in table.columns}
        self.assertEqual(documented(others) | {"peer"}, columns | {"version"})
