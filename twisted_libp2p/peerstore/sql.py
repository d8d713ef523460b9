# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The transactions, in SQL that SQLite and PostgreSQL share.

They run on a thread, with a DB-API connection whose transaction is committed when the
method has returned, or rolled back when it has raised.

Each transaction that writes first takes the next number from the table C{store}, and
writes it into the column C{version} of all rows that it touches.  The lock on that
one row lasts until the commit, so numbers are committed in their order: a program
that has read everything up to a number has missed nothing, and finds newer rows by the
index.  No transaction locks anything before that row.

Numbers alone do not show that a database is still the same: a copy that lagged when it
took over has lost the last of them, and gives them out again.  So each number has a
random mark in the table C{turns}, and a program that does not find the mark of the
number up to which it has read knows that there is another history.  (A program of
version 2 marks nothing: such a transaction has the mark 0.)

Rows are dated as L{Shift<twisted_libp2p.peerstore.shift.Shift>} says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import floor
from typing import Any, Final

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.peerstore.engines import Engine
from twisted_libp2p.peerstore.rows import PeerRow, Row
from twisted_libp2p.peerstore.shift import Reading, Shift
from twisted_libp2p.peerstore.statements import Statements
from twisted_libp2p.peerstore.tables import COMPATIBLE, MIGRATIONS, TABLES, Table
from twisted_libp2p.peerstore.turn import Batch, Opened, Place, Position, Turn

__all__ = ["Schema"]

#: Seconds without any program that count as a pause of the store's clock.
_PAUSE: Final = 60.0

#: Seconds after which a program that only reads writes the time into the store: with
#: the interval in which it looks, well below L{_PAUSE}.
_AWAKE_INTERVAL: Final = 20.0

#: Seconds for which rows that have expired, or were removed, stay for other programs
#: to read them.
_GRACE: Final = 600.0

#: The most transactions of others that are read at once, and the most rows of each
#: table.
_STEP: Final = 64
_ROWS: Final = 8000

#: The most rows of a table that are deleted at once, and the seconds between two
#: sweeps, whoever of a fleet makes them.
_SWEEP: Final = 1000
_SWEEP_INTERVAL: Final = 240.0

#: The number of transactions whose marks are kept: a program that is further behind
#: reads everything.
_MARKS: Final = 100_000


_PEERS, *_CHILDREN = TABLES


class Schema(Statements):
    """
    The transactions of the peerstore.
    """

    def __init__(
        self,
        engine: Engine,
        migrations: Sequence[Sequence[str]] = MIGRATIONS,
        compatible: int = COMPATIBLE,
    ) -> None:
        """
        Make the transactions of an engine.

        @param engine: the database engine.
        @param migrations: the statements that make the schema.
        @param compatible: the earliest version whose programs can use the schema.
        """
        super().__init__(engine)
        self._migrations = migrations
        self._compatible = compatible

    @property
    def placeholder(self) -> str:
        """
        The placeholder of a value in a statement.
        """
        return self.engine.placeholder

    def prepare(
        self,
        connection: Any,
        mark: int,
        shift: Shift,
        now: Callable[[], float],
        limit: int | None = None,
        running: bool = False,
    ) -> Opened:
        """
        Bring the schema up to date, and set the clock of the store.

        @param mark: the mark of the history, if it begins here.
        @param shift: how the clocks differ, as far as that is known.
        @param now: returns our time.
        @param limit: the most peers in the store from now on; None to leave that as
            it is.
        @param running: whether this program has used the store until now: then there
            was no pause, even if it could not write the time.
        @raise ConfigurationError: a newer program has made the schema, which this one
            cannot use.
        """
        cursor = self._begin(connection)
        cursor.execute(self.engine.exclude)
        time, values = self.engine.time(now)
        if self._one(cursor, self.engine.hasTable) is None:
            # This table keeps its names: programs of all versions read the format
            # here.
            cursor.execute(
                "CREATE TABLE store (format INTEGER NOT NULL,"
                " number BIGINT NOT NULL, awake DOUBLE PRECISION NOT NULL)"
            )
            self._execute(cursor, f"INSERT INTO store VALUES (0, 0, {time})", values)
        (format,) = self._value(
            cursor, f"SELECT format FROM store{self.engine.lockRow}"
        )
        self._check(cursor, format)
        if self._migrations[format:] and self.engine.unhurried is not None:
            cursor.execute(self.engine.unhurried)
        for migration in self._migrations[format:]:
            for statement in migration:
                cursor.execute(statement.format(blob=self.engine.blob))
        if format < len(self._migrations):
            self._execute(
                cursor,
                "UPDATE store SET format = ?, compatible = ?",
                (len(self._migrations), self._compatible),
            )
        if limit is not None:
            self._execute(cursor, "UPDATE store SET peer_limit = ?", (limit,))
        self._execute(
            cursor,
            "INSERT INTO turns SELECT number, ? FROM store WHERE NOT EXISTS"
            " (SELECT 1 FROM turns WHERE turns.number = store.number)",
            (mark,),
        )
        return self._wake(cursor, shift, now, running)

    def _check(self, cursor: Any, format: int) -> None:
        """
        Check that this program can use the schema.
        """
        known = len(self._migrations)
        if format > known:
            (compatible,) = self._value(cursor, "SELECT compatible FROM store")
            if compatible > known:
                raise ConfigurationError(
                    f"its schema is version {format}, and this program knows {known}"
                    " at the most: update the program"
                )

    def _wake(
        self, cursor: Any, shift: Shift, now: Callable[[], float], running: bool
    ) -> Opened:
        """
        Let the clock of the store go on.
        """
        time, values = self.engine.time(now)
        before = now()
        clock, awake, paused, number, mark = self._value(
            cursor,
            f"SELECT {time}, awake, paused, number, mark FROM store"
            " JOIN turns USING (number)",
            values,
        )
        after = now()
        if clock - awake > _PAUSE and not running:
            # In whole seconds: a sum of a time and this is exact.
            paused += floor(clock - awake)
        self._execute(cursor, "UPDATE store SET awake = ?, paused = ?", (clock, paused))
        reading = Reading(clock, paused, before, after)
        return Opened(Position(number, mark), shift.adjusted(reading))

    def analyze(self, connection: Any) -> None:
        """
        Let the database gather statistics.
        """
        cursor = self._begin(connection)
        if self.engine.unhurried is not None:
            cursor.execute(self.engine.unhurried)
        assert self.engine.analyze is not None
        cursor.execute(self.engine.analyze)

    def page(
        self, connection: Any, after: Place, shift: Shift, now: float, count: int
    ) -> tuple[list[Row], Place | None]:
        """
        Read peers with all rows about them.

        @param after: the place after which to read.
        @param now: our time; peers that have expired are left out.
        @param count: the most peers to read.
        @return: the rows, and the place after which to continue; None at the end.
        """
        cursor = self._begin(connection)
        peers = [
            PeerRow(*found)
            for found in self._all(
                cursor,
                _PEERS.select(
                    "WHERE (expires, peer) < (?, ?) AND expires > ?"
                    " ORDER BY expires DESC, peer DESC LIMIT ?"
                ),
                (*after, now + shift.expiry, count),
            )
        ]
        rows = list(map(shift.inward, self._family(cursor, peers)))
        if len(peers) < count:
            return rows, None
        return rows, Place(peers[-1].expires, peers[-1].peer)

    def find(self, connection: Any, peer: bytes, shift: Shift) -> list[Row]:
        """
        Read all rows about one peer.
        """
        cursor = self._begin(connection)
        found = self._one(cursor, _PEERS.select("WHERE peer = ?"), (peer,))
        if found is None:
            return []
        return list(map(shift.inward, self._family(cursor, [PeerRow(*found)])))

    def exchange(
        self,
        connection: Any,
        batch: Batch | None,
        known: Position,
        shift: Shift,
        now: Callable[[], float],
    ) -> Turn:
        """
        Write changes, and read the changes of other programs.

        @param batch: the changes to write; None for none.
        @param known: the place up to which everything was read.
        @param shift: how the clocks differ, as far as that is known.
        @param now: returns our time.
        """
        time, values = self.engine.time(now)
        before = now()
        with self.engine.together(connection):
            cursor = self._begin(connection)
            clock = self._ask(connection, f"SELECT {time}", values)
            if batch is not None:
                self._execute(
                    cursor,
                    f"UPDATE store SET number = number + 1, awake = {time}",
                    values,
                )
                self._execute(
                    cursor,
                    "INSERT INTO turns SELECT number, ? FROM store",
                    (batch.mark,),
                )
                self._write(cursor, batch, shift)
                if self.engine.notify is not None:
                    self._execute(cursor, self.engine.notify, (str(batch.mark),))
            state = self._ask(
                connection,
                "SELECT number, coalesce(mark, 0), awake, paused,"
                " coalesce((SELECT mark FROM turns WHERE number = ?), 0)"
                " FROM store LEFT JOIN turns USING (number)",
                (known.number,),
            )
            news = [self._news(connection, table, known.number) for table in TABLES]
        (now_,) = clock.fetchone()
        number, mark, awake, paused, remembered = state.fetchone()
        shift = shift.adjusted(Reading(now_, paused, before, now()))
        if abs(now_ - awake) > _AWAKE_INTERVAL:
            # Nothing is written, but a program runs.
            self._execute(cursor, "UPDATE store SET awake = ?", (now_,))
        last = Position(number, mark)
        if remembered != known.mark or number < known.number:
            return Turn([], last, False, shift, moved=True)
        if batch is not None and number == known.number + 1:
            # We have written everything that is new.
            return Turn([], last, False, shift)
        rows, until = self._merged(cursor, news, known.number, number)
        if until < number:
            (mark,) = self._value(
                cursor,
                "SELECT coalesce((SELECT mark FROM turns WHERE number = ?), 0)",
                (until,),
            )
        return Turn(
            list(map(shift.inward, rows)), Position(until, mark), until < number, shift
        )

    def _news(self, connection: Any, table: Table, after: int) -> Any:
        """
        Ask for the rows of the next transactions.
        """
        return self._ask(
            connection,
            table.select(
                "WHERE version > ? AND version <= ? ORDER BY version LIMIT ?",
                "version",
            ),
            (after, after + _STEP, _ROWS),
        )

    def _merged(
        self, cursor: Any, news: Sequence[Any], after: int, last: int
    ) -> tuple[list[Row], int]:
        """
        Collect the rows that were asked for.

        @return: the rows of whole transactions, and the number of the last of them.
        """
        until = limit = min(last, after + _STEP)
        found = [
            [(table.row(*each[:-1]), each[-1]) for each in asked.fetchall()]
            for table, asked in zip(TABLES, news, strict=True)
        ]
        for rows in found:
            if len(rows) == _ROWS:
                # The last of these transactions may not be complete.
                until = min(until, rows[-1][1] - 1)
        if until <= after < limit:
            # One that has written more.
            until = after + 1
            return self._between(cursor, after, until), until
        return [row for rows in found for row, version in rows if version <= until], (
            until
        )

    def sweep(
        self, connection: Any, shift: Shift, now: Callable[[], float], again: bool
    ) -> bool:
        """
        Delete rows that have expired, and peers over the limit of the store; nothing
        if another program has done so of late.

        @param again: whether there was more to do.
        @return: whether there is more to do.
        """
        time, values = self.engine.time(now)
        cursor = self._begin(connection)
        (clock,) = self._value(cursor, f"SELECT {time}", values)
        self._execute(
            cursor,
            "UPDATE store SET awake = ?, swept = ? WHERE swept < ? OR ?",
            (clock, clock, clock - _SWEEP_INTERVAL, again),
        )
        if not cursor.rowcount:
            return False
        learnt, expired = clock - _GRACE, clock - shift.paused - _GRACE
        more = False
        for table in _CHILDREN:
            self._execute(
                cursor,
                self._some(table.name, "expires < ? AND learnt < ?"),
                (expired, learnt, _SWEEP),
            )
            more = more or cursor.rowcount == _SWEEP
        self._execute(
            cursor,
            "DELETE FROM turns WHERE number < (SELECT number FROM store) - ?",
            (_MARKS,),
        )
        dropped = self._all(
            cursor,
            "SELECT peer FROM peers WHERE expires < ? AND recorded_at < ?"
            " ORDER BY expires LIMIT ?",
            (expired, learnt, _SWEEP),
        )
        (excess,) = self._value(
            cursor, "SELECT (SELECT count(*) FROM peers) - peer_limit FROM store"
        )
        if len(dropped) < excess:
            dropped = self._all(
                cursor,
                "SELECT peer FROM peers ORDER BY expires LIMIT ?",
                (min(excess, _SWEEP),),
            )
        self._delete(cursor, dropped)
        return more or len(dropped) == _SWEEP

    def _some(self, table: str, condition: str) -> str:
        """
        Return the statement that deletes some of the rows for which a condition holds.
        """
        place = self.engine.place
        return (
            f"DELETE FROM {table} WHERE {place} IN"
            f" (SELECT {place} FROM {table} WHERE {condition} LIMIT ?)"
        )

    def _write(self, cursor: Any, batch: Batch, shift: Shift) -> None:
        self._delete(cursor, [(peer,) for peer in batch.forgotten])
        if batch.trimmed:
            self._executeMany(
                cursor,
                "DELETE FROM addresses WHERE peer = ? AND address = ? AND learnt <= ?",
                [
                    (peer, name, learnt + shift.clock)
                    for peer, name, learnt in batch.trimmed
                ],
            )
        rows = list(batch.rows)
        alive = {row.peer for row in rows}
        rows += (
            PeerRow.forgotten(peer, batch.stamp)
            for peer in batch.forgotten
            if peer not in alive
        )
        for table in TABLES:
            mine = [shift.outward(row) for row in rows if type(row) is table.row]
            # With a statement for each row, the reactor's thread and this one would
            # wait for each other at every row.
            for start in range(0, len(mine), table.rowsAtOnce):
                some = mine[start : start + table.rowsAtOnce]
                values = [value for row in some for value in row]
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
