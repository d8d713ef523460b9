# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of a fleet on one PostgreSQL that fails in the ways that databases do: nothing is
lost, and all nodes agree afterwards.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater
from twisted.logger import capturedLogs
from twisted.trial.unittest import TestCase

from tests.faults import PATIENCE, THOROUGH
from tests.faults.pooler import Pooler
from tests.needs import skipWithout
from tests.peerstore.postgresql import Server, startServer
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import Source
from twisted_libp2p.peerstore import Limits, PeerStoreService, openPeerStore
from twisted_libp2p.peerstore.engines import POSTGRESQL
from twisted_libp2p.peerstore.sql import Schema
from twisted_libp2p.peerstore.tables import COMPATIBLE, MIGRATIONS

ADDRESS = Multiaddr("/ip4/192.0.2.1/tcp/1")
OTHER = Multiaddr("/ip4/192.0.2.1/tcp/2")

#: The number of nodes.
FLEET = 20 if THOROUGH else 4


def peer(number: int) -> PeerID:
    """
    Make a peer id.
    """
    return PeerID.fromBytes(b"\x12\x20" + number.to_bytes(32, "big"))


class Ahead:
    """
    The reactor's time, for a machine whose clock is wrong.
    """

    def __init__(self, by: float) -> None:
        """
        @param by: the seconds by which it is ahead.
        """
        self._by = by

    def seconds(self) -> float:
        """
        Return the time.
        """
        return float(reactor.seconds()) + self._by

    def callLater(self, *arguments: Any, **keywords: Any) -> Any:
        """
        Call something later.
        """
        return reactor.callLater(*arguments, **keywords)

    def getDelayedCalls(self) -> Any:
        """
        Return the calls to come.
        """
        return reactor.getDelayedCalls()


class FleetTests(TestCase):
    """
    Nodes on one server, in real time.
    """

    if not THOROUGH:
        skip = "it takes a server of its own: make faults"

    timeout = 300

    def setUp(self) -> None:
        """
        Start the server.
        """
        self.server: Server = startServer()
        self.addCleanup(self.server.close)
        self.dsn = self.server.dsn
        self.stores: list[PeerStoreService] = []

    def sql(self, *statements: str, dsn: str | None = None) -> list[Any]:
        """
        Execute statements as the administrator.

        @return: the rows of the last one.
        """
        import psycopg

        with psycopg.connect(dsn or self.server.dsn, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def make(
        self, ahead: float = 0.0, limits: Limits | None = None, dsn: str | None = None
    ) -> PeerStoreService:
        """
        Make a store that is not started.
        """
        clock: Any = Ahead(ahead) if ahead else None
        description = f"postgresql:{dsn or self.dsn}"
        store = openPeerStore(reactor, description, limits, clock)
        assert isinstance(store, PeerStoreService)
        self.addCleanup(store.stopService)
        self.stores.append(store)
        return store

    async def start(self, *arguments: Any, **keywords: Any) -> PeerStoreService:
        """
        Start a store, and wait until it has loaded.
        """
        store = self.make(*arguments, **keywords)
        store.startService()
        await store.whenLoaded()
        return store

    async def fleet(self, count: int = FLEET) -> list[PeerStoreService]:
        """
        Start a fleet, of which each node has learnt of a peer.
        """
        stores = [self.make() for _ in range(count)]
        for store in stores:
            store.startService()
        for number, store in enumerate(stores):
            await store.whenLoaded()
            store.addAddresses(peer(number), [ADDRESS], Source.CONFIGURED)
        await self.agree(stores, range(count))
        return stores

    async def until(self, true: Callable[[], bool]) -> None:
        """
        Wait until something is true.
        """
        end = time.monotonic() + PATIENCE
        while not true():
            if time.monotonic() > end:
                self.fail("it has never become true")
            await deferLater(reactor, 0.05)

    async def agree(self, stores: Any, numbers: Any) -> None:
        """
        Wait until every store knows the same peers, and the database too.
        """
        expected = {peer(number) for number in numbers}
        await self.until(lambda: all(set(s.peers()) == expected for s in stores))
        first, *others = stores
        for one in expected:

            def same(one: PeerID = one) -> bool:
                return all(each.info(one) == first.info(one) for each in others)

            await self.until(same)

        def stored() -> bool:
            try:
                rows = self.sql("SELECT peer FROM peers WHERE expires > 0")
            except Exception:
                return False
            return {bytes(row[0]) for row in rows} == {p.toBytes() for p in expected}

        await self.until(stored)

    async def test_notified(self) -> None:
        """
        What one node writes the others know without looking every few seconds.
        """
        one, two = await self.fleet(2)
        for loop in [each for store in (one, two) for each in store._loops]:
            loop.interval = 3600.0
            loop.reset()
        await self.until(
            lambda: one._notifications.listening and two._notifications.listening
        )
        one.addAddresses(peer(7), [ADDRESS])
        await self.until(lambda: two.addresses(peer(7)) == [ADDRESS])

    async def test_laggingCopy(self) -> None:
        """
        After a failover to a copy that was behind, all know what any of them knew, and
        the copy too.
        """
        stores = await self.fleet()
        self.server.stop()
        data, copy = (self.server.folder / name for name in ("data", "copy"))
        subprocess.run(["cp", "-a", data, copy], check=True)
        self.server.start()
        for number, store in enumerate(stores):
            store.addAddresses(peer(100 + number), [ADDRESS], Source.CONFIGURED)
        stores[0].forget(peer(1))
        known = [0, *range(2, len(stores)), *range(100, 100 + len(stores))]
        await self.agree(stores, known)
        self.server.stop()
        shutil.rmtree(data)
        copy.rename(data)
        self.server.start()
        await self.agree(stores, known)

    async def test_emptied(self) -> None:
        """
        A database that was emptied gets its tables, and all rows, again.
        """
        stores = await self.fleet()
        self.sql("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
        self.sql("GRANT ALL ON SCHEMA public TO public")
        await self.agree(stores, range(len(stores)))

    async def test_readOnly(self) -> None:
        """
        A database that cannot be written for a while, as one that has failed over:
        nobody has to be restarted.
        """
        stores = await self.fleet()
        with capturedLogs() as logs:
            self.sql(
                "ALTER SYSTEM SET default_transaction_read_only = on",
                "SELECT pg_reload_conf()",
            )
            await self.until(
                lambda: self.sql("SHOW transaction_read_only") == [("on",)]
            )
            stores[0].addAddresses(peer(50), [ADDRESS], Source.CONFIGURED)
            await self.until(
                lambda: any("read-only" in str(each.get("reason")) for each in logs)
            )
            self.sql(
                "SET default_transaction_read_only = off",
                "ALTER SYSTEM SET default_transaction_read_only = off",
                "SELECT pg_reload_conf()",
            )
            await self.agree(stores, [*range(len(stores)), 50])
        self.assertTrue(any("works again" in str(each["log_format"]) for each in logs))

    async def test_hung(self) -> None:
        """
        A server that has stopped in the midst of its work, and whose machine still
        acknowledges: a lookup ends, and so does a stop, within ten seconds.
        """
        one, two, three = await self.fleet(3)
        self.server.suspend()
        self.addCleanup(self.server.resume)
        for store in (one, two):
            store.addAddresses(peer(50), [ADDRESS])
        begun = time.monotonic()
        with capturedLogs():
            self.assertEqual(await three.lookup(peer(60)), [])
            looked = time.monotonic() - begun
            await one.stopService()
            stopped = time.monotonic() - begun - looked
        self.server.resume()
        # The machine may be busy.
        self.assertLess(looked, 5.0 + 10.0)
        self.assertLess(stopped, 10.0 + 10.0)
        await self.agree([two, three], [0, 1, 2, 50])

    async def test_killed(self) -> None:
        """
        The server is killed, and comes back.
        """
        stores = await self.fleet()
        self.server.kill()
        for number, store in enumerate(stores):
            store.addAddresses(peer(100 + number), [ADDRESS], Source.CONFIGURED)
        await self.until(lambda: all(store._doubted for store in stores))
        self.server.start()
        known = [*range(len(stores)), *range(100, 100 + len(stores))]
        await self.agree(stores, known)

    async def test_pausedInTurn(self) -> None:
        """
        A node that stops in the midst of a transaction holds the others up for a few
        seconds only.
        """
        import psycopg

        one, two = await self.fleet(2)
        paused = psycopg.connect(self.dsn)
        self.addCleanup(paused.close)
        paused.execute(one._backend.schema.engine.begin or "")
        paused.execute("UPDATE store SET number = number + 1")
        one.addAddresses(peer(50), [ADDRESS], Source.CONFIGURED)
        await self.agree([one, two], [0, 1, 50])

    async def test_connections(self) -> None:
        """
        A server that takes no connection for a while, since there are too many.
        """
        self.sql("CREATE ROLE small LOGIN", "GRANT ALL ON SCHEMA public TO small")
        self.dsn = self.dsn.replace("user=test", "user=small")
        stores = await self.fleet()
        with capturedLogs() as logs:
            self.sql(
                "ALTER ROLE small CONNECTION LIMIT 0",
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = 'small'",
            )
            stores[0].addAddresses(peer(50), [ADDRESS], Source.CONFIGURED)
            await self.until(
                lambda: any("too many conn" in str(e.get("reason")) for e in logs)
            )
            self.sql("ALTER ROLE small CONNECTION LIMIT -1")
            await self.agree(stores, [*range(len(stores)), 50])

    async def test_diskFull(self) -> None:
        """
        While the disk of the server is full, the log names the reason once, and memory
        goes on; afterwards everything is written.
        """
        place = self.server.folder / "small"
        place.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
        if subprocess.run(mount, capture_output=True).returncode:
            skipWithout("mount", "this user may not mount a small disk")
        self.addCleanup(subprocess.run, ["umount", "--lazy", str(place)])
        shutil.chown(place, self.server.folder.owner())
        self.sql(
            f"CREATE TABLESPACE small LOCATION '{place}'",
            "ALTER DATABASE postgres SET default_tablespace = small",
        )
        one, two = await self.fleet(2)
        self.sql("CREATE TABLE filler (content TEXT)")
        for size in (100_000, 1_000, 1):
            with contextlib.suppress(Exception):
                while True:
                    self.sql(
                        "ALTER TABLE filler ALTER content SET STORAGE PLAIN",
                        "INSERT INTO filler SELECT repeat('x', 1000)"
                        f" FROM generate_series(1, {max(size // 1000, 1)})",
                    )
        numbers = range(100, 600)
        with capturedLogs() as logs:
            for number in numbers:
                one.addAddresses(peer(number), [ADDRESS], Source.CONFIGURED)
            await self.until(
                lambda: any("No space left" in str(e.get("reason")) for e in logs)
            )
            self.assertEqual(one.addresses(peer(599)), [ADDRESS])
            self.sql("DROP TABLE filler")
            await self.agree([one, two], [0, 1, *numbers])
        reasons = [e["reason"] for e in logs if "No space left" in str(e.get("reason"))]
        self.assertEqual(len(reasons), 1)

    async def test_leastPrivilege(self) -> None:
        """
        A role that may use the tables and make none.
        """
        (owner,) = await self.fleet(1)
        self.sql(
            "REVOKE CREATE ON SCHEMA public FROM public",
            "CREATE ROLE small LOGIN",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public"
            " TO small",
        )
        small = await self.start(dsn=self.dsn.replace("user=test", "user=small"))
        small.addAddresses(peer(50), [ADDRESS], Source.CONFIGURED)
        await self.agree([owner, small], [0, 50])

    async def test_pooler(self) -> None:
        """
        PgBouncer in the mode of transactions, with fewer connections to the server
        than there are nodes.
        """
        pooler = Pooler(self.server)
        self.addCleanup(pooler.close)
        self.dsn = pooler.dsn
        stores = await self.fleet()
        stores[0].addAddresses(peer(50), [ADDRESS], Source.CONFIGURED)
        stores[1].forget(peer(0))
        await self.agree(stores, [*range(1, FLEET), 50])

    async def test_clocks(self) -> None:
        """
        Machines whose clocks are wrong by an hour, or by half a minute: what is true
        last wins, removals too, and nothing lives longer or shorter.
        """
        stores = [await self.start(by) for by in (3600.0, -3600.0, 30.0, -30.0, 0.0)]
        for turn, store in enumerate([*stores, *reversed(stores)]):
            store.setTag(peer(1), "tag", turn)
            store.addAddresses(peer(1), [ADDRESS, OTHER], ttl=1000.0)
            store.removeAddresses(peer(1), [OTHER])
            await store.flush()
            for each in stores:
                await each.flush()
                self.assertEqual(each.tags(peer(1)), {"tag": turn})
                self.assertEqual(each.addresses(peer(1)), [ADDRESS])
                info = each.info(peer(1))
                assert info is not None
                (address,) = info.addresses
                left = address.expires - each.clock.seconds()
                self.assertLess(abs(left - 1000.0), 60.0)

    async def test_blindClocks(self) -> None:
        """
        The same, where nobody has read what the other has written: the later fact
        wins, not the one of the machine whose clock is ahead.
        """
        ahead, right = await self.start(3600.0), await self.start()
        for store in (ahead, right):
            for loop in store._loops:
                loop.stop()
            store._loops.clear()
        ahead.setTag(peer(1), "tag", 1)
        await ahead.flush()
        # Longer than clocks may differ.
        await deferLater(reactor, 1.0)
        right.setTag(peer(1), "tag", 2)
        await gatherResults([right.flush(), ahead.flush()])
        await ahead.flush()
        for store in (ahead, right):
            self.assertEqual(store.tags(peer(1)), {"tag": 2})

    async def test_mixedLimits(self) -> None:
        """
        A node with little memory takes nothing from the others.
        """
        stores = await self.fleet(2)
        small = await self.start(limits=Limits(peers=1))
        sweeping = small._sweep()
        assert sweeping is not None
        await sweeping
        await self.agree(stores, [0, 1])

    async def test_mixedSchemas(self) -> None:
        """
        Nodes of the next version, which adds a column, start beside nodes of this
        version: both go on, and a node of this version can be started again.
        """
        stores = await self.fleet(FLEET // 2)
        column = "ALTER TABLE peers ADD COLUMN note TEXT NOT NULL DEFAULT ''"
        for _ in range(FLEET // 2):
            later = self.make()
            later._backend = replace(
                later._backend, schema=Schema(POSTGRESQL, (*MIGRATIONS, (column,)))
            )
            later.startService()
            await later.whenLoaded()
            stores.append(later)
        self.sql("UPDATE peers SET note = 'kept'")
        stores[0].setDialect(peer(0), "multistream")
        self.assertEqual(
            self.sql("SELECT format, compatible FROM store"),
            [(len(MIGRATIONS) + 1, COMPATIBLE)],
        )
        for number, store in enumerate(stores):
            store.addAddresses(peer(100 + number), [ADDRESS], Source.CONFIGURED)
            store.setTag(peer(0), f"tag {number}", number)
        await stores[0].flush()
        await stores[0].stopService()
        stores[0] = await self.start()
        known = [*range(FLEET // 2), *range(100, 100 + len(stores))]
        await self.agree(stores, known)
        self.assertEqual(len(stores[0].tags(peer(0))), len(stores))
        rows = self.sql(
            "SELECT dialect, note FROM peers WHERE note <> '' ORDER BY peer"
        )
        self.assertEqual(rows[0], ("multistream", "kept"))
        self.assertEqual(len(rows), FLEET // 2)

    async def test_pause(self) -> None:
        """
        A start after a quiet time rewrites no row, and does not wait for those that
        write.
        """
        (one,) = await self.fleet(1)
        one.addAddresses(peer(50), [ADDRESS], ttl=1000.0)
        await one.flush()
        await one.stopService()
        self.sql("UPDATE store SET awake = awake - 100000")
        self.sql("UPDATE peers SET expires = expires - 100000 WHERE expires < 1e15")
        self.sql("UPDATE addresses SET expires = expires - 100000 WHERE expires < 1e15")
        before = self.sql("SELECT peer, expires, xmin::text FROM peers ORDER BY peer")
        again = await self.start()
        self.assertEqual(again.addresses(peer(50)), [ADDRESS])
        after = self.sql("SELECT peer, expires, xmin::text FROM peers ORDER BY peer")
        self.assertEqual(before, after)
