# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.peerstore.service}, when it writes and reads: the
database is real, and works at once, or when the test wants it to.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import Identification, Source
from twisted_libp2p.peerstore import Limits, PeerStoreService, journal
from twisted_libp2p.peerstore.backends import Backend
from twisted_libp2p.peerstore.book import Book
from twisted_libp2p.peerstore.sql import SQLITE, Batch, Schema

NOW = 1_750_000_000.0

ADDRESS = Multiaddr("/ip4/192.0.2.1/tcp/1")
OTHER = Multiaddr("/ip4/192.0.2.1/tcp/2")


def peer(number: int) -> PeerID:
    """
    Invent a peer.
    """
    return PeerID.fromBytes(b"\x12\x20" + number.to_bytes(32, "big"))


class Pool:
    """
    A pool without a thread.

    @ivar works: what it was asked to do, but nothing: the names, and what was
        written.
    @ivar held: what waits to be done; None if nothing is held back.
    @ivar error: why nothing can be done.
    @ivar closed: how often it was closed.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.works: list[tuple[str, Batch | None]] = []
        self.held: list[Callable[[], None]] | None = None
        self.error: Exception | None = None
        self.closed = 0
        self._connection = connection

    def runWithConnection(
        self, work: Callable[..., Any], *arguments: Any
    ) -> Deferred[Any]:
        """
        Do something.
        """
        batch = arguments[0] if work.__name__ == "exchange" else None
        self.works.append((work.__name__, batch))
        if self.error is not None:
            return fail(self.error)
        result: Deferred[Any] = Deferred()

        def run() -> None:
            with self._connection:
                value = work(self._connection, *arguments)
            result.callback(value)

        if self.held is None:
            run()
        else:
            self.held.append(run)
        return result

    def release(self) -> None:
        """
        Do what was held back, and all that comes.
        """
        held, self.held = self.held or [], None
        for run in held:
            run()

    def close(self) -> None:
        """
        Count it.
        """
        self.closed += 1

    def written(self) -> list[Batch]:
        """
        Tell what was to be written since this was asked last.
        """
        works, self.works = self.works, []
        return [batch for name, batch in works if batch is not None]


class ServiceTestCase(SynchronousTestCase):
    """
    A service on a database, and others.
    """

    def setUp(self) -> None:
        """
        Make a database, two doors to it, and a service behind the first.
        """
        self.clock = Clock()
        self.clock.advance(NOW)
        self.connection = sqlite3.connect(":memory:")
        self.addCleanup(self.connection.close)
        self.pool = Pool(self.connection)
        self.stores: list[PeerStoreService] = []
        self.store = self.make(self.pool)

    def tearDown(self) -> None:
        """
        Stopped services leave nothing to do.
        """
        for store in self.stores:
            self.stop(store)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def make(
        self, pool: Pool, limits: Limits | None = None, clock: Clock | None = None
    ) -> PeerStoreService:
        """
        Make a service.
        """

        class Double(Backend):
            def pool(self, reactor: Any) -> Any:
                return pool

        backend = Double(
            label="test:",
            schema=Schema(SQLITE),
            module="sqlite3",
            arguments=(),
            keywords={},
            settings=(),
        )
        store = PeerStoreService(self.clock, backend, limits, clock)
        self.stores.append(store)
        return store

    def start(self) -> None:
        """
        Start the service.
        """
        self.store.startService()
        self.successResultOf(self.store.whenLoaded())
        self.pool.works.clear()

    def stop(self, store: PeerStoreService) -> None:
        """
        Stop a service.
        """
        self.successResultOf(store.stopService())

    def other(
        self, limits: Limits | None = None, clock: Clock | None = None
    ) -> PeerStoreService:
        """
        Start another service on the same database.
        """
        store = self.make(Pool(self.connection), limits, clock)
        store.startService()
        self.successResultOf(store.whenLoaded())
        return store


class ServiceTests(ServiceTestCase):
    """
    When a service writes and reads.
    """

    def test_writeBehind(self) -> None:
        """
        What changes within a quarter of a second is written at its end, at
        once, and each thing only as it is then.
        """
        self.start()
        for turn in range(100):
            self.store.addAddresses(peer(1), [ADDRESS, OTHER])
            self.store.setDialect(peer(1), f"dialect {turn}")
        self.store.setTag(peer(2), "tag")
        self.clock.advance(0.249)
        self.assertEqual(self.pool.written(), [])
        self.clock.advance(0.001)
        (batch,) = self.pool.written()
        self.assertEqual(
            sorted(type(row).__name__ for row in batch.rows),
            ["AddressRow", "AddressRow", "PeerRow", "PeerRow", "TagRow"],
        )
        self.assertIn("dialect 99", batch.rows[0])
        self.clock.advance(4)
        self.assertEqual(self.pool.written(), [])

    def test_steadyChanges(self) -> None:
        """
        Changes that never end are written all the same, each in time.
        """
        self.start()
        for turn in range(100):
            self.store.addAddresses(peer(turn), [ADDRESS])
            self.clock.advance(0.1)
        written = {row.peer for batch in self.pool.written() for row in batch.rows}
        self.assertLessEqual({peer(turn).toBytes() for turn in range(95)}, written)

    def test_large(self) -> None:
        """
        Many changes are written in several transactions, one after another.
        """
        self.start()
        for number in range(5000):
            self.store.addAddresses(peer(number), [ADDRESS])
        self.clock.advance(0.25)
        self.assertEqual(
            [len(batch.rows) for batch in self.pool.written()], [4000, 4000, 2000]
        )

    def test_duringWrite(self) -> None:
        """
        What changes while something is written is written the next time.
        """
        self.start()
        self.pool.held = []
        self.store.addAddresses(peer(1), [ADDRESS])
        self.clock.advance(0.25)
        self.store.addAddresses(peer(2), [ADDRESS])
        self.clock.advance(0.25)
        self.store.addAddresses(peer(3), [ADDRESS])
        self.assertEqual(len(self.pool.written()), 1)
        self.pool.release()
        self.clock.advance(0.25)
        peers = [{row.peer for row in batch.rows} for batch in self.pool.written()]
        self.assertEqual(peers, [{peer(2).toBytes(), peer(3).toBytes()}])

    def test_stop(self) -> None:
        """
        When it stops, all is written, and the database closed.
        """
        self.start()
        self.store.addAddresses(peer(1), [ADDRESS])
        self.stop(self.store)
        self.assertEqual(self.pool.closed, 1)
        self.assertFalse(self.store.running)
        self.assertEqual(self.other().addresses(peer(1)), [ADDRESS])

    def test_stopDuringWrite(self) -> None:
        """
        When it stops while something is written, it waits for that, and
        writes what has changed since.
        """
        self.start()
        self.pool.held = []
        self.store.addAddresses(peer(1), [ADDRESS])
        self.clock.advance(0.25)
        self.store.addAddresses(peer(2), [ADDRESS])
        stopping = self.store.stopService()
        self.assertNoResult(stopping)
        self.pool.release()
        self.successResultOf(stopping)
        self.assertEqual(set(self.other().peers()), {peer(1), peer(2)})

    def test_restart(self) -> None:
        """
        It can be started again; to start it twice, or to stop it twice, is
        fine.
        """
        self.start()
        self.store.startService()
        self.store.addAddresses(peer(1), [ADDRESS])
        self.stop(self.store)
        self.stop(self.store)
        self.assertEqual(self.pool.closed, 1)
        self.start()
        self.store.addAddresses(peer(2), [ADDRESS])
        self.clock.advance(0.25)
        (batch,) = self.pool.written()
        self.assertEqual({row.peer for row in batch.rows}, {peer(2).toBytes()})

    def test_notRunning(self) -> None:
        """
        What is learnt before it runs is written when it does; until then it
        cannot be flushed, and nothing more be looked up.
        """
        self.store.addAddresses(peer(1), [ADDRESS])
        self.failureResultOf(self.store.flush(), ConfigurationError)
        self.assertEqual(self.successResultOf(self.store.lookup(peer(2))), [])
        loading = self.store.whenLoaded()
        self.assertNoResult(loading)
        self.start()
        self.successResultOf(loading)
        self.clock.advance(0.25)
        self.assertEqual(len(self.pool.written()), 1)

    def test_flush(self) -> None:
        """
        What is known is written when that is asked for.
        """
        self.start()
        self.store.addAddresses(peer(1), [ADDRESS])
        self.successResultOf(self.store.flush())
        self.assertEqual(self.other().addresses(peer(1)), [ADDRESS])

    def test_load(self) -> None:
        """
        It loads page by page, and knows all when it says so; what happens
        meanwhile is not lost.
        """
        first = self.other()
        for number in range(1000):
            first.addAddresses(peer(number), [ADDRESS])
        self.stop(first)
        self.pool.held = []
        self.store.startService()
        loading = self.store.whenLoaded()
        self.store.addAddresses(peer(0), [OTHER])
        flushing = self.store.flush()
        sizes = []
        while self.pool.held:
            self.assertNoResult(loading)
            self.pool.held.pop(0)()
            sizes.append(len(self.store.peers()))
            if len(sizes) == 6:
                break
        self.successResultOf(loading)
        self.assertEqual(sizes, [1, 251, 501, 751, 1000, 1000])
        self.pool.release()
        self.successResultOf(flushing)
        self.assertEqual(len(self.store.peers()), 1000)
        self.assertEqual(set(self.store.addresses(peer(0))), {ADDRESS, OTHER})

    def test_loadBounded(self) -> None:
        """
        It loads no more than it may know, and that first which is worth most.
        """
        first = self.other()
        for number in range(1000):
            first.addAddresses(peer(number), [ADDRESS], ttl=1000.0)
        first.addAddresses(peer(1000), [ADDRESS], Source.CONFIGURED)
        self.stop(first)
        pool = Pool(self.connection)
        store = self.make(pool, Limits(peers=300))
        store.startService()
        self.successResultOf(store.whenLoaded())
        self.assertEqual([name for name, _ in pool.works], ["prepare", "page", "page"])
        self.assertEqual(len(store.peers()), 300)
        self.assertIn(peer(1000), store.peers())

    def test_stopDuringLoad(self) -> None:
        """
        When it stops while it loads, nobody waits for that any more.
        """
        self.pool.held = []
        self.store.startService()
        loading = self.store.whenLoaded()
        stopping = self.store.stopService()
        self.assertNoResult(stopping)
        self.pool.release()
        self.failureResultOf(loading, ConfigurationError)
        self.successResultOf(stopping)
        self.assertEqual(self.pool.closed, 1)

    def test_cancelWaiting(self) -> None:
        """
        Who does not want to wait for the loading any more is not told.
        """
        self.pool.held = []
        self.store.startService()
        waiting = self.store.whenLoaded()
        waiting.cancel()
        self.failureResultOf(waiting)
        self.pool.release()
        self.successResultOf(self.store.whenLoaded())

    def test_cannotLoad(self) -> None:
        """
        When the database cannot be read that is told in one line, and tried
        again every five seconds; memory works meanwhile.
        """
        self.pool.error = sqlite3.OperationalError("out of\norder")
        with capturedLogs() as logs:
            self.store.startService()
            for _ in range(3):
                failure = self.failureResultOf(
                    self.store.whenLoaded(), ConfigurationError
                )
                self.clock.advance(5)
            self.assertEqual(len(self.pool.works), 4)
        self.assertEqual(failure.getErrorMessage(), "peerstore test:: out of order")
        errors = [each for each in logs if each["log_level"] is LogLevel.error]
        self.assertEqual(
            [each["reason"] for each in errors], ["peerstore test:: out of order"]
        )
        self.failureResultOf(self.store.flush(), ConfigurationError)
        self.store.addAddresses(peer(1), [ADDRESS])
        self.assertEqual(self.store.addresses(peer(1)), [ADDRESS])
        self.assertEqual(self.successResultOf(self.store.lookup(peer(2))), [])
        self.pool.error = None
        self.clock.advance(5)
        self.successResultOf(self.store.whenLoaded())
        self.clock.advance(0.25)
        self.assertEqual(self.other().addresses(peer(1)), [ADDRESS])

    def test_cannotWrite(self) -> None:
        """
        What could not be written is written later, as it is then; that is
        complained of once.
        """
        self.start()
        self.store.addAddresses(peer(1), [ADDRESS])
        self.store.addAddresses(peer(2), [ADDRESS])
        self.store.addAddresses(peer(3), [ADDRESS])
        self.pool.error = sqlite3.OperationalError("no")
        with capturedLogs() as logs:
            self.clock.advance(0.25)
            self.store.addAddresses(peer(2), [OTHER])
            self.store.forget(peer(3))
            self.clock.advance(5)
            self.failureResultOf(self.store.flush(), sqlite3.OperationalError)
        self.assertEqual(len(logs), 1)
        self.pool.error = None
        self.clock.advance(5)
        other = self.other()
        self.assertEqual(other.addresses(peer(1)), [ADDRESS])
        self.assertEqual(set(other.addresses(peer(2))), {ADDRESS, OTHER})
        self.assertEqual(other.addresses(peer(3)), [])
        self.assertIn(peer(3).toBytes(), self.pool.written()[-1].forgotten)

    def test_cannotWriteAtTheEnd(self) -> None:
        """
        When it stops and cannot write, it complains, and stops.
        """
        self.start()
        self.store.addAddresses(peer(1), [ADDRESS])
        self.pool.error = sqlite3.OperationalError("no")
        with capturedLogs() as logs:
            self.stop(self.store)
        self.assertEqual(len(logs), 1)
        self.assertEqual(self.pool.closed, 1)

    def test_poll(self) -> None:
        """
        What another service has written is known five seconds later; what it
        takes away and forgets, too.
        """
        self.start()
        other = self.other()
        other.addAddresses(peer(1), [ADDRESS, OTHER])
        other.addAddresses(peer(2), [ADDRESS])
        self.successResultOf(other.flush())
        self.assertEqual(self.store.peers(), [])
        self.clock.advance(5)
        self.assertEqual(self.store.addresses(peer(1)), [ADDRESS, OTHER])
        other.removeAddresses(peer(1), [OTHER])
        other.forget(peer(2))
        self.successResultOf(other.flush())
        self.clock.advance(5)
        self.assertEqual(self.store.addresses(peer(1)), [ADDRESS])
        self.assertEqual(self.store.peers(), [peer(1)])

    def test_prolongedElsewhere(self) -> None:
        """
        What expires in one memory is not taken from the others.
        """
        self.start()
        self.store.addAddresses(peer(1), [ADDRESS], ttl=100.0)
        self.clock.advance(99)
        other = self.other()
        other.addAddresses(peer(1), [ADDRESS], ttl=100.0)
        self.successResultOf(other.flush())
        self.pool.held = []
        self.clock.advance(1)
        self.store.addAddresses(peer(1), [OTHER], ttl=1000.0)
        self.assertEqual(self.store.addresses(peer(1)), [OTHER])
        self.pool.release()
        self.clock.advance(5)
        for store in (self.store, other):
            self.assertEqual(set(store.addresses(peer(1))), {ADDRESS, OTHER})

    def test_farBehind(self) -> None:
        """
        Whoever has missed a lot catches up, bit by bit.
        """
        self.start()
        other = self.other()
        for number in range(20):
            other.addAddresses(peer(number), [ADDRESS])
            self.successResultOf(other.flush())
        self.pool.works.clear()
        self.successResultOf(self.store.flush())
        self.assertEqual(len(self.store.peers()), 20)
        self.assertEqual([name for name, _ in self.pool.works], ["exchange"] * 10)
        self.successResultOf(self.store.flush())
        self.assertEqual(len(self.pool.works), 11)

    def test_pending(self) -> None:
        """
        What was taken away is not brought back by what was read before that
        was written.
        """
        other = self.other()
        other.addAddresses(peer(1), [ADDRESS])
        other.addAddresses(peer(2), [ADDRESS])
        self.successResultOf(other.flush())
        self.start()
        other.setDialect(peer(1), "changed")
        other.addAddresses(peer(1), [ADDRESS])
        other.setDialect(peer(2), "changed")
        self.successResultOf(other.flush())
        self.pool.held = []
        flushing = self.store.flush()
        self.clock.advance(1)
        self.store.removeAddresses(peer(1), [ADDRESS])
        self.store.forget(peer(2))
        self.pool.release()
        self.successResultOf(flushing)
        self.assertEqual(self.store.dialect(peer(1)), "changed")
        self.assertEqual(self.store.addresses(peer(1)), [])
        self.assertEqual(self.store.peers(), [peer(1)])
        self.successResultOf(self.store.flush())
        self.clock.advance(5)
        self.assertEqual(other.addresses(peer(1)), [])
        self.assertEqual(other.peers(), [peer(1)])

    def test_lookup(self) -> None:
        """
        What memory does not know is looked up in the database at once.
        """
        self.start()
        other = self.other()
        other.addAddresses(peer(1), [ADDRESS])
        self.successResultOf(other.flush())
        self.assertEqual(self.store.addresses(peer(1)), [])
        self.pool.works.clear()
        for _ in range(2):
            self.assertEqual(
                self.successResultOf(self.store.lookup(peer(1))), [ADDRESS]
            )
        self.assertEqual(self.pool.works, [("find", None)])
        self.assertEqual(self.store.addresses(peer(1)), [ADDRESS])
        self.assertEqual(self.successResultOf(self.store.lookup(peer(2))), [])

    def test_cancelLookup(self) -> None:
        """
        Whoever does not want to wait for a look into the database is told so,
        and nobody complains.
        """
        self.start()
        self.pool.held = []
        looking = self.store.lookup(peer(1))
        with capturedLogs() as logs:
            looking.cancel()
            self.failureResultOf(looking, CancelledError)
        self.assertEqual(len(logs), 0)
        self.pool.release()

    def test_strangeRows(self) -> None:
        """
        What a newer program has written, and this one cannot read, is left
        alone.
        """
        other = self.other()
        other.addAddresses(peer(1), [ADDRESS, OTHER])
        other.addAddresses(peer(2), [ADDRESS])
        self.successResultOf(other.flush())
        with self.connection:
            for table in ("peers", "addresses"):
                self.connection.execute(
                    f"UPDATE {table} SET peer = ? WHERE peer = ?",
                    (b"strange", peer(2).toBytes()),
                )
            self.connection.execute(
                "UPDATE addresses SET address = ? WHERE address = ?",
                (b"\xff\x7f", OTHER.toBytes()),
            )
        self.start()
        self.assertEqual(self.store.peers(), [peer(1)])
        self.assertEqual(self.store.addresses(peer(1)), [ADDRESS])
        info = self.store.info(peer(1))
        assert info is not None
        self.assertEqual([each.address for each in info.addresses], [ADDRESS])

    def test_sweepBeforeLoad(self) -> None:
        """
        Nothing is deleted while it is not known what there is.
        """
        self.pool.held = []
        self.store.startService()
        self.clock.pump([5.0] * 61)
        self.assertEqual([name for name, _ in self.pool.works], ["prepare"])
        self.pool.release()

    def test_lastRemoved(self) -> None:
        """
        Where all that was known of a peer is removed, and memory lets it go for
        the next peer before that is written, it is removed from the database
        as well.
        """
        self.start()
        self.store.setTag(peer(1), "tag")
        self.store.setMetadata(peer(2), "name", b"value")
        self.store.addAddresses(peer(3), [ADDRESS], Source.CONFIGURED)
        self.clock.advance(1)
        self.store.removeTag(peer(1), "tag")
        self.store.setMetadata(peer(2), "name", None)
        self.store.removeAddresses(peer(3), [ADDRESS])
        self.store.addAddresses(peer(4), [ADDRESS])
        self.assertEqual(self.store.peers(), [peer(4)])
        self.clock.advance(1)
        other = self.other()
        self.assertEqual(other.peers(), [peer(4)])

    def test_evicted(self) -> None:
        """
        What had to leave memory is still in the database, until that has too
        much as well.
        """
        limits = Limits(peers=300)
        store = self.make(Pool(self.connection), limits)
        store.startService()
        for number in range(350):
            store.addAddresses(peer(number), [ADDRESS], ttl=1000.0 + 60 * number)
            self.successResultOf(store.flush())
        self.assertEqual(store.addresses(peer(0)), [])
        self.assertEqual(self.successResultOf(store.lookup(peer(0))), [ADDRESS])
        self.clock.advance(300)
        for number, known in ((50, [ADDRESS]), (49, [])):
            self.assertEqual(self.successResultOf(store.lookup(peer(number))), known)
        (count,) = self.connection.execute("SELECT count(*) FROM addresses").fetchone()
        self.assertEqual(count, 300)

    def test_expired(self) -> None:
        """
        What has expired is deleted, in memory and in the database.
        """
        self.start()
        for number in range(1500):
            self.store.addAddresses(peer(number), [ADDRESS])
        self.store.addAddresses(peer(1500), [ADDRESS], Source.CONFIGURED)
        self.store.addAddresses(peer(1500), [OTHER])
        self.clock.pump([300.0] * 16)
        self.assertEqual(self.store.peers(), [peer(1500)])
        for table in ("peers", "addresses"):
            found = self.connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            self.assertEqual(found, (1,))

    def test_connectedForLong(self) -> None:
        """
        What is known of a connected or protected peer stays in the database,
        where others may find it, and whoever comes after a crash.
        """
        self.start()
        self.store.connected(peer(1), ADDRESS)
        self.store.protect(peer(2))
        self.clock.pump([300.0] * 12 * 24 * 3)
        other = self.other()
        self.assertEqual(other.addresses(peer(1)), [ADDRESS])
        self.assertIn(peer(2), other.peers())
        self.clock.advance(900)
        self.assertEqual(other.addresses(peer(1)), [])

    def test_pause(self) -> None:
        """
        While nobody uses the database its clock stands still.
        """
        self.start()
        self.store.addAddresses(peer(1), [ADDRESS], ttl=100.0)
        self.store.addAddresses(peer(2), [ADDRESS], Source.CONFIGURED)
        self.store.setTag(peer(2), "tag", 1, ttl=100.0)
        self.store.setTag(peer(2), "lasting", 2)
        self.store.removeAddresses(peer(1), [OTHER])
        self.stop(self.store)
        self.clock.advance(1_000_000)
        other = self.other()
        self.clock.advance(99)
        self.assertEqual(other.addresses(peer(1)), [ADDRESS])
        self.assertEqual(other.tags(peer(2)), {"tag": 1, "lasting": 2})
        self.clock.advance(1)
        self.assertEqual(other.addresses(peer(1)), [])
        self.assertEqual(other.tags(peer(2)), {"lasting": 2})
        self.assertEqual(other.addresses(peer(2)), [ADDRESS])


class ClockTests(ServiceTestCase):
    """
    Two services whose clocks disagree by an hour.
    """

    def setUp(self) -> None:
        """
        Start a service, and one whose clock is behind.
        """
        super().setUp()
        self.start()
        self.clock.advance(3600.0)
        self.behind = Clock()
        self.behind.advance(NOW)
        self.late = self.other(clock=self.behind)

    def tearDown(self) -> None:
        """
        Nothing is left of either.
        """
        super().tearDown()
        self.assertEqual(self.behind.getDelayedCalls(), [])

    def exchange(self) -> None:
        """
        Each learns all that the other one knows.
        """
        for store in (self.store, self.late, self.store, self.late):
            self.successResultOf(store.flush())

    def test_later(self) -> None:
        """
        What the one whose clock is behind learns after it has read what the
        other one says is the later, for both: of every kind.
        """
        for store, n in ((self.store, 1), (self.late, 2), (self.store, 3)):
            store.addAddresses(peer(1), [ADDRESS, OTHER])
            store.setTag(peer(1), "tag", n)
            store.setMetadata(peer(1), "name", bytes([n]))
            store.learn(peer(1), Identification(f"agent {n}", "net", ("/a",)))
            store.setDialect(peer(1), f"dialect {n}")
            (store.succeeded if n % 2 else store.failed)(peer(1), ADDRESS)
            self.exchange()
            for each in (self.store, self.late):
                info = each.info(peer(1))
                assert info is not None
                self.assertEqual(each.tags(peer(1)), {"tag": n})
                self.assertEqual(each.metadata(peer(1)), {"name": bytes([n])})
                self.assertEqual(info.agent, f"agent {n}")
                self.assertEqual(info.dialect, f"dialect {n}")
                known = {address.address: address for address in info.addresses}
                at = known[ADDRESS]
                self.assertEqual((at.failed or 0) > (at.succeeded or 0), n == 2)

    def test_removed(self) -> None:
        """
        What it removes and forgets is removed and forgotten by both.
        """
        self.store.addAddresses(peer(1), [ADDRESS, OTHER])
        self.store.setTag(peer(1), "tag", 1)
        self.store.setMetadata(peer(1), "name", b"value")
        self.store.addAddresses(peer(2), [ADDRESS])
        self.exchange()
        self.late.removeAddresses(peer(1), [OTHER])
        self.late.removeTag(peer(1), "tag")
        self.late.setMetadata(peer(1), "name", None)
        self.late.forget(peer(2))
        self.exchange()
        for store in (self.store, self.late):
            self.assertEqual(store.addresses(peer(1)), [ADDRESS])
            self.assertEqual(store.tags(peer(1)), {})
            self.assertEqual(store.metadata(peer(1)), {})
            self.assertEqual(store.peers(), [peer(1)])

    def test_lookedUp(self) -> None:
        """
        A stamp that was read in a lookup, or while loading, counts as well.
        """
        self.store.setTag(peer(1), "tag", 1)
        self.successResultOf(self.store.flush())
        self.successResultOf(self.late.lookup(peer(1)))
        self.late.setTag(peer(1), "tag", 2)
        self.successResultOf(self.late.flush())
        loaded = self.other(clock=self.behind)
        loaded.setTag(peer(1), "tag", 3)
        self.successResultOf(loaded.flush())
        self.exchange()
        for store in (self.store, self.late):
            self.assertEqual(store.tags(peer(1)), {"tag": 3})

    def test_merged(self) -> None:
        """
        A time that was taken over from text is never later than now, and what is
        learnt afterwards is later.
        """
        told = self.store
        told.setTag(peer(1), "tag", 1)
        told.setDialect(peer(1), "old")
        told.connected(peer(1), ADDRESS)
        told.disconnected(peer(1))
        info = told.info(peer(1))
        assert info is not None
        store = self.other(clock=self.behind)
        store.merge(info)
        store.setTag(peer(1), "tag", 2)
        store.setDialect(peer(1), "new")
        merged = store.info(peer(1))
        assert merged is not None
        self.assertEqual((merged.dialect, store.tags(peer(1))), ("new", {"tag": 2}))
        for time in (
            merged.lastConnected,
            merged.dialectLearntAt,
            merged.addresses[0].learnt,
            merged.addresses[0].succeeded,
        ):
            assert time is not None
            self.assertLess(time, self.behind.seconds() + 1.0)


class BoundTests(ServiceTestCase):
    """
    What a database costs the node, whatever peers and the database do.
    """

    def rows(self, table: str = "addresses") -> int:
        """
        Count the rows of a table.
        """
        (count,) = self.connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        return int(count)

    def test_trimmed(self) -> None:
        """
        Addresses for which there was no room leave no rows, whether they were
        written before or not.
        """
        self.start()
        for turn in range(20):
            for part in range(2):
                start = 1 + 200 * turn + 100 * part
                told = [
                    Multiaddr(f"/ip4/192.0.2.1/tcp/{n}")
                    for n in range(start, start + 99)
                ]
                self.store.setAddresses(peer(1), told, Source.IDENTIFY)
                self.clock.advance(0.001)
            self.clock.advance(1)
        found = self.connection.execute(
            "SELECT address FROM addresses WHERE expires > 0"
        )
        self.assertEqual(len(found.fetchall()), 64)
        (removed,) = self.connection.execute(
            "SELECT count(*) FROM addresses WHERE expires = 0"
        ).fetchone()
        # Those that it had told, and then no longer did.
        self.assertLessEqual(removed, 64 * 40)
        self.store.forget(peer(1))
        self.clock.advance(1)
        for turn in range(40):
            told = [Multiaddr(f"/ip4/192.0.2.{turn}/tcp/{n}") for n in range(1, 100)]
            self.store.addAddresses(peer(1), told)
            self.clock.advance(1)
        self.assertEqual(self.rows(), 64)

    def test_trimmedHere(self) -> None:
        """
        An address that another service has learnt again since stays, and one
        that memory has again is written.
        """
        self.start()
        other = self.other(Limits(addresses=1000))
        self.store.addAddresses(peer(1), [ADDRESS], ttl=10.0)
        self.clock.advance(1)
        other.addAddresses(peer(1), [ADDRESS], ttl=20.0)
        self.successResultOf(other.flush())
        told = [Multiaddr(f"/ip4/192.0.2.9/tcp/{n}") for n in range(1, 65)]
        self.store.addAddresses(peer(1), told, ttl=15.0)
        self.clock.advance(0.25)
        found = self.successResultOf(self.other(Limits(addresses=99)).lookup(peer(1)))
        self.assertIn(ADDRESS, found)
        self.store.addAddresses(peer(1), [OTHER], ttl=1.0)
        self.store.addAddresses(peer(1), [OTHER], ttl=100.0)
        self.clock.advance(0.25)
        found = self.successResultOf(self.other(Limits(addresses=99)).lookup(peer(1)))
        self.assertIn(OTHER, found)

    def test_away(self) -> None:
        """
        While the database is away what is to be written is bounded, and what
        memory has is written when it is back.
        """
        self.patch(journal, "MAX_NAMED", 1000)
        self.patch(journal, "MAX_GONE", 100)
        self.start()
        self.pool.error = sqlite3.OperationalError("no")
        with capturedLogs():
            for number in range(1000):
                self.store.addAddresses(peer(number), [ADDRESS, OTHER])
                self.store.setTag(peer(number), "tag", number)
                if number % 100 == 0:
                    self.clock.advance(5)
            for number in range(1000, 3000):
                self.store.addAddresses(peer(number), [ADDRESS])
                self.store.forget(peer(number))
                if number % 100 == 0:
                    self.clock.advance(5)
        waiting = self.store._journal._waiting
        self.assertLessEqual(sum(each.named for each in waiting.values()), 1000)
        self.assertLessEqual(self.store._journal.waiting, 1000 + 100 + 2000)
        self.assertLessEqual(sum(each.gone for each in waiting.values()), 100)
        self.pool.error = None
        self.clock.advance(5)
        self.assertFalse(self.store._journal)
        other = self.other()
        self.assertEqual(len(other.peers()), 1000)
        for number in range(1000):
            self.assertEqual(other.addresses(peer(number)), [ADDRESS, OTHER])
            self.assertEqual(other.tags(peer(number)), {"tag": number})

    def test_slices(self) -> None:
        """
        No turn of the reactor makes, learns or prolongs more than a thousand rows
        and those of one peer, however many are written or read at once.
        """
        told = [Multiaddr(f"/ip4/192.0.2.1/tcp/{n}") for n in range(1, 65)]
        self.start()
        other = self.other(Limits(addresses=64))
        costs: list[int] = []
        spent = [0]
        made, took = Book.rows, Book.merge
        ran = Pool.runWithConnection

        def rows(book: Book, *arguments: Any) -> Any:
            found = made(book, *arguments)
            spent[0] += len(found)
            return found

        def take(book: Book, some: Any) -> None:
            spent[0] += len(some)
            took(book, some)

        def run(pool: Pool, *arguments: Any) -> Any:
            costs.append(spent[0])
            spent[0] = 0
            return ran(pool, *arguments)

        self.patch(Book, "rows", rows)
        self.patch(Book, "merge", take)
        self.patch(Pool, "runWithConnection", run)
        for number in range(100):
            self.store.connected(peer(number))
            self.store.addAddresses(peer(number), told)
        self.successResultOf(self.store.flush())
        self.successResultOf(other.flush())
        self.assertEqual(len(other.peers()), 100)
        self.other()
        self.clock.pump([300.0] * 12)
        self.assertGreater(sum(costs), 4 * 100 * 65)
        self.assertLessEqual(max(costs), 1100)

    def test_lostWhileLearning(self) -> None:
        """
        If the database fails in the midst of what was read, it is read again.
        """
        self.start()
        other = self.other()
        told = [Multiaddr(f"/ip4/192.0.2.1/tcp/{n}") for n in range(1, 65)]
        for number in range(60):
            other.addAddresses(peer(number), told)
        self.successResultOf(other.flush())
        took = Book.merge

        def take(book: Book, rows: Any) -> None:
            took(book, rows)
            self.pool.error = sqlite3.OperationalError("no")

        self.patch(Book, "merge", take)
        with capturedLogs():
            self.clock.advance(5)
        self.assertLess(len(self.store.peers()), 61)
        self.patch(Book, "merge", took)
        self.pool.error = None
        self.clock.advance(5)
        for number in range(60):
            self.assertEqual(len(self.store.addresses(peer(number))), 64)

    def test_idle(self) -> None:
        """
        A program that runs and has nothing to write counts: to one that starts
        beside it, time has gone on.
        """
        self.start()
        self.store.addAddresses(peer(1), [ADDRESS], ttl=250.0)
        self.clock.pump([5.0] * 40)
        other = self.other()
        self.clock.pump([5.0] * 10)
        self.assertEqual(other.addresses(peer(1)), [])
        self.assertEqual(self.store.addresses(peer(1)), [])
