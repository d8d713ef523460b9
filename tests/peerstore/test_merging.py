# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.peerstore.merging}, in memory and in the database.
"""

from __future__ import annotations

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.peerstore.test_sql import NOW, PEER, exchange, openDatabase, position
from twisted_libp2p.peerstore.merging import mergeRow
from twisted_libp2p.peerstore.records import Record
from twisted_libp2p.peerstore.rows import AddressRow, MetadataRow, PeerRow, Row, TagRow

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
                exchange(connection, schema, position(0), row)
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
        exchange(connection, schema, position(0), *rows)
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
