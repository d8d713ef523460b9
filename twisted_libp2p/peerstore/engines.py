# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The two database engines: the statements in which SQLite and PostgreSQL differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["CHANNEL", "POSTGRESQL", "SQLITE", "Engine"]

#: The channel on which a node of PostgreSQL's notifies the others of a change.
CHANNEL: Final = "twisted_libp2p_peerstore"

#: Seconds for which a statement may run, may wait for a lock, and for which a
#: transaction may wait for its node, all on the server's side.
_STATEMENT: Final = 5
_LOCK: Final = 4
_IDLE: Final = 3


_POSTGRESQL_CLOCK: Final = (
    "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)"
)


@dataclass(frozen=True, slots=True)
class Engine:
    """
    A database engine.

    @ivar blob: the type of bytes.
    @ivar placeholder: the placeholder of a value.
    @ivar begin: the first statement of each transaction; None if it needs none.
    @ivar exclude: the statement that lets a transaction make tables while no other
        such transaction runs.
    @ivar hasTable: the statement that finds the table C{store}, if there is one.
    @ivar lockRow: what a SELECT ends with to lock the rows that it returns.
    @ivar clock: the time of the database; None if it is on this machine, and has
        this machine's clock.
    @ivar seconds: the time of the database, or of this machine, as an expression
        without values.
    @ivar place: the pseudo column of the place of a row, in which rows are deleted
        without a sequential scan.
    @ivar unhurried: the statement that lifts the limits of time from a transaction.
    @ivar analyze: the statement that lets the database gather statistics for its
        query plans; None if it needs none.
    @ivar notify: the statement that notifies others, with a text, when the
        transaction is committed; None if the engine cannot.
    @ivar pipelined: whether its module can send many statements in one message.
    """

    blob: str
    placeholder: str
    begin: str | None
    exclude: str
    hasTable: str
    lockRow: str
    clock: str | None
    seconds: str
    place: str
    unhurried: str | None
    analyze: str | None
    notify: str | None
    pipelined: bool

    def time(self, now: Callable[[], float]) -> tuple[str, tuple[float, ...]]:
        """
        Return the time of the database as an expression, and its values.

        @param now: returns the time of this machine.
        """
        return (self.clock, ()) if self.clock is not None else ("?", (now(),))

    @contextmanager
    def together(self, connection: Any) -> Iterator[None]:
        """
        Send all statements of a C{with} block, and the commit, in one message where
        the engine can: a lock is then held for no trip over the network.  Results may
        be fetched after the block only.
        """
        if not self.pipelined:
            yield
            return
        with connection.pipeline():
            yield
            connection.commit()


SQLITE: Final = Engine(
    blob="BLOB",
    placeholder="?",
    begin=None,
    exclude="BEGIN IMMEDIATE",
    hasTable="SELECT name FROM sqlite_master WHERE name = 'store'",
    lockRow="",
    clock=None,
    seconds="((julianday('now') - 2440587.5) * 86400.0)",
    place="rowid",
    unhurried=None,
    analyze=None,
    notify=None,
    pipelined=False,
)

# The number of the lock is arbitrary.  The settings are those of one transaction, so
# that a pooler may give the next one to another node.  After many writes PostgreSQL
# takes a minute to gather statistics by itself; until then it would search a large
# table in full for each page.
POSTGRESQL: Final = Engine(
    blob="BYTEA",
    placeholder="%s",
    begin=(
        f"SELECT set_config('statement_timeout', '{_STATEMENT}s', true),"
        f" set_config('lock_timeout', '{_LOCK}s', true),"
        f" set_config('idle_in_transaction_session_timeout', '{_IDLE}s', true)"
    ),
    exclude="SELECT pg_advisory_xact_lock(7813594206911240)",
    hasTable="SELECT 1 WHERE to_regclass('store') IS NOT NULL",
    lockRow=" FOR UPDATE",
    clock=_POSTGRESQL_CLOCK,
    seconds=_POSTGRESQL_CLOCK,
    place="ctid",
    unhurried=(
        "SELECT set_config('statement_timeout', '0', true),"
        " set_config('lock_timeout', '0', true)"
    ),
    analyze="ANALYZE peers, addresses, tags, metadata",
    notify=f"SELECT pg_notify('{CHANNEL}', ?)",
    pipelined=True,
)
