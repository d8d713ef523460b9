# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.dht.persistence}, and for the return after a restart.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.dht.test_answers import peer
from tests.peerstore.test_model import Disk
from twisted_libp2p.dht.persistence import WRITE_DELAY, Persistence
from twisted_libp2p.dht.providers import LIFETIME, ProviderStore
from twisted_libp2p.dht.values import StoredValue, ValueStore
from twisted_libp2p.interfaces import IDatabase
from twisted_libp2p.peerstore.shift import Shift


@implementer(IDatabase)
class DatabaseDouble:
    """
    A file of SQLite's that answers at once.

    @ivar failing: whether all transactions fail.
    """

    placeholder = "?"
    time = "0.0"
    failing = False

    def __init__(self, path: Path) -> None:
        self._disk = Disk(path)
        schema = self._disk.schema
        self._disk.runWithConnection(schema.prepare, 1, Shift(), Clock().seconds)

    def whenLoaded(self) -> Deferred[None]:
        """
        Fire at once.
        """
        return succeed(None)

    def transact(self, work: Any, *arguments: object) -> Deferred[Any]:
        """
        Run at once.
        """
        if self.failing:
            return fail(OSError("disk full"))
        return self._disk.runWithConnection(work, *arguments)


class PersistenceTests(SynchronousTestCase):
    """
    Stores and their rows.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.database = DatabaseDouble(Path(self.mktemp()))
        self.begin()

    def begin(self, owner: bytes = b"owner") -> None:
        """
        Begin with empty stores, as after a restart.
        """
        self.values, self.providers = ValueStore(), ProviderStore()
        self.persistence = Persistence(
            self.database, self.clock, owner, self.values, self.providers
        )
        self.successResultOf(self.persistence.start())

    def test_restart(self) -> None:
        """
        Records are there after a restart, for the same node and network only.
        """
        self.values.put(b"/v/a", b"1", 0.0, peer(1))
        self.values.put(b"/v/b", b"2", 0.0, None)
        self.providers.add(b"key", peer(1), 0.0)
        self.providers.add(b"key", peer(2), 0.0)
        self.clock.advance(WRITE_DELAY)
        self.providers.remove((b"key", peer(2)))
        self.values.put(b"/v/a", b"3", 5.0, None)
        self.successResultOf(self.persistence.stop())
        self.begin()
        self.assertEqual(self.values.get(b"/v/a", 6.0), StoredValue(b"3", 5.0))
        self.assertEqual(len(self.values), 2)
        self.assertEqual(list(self.providers), [(b"key", peer(1))])
        self.begin(b"other")
        self.assertEqual((len(self.values), len(self.providers)), (0, 0))

    def test_stopped(self) -> None:
        """
        Changes after the stop are not written, and nothing waits for that.
        """
        self.values.put(b"/v/a", b"1", 0.0, None)
        self.providers.add(b"key", peer(1), 0.0)
        self.successResultOf(self.persistence.stop())
        self.values.put(b"/v/b", b"2", 0.0, None)
        self.providers.remove((b"key", peer(1)))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.begin()
        self.assertEqual((len(self.values), len(self.providers)), (1, 1))

    def test_expired(self) -> None:
        """
        Expired records are not read, and leave the database.
        """
        self.values.put(b"/v/a", b"1", 0.0, None)
        self.providers.add(b"key", peer(1), 0.0)
        self.clock.advance(LIFETIME)
        self.begin()
        self.assertEqual((len(self.values), len(self.providers)), (0, 0))
        rows = self.database.transact(
            lambda connection: connection.execute(
                "SELECT count(*) FROM dht_values"
            ).fetchone()
        )
        self.assertEqual(self.successResultOf(rows), (0,))

    def test_swept(self) -> None:
        """
        A sweep of memory reaches the database.
        """
        self.providers.add(b"key", peer(1), 0.0)
        self.clock.advance(WRITE_DELAY)
        self.providers.sweep(LIFETIME, 9)
        self.clock.advance(WRITE_DELAY)
        rows = self.database.transact(
            lambda connection: connection.execute(
                "SELECT count(*) FROM dht_providers"
            ).fetchone()
        )
        self.assertEqual(self.successResultOf(rows), (0,))

    def test_failing(self) -> None:
        """
        A database that fails is logged, and memory goes on; the records are written
        when it works again.
        """
        self.database.failing = True
        self.values.put(b"/v/a", b"1", 0.0, None)
        self.clock.advance(WRITE_DELAY)
        self.assertIsNotNone(self.values.get(b"/v/a", 1.0))
        self.database.failing = False
        self.values.put(b"/v/b", b"1", 0.0, None)
        self.successResultOf(self.persistence.stop())
        self.begin()
        self.assertEqual(list(self.values), [b"/v/a", b"/v/b"])
