# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.status.dials} and L{twisted_libp2p.status.internals}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tests.status.test_metrics import requireClient
from twisted_libp2p import __version__
from twisted_libp2p.errors import DialFailed
from twisted_libp2p.peerstore import openPeerStore
from twisted_libp2p.protocols.echo import EchoFactory
from twisted_libp2p.status import NodeMetrics
from twisted_libp2p.testing import MemoryNodes


class InsideTests(SynchronousTestCase):
    """
    The dials and the inside of a node.
    """

    def setUp(self) -> None:
        """
        Count what a node does.
        """
        requireClient()
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.node = self.nodes.start()
        self.metrics = NodeMetrics(self.node)

    def value(self, series: str, /, **labels: str) -> Any:
        """
        Return the value of one series now.
        """
        self.metrics.refresh()
        return self.metrics.registry.get_sample_value(f"libp2p_{series}", labels)

    def test_dials(self) -> None:
        """
        Dials are counted by their outcome and their number of addresses, with their
        duration; and failed addresses by the cause.
        """
        self.nodes.connect(self.node, self.nodes.start())
        failing = self.node.connect("/memory/987654")
        self.failureResultOf(failing, DialFailed)
        for outcome in ("success", "failed"):
            labels = {"outcome": outcome, "num_dials": "1"}
            self.assertEqual(self.value("swarm_dials_per_peer_total", **labels), 1)
            self.assertEqual(
                self.value("swarm_dial_latency_seconds_count", **labels), 1
            )
        self.assertEqual(
            self.value(
                "swarm_dial_errors_total",
                transport="memory",
                error="connection refused",
                ip_version="unknown",
            ),
            1,
        )
        ranked = "swarm_dial_ranking_delay_seconds_bucket"
        self.assertEqual(self.value(ranked, le="0.001"), 1)

    def test_holes(self) -> None:
        """
        The filter of black holes has the states of go-libp2p.
        """
        hole = self.node.dialRecord.holes.udp
        for outcomes, state, fraction, wait in (
            ([], 0, 0.0, 0),
            ([True], 0, 1.0, 0),
            ([True] * 4 + [False] * 95, 1, 0.05, 0),
            ([False], 2, 0.04, 100),
        ):
            for each in outcomes:
                hole.ended(each)
            for suffix, value in (
                ("state", state),
                ("success_fraction", fraction),
                ("next_request_allowed_after", wait),
            ):
                found = self.value(f"swarm_black_hole_filter_{suffix}", name="UDP")
                self.assertEqual(found, value, suffix)

    def test_inside(self) -> None:
        """
        The version, the subscribers, and the changes of the description.
        """
        self.assertEqual(self.value("build_info", version=__version__), 1)
        before = self.value("eventbus_subscribers_total", event="OpenedConn")
        subscription = self.metrics._subscriptions[1]
        subscription.cancel()
        after = self.value("eventbus_subscribers_total", event="OpenedConn")
        self.assertEqual(after, before - 1)
        self.node.registry.register("/new/1", EchoFactory())
        name = "identify_identify_pushes_triggered_total"
        self.assertGreaterEqual(self.value(name, trigger="protocols_updated"), 1)

    def test_database(self) -> None:
        """
        A peerstore in a database shows its turns.
        """
        store: Any = openPeerStore(MemoryReactorClock(), f"sqlite:{self.mktemp()}")
        self.patch(self.node, "peerstore", store)
        self.assertEqual(self.value("peerstore_loaded"), 0)
        self.assertIsNone(self.value("peerstore_lag_seconds"))
        now = self.node.clock.seconds()
        store.turns.ended(now - 5.0, now - 3.0)
        store.turns.histories = 2
        for name, value in (
            ("peers", 0),
            ("waiting_rows", 0),
            ("lag_seconds", 3.0),
            ("turn_seconds_count", 1),
            ("turn_seconds_sum", 2.0),
            ("turn_failures_total", 0),
            ("histories_total", 2),
        ):
            self.assertEqual(self.value(f"peerstore_{name}"), value, name)
