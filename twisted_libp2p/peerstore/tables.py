# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The tables of the peerstore, for SQLite and PostgreSQL.

A database names its columns in lower case with underscores; the rows name the same
values in the style of Python: C{last_connected} is C{lastConnected}.  Times are
seconds since the epoch, and 0 is never.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from twisted_libp2p.peerstore.rows import (
    AddressRow,
    MetadataRow,
    PeerRow,
    Row,
    TagRow,
)

__all__ = ["COMPATIBLE", "MIGRATIONS", "TABLES", "Table"]

#: The statements that make the schema of each version out of the one before.  To
#: change the schema, add to this; a released entry stays as it is.
MIGRATIONS: Final[Sequence[Sequence[str]]] = (
    (
        """
        CREATE TABLE peers (
            peer {blob} NOT NULL PRIMARY KEY,
            noted DOUBLE PRECISION NOT NULL,
            due DOUBLE PRECISION NOT NULL,
            met DOUBLE PRECISION NOT NULL,
            key {blob} NOT NULL,
            told DOUBLE PRECISION NOT NULL,
            agent TEXT NOT NULL,
            network TEXT NOT NULL,
            protocols TEXT NOT NULL,
            sequence {blob} NOT NULL,
            envelope {blob} NOT NULL,
            spoken DOUBLE PRECISION NOT NULL,
            dialect TEXT NOT NULL,
            version BIGINT NOT NULL
        )
        """,
        "CREATE INDEX peers_version ON peers (version)",
        "CREATE INDEX peers_due ON peers (due, peer)",
        """
        CREATE TABLE addresses (
            peer {blob} NOT NULL,
            name {blob} NOT NULL,
            learnt DOUBLE PRECISION NOT NULL,
            source INTEGER NOT NULL,
            expires DOUBLE PRECISION NOT NULL,
            succeeded DOUBLE PRECISION NOT NULL,
            failed DOUBLE PRECISION NOT NULL,
            version BIGINT NOT NULL,
            PRIMARY KEY (peer, name)
        )
        """,
        "CREATE INDEX addresses_version ON addresses (version)",
        "CREATE INDEX addresses_expires ON addresses (expires)",
        """
        CREATE TABLE tags (
            peer {blob} NOT NULL,
            name TEXT NOT NULL,
            learnt DOUBLE PRECISION NOT NULL,
            value INTEGER NOT NULL,
            expires DOUBLE PRECISION NOT NULL,
            version BIGINT NOT NULL,
            PRIMARY KEY (peer, name)
        )
        """,
        "CREATE INDEX tags_version ON tags (version)",
        "CREATE INDEX tags_expires ON tags (expires)",
        """
        CREATE TABLE metadata (
            peer {blob} NOT NULL,
            name TEXT NOT NULL,
            learnt DOUBLE PRECISION NOT NULL,
            value {blob} NOT NULL,
            expires DOUBLE PRECISION NOT NULL,
            version BIGINT NOT NULL,
            PRIMARY KEY (peer, name)
        )
        """,
        "CREATE INDEX metadata_version ON metadata (version)",
        "CREATE INDEX metadata_expires ON metadata (expires)",
    ),
    # Names that a person who looks into the database understands.
    (
        "ALTER TABLE peers RENAME COLUMN noted TO recorded_at",
        "ALTER TABLE peers RENAME COLUMN due TO expires",
        "ALTER TABLE peers RENAME COLUMN met TO last_connected",
        "ALTER TABLE peers RENAME COLUMN key TO public_key",
        "ALTER TABLE peers RENAME COLUMN told TO identified_at",
        "ALTER TABLE peers RENAME COLUMN network TO protocol_version",
        "ALTER TABLE peers RENAME COLUMN spoken TO dialect_learnt_at",
        "ALTER TABLE addresses RENAME COLUMN name TO address",
        "DROP INDEX peers_due",
        "CREATE INDEX peers_expires ON peers (expires, peer)",
    ),
    # The records that a node stores for others in a DHT; dht/persistence.py reads them.
    (
        """
        CREATE TABLE dht_values (
            owner {blob} NOT NULL,
            key {blob} NOT NULL,
            value {blob} NOT NULL,
            received DOUBLE PRECISION NOT NULL,
            putter {blob} NOT NULL,
            PRIMARY KEY (owner, key)
        )
        """,
        """
        CREATE TABLE dht_providers (
            owner {blob} NOT NULL,
            key {blob} NOT NULL,
            peer {blob} NOT NULL,
            received DOUBLE PRECISION NOT NULL,
            PRIMARY KEY (owner, key, peer)
        )
        """,
        "CREATE INDEX dht_values_received ON dht_values (owner, received)",
        "CREATE INDEX dht_providers_received ON dht_providers (owner, received)",
    ),
    # A fleet's: the history, its clock and its limit.
    (
        "ALTER TABLE store ADD COLUMN compatible INTEGER NOT NULL DEFAULT 4",
        "ALTER TABLE store ADD COLUMN paused DOUBLE PRECISION NOT NULL DEFAULT 0",
        "ALTER TABLE store ADD COLUMN swept DOUBLE PRECISION NOT NULL DEFAULT 0",
        "ALTER TABLE store ADD COLUMN peer_limit BIGINT NOT NULL DEFAULT 1000000",
        """
        CREATE TABLE turns (
            number BIGINT NOT NULL PRIMARY KEY,
            mark BIGINT NOT NULL
        )
        """,
    ),
)

#: The earliest version whose programs can use the tables of the latest one: they do not
#: know a column that was added since, and do not need it.
COMPATIBLE: Final = 4

#: The most values in one statement: as many as the oldest SQLite takes.
_VALUES: Final = 999


@dataclass(frozen=True)
class Table:
    """
    A table of rows.

    @ivar name: its name.
    @ivar row: the type of its rows.
    @ivar keys: how many columns make the primary key.
    @ivar groups: the fields that change together, by the field that says when they
        were learnt.
    """

    name: str
    row: type[Row]
    keys: int
    groups: Mapping[str, Sequence[str]]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """
        The names of the columns, without the version.
        """
        return tuple(map(_column, self.row._fields))

    @property
    def rowsAtOnce(self) -> int:
        """
        The most rows that one statement writes.
        """
        return _VALUES // len(self.columns)

    def upsert(self, count: int) -> str:
        """
        Return the statement that writes rows; it keeps each group that is older than
        the stored one.

        @param count: the number of rows.
        """
        columns = (*self.columns, "version")
        # The version is the number of the transaction.
        places = ", ".join("?" * len(self.columns))
        values = f"({places}, (SELECT number FROM store))"
        updates = [
            f"{column} = CASE WHEN excluded.{clock} >= {self.name}.{clock}"
            f" THEN excluded.{column} ELSE {self.name}.{column} END"
            for when, group in self.groups.items()
            for clock in [_column(when)]
            for column in (*map(_column, group), clock)
        ]
        return (
            f"INSERT INTO {self.name} ({', '.join(columns)})"
            f" VALUES {', '.join([values] * count)}"
            f" ON CONFLICT ({', '.join(columns[: self.keys])}) DO UPDATE SET"
            f" {', '.join(updates)}, version = excluded.version"
        )

    def select(self, rest: str, *more: str) -> str:
        """
        Return the statement that reads rows.

        @param rest: the statement after the name of the table.
        @param more: columns to read after those of the rows.
        """
        columns = ", ".join((*self.columns, *more))
        return f"SELECT {columns} FROM {self.name} {rest}"


def _column(field: str) -> str:
    """
    Return the column of a field of a row.
    """
    return re.sub("([A-Z])", r"_\1", field).lower()


#: All tables, that of the peers first.
TABLES: Final = (
    Table(
        "peers",
        PeerRow,
        1,
        {
            "recordedAt": ("expires",),
            "lastConnected": (),
            "publicKey": (),
            "identifiedAt": ("agent", "protocolVersion", "protocols"),
            "sequence": ("envelope",),
            "dialectLearntAt": ("dialect",),
        },
    ),
    Table(
        "addresses",
        AddressRow,
        2,
        {"learnt": ("source", "expires"), "succeeded": (), "failed": ()},
    ),
    Table("tags", TagRow, 2, {"learnt": ("value", "expires")}),
    Table("metadata", MetadataRow, 2, {"learnt": ("value", "expires")}),
)
