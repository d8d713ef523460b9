# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The databases: a file of SQLite's, or a database on a server of PostgreSQL's.
"""

from __future__ import annotations

import errno
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

#: Our name for the server, and the times after which a connection to it is taken for
#: dead; a DSN may override them.
_POSTGRESQL_OPTIONS: Final = {
    "application_name": "twisted_libp2p",
    "connect_timeout": "10",
    "tcp_user_timeout": "30000",
}

# A node that hangs during a transaction holds a lock that all nodes need.
_POSTGRESQL_SETTINGS: Final = (
    "SET idle_in_transaction_session_timeout = '30s'",
    "SET lock_timeout = '30s'",
)

# After the commit a batch is on the disk; before, none of it is, even if the power
# fails, with either kind of journal.
_SQLITE_SETTINGS: Final = (
    "PRAGMA synchronous = FULL",
    # In KiB, because it is negative; the keys of peers are spread over all pages.
    "PRAGMA cache_size = -16384",
)

# The errors by which SQLite reports that programs cannot share memory on a volume,
# which a write-ahead log needs: input or output error, cannot open, locking protocol.
_NO_SHARED_MEMORY: Final = frozenset({10, 14, 15})

#: Seconds to wait for another program that writes to the same file.
_SQLITE_PATIENCE: Final = 30.0


class _Connection(adbapi.Connection):
    """
    A connection that is dropped when it is broken: the next transaction opens
    another one.
    """

    _connection: Any

    def rollback(self) -> None:
        """
        Roll the transaction back.
        """
        try:
            self._connection.rollback()
        except Exception:
            self._pool.disconnect(self._connection)


class _Pool(adbapi.ConnectionPool):
    """
    A pool that can make the database before it connects.

    @ivar create: called on the thread of the database before each connection is
        opened.
    """

    create: Callable[[], None] | None = None

    def connect(self) -> Any:
        """
        Return the connection of this thread; open it first, if need be.
        """
        if self.create is not None and self.threadID() not in self.connections:
            self.create()
        return super().connect()


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """
    A database, and how to connect to it.

    @ivar label: its name in messages, without passwords.
    @ivar schema: the transactions.
    @ivar module: the name of the DB-API module.
    @ivar arguments: the arguments of its C{connect}.
    @ivar keywords: the keyword arguments of its C{connect}.
    @ivar settings: the first statements on each connection.
    @ivar create: makes a missing database; called on the thread of the
        database before each connection is opened.
    @ivar adapt: called with each new connection before the settings are made.
    """

    label: str
    schema: Schema
    module: str
    arguments: Sequence[object]
    # There may be a password in it.
    keywords: Mapping[str, object] = field(repr=False)
    settings: Sequence[str]
    create: Callable[[], None] | None = None
    adapt: Callable[[Any], None] | None = None

    def pool(self, reactor: Any) -> Any:
        """
        Make a pool with one connection, so that transactions run in their order.

        @return: a started C{adbapi.ConnectionPool}, which has to be closed.
        """
        pool = _Pool(
            self.module,
            *self.arguments,
            cp_min=1,
            cp_max=1,
            cp_reactor=reactor,
            cp_openfun=self._opened,
            **self.keywords,
        )
        pool.connectionFactory = _Connection
        pool.create = self.create
        return pool

    def _opened(self, connection: Any) -> None:
        try:
            if self.adapt is not None:
                self.adapt(connection)
            for statement in self.settings:
                connection.execute(statement)
            connection.commit()
        except BaseException:
            connection.close()
            raise


def sqlite(path: str) -> Backend:
    """
    Use a file of SQLite's, which other users may not read.  A missing file is
    made when the store starts, and belongs to the user as whom the program then runs.

    @raise ConfigurationError: the file cannot be made or written.
    """
    if not path:
        raise ConfigurationError("sqlite: needs a path, such as sqlite:peers.db")
    path = os.path.abspath(path)
    try:
        _check(path)
    except OSError as error:
        raise ConfigurationError(f"sqlite:{path}: {error.strerror}") from None
    return Backend(
        label=f"sqlite:{path}",
        schema=Schema(SQLITE),
        module="sqlite3",
        arguments=(path,),
        # The pool closes connections on another thread than it opens them.
        keywords={"check_same_thread": False, "timeout": _SQLITE_PATIENCE},
        settings=_SQLITE_SETTINGS,
        create=lambda: _makePrivate(path),
        adapt=_writeAhead,
    )


def _check(path: str) -> None:
    """
    Check whether a file can be written, or can be made.

    @raise OSError: it cannot.
    @raise ConfigurationError: the path leads to something else than a file.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        place, needed = os.path.dirname(path), os.W_OK | os.X_OK
        os.stat(place)
    else:
        if not stat.S_ISREG(mode):
            raise ConfigurationError(f"sqlite:{path} is not a file")
        place, needed = path, os.W_OK
    effective = os.access in os.supports_effective_ids
    if not os.access(place, needed, effective_ids=effective):
        readOnly = hasattr(os, "statvfs") and os.statvfs(place).f_flag & os.ST_RDONLY
        number = errno.EROFS if readOnly else errno.EACCES
        raise OSError(number, os.strerror(number))


def _makePrivate(path: str) -> None:
    """
    Make the file if it is missing, and let no other user read it.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        # The file is not opened here: closing it would drop the locks that this
        # process may hold on it.  SQLite gives its own files the mode of the
        # database, but only when it makes them.
        for name in (path, f"{path}-wal", f"{path}-shm", f"{path}-journal"):
            # The file may be another user's, or the volume may have no modes.
            with suppress(FileNotFoundError, PermissionError):
                if stat.S_IMODE(os.stat(name).st_mode) != 0o600:
                    os.chmod(name, 0o600)
    else:
        # The mode is set now, while no other program has opened the file: SQLite does
        # not wait for the lock that this takes, and two nodes may start at once.
        with closing(sqlite3.connect(path)) as fresh:
            _writeAhead(fresh)


def _writeAhead(connection: sqlite3.Connection) -> None:
    """
    Give a database a write-ahead log (WAL), or the older journal on a volume where
    programs cannot share memory, such as a shared folder of a virtual machine or a
    network share.
    """
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _NO_SHARED_MEMORY:
            raise
        # A program that locks the file for itself needs no shared memory, and can
        # change the journal of a file that got a write-ahead log elsewhere.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        connection.execute("PRAGMA locking_mode = NORMAL")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


def postgresql(dsn: str, load: Callable[[str], Any] = import_module) -> Backend:
    """
    Use a database of PostgreSQL's, which other nodes may use too.

    @param dsn: the database in the form of libpq: C{host=... dbname=...}, or a URL;
        missing parts are taken from the environment.
    @param load: imports a module of psycopg.
    @raise ConfigurationError: this is not a DSN, or psycopg is not installed.
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
        # The message of psycopg quotes the DSN, which may have a password in it.
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
