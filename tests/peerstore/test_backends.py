# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.peerstore.backends}.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.python.reflect import requireModule
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.peerstore.stores import OnSQLite
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.peerstore import (
    PeerStoreService,
    openPeerStore,
)
from twisted_libp2p.peerstore.backends import postgresql, sqlite

PEER = PeerID.fromBytes(b"\x12\x20" + bytes(32))
ADDRESS = Multiaddr("/ip4/192.0.2.1/tcp/1")


class PostgreSQLTests(SynchronousTestCase):
    """
    The description of a database of PostgreSQL's.
    """

    def refused(self, description: str) -> str:
        """
        There is no such store.

        @return: why, in one line.
        """
        with self.assertRaises(ConfigurationError) as caught:
            openPeerStore(Clock(), description)
        message = str(caught.exception)
        self.assertNotIn("\n", message)
        return message

    def test_noDriver(self) -> None:
        """
        Whoever wants PostgreSQL and has no psycopg is told how to get it.
        """

        def missing(name: str) -> Any:
            raise ImportError(name)

        with self.assertRaises(ConfigurationError) as caught:
            postgresql("", missing)
        self.assertIn("twisted-libp2p[postgresql]", str(caught.exception))

    def test_wrongDSN(self) -> None:
        """
        What is no DSN is refused.
        """
        self.assertIn("no DSN", self.refused("postgresql:nonsense"))
        self.assertIn("no DSN", self.refused("postgresql:colour=red"))
        for wrong in (
            "postgresql://u:secret@h/d?colour=red",
            "postgresql:password=two secret",
            "postgres://u:secret@h/d",
        ):
            self.assertNotIn("secret", self.refused(wrong))

    def test_DSN(self) -> None:
        """
        A DSN may be in either form, its options are the last word, and its
        password is not told.
        """
        for dsn in (
            "host=h dbname=d user=u password=secret connect_timeout=3",
            "postgresql://u:secret@h/d?connect_timeout=3",
        ):
            backend = postgresql(dsn)
            self.assertEqual(backend.label, "postgresql:d")
            self.assertNotIn("secret", repr(backend))
            self.assertEqual(
                dict(backend.keywords),
                {
                    "application_name": "twisted_libp2p",
                    "connect_timeout": "3",
                    "dbname": "d",
                    "host": "h",
                    "password": "secret",
                    "tcp_user_timeout": "5000",
                    "prepare_threshold": None,
                    "user": "u",
                },
            )
        store = openPeerStore(Clock(), "postgresql://u@h/d")
        self.assertEqual(type(store).__name__, "PeerStoreService")

    if requireModule("psycopg") is None:
        test_wrongDSN.skip = test_DSN.skip = "psycopg is not installed"  # type: ignore[attr-defined]


class FileTests(OnSQLite, TestCase):
    """
    The file of SQLite's.
    """

    @property
    def path(self) -> str:
        """
        Where it is.
        """
        return self.description.partition(":")[2]

    def assertPrivate(self) -> None:
        """
        Nobody else may read the files.
        """
        for name in Path(self.path).parent.glob(Path(self.path).name + "*"):
            self.assertEqual(stat.S_IMODE(name.stat().st_mode), 0o600, name)

    async def test_private(self) -> None:
        """
        Nobody else may read it, nor what SQLite puts beside it, whatever the
        mode was.
        """
        for _ in range(2):
            store = await self.open()
            store.addAddresses(PEER, [ADDRESS])
            await store.flush()
            self.assertTrue(os.path.exists(self.path + "-wal"))
            self.assertPrivate()
            await store.stopService()
            self.assertPrivate()
            os.chmod(self.path, 0o644)

    async def test_privateBefore(self) -> None:
        """
        Nor what another program has put there, which runs or was killed.
        """
        await (await self.open()).stopService()
        other = sqlite3.connect(self.path)
        self.addCleanup(other.close)
        other.execute("CREATE TABLE others (number INTEGER)")
        for suffix in ("", "-wal", "-shm"):
            os.chmod(f"{self.path}{suffix}", 0o644)
        store = await self.open()
        self.assertPrivate()
        await store.stopService()

    async def test_mode(self) -> None:
        """
        It is written ahead, and to the disk.
        """
        store = await self.open()

        def ask(connection: Any) -> list[Any]:
            return [
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "synchronous")
            ]

        self.assertEqual(await store._run(ask), ["wal", 2])

    async def test_garbage(self) -> None:
        """
        A file that is no database is not touched, and that is told.
        """
        Path(self.path).write_bytes(b"something else " * 1000)
        store = self.make()
        with capturedLogs() as logs:
            store.startService()
            with self.assertRaises(ConfigurationError) as caught:
                await store.whenLoaded()
        self.assertIn("not a database", str(caught.exception))
        self.assertIn(self.path, str(caught.exception))
        self.assertEqual(len(logs), 1)
        await store.stopService()
        self.assertEqual(Path(self.path).read_bytes(), b"something else " * 1000)

    async def test_newer(self) -> None:
        """
        A database of a newer program is used as long as that program says that it may
        be; then it is not touched, and that is told.
        """
        await (await self.open()).stopService()
        connection = sqlite3.connect(self.path)
        with connection:
            connection.execute("UPDATE store SET format = 99")
        # It may have added a column that we do not need.
        await (await self.open()).stopService()
        with connection:
            connection.execute("UPDATE store SET compatible = 99")
        connection.close()
        store = self.make()
        with capturedLogs():
            store.startService()
            with self.assertRaises(ConfigurationError) as caught:
                await store.whenLoaded()
        self.assertIn("version 99", str(caught.exception))
        await store.stopService()

    async def test_busy(self) -> None:
        """
        While another program writes, this one waits.
        """
        await (await self.open()).stopService()
        connection = sqlite3.connect(self.path)
        connection.execute("BEGIN IMMEDIATE")
        self.addCleanup(connection.close)
        store = self.make()
        store.startService()
        # The other program ends its transaction while this one waits for it.
        loading = store.whenLoaded()
        reactor.callLater(0, connection.rollback)
        await loading

    async def test_made(self) -> None:
        """
        The file is made when the store starts, not before.
        """
        store = self.make()
        self.assertFalse(os.path.exists(self.path))
        store.startService()
        await store.whenLoaded()
        self.assertPrivate()

    async def test_noModes(self) -> None:
        """
        It is used on a volume that refuses to change modes.
        """
        await (await self.open()).stopService()
        os.chmod(self.path, 0o640)

        def refused(*_: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        self.patch(os, "chmod", refused)
        store = await self.open()
        store.addAddresses(PEER, [ADDRESS])
        await store.flush()

    async def test_noSharedMemory(self) -> None:
        """
        It is used on a volume where programs cannot share memory, and may have
        been written ahead on another one.
        """
        store = await self.open()
        store.addAddresses(PEER, [ADDRESS])
        await store.stopService()
        for _ in range(2):
            backend = sqlite(self.path)
            # These functions of SQLite's have no shared memory.
            backend = replace(
                backend,
                arguments=(f"file:{self.path}?vfs=unix-dotfile",),
                keywords={**backend.keywords, "uri": True},
            )
            store = PeerStoreService(reactor, backend, clock=self.clock)
            store.startService()
            await store.whenLoaded()
            self.assertIn(ADDRESS, store.addresses(PEER))
            store.addAddresses(PEER, [Multiaddr("/ip4/192.0.2.1/tcp/2")])
            await store.flush()
            await store.stopService()
        self.assertEqual(len((await self.open()).addresses(PEER)), 2)
