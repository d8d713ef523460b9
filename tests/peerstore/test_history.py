# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.peerstore.service} on a database that is not what it was.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import LogLevel, capturedLogs

from tests.peerstore.services import ADDRESS, OTHER, Pool, ServiceTestCase, peer
from twisted_libp2p.interfaces import Source
from twisted_libp2p.peerstore import Limits, PeerStoreService


class HistoryTests(ServiceTestCase):
    """
    A database that goes back to an earlier state, or loses everything.
    """

    def setUp(self) -> None:
        """
        Two services agree on two peers.
        """
        super().setUp()
        self.start()
        self.second = self.other()
        self.store.addAddresses(peer(1), [ADDRESS])
        self.store.setTag(peer(1), "removed", 1)
        self.second.addAddresses(peer(2), [ADDRESS])
        self.second.addAddresses(peer(3), [ADDRESS])
        self.agree()

    def agree(self) -> None:
        """
        Let both write and read all that there is.
        """
        for _ in range(3):
            for store in (self.store, self.second):
                self.successResultOf(store.flush())

    def assertSame(self, *numbers: int) -> None:
        """
        Both services, and one that starts now, know these peers, and the same of
        each.
        """
        third = self.other()
        for store in (self.store, self.second, third):
            self.assertEqual(set(store.peers()), set(map(peer, numbers)))
            for number in numbers:
                self.assertEqual(store.info(peer(number)), third.info(peer(number)))

    def goBack(self) -> None:
        """
        Let the database take over from a copy that was behind: facts of each kind
        were learnt, changed and removed since it was made.
        """
        copy = self.connection.serialize()
        self.clock.advance(1.0)
        self.store.addAddresses(peer(4), [ADDRESS], Source.CONFIGURED)
        self.store.removeTag(peer(1), "removed")
        self.store.setMetadata(peer(1), "name", b"value")
        self.second.setDialect(peer(2), "multistream")
        self.second.forget(peer(3))
        self.agree()
        self.clock.advance(1.0)
        self.connection.deserialize(copy)

    def test_copy(self) -> None:
        """
        What the copy has lost is written again by whoever knows it, and what was
        removed stays removed.
        """
        self.goBack()
        with capturedLogs() as logs:
            self.clock.pump([5.0] * 3)
        self.assertSame(1, 2, 4)
        for store in (self.store, self.second):
            self.assertEqual(store.tags(peer(1)), {})
            self.assertEqual(store.metadata(peer(1)), {"name": b"value"})
            self.assertEqual(store.dialect(peer(2)), "multistream")
        warnings = [each for each in logs if each["log_level"] is LogLevel.warn]
        self.assertEqual(len(warnings), 2)

    def test_overtaken(self) -> None:
        """
        A program that comes late does not take the new transactions that have the
        numbers of lost ones for those that it has read.
        """
        self.goBack()
        for number in range(5, 25):
            self.second.addAddresses(peer(number), [ADDRESS])
            self.successResultOf(self.second.flush())
        self.clock.pump([5.0] * 3)
        self.assertSame(1, 2, 4, *range(5, 25))

    def test_empty(self) -> None:
        """
        A database that was emptied gets its tables again, and what memory knows.
        """
        for (name,) in self.connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        ).fetchall():
            self.connection.execute(f"DROP TABLE {name}")
        self.connection.commit()
        with capturedLogs() as logs:
            self.clock.pump([5.0] * 4)
        self.assertSame(1, 2, 3)
        errors = [each for each in logs if each["log_level"] is LogLevel.error]
        self.assertEqual(len(errors), 2)
        ended = [each for each in logs if "works again" in str(each["log_format"])]
        self.assertEqual(len(ended), 2)

    def test_cameBack(self) -> None:
        """
        A peer that was forgotten and is known again is not forgotten once more.
        """
        copy = self.connection.serialize()
        self.store.forget(peer(3))
        self.agree()
        self.clock.advance(1.0)
        self.store.addAddresses(peer(3), [OTHER])
        self.agree()
        self.connection.deserialize(copy)
        self.clock.pump([5.0] * 3)
        for store in (self.store, self.second, self.other()):
            self.assertIn(OTHER, store.addresses(peer(3)))

    def test_stopped(self) -> None:
        """
        A node that stops when it notices writes what the copy has lost, and ends.
        """
        self.goBack()
        exchanges: list[object] = []
        run = Pool.runWithConnection

        def counted(pool: Pool, *arguments: Any) -> Any:
            exchanges.append(arguments)
            if len(exchanges) > 100:
                raise AssertionError("it never ends")
            return run(pool, *arguments)

        self.patch(Pool, "runWithConnection", counted)
        with capturedLogs():
            self.stop(self.store)
        self.assertIn(peer(4), self.other().peers())

    def test_longOutage(self) -> None:
        """
        An outage is no pause: facts expire while we run and cannot write.
        """
        self.store.addAddresses(peer(1), [OTHER], ttl=100.0)
        self.agree()
        self.stop(self.second)
        self.pool.error = ValueError("gone")
        with capturedLogs():
            self.clock.pump([5.0] * 60)
        self.pool.error = None
        self.clock.advance(5.0)
        self.assertNotIn(OTHER, self.other().addresses(peer(1)))

    def test_unchanged(self) -> None:
        """
        After an outage, a database that is what it was is not read again.
        """
        self.pool.works.clear()
        self.pool.error = ValueError("gone")
        with capturedLogs():
            self.clock.advance(5.0)
        self.pool.error = None
        self.clock.advance(5.0)
        works = [name for name, _ in self.pool.works]
        self.assertEqual(set(works), {"prepare", "exchange"})


class LimitTests(ServiceTestCase):
    """
    One limit of the database, for all that use it.
    """

    def fill(self, store: PeerStoreService, count: int) -> None:
        """
        Learn of so many peers.
        """
        for number in range(count):
            store.addAddresses(peer(number), [ADDRESS], ttl=5000.0 + number)
        self.successResultOf(store.flush())

    def stored(self) -> int:
        """
        Count the peers in the database.
        """
        (count,) = self.connection.execute("SELECT count(*) FROM peers").fetchone()
        return int(count)

    def test_small(self) -> None:
        """
        A node that has little memory takes nothing from the others.
        """
        self.start()
        self.fill(self.store, 500)
        small = self.other(Limits(peers=100))
        self.clock.pump([300.0] * 3)
        self.assertEqual(self.stored(), 500)
        self.assertEqual(len(small.peers()), 100)
        self.assertEqual(len(self.store.peers()), 500)

    def test_named(self) -> None:
        """
        The limit that was named last holds for all; the peers that would expire next
        are deleted.
        """
        self.start()
        self.fill(self.store, 500)
        limited = self.make(Pool(self.connection), stored=400)
        limited.startService()
        self.clock.pump([300.0] * 2)
        self.assertEqual(self.stored(), 400)
        self.assertEqual(self.successResultOf(self.other().lookup(peer(0))), [])
        self.fill(self.store, 450)
        self.clock.pump([300.0] * 2)
        self.assertEqual(self.stored(), 400)

    def test_one(self) -> None:
        """
        Of several programs one deletes.
        """
        self.start()
        others = [self.other() for _ in range(3)]
        sweeps = []
        execute = self.connection.execute

        self.clock.advance(300.0)
        (first,) = execute("SELECT swept FROM store").fetchone()
        for store in others:
            self.successResultOf(store._sweep())  # type: ignore[arg-type]
            sweeps.append(execute("SELECT swept FROM store").fetchone())
        self.assertEqual(sweeps, [(first,)] * 3)
