# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The contract of peerstores, on all there are.
"""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from tests.peerstore.stores import OnPostgreSQL, OnSQLite, StoresMixin
from twisted_libp2p.interfaces import IPeerStore
from twisted_libp2p.peerstore import Limits, MemoryPeerStore, PeerStoreService
from twisted_libp2p.testing.peerstore import PeerStoreConformance


class MemoryTests(PeerStoreConformance, TestCase):
    """
    In memory.
    """

    async def open(self, limits: Limits) -> IPeerStore:
        """
        Make one.
        """
        return MemoryPeerStore(self.clock, limits)


class DatabaseConformance(PeerStoreConformance, StoresMixin):
    """
    On a database, and after a restart.
    """

    async def open(self, limits: Limits) -> IPeerStore:  # type: ignore[override]
        """
        Start one.
        """
        return await StoresMixin.open(self, limits)

    async def reopen(self, store: IPeerStore) -> IPeerStore:
        """
        Restart it.
        """
        assert isinstance(store, PeerStoreService)
        await store.stopService()
        return await self.open(store.limits)


class SQLiteTests(DatabaseConformance, OnSQLite, TestCase):
    """
    On SQLite.
    """


class PostgreSQLTests(DatabaseConformance, OnPostgreSQL, TestCase):
    """
    On PostgreSQL.
    """
