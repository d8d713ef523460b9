# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.peerstore.sql} and L{twisted_libp2p.peerstore.rows}.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.peerstore.rows import TagRow
from twisted_libp2p.peerstore.sql import SQLITE, Batch, Schema
from twisted_libp2p.peerstore.tables import MIGRATIONS

NOW = 1000.0
PEER = b"\x12\x20" + bytes(32)


def openDatabase(
    path: str = ":memory:", migrations: Sequence[Sequence[str]] = MIGRATIONS
) -> tuple[sqlite3.Connection, Schema]:
    """
    Open a database.
    """
    connection = sqlite3.connect(path)
    schema = Schema(SQLITE, migrations)
    try:
        with connection:
            schema.prepare(connection, NOW)
    except BaseException:
        connection.close()
        raise
    return connection, schema


class SchemaTests(SynchronousTestCase):
    """
    The schema, and its change.
    """

    def test_versions(self) -> None:
        """
        Each transaction that writes has the next number.
        """
        connection, schema = openDatabase()
        self.addCleanup(connection.close)
        row = TagRow(PEER, "tag", 1.0, 1, NOW)
        for number in (1, 2):
            found = schema.exchange(connection, Batch(rows=[row]), number - 1, NOW)
            self.assertEqual(found, ([], number, False))
        self.assertEqual(schema.exchange(connection, None, 2, NOW), ([], 2, False))
        self.assertEqual(schema.exchange(connection, None, 1, NOW), ([row], 2, False))
        self.assertEqual(schema.exchange(connection, None, 0, NOW), ([row], 2, False))

    def test_upgrade(self) -> None:
        """
        A newer program changes the schema, and keeps the data; an older one
        then refuses to touch it.
        """
        path = self.mktemp()
        connection, schema = openDatabase(path)
        row = TagRow(PEER, "tag", 1.0, 1, NOW)
        with connection:
            schema.exchange(connection, Batch(rows=[row]), 0, NOW)
        connection.close()
        newer = (
            *MIGRATIONS,
            (
                "ALTER TABLE tags ADD COLUMN colour {blob}",
                "UPDATE tags SET colour = 'r'",
            ),
            ("CREATE TABLE more (name TEXT)",),
        )
        for _ in range(2):
            connection, schema = openDatabase(path, newer)
            self.assertEqual(schema._between(connection.cursor(), 0, 9), [row])
            colours = connection.execute("SELECT colour FROM tags").fetchall()
            self.assertEqual(colours, [("r",)])
            connection.close()
        with self.assertRaises(ConfigurationError) as caught:
            openDatabase(path)
        self.assertIn(f"version {len(newer)}", str(caught.exception))
        self.assertIn(f"knows {len(MIGRATIONS)}", str(caught.exception))
        self.assertNotIn("\n", str(caught.exception))

    def test_failedUpgrade(self) -> None:
        """
        An upgrade that fails changes nothing.
        """
        path = self.mktemp()
        openDatabase(path)[0].close()
        broken = (*MIGRATIONS, ("DROP TABLE tags", "nonsense"))
        with self.assertRaises(sqlite3.OperationalError):
            openDatabase(path, broken)
        connection, schema = openDatabase(path)
        self.assertEqual(schema._between(connection.cursor(), 0, 9), [])
        connection.close()
