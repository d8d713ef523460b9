# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.peerstore.sql} and L{twisted_libp2p.peerstore.rows}.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.peerstore.engines import SQLITE
from twisted_libp2p.peerstore.rows import Row, TagRow
from twisted_libp2p.peerstore.shift import Shift
from twisted_libp2p.peerstore.sql import Schema
from twisted_libp2p.peerstore.tables import COMPATIBLE, MIGRATIONS
from twisted_libp2p.peerstore.turn import Batch, Position, Turn

NOW = 1000.0
MARK = 7
PEER = b"\x12\x20" + bytes(32)


def now() -> float:
    """
    Return the time.
    """
    return NOW


def openDatabase(
    path: str = ":memory:",
    migrations: Sequence[Sequence[str]] = MIGRATIONS,
    compatible: int = COMPATIBLE,
) -> tuple[sqlite3.Connection, Schema]:
    """
    Open a database.
    """
    connection = sqlite3.connect(path)
    schema = Schema(SQLITE, migrations, compatible)
    try:
        with connection:
            schema.prepare(connection, MARK, Shift(), now)
    except BaseException:
        connection.close()
        raise
    return connection, schema


def exchange(
    connection: sqlite3.Connection, schema: Schema, known: Position, *rows: Row
) -> Turn:
    """
    Write rows, if there are any, and read.
    """
    batch = Batch(mark=MARK + known.number + 1, rows=rows) if rows else None
    with connection:
        return schema.exchange(connection, batch, known, Shift(), now)


def position(number: int) -> Position:
    """
    Return a place in the history that L{openDatabase} and L{exchange} make.
    """
    return Position(number, MARK + number)


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
            turn = exchange(connection, schema, position(number - 1), row)
            self.assertEqual(turn, Turn([], position(number), False, Shift()))
        for known, found in ((2, []), (1, [row]), (0, [row])):
            turn = exchange(connection, schema, position(known))
            self.assertEqual(turn, Turn(found, position(2), False, Shift()))

    def test_upgrade(self) -> None:
        """
        A newer program changes the schema, and keeps the data; an older one
        then refuses to touch it.
        """
        path = self.mktemp()
        connection, schema = openDatabase(path)
        row = TagRow(PEER, "tag", 1.0, 1, NOW)
        exchange(connection, schema, position(0), row)
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
            connection, schema = openDatabase(path, newer, len(newer))
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
