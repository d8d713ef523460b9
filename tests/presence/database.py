# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A database of SQLite in memory, which tests of presence share.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from twisted.internet.defer import Deferred, execute, fail, succeed
from zope.interface import implementer

from twisted_libp2p.interfaces import IDatabase

__all__ = ["Database"]


@implementer(IDatabase)
class Database:
    """
    A database of SQLite's in memory, with the time of a test.

    @ivar failing: whether all transactions fail.
    @ivar times: the times that it takes instead of C{now}, as often as they last.
    """

    placeholder = "?"
    failing = False

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:")
        self.now = 1000.0
        self.times: list[float] = []
        self._connection.create_function(
            "present", 0, lambda: self.times.pop() if self.times else self.now
        )
        self.time = "present()"

    def whenLoaded(self) -> Deferred[None]:
        """
        Fire at once.
        """
        return succeed(None)

    def transact(self, work: Any, *arguments: object) -> Deferred[Any]:
        """
        Run at once.
        """
        if self.failing:
            return fail(OSError("the disk is full"))
        with self._connection:
            return execute(work, self._connection, *arguments)

    def count(self, table: str) -> int:
        """
        Count the rows of a table.
        """
        (number,) = self._connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        return int(number)

    def empty(self) -> None:
        """
        Remove the tables.
        """
        for table in ("presence_peers", "presence_places"):
            self._connection.execute(f"DROP TABLE {table}")

    def close(self) -> None:
        """
        Close it.
        """
        self._connection.close()
