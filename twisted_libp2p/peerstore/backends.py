# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Where SQL is spoken: in a file of SQLite's, or with a server of PostgreSQL's.
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
# if the power fails; with a journal of either kind.
_SQLITE_SETTINGS: Final = (
    "PRAGMA synchronous = FULL",
    # In KiB, for it is negative; keys of peers are all over the place.
    "PRAGMA cache_size = -16384",
)

# How SQLite says that a volume cannot share memory between programs, which
# writing ahead needs: input or output error, cannot open, locking protocol.
_NO_SHARED_MEMORY: Final = frozenset({10, 14, 15})

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


class _Pool(adbapi.ConnectionPool):
    """
    A pool that does something before it connects.

    @ivar create: called on the thread of the database before each connection is
        opened.
    """

    create: Callable[[], None] | None = None

    def connect(self) -> Any:
        """
        Return the connection of this thread; open it, if there is none.
        """
        if self.create is not None and self.threadID() not in self.connections:
            self.create()
        return super().connect()


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
    @ivar create: makes the database, if there is none; called on the thread of
        the database before each connection is opened.
    @ivar adapt: is given each new connection before the settings are.
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
        Make a pool with one connection, so that all happens in order.

        @return: a started C{adbapi.ConnectionPool}, to be closed.
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
    Use a file of SQLite's, which nobody else may read.  If there is none it is
    made when the store starts: by the user as whom the program then runs.

    @raise ConfigurationError: there cannot be such a file.
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
    Look whether a file is there and can be written, or can be made.

    @raise OSError: it cannot.
    @raise ConfigurationError: there is something else.
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
    Make the file, if there is none, and let nobody else read it.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        # It is not opened here: to close it would drop the locks that this
        # process may hold on it.  SQLite gives its own files the mode of the
        # database, but only when it makes them.
        for name in (path, f"{path}-wal", f"{path}-shm", f"{path}-journal"):
            # The file may be another user's, or the volume may have no modes.
            with suppress(FileNotFoundError, PermissionError):
                if stat.S_IMODE(os.stat(name).st_mode) != 0o600:
                    os.chmod(name, 0o600)
    else:
        # Now, while nobody else has the file: SQLite does not wait for a
        # lock to change the mode, and two nodes may come at once.
        with closing(sqlite3.connect(path)) as fresh:
            _writeAhead(fresh)


def _writeAhead(connection: sqlite3.Connection) -> None:
    """
    Let a database be written ahead (WAL); on a volume where programs cannot
    share memory, such as a shared folder of a virtual machine or a network share,
    by the older journal.
    """
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _NO_SHARED_MEMORY:
            raise
        # A program that has the file to itself needs no shared memory, and can
        # change the journal of a file that was written ahead elsewhere.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        connection.execute("PRAGMA locking_mode = NORMAL")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


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
