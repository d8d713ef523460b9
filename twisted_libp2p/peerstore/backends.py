# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Where SQL is spoken: in a file of SQLite's, or with a server of PostgreSQL's.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final

from twisted.enterprise import adbapi

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.peerstore.sql import POSTGRESQL, SQLITE, Schema

__all__ = ["Backend", "postgresql", "sqlite"]

#: Who we are for the server, and when it is taken for dead; a DSN may say
#: otherwise.
_POSTGRESQL_OPTIONS: Final = {
    "application_name": "twisted_libp2p",
    "connect_timeout": "10",
    "tcp_user_timeout": "30000",
}

# A node that hangs in the midst of a transaction holds a lock that all need.
_POSTGRESQL_SETTINGS: Final = (
    "SET idle_in_transaction_session_timeout = '30s'",
    "SET lock_timeout = '30s'",
)

# A batch is on the disk when it is committed, or it is not there at all, even
# if the power fails.
_SQLITE_SETTINGS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    # In KiB, for it is negative; keys of peers are all over the place.
    "PRAGMA cache_size = -16384",
)

#: Seconds to wait for another program that writes to the same file.
_SQLITE_PATIENCE: Final = 30.0


class _Connection(adbapi.Connection):
    """
    A connection that is given up when it is broken: the next transaction opens
    another.
    """

    def rollback(self) -> None:
        """
        Undo what was done.
        """
        connection: Any = self._connection
        try:
            connection.rollback()
        except Exception:
            self._pool.disconnect(connection)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """
    A database, and how to connect to it.

    @ivar label: what it is called in messages; without passwords.
    @ivar schema: what is done to it.
    @ivar module: the name of the DB-API module.
    @ivar arguments: what its C{connect} takes.
    @ivar keywords: what it takes by name.
    @ivar settings: the statements that each connection begins with.
    """

    label: str
    schema: Schema
    module: str
    arguments: Sequence[object]
    # There may be a password in it.
    keywords: Mapping[str, object] = field(repr=False)
    settings: Sequence[str]

    def pool(self, reactor: Any) -> Any:
        """
        Make a pool with one connection, so that all happens in order.

        @return: a started C{adbapi.ConnectionPool}, to be closed.
        """
        pool = adbapi.ConnectionPool(
            self.module,
            *self.arguments,
            cp_min=1,
            cp_max=1,
            cp_reactor=reactor,
            cp_openfun=self._opened,
            **self.keywords,
        )
        pool.connectionFactory = _Connection
        return pool

    def _opened(self, connection: Any) -> None:
        try:
            for statement in self.settings:
                connection.execute(statement)
            connection.commit()
        except BaseException:
            connection.close()
            raise


def sqlite(path: str) -> Backend:
    """
    Use a file of SQLite's, which is made if it is not there; nobody else may
    read it.

    @raise ConfigurationError: there cannot be such a file.
    """
    if not path:
        raise ConfigurationError("sqlite: needs a path, such as sqlite:peers.db")
    path = os.path.abspath(path)
    try:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            # Now, while nobody else has the file: SQLite does not wait for a
            # lock to change the mode, and two nodes may come at once.
            with closing(sqlite3.connect(path)) as fresh:
                fresh.execute("PRAGMA journal_mode=WAL")
        except FileExistsError:
            # It is not opened here: to close it would drop the locks that this
            # process may hold on it.
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise ConfigurationError(f"sqlite:{path} is not a file") from None
            # SQLite gives its own files the mode of the database, but only when
            # it makes them.
            for name in (path, f"{path}-wal", f"{path}-shm"):
                with suppress(FileNotFoundError):
                    os.chmod(name, 0o600)
    except OSError as error:
        raise ConfigurationError(f"sqlite:{path}: {error.strerror}") from None
    except sqlite3.Error as error:
        raise ConfigurationError(f"sqlite:{path}: {error}") from None
    return Backend(
        label=f"sqlite:{path}",
        schema=Schema(SQLITE),
        module="sqlite3",
        arguments=(path,),
        # The pool closes connections on another thread than it opens them.
        keywords={"check_same_thread": False, "timeout": _SQLITE_PATIENCE},
        settings=_SQLITE_SETTINGS,
    )


def postgresql(dsn: str, load: Callable[[str], Any] = import_module) -> Backend:
    """
    Use a database of PostgreSQL's, with others maybe.

    @param dsn: the database, as libpq takes it: C{host=... dbname=...}, or a
        URL; what it leaves out is taken from the environment.
    @param load: loads the module psycopg.
    @raise ConfigurationError: this is no DSN, or psycopg is not installed.
    """
    try:
        conninfo = load("psycopg.conninfo")
        psycopg = load("psycopg")
    except ImportError:
        raise ConfigurationError(
            "postgresql: needs psycopg:"
            " pip install 'twisted-libp2p[postgresql]' brings it"
        ) from None
    try:
        given = conninfo.conninfo_to_dict(dsn)
    except psycopg.Error:
        # What psycopg says of it quotes it, and there may be a password in it.
        raise ConfigurationError(
            "postgresql: that is no DSN, as 'host=... dbname=...' or"
            " postgresql://... is one"
        ) from None
    where = given.get("dbname") or "the default database"
    return Backend(
        label=f"postgresql:{where}",
        schema=Schema(POSTGRESQL),
        module="psycopg",
        arguments=(),
        keywords={**_POSTGRESQL_OPTIONS, **given},
        settings=_POSTGRESQL_SETTINGS,
    )
