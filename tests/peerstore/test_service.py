# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.peerstore.service}, when it writes and reads: the
database is real, and works at once, or when the test wants it to.
"""

from __future__ import annotations

import sqlite3

from twisted.internet.defer import CancelledError
from twisted.logger import LogLevel, capturedLogs

from tests.peerstore.services import ADDRESS, OTHER, Pool, ServiceTestCase, peer
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import Source
from twisted_libp2p.peerstore import Limits


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
        self.assertEqual(self.pool.closed, 2)
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
        self.assertEqual(self.pool.closed, 2)
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
        self.assertEqual(self.pool.closed, 2)

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
        self.assertEqual(self.pool.closed, 2)

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
        for number in range(150):
            other.addAddresses(peer(number), [ADDRESS])
            self.successResultOf(other.flush())
        self.pool.works.clear()
        self.successResultOf(self.store.flush())
        self.assertEqual(len(self.store.peers()), 150)
        self.assertEqual([name for name, _ in self.pool.works], ["exchange"] * 3)
        self.successResultOf(self.store.flush())
        self.assertEqual(len(self.pool.works), 4)

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
        What had to leave memory is still in the database, until that has more than
        its own limit as well.
        """
        limits = Limits(peers=200)
        store = self.make(Pool(self.connection), limits, stored=300)
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
