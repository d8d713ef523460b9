# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.daemon.collecting}.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.daemon.collecting import AGAIN, RARELY, CollectionService
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.testing import MemoryNodes


class Collector:
    """
    A garbage collector that only notes its orders.
    """

    def __init__(self) -> None:
        self.threshold = (700, 10, 10)
        self.orders: list[str] = []

    def get_threshold(self) -> tuple[int, ...]:
        """
        Return the thresholds.
        """
        return self.threshold

    def set_threshold(self, *threshold: int) -> None:
        """
        Set the thresholds.
        """
        self.threshold = threshold  # type: ignore[assignment]

    def freeze(self) -> None:
        """
        Note it.
        """
        self.orders.append("freeze")

    def unfreeze(self) -> None:
        """
        Note it.
        """
        self.orders.append("unfreeze")


class CollectionTests(SynchronousTestCase):
    """
    The garbage collector of a daemon.
    """

    def setUp(self) -> None:
        """
        Prepare a node whose peerstore loads when a test lets it.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.node = self.nodes.start()
        self.loading: Deferred[None] = Deferred()
        self.patch(self.node.peerstore, "whenLoaded", lambda: self.loading)
        self.collector = Collector()
        self.service = CollectionService(self.collector)

    def test_loaded(self) -> None:
        """
        There is no full collection while the peerstore loads; afterwards they look at
        new objects only, until the node stops.
        """
        self.node.add(self.service)
        self.nodes.advance(0)
        self.assertEqual(self.collector.threshold, (700, 10, RARELY))
        self.assertEqual(self.collector.orders, [])
        self.loading.callback(None)
        self.assertEqual(self.collector.threshold, (700, 10, 10))
        self.assertEqual(self.collector.orders, ["freeze"])
        self.nodes.result(self.node.stopService())
        self.assertEqual(self.collector.orders, ["freeze", "unfreeze"])

    def test_failed(self) -> None:
        """
        A peerstore that cannot load yet is waited for again; meanwhile garbage is
        collected as usual.
        """
        later, self.loading = self.loading, fail(ConfigurationError("no database"))
        self.node.add(self.service)
        self.nodes.advance(0)
        self.assertEqual(self.collector.threshold, (700, 10, 10))
        self.loading = later
        later.callback(None)
        self.assertEqual(self.collector.orders, [])
        self.nodes.advance(AGAIN)
        self.assertEqual(self.collector.orders, ["freeze"])

    def test_stopped(self) -> None:
        """
        A node that stops before it has loaded collects as usual.
        """
        self.node.add(self.service)
        self.nodes.advance(0)
        self.service.stopService()
        self.assertEqual(self.collector.threshold, (700, 10, 10))
        self.assertNotIn("freeze", self.collector.orders)
