# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The execution of statements, which mark a value by C{?} for every engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.peerstore.engines import Engine

__all__ = ["Statements"]


class Statements:
    """
    Executes the statements of an engine.

    @ivar engine: the database engine.
    """

    def __init__(self, engine: Engine) -> None:
        """
        Execute the statements of an engine.
        """
        self.engine = engine

    def _begin(self, connection: Any) -> Any:
        """
        Begin a transaction, and return a cursor in it.
        """
        cursor = connection.cursor()
        if self.engine.begin is not None:
            cursor.execute(self.engine.begin)
        return cursor

    def _execute(self, cursor: Any, sql: str, values: Sequence[object] = ()) -> None:
        cursor.execute(sql.replace("?", self.engine.placeholder), values)

    def _executeMany(
        self, cursor: Any, sql: str, values: Iterable[Sequence[object]]
    ) -> None:
        cursor.executemany(sql.replace("?", self.engine.placeholder), values)

    def _ask(self, connection: Any, sql: str, values: Sequence[object] = ()) -> Any:
        """
        Execute a statement, and return the cursor of its results.
        """
        cursor = connection.cursor()
        self._execute(cursor, sql, values)
        return cursor

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

    def _value(
        self, cursor: Any, sql: str, values: Sequence[object] = ()
    ) -> Sequence[Any]:
        """
        Return the row that there has to be.
        """
        found = self._one(cursor, sql, values)
        if found is None:
            raise ConfigurationError("its table store is empty")
        return found
