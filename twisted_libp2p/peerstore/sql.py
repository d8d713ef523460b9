# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The schema, and all SQL there is: the same for SQLite and PostgreSQL.

What runs here runs on a thread, with a DB-API connection whose transaction
ends well, or is rolled back, when the method has.

Each transaction that writes first takes the next number from the table
C{store}, and leaves it in the C{version} of all rows that it touches.  The
lock on that one row lasts until the commit, so that numbers are committed in
their order: whoever has read all up to a number has missed nothing, and finds
what is new by the index.

The expiry of what is kept is by the clock of the store, which stands still
while no program uses it: L{Schema.prepare} moves it on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final, NamedTuple

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.peerstore.rows import (
    FORGOTTEN,
    AddressRow,
    MetadataRow,
    PeerRow,
    Row,
    TagRow,
)

__all__ = ["MIGRATIONS", "POSTGRESQL", "SQLITE", "Batch", "Dialect", "Place", "Schema"]

#: What makes the schema of each version out of the one before.  To change the
#: schema is to add to this; what was released stays as it is.
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
)

#: Seconds without any program that count as a pause of the store's clock.
_NAP: Final = 60.0

#: Seconds after which a program that only reads leaves the time in the store: with
#: the interval in which it looks, well below L{_NAP}.
_WAKEFUL: Final = 20.0

#: Seconds for which what has expired, or was removed, is still there for others
#: to learn of it.
_GRACE: Final = 600.0

#: The most transactions of others that are read at once.
_STEP: Final = 2

#: The most peers that are deleted at once.
_SWEEP: Final = 1000

#: The most values in one statement.
_VALUES: Final = 999


@dataclass(frozen=True, slots=True)
class Dialect:
    """
    In what two databases differ.

    @ivar blob: the type of bytes.
    @ivar placeholder: what stands for a value.
    @ivar lock: the statement that begins a transaction none other of which
        runs at the same time.
    @ivar analyze: the statement that makes the database look at what it has
        to plan queries by; None where it needs none.
    """

    blob: str
    placeholder: str
    lock: str
    analyze: str | None


SQLITE: Final = Dialect("BLOB", "?", "BEGIN IMMEDIATE", None)

# The number is our own, and means nothing.  After much was written it takes
# PostgreSQL a minute to look for itself; until then each page that is read of a
# large table would be looked for in all of it.
POSTGRESQL: Final = Dialect(
    "BYTEA",
    "%s",
    "SELECT pg_advisory_xact_lock(7813594206911240)",
    "ANALYZE peers, addresses, tags, metadata",
)


@dataclass(frozen=True, slots=True)
class _Table:
    """
    A table of rows.

    @ivar name: its name.
    @ivar row: the type of its rows.
    @ivar keys: how many columns make the primary key.
    @ivar groups: the other columns, by the one that tells when they were
        learnt.
    """

    name: str
    row: type[Row]
    keys: int
    groups: Mapping[str, Sequence[str]]

    @property
    def columns(self) -> str:
        """
        The names of the columns, without the version.
        """
        return ", ".join(self.row._fields)

    @property
    def rowsAtOnce(self) -> int:
        """
        How many rows one statement writes at the most: as many as the oldest
        SQLite has room for.
        """
        return _VALUES // (len(self.row._fields) + 1)

    def upsert(self, count: int) -> str:
        """
        The statement that writes some rows, each group of them if it is not
        older than the one that is there.
        """
        columns = (*self.row._fields, "version")
        values = f"({', '.join('?' * len(columns))})"
        updates = [
            f"{column} = CASE WHEN excluded.{clock} >= {self.name}.{clock}"
            f" THEN excluded.{column} ELSE {self.name}.{column} END"
            for clock, group in self.groups.items()
            for column in (*group, clock)
        ]
        return (
            f"INSERT INTO {self.name} ({', '.join(columns)})"
            f" VALUES {', '.join([values] * count)}"
            f" ON CONFLICT ({', '.join(columns[: self.keys])}) DO UPDATE SET"
            f" {', '.join(updates)}, version = excluded.version"
        )


_PEERS: Final = _Table(
    "peers",
    PeerRow,
    1,
    {
        "noted": ("due",),
        "met": (),
        "key": (),
        "told": ("agent", "network", "protocols"),
        "sequence": ("envelope",),
        "spoken": ("dialect",),
    },
)
_CHILDREN: Final = (
    _Table(
        "addresses",
        AddressRow,
        2,
        {"learnt": ("source", "expires"), "succeeded": (), "failed": ()},
    ),
    _Table("tags", TagRow, 2, {"learnt": ("value", "expires")}),
    _Table("metadata", MetadataRow, 2, {"learnt": ("value", "expires")}),
)
_TABLES: Final = (_PEERS, *_CHILDREN)


class Place(NamedTuple):
    """
    A place in the order in which peers are read: those first that are worth
    keeping for longest.
    """

    due: float = inf
    peer: bytes = b"\xff"


@dataclass(frozen=True, slots=True)
class Batch:
    """
    What is to be written.

    @ivar forgotten: the ids of peers that are forgotten before.
    @ivar rows: what is known.
    @ivar trimmed: addresses to delete: peer, name, and the latest stamp at which
        the address may have been learnt.
    @ivar stamp: when the batch was made, later than all that was read.
    """

    forgotten: Sequence[bytes] = ()
    rows: Sequence[Row] = ()
    trimmed: Sequence[tuple[bytes, bytes, float]] = ()
    stamp: float = 0.0


class Schema:
    """
    What is done to a database.
    """

    def __init__(
        self, dialect: Dialect, migrations: Sequence[Sequence[str]] = MIGRATIONS
    ) -> None:
        """
        @param dialect: of which database.
        @param migrations: what makes the schema.
        """
        self._dialect = dialect
        self._migrations = migrations

    def prepare(self, connection: Any, now: float) -> int:
        """
        Make the schema what it has to be, and set the clock of the store.

        @return: the number of the last transaction.
        @raise ConfigurationError: a newer program has made the schema.
        """
        cursor = connection.cursor()
        cursor.execute(self._dialect.lock)
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS store (format INTEGER NOT NULL,"
            " number BIGINT NOT NULL, awake DOUBLE PRECISION NOT NULL)"
        )
        found = self._one(cursor, "SELECT format, number, awake FROM store")
        if found is None:
            found = (0, 0, now)
            self._execute(cursor, "INSERT INTO store VALUES (?, ?, ?)", found)
        format, number, awake = found
        if format > len(self._migrations):
            raise ConfigurationError(
                f"its schema is version {format}, and this program knows"
                f" {len(self._migrations)} at the most: update the program"
            )
        for migration in self._migrations[format:]:
            for statement in migration:
                cursor.execute(statement.format(blob=self._dialect.blob))
        if now - awake > _NAP:
            for table, column in (
                ("peers", "due"),
                ("addresses", "expires"),
                ("tags", "expires"),
            ):
                self._execute(
                    cursor,
                    f"UPDATE {table} SET {column} = {column} + ? WHERE {column} > 0",
                    (now - awake,),
                )
        self._execute(
            cursor,
            "UPDATE store SET format = ?, awake = ?",
            (len(self._migrations), now),
        )
        if self._dialect.analyze is not None:
            cursor.execute(self._dialect.analyze)
        return int(number)

    def page(
        self, connection: Any, after: Place, now: float, count: int
    ) -> tuple[list[Row], Place | None]:
        """
        Read some peers, with all that is known of them.

        @param after: where to go on.
        @param now: what is due by then is left out.
        @param count: how many.
        @return: the rows, and where to go on; None for nowhere.
        """
        cursor = connection.cursor()
        peers = [
            PeerRow(*found)
            for found in self._all(
                cursor,
                f"SELECT {_PEERS.columns} FROM peers"
                " WHERE (due, peer) < (?, ?) AND due > ?"
                " ORDER BY due DESC, peer DESC LIMIT ?",
                (*after, now, count),
            )
        ]
        rows = self._family(cursor, peers)
        if len(peers) < count:
            return rows, None
        return rows, Place(peers[-1].due, peers[-1].peer)

    def find(self, connection: Any, peer: bytes) -> list[Row]:
        """
        Read all that is known of one peer.
        """
        cursor = connection.cursor()
        found = self._one(
            cursor, f"SELECT {_PEERS.columns} FROM peers WHERE peer = ?", (peer,)
        )
        return [] if found is None else self._family(cursor, [PeerRow(*found)])

    def exchange(
        self, connection: Any, batch: Batch | None, known: int, now: float
    ) -> tuple[list[Row], int, bool]:
        """
        Write what is new here, and read what is new there.

        @param batch: what to write; None for nothing.
        @param known: the number up to which all was read.
        @return: what was written, unless all of that was by us; up to which
            number; and whether there is more.
        """
        cursor = connection.cursor()
        if batch is not None:
            self._execute(
                cursor, "UPDATE store SET number = number + 1, awake = ?", (now,)
            )
        number, awake = self._state(cursor)
        if abs(now - awake) > _WAKEFUL:
            # Nothing is written, but a program runs.
            self._execute(cursor, "UPDATE store SET awake = ?", (now,))
        if batch is not None:
            self._write(cursor, batch, number)
            if number == known + 1:
                # All of it is our own.
                return [], number, False
        until = min(number, known + _STEP)
        rows = self._between(cursor, known, until) if until > known else []
        return rows, until, until < number

    def sweep(self, connection: Any, now: float, peers: int) -> bool:
        """
        Delete what has expired, and what is too much.

        @param peers: how many there may be.
        @return: whether there is more to do.
        """
        cursor = connection.cursor()
        self._execute(cursor, "UPDATE store SET awake = ?", (now,))
        for table in _CHILDREN:
            self._execute(
                cursor,
                f"DELETE FROM {table.name} WHERE expires < ? AND learnt < ?",
                (now - _GRACE, now - _GRACE),
            )
        count = self._one(cursor, "SELECT count(*) FROM peers")
        assert count is not None
        excess = max(0, count[0] - peers)
        gone = self._all(
            cursor,
            "SELECT peer FROM peers WHERE due < ? AND noted < ? ORDER BY due LIMIT ?",
            (now - _GRACE, now - _GRACE, _SWEEP),
        )
        if len(gone) < excess:
            gone = self._all(
                cursor,
                "SELECT peer FROM peers ORDER BY due LIMIT ?",
                (min(excess, _SWEEP),),
            )
        self._delete(cursor, gone)
        return len(gone) == _SWEEP

    def _write(self, cursor: Any, batch: Batch, number: int) -> None:
        self._delete(cursor, [(peer,) for peer in batch.forgotten])
        if batch.trimmed:
            self._executeMany(
                cursor,
                "DELETE FROM addresses WHERE peer = ? AND name = ? AND learnt <= ?",
                batch.trimmed,
            )
        rows = list(batch.rows)
        alive = {row.peer for row in rows}
        rows += (
            PeerRow(
                peer,
                batch.stamp,
                FORGOTTEN,
                0.0,
                b"",
                0.0,
                "",
                "",
                "",
                b"",
                b"",
                0.0,
                "",
            )
            for peer in batch.forgotten
            if peer not in alive
        )
        for table in _TABLES:
            mine = [row for row in rows if type(row) is table.row]
            # A statement for each row would have the reactor's thread and this
            # one wait for each other at every row.
            for start in range(0, len(mine), table.rowsAtOnce):
                some = mine[start : start + table.rowsAtOnce]
                values = [value for row in some for value in (*row, number)]
                self._execute(cursor, table.upsert(len(some)), values)

    def _between(self, cursor: Any, after: int, until: int) -> list[Row]:
        return [
            table.row(*found)
            for table in _TABLES
            for found in self._all(
                cursor,
                f"SELECT {table.columns} FROM {table.name}"
                " WHERE version > ? AND version <= ?",
                (after, until),
            )
        ]

    def _family(self, cursor: Any, peers: Sequence[PeerRow]) -> list[Row]:
        rows: list[Row] = list(peers)
        if peers:
            places = ", ".join("?" * len(peers))
            for table in _CHILDREN:
                rows += (
                    table.row(*found)
                    for found in self._all(
                        cursor,
                        f"SELECT {table.columns} FROM {table.name}"
                        f" WHERE peer IN ({places})",
                        [row.peer for row in peers],
                    )
                )
        return rows

    def _delete(self, cursor: Any, peers: Sequence[Sequence[bytes]]) -> None:
        if peers:
            for table in _TABLES:
                self._executeMany(
                    cursor, f"DELETE FROM {table.name} WHERE peer = ?", peers
                )

    def _state(self, cursor: Any) -> tuple[int, float]:
        """
        Return the number of the last transaction, and when a program ran last.
        """
        found = self._one(cursor, "SELECT number, awake FROM store")
        assert found is not None
        return int(found[0]), float(found[1])

    def _execute(self, cursor: Any, sql: str, values: Sequence[object] = ()) -> None:
        cursor.execute(sql.replace("?", self._dialect.placeholder), values)

    def _executeMany(
        self, cursor: Any, sql: str, values: Iterable[Sequence[object]]
    ) -> None:
        cursor.executemany(sql.replace("?", self._dialect.placeholder), values)

    def _all(
        self, cursor: Any, sql: str, values: Sequence[object] = ()
    ) -> list[Sequence[Any]]:
        self._execute(cursor, sql, values)
        found: list[Sequence[Any]] = cursor.fetchall()
        return found

    def _one(
        self, cursor: Any, sql: str, values: Sequence[object] = ()
    ) -> Sequence[Any] | None:
        found = self._all(cursor, sql, values)
        return found[0] if found else None
