# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.peerstore.tables}: the migration of a database that an
earlier program has made.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.peerstore.stores import OnPostgreSQL, OnSQLite, StoresMixin
from tests.peerstore.test_sql import NOW, PEER, openDatabase
from tests.test_architecture import ROOT
from twisted_libp2p.address import Multiaddr, PeerRecord
from twisted_libp2p.identity import Identity, KeyType
from twisted_libp2p.interfaces import Identification
from twisted_libp2p.peerstore import PeerStoreService, openPeerStore
from twisted_libp2p.peerstore.engines import SQLITE, Engine
from twisted_libp2p.peerstore.rows import AddressRow, PeerRow, Row
from twisted_libp2p.peerstore.shift import Shift
from twisted_libp2p.peerstore.sql import Schema
from twisted_libp2p.peerstore.tables import MIGRATIONS, TABLES
from twisted_libp2p.peerstore.turn import Place

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


def makeFormer(
    connection: Any, engine: Engine, version: int, rows: Sequence[Row], awake: float
) -> None:
    """
    Make the database of an earlier version, in which one transaction has written.
    """
    for statement in [
        "CREATE TABLE store (format INTEGER NOT NULL, number BIGINT NOT NULL,"
        " awake DOUBLE PRECISION NOT NULL)",
        f"INSERT INTO store VALUES ({version}, 0, {awake})",
        *(each for migration in MIGRATIONS[:version] for each in migration),
    ]:
        connection.cursor().execute(statement.format(blob=engine.blob))
    writeFormer(connection, engine, version, rows)


def writeFormer(
    connection: Any, engine: Engine, version: int, rows: Sequence[Row]
) -> None:
    """
    Write rows as an earlier version did, without a mark.
    """
    cursor = connection.cursor()
    cursor.execute("UPDATE store SET number = number + 1")
    for row in rows:
        (table,) = (each for each in TABLES if type(row) is each.row)
        statement = table.upsert(1)
        statement = former(statement) if version == 1 else statement
        cursor.execute(statement.replace("?", engine.placeholder), row)


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
        self.former = sqlite3.connect(self.path)
        self.addCleanup(self.former.close)
        with self.former:
            rows: list[Row] = [self.PEER_ROW, self.ADDRESS_ROW]
            makeFormer(self.former, SQLITE, 1, rows, NOW)

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
        self.assertEqual(schema.find(connection, PEER, Shift()), [peer, address])
        rows, place = schema.page(connection, Place(), Shift(), NOW, 10)
        self.assertEqual((rows, place), ([peer, address], None))
        self.assertEqual(schema.find(connection, PEER, Shift()), rows)
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
        before = schema.find(connection, PEER, Shift())
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
        self.assertEqual(schema.find(connection, PEER, Shift()), before)
        # What it looks for when it starts.
        (format,) = self.former.execute("SELECT format FROM store").fetchone()
        self.assertGreater(format, 1)


class UpgradeTests(StoresMixin):
    """
    Nodes of version 1 and of this version on one database.
    """

    identity = Identity.generate(KeyType.RSA)
    known = identity.peerID

    async def makeFormer(self, version: int) -> PeerStoreService:
        """
        Make the database of an earlier version with one fact of each kind.

        @return: a store with the same facts.
        """
        same = openPeerStore(reactor, f"sqlite:{self.mktemp()}", clock=self.clock)
        assert isinstance(same, PeerStoreService)
        self.addCleanup(same.stopService)
        same.startService()
        await same.whenLoaded()
        self.fill(same)
        await same.flush()
        rows = await same._run(same._backend.schema.find, self.known.toBytes(), Shift())
        backend = self.make()._backend
        pool = backend.pool(reactor)
        try:
            await pool.runWithConnection(
                makeFormer,
                backend.schema.engine,
                version,
                rows,
                self.clock.seconds(),
            )
        finally:
            pool.close()
        return same

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

    async def test_upgraded(self) -> None:
        """
        A node of this version takes over all facts that one of version 1 has stored.
        """
        same = await self.makeFormer(1)
        upgraded = await self.open()
        self.assertEqual(upgraded.peers(), [self.known])
        self.assertEqual(upgraded.info(self.known), same.info(self.known))

    async def test_sideBySide(self) -> None:
        """
        What a program of version 2 that still runs has written is read.
        """
        await self.makeFormer(2)
        store = await self.open()
        stranger = Identity.generate().peerID
        row = AddressRow(
            stranger.toBytes(), OTHER.toBytes(), NOW, 16, self.clock.seconds() + 9, 0, 0
        )
        for turn in range(2):
            await store._run(writeFormer, store._backend.schema.engine, 3, [row])
            await store.flush()
            self.assertEqual(store.addresses(stranger), [OTHER])
            store.setTag(self.known, "tag", turn)
            await store.flush()
        another = await self.open()
        self.assertEqual(another.info(self.known), store.info(self.known))

    async def test_startAtOnce(self) -> None:
        """
        Several nodes that migrate a database at once do not disturb each other.
        """
        await self.makeFormer(1)
        stores = [self.make() for _ in range(3)]
        for each in stores:
            each.startService()
        for each in stores:
            await each.whenLoaded()
            self.assertEqual(each.peers(), [self.known])


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
        peers, others, _ = re.split(r"^\.\. list-table::", page, flags=re.M)[1:]

        def documented(table: str) -> set[str]:
            rows = re.findall(r"^   \* - (``.*)$", table, re.M)
            return set(re.findall("``(.+?)``", " ".join(rows)))

        first, *children = TABLES
        self.assertEqual(documented(peers), {*first.columns, "version"})
        columns = {column for table in children for column in table.columns}
        self.assertEqual(documented(others) | {"peer"}, columns | {"version"})
