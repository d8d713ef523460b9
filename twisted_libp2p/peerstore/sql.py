# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The transactions, in SQL that SQLite and PostgreSQL share.

They run on a thread, with a DB-API connection whose transaction is committed when the
method has returned, or rolled back when it has raised.

Each transaction that writes first takes the next number from the table C{store}, and
writes it into the column C{version} of all rows that it touches.  The lock on that
one row lasts until the commit, so numbers are committed in their order: a program
that has read everything up to a number has missed nothing, and finds newer rows by the
index.

Facts expire by the clock of the store, which stands still while no program uses it:
L{Schema.prepare} moves it on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final, NamedTuple

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.peerstore.rows import PeerRow, Row
from twisted_libp2p.peerstore.tables import MIGRATIONS, TABLES

__all__ = ["POSTGRESQL", "SQLITE", "Batch", "Engine", "Place", "Schema"]

#: Seconds without any program that count as a pause of the store's clock.
_PAUSE: Final = 60.0

#: Seconds after which a program that only reads writes the time into the store: with
#: the interval in which it looks, well below L{_PAUSE}.
_AWAKE_INTERVAL: Final = 20.0

#: Seconds for which rows that have expired, or were removed, stay for other programs
#: to read them.
_GRACE: Final = 600.0

#: The most transactions of others that are read at once.
_STEP: Final = 2

#: The most peers that are deleted at once.
_SWEEP: Final = 1000


@dataclass(frozen=True, slots=True)
class Engine:
    """
    The differences between two database engines.

    @ivar blob: the type of bytes.
    @ivar placeholder: the placeholder of a value.
    @ivar lock: the statement that begins a transaction while no other such
        transaction runs.
    @ivar analyze: the statement that lets the database gather statistics for its
        query plans; None if it needs none.
    """

    blob: str
    placeholder: str
    lock: str
    analyze: str | None


SQLITE: Final = Engine("BLOB", "?", "BEGIN IMMEDIATE", None)

# The number is arbitrary.  After many writes PostgreSQL takes a minute to gather
# statistics by itself; until then it would search a large table in full for each page.
POSTGRESQL: Final = Engine(
    "BYTEA",
    "%s",
    "SELECT pg_advisory_xact_lock(7813594206911240)",
    "ANALYZE peers, addresses, tags, metadata",
)


_PEERS, *_CHILDREN = TABLES


class Place(NamedTuple):
    """
    A place in the order in which peers are read: the last to expire come first.
    """

    expires: float = inf
    peer: bytes = b"\xff"


@dataclass(frozen=True, slots=True)
class Batch:
    """
    The changes to write in one transaction.

    @ivar forgotten: the ids of the peers to forget before anything else.
    @ivar rows: the rows to write.
    @ivar trimmed: addresses to delete: peer, address, and the latest time at which
        the address may have been learnt.
    @ivar stamp: when the batch was made, later than all that was read.
    """

    forgotten: Sequence[bytes] = ()
    rows: Sequence[Row] = ()
    trimmed: Sequence[tuple[bytes, bytes, float]] = ()
    stamp: float = 0.0


class Schema:
    """
    The transactions of the peerstore.
    """

    def __init__(
        self,
        engine: Engine,
        migrations: Sequence[Sequence[str]] = MIGRATIONS,
    ) -> None:
        """
        Make the transactions of an engine.

        @param engine: the database engine.
        @param migrations: the statements that make the schema.
        """
        self._engine = engine
        self._migrations = migrations

    @property
    def placeholder(self) -> str:
        """
        The placeholder of a value in a statement.
        """
        return self._engine.placeholder

    def prepare(self, connection: Any, now: float) -> int:
        """
        Bring the schema up to date, and set the clock of the store.

        @return: the number of the last transaction.
        @raise ConfigurationError: a newer program has made the schema.
        """
        cursor = connection.cursor()
        cursor.execute(self._engine.lock)
        # This table keeps its names: programs of all versions read the format here.
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
                cursor.execute(statement.format(blob=self._engine.blob))
        if now - awake > _PAUSE:
            for table in ("peers", "addresses", "tags"):
                self._execute(
                    cursor,
                    f"UPDATE {table} SET expires = expires + ? WHERE expires > 0",
                    (now - awake,),
                )
        self._execute(
            cursor,
            "UPDATE store SET format = ?, awake = ?",
            (len(self._migrations), now),
        )
        if self._engine.analyze is not None:
            cursor.execute(self._engine.analyze)
        return int(number)

    def page(
        self, connection: Any, after: Place, now: float, count: int
    ) -> tuple[list[Row], Place | None]:
        """
        Read peers with all rows about them.

        @param after: the place after which to read.
        @param now: the time; peers that have expired are left out.
        @param count: the most peers to read.
        @return: the rows, and the place after which to continue; None at the end.
        """
        cursor = connection.cursor()
        peers = [
            PeerRow(*found)
            for found in self._all(
                cursor,
                _PEERS.select(
                    "WHERE (expires, peer) < (?, ?) AND expires > ?"
                    " ORDER BY expires DESC, peer DESC LIMIT ?"
                ),
                (*after, now, count),
            )
        ]
        rows = self._family(cursor, peers)
        if len(peers) < count:
            return rows, None
        return rows, Place(peers[-1].expires, peers[-1].peer)

    def find(self, connection: Any, peer: bytes) -> list[Row]:
        """
        Read all rows about one peer.
        """
        cursor = connection.cursor()
        found = self._one(cursor, _PEERS.select("WHERE peer = ?"), (peer,))
        return [] if found is None else self._family(cursor, [PeerRow(*found)])

    def exchange(
        self, connection: Any, batch: Batch | None, known: int, now: float
    ) -> tuple[list[Row], int, bool]:
        """
        Write changes, and read the changes of other programs.

        @param batch: the changes to write; None for none.
        @param known: the number up to which everything was read.
        @return: the rows that were read, none if we have written all of them; the
            number up to which everything was read; and whether there is more.
        """
        cursor = connection.cursor()
        if batch is not None:
            self._execute(
                cursor, "UPDATE store SET number = number + 1, awake = ?", (now,)
            )
        number, awake = self._state(cursor)
        if abs(now - awake) > _AWAKE_INTERVAL:
            # Nothing is written, but a program runs.
            self._execute(cursor, "UPDATE store SET awake = ?", (now,))
        if batch is not None:
            self._write(cursor, batch, number)
            if number == known + 1:
                # We have written everything that is new.
                return [], number, False
        until = min(number, known + _STEP)
        rows = self._between(cursor, known, until) if until > known else []
        return rows, until, until < number

    def sweep(self, connection: Any, now: float, peers: int) -> bool:
        """
        Delete rows that have expired, and peers over the limit.

        @param peers: the most peers to keep.
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
        dropped = self._all(
            cursor,
            "SELECT peer FROM peers WHERE expires < ? AND recorded_at < ?"
            " ORDER BY expires LIMIT ?",
            (now - _GRACE, now - _GRACE, _SWEEP),
        )
        if len(dropped) < excess:
            dropped = self._all(
                cursor,
                "SELECT peer FROM peers ORDER BY expires LIMIT ?",
                (min(excess, _SWEEP),),
            )
        self._delete(cursor, dropped)
        return len(dropped) == _SWEEP

    def _write(self, cursor: Any, batch: Batch, number: int) -> None:
        self._delete(cursor, [(peer,) for peer in batch.forgotten])
        if batch.trimmed:
            self._executeMany(
                cursor,
                "DELETE FROM addresses WHERE peer = ? AND address = ? AND learnt <= ?",
                batch.trimmed,
            )
        rows = list(batch.rows)
        alive = {row.peer for row in rows}
        rows += (
            PeerRow.forgotten(peer, batch.stamp)
            for peer in batch.forgotten
            if peer not in alive
        )
        for table in TABLES:
            mine = [row for row in rows if type(row) is table.row]
            # With a statement for each row, the reactor's thread and this one would
            # wait for each other at every row.
            for start in range(0, len(mine), table.rowsAtOnce):
                some = mine[start : start + table.rowsAtOnce]
                values = [value for row in some for value in (*row, number)]
                self._execute(cursor, table.upsert(len(some)), values)

    def _between(self, cursor: Any, after: int, until: int) -> list[Row]:
        """
        Read the rows that some transactions have written.
        """
        return [
            table.row(*found)
            for table in TABLES
            for found in self._all(
                cursor,
                table.select("WHERE version > ? AND version <= ?"),
                (after, until),
            )
        ]

    def _family(self, cursor: Any, peers: Sequence[PeerRow]) -> list[Row]:
        """
        Read the other rows about some peers.

        @return: these rows, after those of the peers themselves.
        """
        rows: list[Row] = list(peers)
        if peers:
            places = ", ".join("?" * len(peers))
            for table in _CHILDREN:
                rows += (
                    table.row(*found)
                    for found in self._all(
                        cursor,
                        table.select(f"WHERE peer IN ({places})"),
                        [row.peer for row in peers],
                    )
                )
        return rows

    def _delete(self, cursor: Any, peers: Sequence[Sequence[bytes]]) -> None:
        if peers:
            for table in TABLES:
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
        cursor.execute(sql.replace("?", self._engine.placeholder), values)

    def _executeMany(
        self, cursor: Any, sql: str, values: Iterable[Sequence[object]]
    ) -> None:
        cursor.executemany(sql.replace("?", self._engine.placeholder), values)

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
