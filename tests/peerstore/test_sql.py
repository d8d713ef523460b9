# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.peerstore.sql} and L{twisted_libp2p.peerstore.rows}.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.peerstore.merging import mergeRow
from twisted_libp2p.peerstore.records import Record
from twisted_libp2p.peerstore.rows import AddressRow, MetadataRow, PeerRow, Row, TagRow
from twisted_libp2p.peerstore.sql import SQLITE, Batch, Schema
from twisted_libp2p.peerstore.tables import MIGRATIONS

NOW = 1000.0
PEER = b"\x12\x20" + bytes(32)

times = st.integers(1, 4).map(float)
expiries = st.sampled_from([0.0, NOW + 1, NOW + 2])

# Two different values are never learnt at the same time.
peerRows = st.builds(
    lambda recorded, connected, key, identified, sequence, learnt: PeerRow(
        PEER,
        recordedAt=recorded,
        expires=NOW + recorded,
        lastConnected=connected,
        publicKey=key,
        identifiedAt=identified,
        agent=f"agent {identified}",
        protocolVersion=f"network {identified}",
        protocols=f"protocols {identified}",
        sequence=sequence,
        envelope=b"envelope" + sequence,
        dialectLearntAt=learnt,
        dialect=f"dialect {learnt}",
    ),
    times,
    times,
    st.sampled_from([b"", b"key"]),
    times,
    st.sampled_from([b"\x00" * 8, b"\x7f" * 8, b"\x80" * 8, b"\xff" * 8]),
    times,
)
addressRows = st.builds(
    lambda learnt, succeeded, failed: AddressRow(
        PEER,
        b"address",
        learnt,
        int(learnt) * 2,
        0.0 if learnt == 3.0 else NOW + learnt,
        succeeded,
        failed,
    ),
    times,
    times,
    times,
)
tagRows = st.builds(
    lambda learnt: TagRow(
        PEER, "tag", learnt, int(learnt), 0.0 if learnt == 3.0 else NOW + learnt
    ),
    times,
)
metadataRows = st.builds(
    lambda learnt: MetadataRow(
        PEER, "name", learnt, bytes([int(learnt)]), 0.0 if learnt == 3.0 else NOW + 1
    ),
    times,
)


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


class MergeTests(SynchronousTestCase):
    """
    Of two versions the later one wins, everywhere.
    """

    @drawn(
        100,
        st.lists(
            st.one_of(peerRows, addressRows, tagRows, metadataRows),
            min_size=1,
            max_size=12,
        ),
        st.randoms(use_true_random=False),
    )
    def test_anyOrder(self, rows: list[Row], random: st.DataObject) -> None:
        """
        Whatever the order in which rows arrive, and however often, the
        database is the same in the end.
        """
        ends = []
        for _ in range(2):
            connection, schema = openDatabase()
            for row in rows:
                with connection:
                    schema.exchange(connection, Batch(rows=[row]), 0, NOW)
            ends.append(sorted(map(repr, schema._between(connection.cursor(), 0, 99))))
            connection.close()
            rows = rows + rows[:3]
            random.shuffle(rows)  # type: ignore[attr-defined]
        self.assertEqual(*ends)

    @drawn(100, st.lists(st.one_of(peerRows, addressRows, tagRows, metadataRows)))
    def test_memory(self, rows: list[Row]) -> None:
        """
        Memory comes to the same end as the database.
        """
        connection, schema = openDatabase()
        self.addCleanup(connection.close)
        with connection:
            schema.exchange(connection, Batch(rows=rows), 0, NOW)
        kept, direct = Record(), Record()
        # What memory holds has no trace of what was taken away, so that has to
        # come last to be seen.
        for row in sorted(rows, key=lambda row: row[2] if len(row) != 13 else 0.0):
            mergeRow(direct, row, NOW)
        for row in schema._between(connection.cursor(), 0, 99):
            mergeRow(kept, row, NOW)
        for record in (direct, kept):
            # It may be told of an address before and after it was gone.
            for address in record.addresses.values():
                address.succeeded = address.failed = 0.0
            record.tags = record.tags or None
            record.metadata = record.metadata or None
        self.assertEqual(direct, kept)


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
        self.assertIn("version 4", str(caught.exception))
        self.assertIn("knows 2", str(caught.exception))
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
