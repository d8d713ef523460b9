# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Services on a database that works at once, or when the test wants it to.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.identity import PeerID
from twisted_libp2p.peerstore import Limits, PeerStoreService
from twisted_libp2p.peerstore.backends import Backend
from twisted_libp2p.peerstore.engines import SQLITE
from twisted_libp2p.peerstore.sql import Schema
from twisted_libp2p.peerstore.turn import Batch

__all__ = ["ADDRESS", "NOW", "OTHER", "Pool", "ServiceTestCase", "peer"]

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
    @ivar aborted: how often it was aborted.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.works: list[tuple[str, Batch | None]] = []
        self.held: list[Callable[[], None]] | None = None
        self.error: Exception | None = None
        self.closed = 0
        self.aborted = 0
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
            try:
                with self._connection:
                    value = work(self._connection, *arguments)
            except Exception:
                result.errback()
            else:
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

    def abort(self) -> None:
        """
        Count it, and fail with all that was held back.
        """
        self.aborted += 1

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
        self,
        pool: Pool,
        limits: Limits | None = None,
        clock: Clock | None = None,
        stored: int | None = None,
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
        store = PeerStoreService(self.clock, backend, limits, clock, stored)
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
