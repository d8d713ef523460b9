# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.status.usage}.
"""

from __future__ import annotations

from typing import Any

from twisted.python.reflect import requireModule
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from twisted_libp2p.status.usage import usage
from twisted_libp2p.testing import MemoryNodes


class UsageTests(SynchronousTestCase):
    """
    The use of the limits becomes metrics under the names of go-libp2p.
    """

    def setUp(self) -> None:
        """
        Start a node.
        """
        self.core: Any = requireModule("prometheus_client.core")
        if self.core is None:
            raise SkipTest("prometheus_client is not installed")
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.node = self.nodes.start()

    def samples(self, name: str) -> dict[tuple[str, ...], float]:
        """
        Return the samples of a metric by the values of their labels.
        """
        return {
            tuple(sample.labels.values()): sample.value
            for family in usage(self.node, self.core)
            for sample in family.samples
            if sample.name == name
        }

    def test_connections(self) -> None:
        """
        Connections are counted by direction and scope, and by peer in a histogram.
        """
        self.nodes.connect(self.nodes.start(), self.node)
        self.assertEqual(
            self.samples("libp2p_rcmgr_connections"),
            {
                ("inbound", "system"): 1,
                ("outbound", "system"): 0,
                ("inbound", "transient"): 0,
                ("outbound", "transient"): 0,
            },
        )
        self.assertEqual(
            self.samples("libp2p_rcmgr_peer_connections_count"),
            {("inbound",): 1, ("outbound",): 0},
        )

    def test_unlimited(self) -> None:
        """
        There is a series for each limit, and none where there is no limit.
        """
        limits = self.node.connections.limiter.limits
        found = self.samples("libp2p_rcmgr_limit")
        self.assertEqual(found["system", "conns"], limits.system.connections)
        self.assertEqual(
            found["system", "streams_inbound"], limits.system.inboundStreams
        )
        self.assertNotIn(("transient", "memory"), found)
