# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The databases: a file of SQLite's, or a database on a server of PostgreSQL's.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import sqlite3
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final

from twisted.enterprise import adbapi

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.peerstore.engines import CHANNEL, POSTGRESQL, SQLITE
from twisted_libp2p.peerstore.sql import Schema

__all__ = ["Backend", "postgresql", "sqlite"]

#: Our name for the server, and the times after which a connection to it is taken for
#: dead; a DSN may override them.
_POSTGRESQL_OPTIONS: Final = {
    "application_name": "twisted_libp2p",
    "connect_timeout": "3",
    "tcp_user_timeout": "5000",
}

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
_SQLITE_PATIENCE: Final = 5.0


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
        if self._pool.fickle:
            self._pool.disconnect(self._connection)
            return
        try:
            self._connection.rollback()
        except Exception:
            self._pool.disconnect(self._connection)


class _Pool(adbapi.ConnectionPool):
    """
    A pool that can make the database before it connects.

    @ivar create: called on the thread of the database before each connection is
        opened.
    @ivar fickle: whether a connection is dropped after each failure: the database that
        it leads to may not be the one that can be written now.
    """

    create: Callable[[], None] | None = None
    fickle = False

    def abort(self) -> None:
        """
        Let the transaction that runs fail, whatever it waits for.
        """
        if self.fickle:
            for connection in list(self.connections.values()):
                _shutDown(connection)

    def connect(self) -> Any:
        """
        Return the connection of this thread; open it first, if need be.
        """
        if self.create is not None and self.threadID() not in self.connections:
            self.create()
        return super().connect()


def _shutDown(connection: Any) -> None:
    """
    End the connection to a server from another thread than that which uses it.
    """
    with suppress(Exception), socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)


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
    @ivar fickle: whether each failure ends its connection.
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
    fickle: bool = False

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
        pool.fickle = self.fickle
        return pool

    def listen(self, _: Any) -> Any:
        """
        Open a connection that is notified of changes; to be called on a thread.
        """
        connection = import_module(self.module).connect(
            *self.arguments, **self.keywords, autocommit=True
        )
        connection.execute(f"LISTEN {CHANNEL}")
        return connection

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
    # What it would print when a connection is lost is in our own log.
    logging.getLogger("psycopg").addHandler(logging.NullHandler())
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
        # A pooler may give each transaction another connection to the server, which
        # does not know what was prepared on the last one.
        keywords={**_POSTGRESQL_OPTIONS, **given, "prepare_threshold": None},
        settings=(),
        fickle=True,
    )
