# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Peerstores on databases, for tests: the thread of the database is real, the time
is the test's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from twisted.internet import reactor
from twisted.internet.task import Clock

from tests.peerstore.postgresql import makeDatabase
from twisted_libp2p.peerstore import Limits, PeerStoreService, openPeerStore
from twisted_libp2p.peerstore.sql import Schema

if TYPE_CHECKING:
    from twisted.trial.unittest import TestCase as _TestCase
else:
    _TestCase = object

__all__ = ["OnPostgreSQL", "OnSQLite", "StoresMixin"]

NOW = 1_750_000_000.0


class StoresMixin(_TestCase):
    """
    Opens stores on a database that each test has to itself.

    @ivar clock: the time.
    @cvar virtual: whether the database goes by that time as well.
    """

    virtual = True

    def describe(self) -> str:
        """
        Make the database.

        @return: what L{openPeerStore} takes.
        """
        raise NotImplementedError

    def setUp(self) -> None:
        """
        Make the database, and the time.
        """
        super().setUp()
        self.clock = Clock()
        self.clock.advance(NOW)
        self.description = self.describe()

    def make(
        self, limits: Limits | None = None, clock: Clock | None = None
    ) -> PeerStoreService:
        """
        Make a store that is not started.
        """
        store = openPeerStore(
            reactor, self.description, limits, self.clock if clock is None else clock
        )
        assert isinstance(store, PeerStoreService)
        backend = store._backend
        if self.virtual:
            # The database has the test's clock.
            engine = replace(backend.schema.engine, clock=None)
            store._backend = replace(backend, schema=Schema(engine))
        self.addCleanup(store.stopService)
        return store

    async def open(
        self, limits: Limits | None = None, clock: Clock | None = None
    ) -> PeerStoreService:
        """
        Start a store, and wait until it has loaded.
        """
        store = self.make(limits, clock)
        store.startService()
        await store.whenLoaded()
        return store

    def tearDown(self) -> None:
        """
        Whatever was done, nothing is left to be done later.
        """
        self.addCleanup(lambda: self.assertEqual(self.clock.getDelayedCalls(), []))
        super().tearDown()


class OnSQLite(StoresMixin):
    """
    Stores on SQLite.
    """

    def describe(self) -> str:
        """
        Choose a file.
        """
        return f"sqlite:{self.mktemp()}"


class OnPostgreSQL(StoresMixin):
    """
    Stores on PostgreSQL.
    """

    def describe(self) -> str:
        """
        Make an empty database.
        """
        return f"postgresql:{makeDatabase()}"
