# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The rows of presence: the lease of each process, and its peers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from twisted_libp2p.interfaces import IDatabase

__all__ = ["Rows"]

_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS presence_places"
    " (place TEXT PRIMARY KEY, expires DOUBLE PRECISION NOT NULL,"
    " relay TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS presence_peers"
    " (peer TEXT NOT NULL, place TEXT NOT NULL, PRIMARY KEY (peer, place))",
    "CREATE INDEX IF NOT EXISTS presence_by_place ON presence_peers (place)",
)
_EXPIRED: Final = "SELECT place FROM presence_places WHERE expires < {now}"


class Rows:
    """
    The transactions of one process, on the thread of the database.
    """

    def __init__(self, database: IDatabase, place: str) -> None:
        """
        @param database: the database.
        @param place: the name of the process.
        """
        self._database = database
        self._place = place

    def _sql(self, statement: str) -> str:
        """
        Return a statement as the database wants it.
        """
        return statement.replace("?", self._database.placeholder).replace(
            "{now}", self._database.time
        )

    def prepare(self, connection: Any) -> None:
        """
        Make the tables, unless they exist.
        """
        for statement in _TABLES:
            connection.execute(statement)

    def write(
        self,
        connection: Any,
        changes: Mapping[str, bool],
        seconds: float,
        afresh: bool,
        relay: str = "",
    ) -> bool:
        """
        Prolong the lease, write the changes, and remove the processes whose leases have
        expired.

        @param changes: peers, and whether they are connected.
        @param seconds: the time from now until the lease expires.
        @param afresh: whether to remove the peers that were written before.
        @param relay: the addresses at which this process is a relay, with spaces
            between them.
        @return: whether there was a lease.  Without it, the peers that were written
            before are gone.
        """
        cursor = connection.cursor()

        def run(statement: str, *values: object) -> int:
            cursor.execute(self._sql(statement), values)
            count: int = cursor.rowcount
            return count

        cursor.execute(self._sql(f"{_EXPIRED} ORDER BY place"))
        for (place,) in cursor.fetchall():
            # Another transaction may have prolonged it meanwhile: then its peers stay.
            if run(
                "DELETE FROM presence_places WHERE place = ? AND expires < {now}", place
            ):
                run("DELETE FROM presence_peers WHERE place = ?", place)
        renewed = run(
            "UPDATE presence_places SET expires = {now} + ?, relay = ? WHERE place = ?",
            seconds,
            relay,
            self._place,
        )
        if not renewed:
            run(
                "INSERT INTO presence_places (place, expires, relay)"
                " VALUES (?, {now} + ?, ?)",
                self._place,
                seconds,
                relay,
            )
        if afresh:
            run("DELETE FROM presence_peers WHERE place = ?", self._place)
        gone = [(each, self._place) for each, here in changes.items() if not here]
        come = [(each, self._place) for each, here in changes.items() if here]
        for statement, rows in (
            ("DELETE FROM presence_peers WHERE peer = ? AND place = ?", gone),
            (
                "INSERT INTO presence_peers (peer, place) VALUES (?, ?)"
                " ON CONFLICT (peer, place) DO NOTHING",
                come,
            ),
        ):
            if rows:
                cursor.executemany(self._sql(statement), rows)
        return bool(renewed)

    def leave(self, connection: Any) -> None:
        """
        Remove the process.
        """
        for table in ("presence_peers", "presence_places"):
            connection.execute(
                self._sql(f"DELETE FROM {table} WHERE place = ?"), (self._place,)
            )

    def find(self, connection: Any, peer: str) -> list[str]:
        """
        Return the processes that are connected to a peer.
        """
        cursor = connection.cursor()
        cursor.execute(
            self._sql(
                "SELECT place FROM presence_peers WHERE peer = ? AND place NOT IN"
                f" ({_EXPIRED}) ORDER BY place"
            ),
            (peer,),
        )
        return [place for (place,) in cursor.fetchall()]

    def relays(self, connection: Any, peer: str) -> list[str]:
        """
        Return the addresses of the other processes that are connected to a peer and are
        relays.
        """
        cursor = connection.cursor()
        cursor.execute(
            self._sql(
                "SELECT relay FROM presence_places WHERE expires >= {now}"
                " AND place <> ? AND place IN"
                " (SELECT place FROM presence_peers WHERE peer = ?) ORDER BY place"
            ),
            (self._place, peer),
        )
        return [each for (relay,) in cursor.fetchall() for each in relay.split()]
