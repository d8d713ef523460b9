# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of databases that cannot be written: memory answers all the while, and what
was learnt meanwhile is written when that is possible again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.logger import capturedLogs
from twisted.trial.unittest import SkipTest, TestCase

from tests.faults import THOROUGH
from tests.peerstore.postgresql import Server, startServer
from tests.peerstore.stores import OnSQLite, StoresMixin
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.identity import PeerID
from twisted_libp2p.peerstore import PeerStoreService

ADDRESS = Multiaddr("/ip4/192.0.2.1/tcp/1")

ROOT = Path(__file__).parents[2]


def peer(number: int) -> PeerID:
    """
    Make a peer id.
    """
    return PeerID.fromBytes(b"\x12\x20" + number.to_bytes(32, "big"))


class OutageMixin(StoresMixin):
    """
    Databases with outages.
    """

    async def outage(self, store: PeerStoreService, first: int) -> str:
        """
        Learn of some peers while nothing can be written.

        @return: what is logged of it, once.
        """
        with capturedLogs() as logs:
            for number in range(first, first + 500):
                store.addAddresses(peer(number), [ADDRESS])
            for _ in range(3):
                await self.assertFailure(store.flush(), Exception)
                self.clock.advance(5.0)
            # What the last of these has begun is over, too.
            await self.assertFailure(store.flush(), Exception)
        self.assertEqual(store.addresses(peer(first)), [ADDRESS])
        (event,) = logs
        return str(event["reason"])

    async def assertKept(self, store: PeerStoreService, count: int) -> None:
        """
        All is in the database.
        """
        await store.flush()
        await store.stopService()
        again = await self.open()
        lost = [n for n in range(count) if again.addresses(peer(n)) != [ADDRESS]]
        self.assertEqual(lost, [])


class SQLiteTests(OutageMixin, OnSQLite, TestCase):
    """
    A file that cannot grow, or be written at all.
    """

    async def _set(self, store: PeerStoreService, pragma: str) -> Any:
        """
        Change the connection of a store.
        """

        def execute(connection: Any) -> Any:
            return connection.execute(f"PRAGMA {pragma}").fetchone()

        return await store._run(execute)

    async def test_full(self) -> None:
        """
        A disk that is full, and is not any more.
        """
        store = await self.open()
        await self._set(store, "max_page_count = 1")
        self.assertIn("full", await self.outage(store, 0))
        await self._set(store, "max_page_count = 1000000")
        await self.assertKept(store, 500)

    async def test_readOnly(self) -> None:
        """
        A database that may only be read for a while, twice.
        """
        store = await self.open()
        for first in (0, 500):
            await self._set(store, "query_only = ON")
            self.assertIn("readonly", await self.outage(store, first))
            await self._set(store, "query_only = OFF")
            await store.flush()
        await self.assertKept(store, 1000)


class DiskTests(TestCase):
    """
    A real disk, of four mebibytes.
    """

    def test_disk(self) -> None:
        """
        What does not fit is written when there is room; a read-only disk is one
        clear line at the start.
        """
        if shutil.which("unshare") is None:
            raise SkipTest("there is no unshare")
        folder = self.mktemp()
        os.mkdir(folder)
        namespace = ["unshare", "--user", "--map-root-user", "--mount"]
        if subprocess.run([*namespace, "true"], capture_output=True).returncode:
            raise SkipTest("there may be no namespaces of our own")
        done = subprocess.run(
            [*namespace, sys.executable, "-m", "tests.faults.small_disk", folder],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=600,
        )
        path = os.path.abspath(folder) + "/peers.db"
        self.assertEqual(
            done.stdout.splitlines(),
            [
                "full: No space left on device",
                "full: database or disk is full",
                f"read-only: sqlite:{path}: Read-only file system",
                "lost: 0 of 400",
            ],
            done.stderr,
        )


class PostgreSQLTests(OutageMixin, TestCase):
    """
    A server that is gone, and comes back.
    """

    if not THOROUGH:
        skip = "it takes a server of its own: make faults"

    server: Server

    def describe(self) -> str:
        """
        Start the server.
        """
        self.server = startServer()
        self.addCleanup(self.server.close)
        return f"postgresql:{self.server.dsn}"

    async def test_restart(self) -> None:
        """
        It is restarted under the node, twice.
        """
        store = await self.open()
        for first in (0, 500):
            self.server.stop()
            await self.outage(store, first)
            self.server.start()
            await store.flush()
        await self.assertKept(store, 1000)

    async def test_late(self) -> None:
        """
        It comes after the node.
        """
        self.server.stop()
        store = self.make()
        with capturedLogs() as logs:
            store.startService()
            await self.assertFailure(store.whenLoaded(), Exception)
        self.assertEqual(len(logs), 1)
        store.addAddresses(peer(0), [ADDRESS])
        self.server.start()
        loading = store._loading
        assert loading is not None
        await loading
        self.clock.advance(5.0)
        loading = store._loading
        assert loading is not None
        await loading
        await self.assertKept(store, 1)
