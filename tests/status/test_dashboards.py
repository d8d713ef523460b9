# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The dashboards of go-libp2p find their series.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.status.dashboards import MISSING, SERIES
from tests.status.test_metrics import requireClient
from twisted_libp2p.relay.autorelay import AutoRelay
from twisted_libp2p.relay.service import RelayService
from twisted_libp2p.status import NodeMetrics
from twisted_libp2p.testing import MemoryNodes


class DashboardTests(SynchronousTestCase):
    """
    The names of the series.
    """

    def test_names(self) -> None:
        """
        A node has each series that a dashboard asks for, but for features that it does
        not have; each of these has its reason.
        """
        requireClient()
        nodes = MemoryNodes()
        self.addCleanup(nodes.stop)
        node = nodes.start(services=[RelayService(), AutoRelay()])
        metrics = NodeMetrics(node)
        metrics.refresh()
        found = set()
        for family in metrics.registry.collect():
            names = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}
            for suffix in names.get(family.type, [""]):
                found.add(f"{family.name}{suffix}")
        self.assertEqual([each for each in SERIES if each not in found], [*MISSING])
        self.assertTrue(all(MISSING.values()))
