# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the metrics of reachability.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.status.test_metrics import requireClient
from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.reachability.server import Answered
from twisted_libp2p.status.metrics import require
from twisted_libp2p.status.reaching import reaching
from twisted_libp2p.testing import MemoryNodes

Key = tuple[str, tuple[tuple[str, str], ...]]


class ReachingTests(SynchronousTestCase):
    """
    Tests for L{reaching}.
    """

    def setUp(self) -> None:
        """
        Start a node with a public address.
        """
        requireClient()
        self.core = require("prometheus_client.core")
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.node = self.nodes.start(announce=["/ip4/8.8.8.8/tcp/4001"])

    def samples(self) -> dict[Key, Any]:
        """
        Return the values by name and labels.
        """
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in reaching(self.node, self.core)
            for sample in family.samples
        }

    def test_values(self) -> None:
        """
        The verdicts, the questions, the answers, and the refused addresses.
        """
        address = Multiaddr("/ip4/10.0.0.1/tcp/1")
        self.node.addressFilter.select(Origin.PUBLIC, [address])
        answers = self.node.reachability.server.answers
        answers[Answered("2", "ok", "dial_error", ("ip4", "tcp"), True)] = 3
        answers[Answered("1", "dial_refused")] = 4
        found = self.samples()
        expected: tuple[tuple[str, dict[str, str], int], ...] = (
            ("libp2p_autonat_reachability_status", {}, 0),
            ("libp2p_host_addrs_unknown", {"ipv": "ip4", "transport": "tcp"}, 1),
            ("libp2p_autonatv2_client_requests_total", {"outcome": "success"}, 0),
            (
                "libp2p_autonatv2_requests_completed_total",
                {
                    "server_error": "nil",
                    "response_status": "OK",
                    "dial_status": "E_DIAL_ERROR",
                    "dial_data_required": "true",
                    "ip_or_dns_version": "ip4",
                    "transport": "tcp",
                },
                3,
            ),
            (
                "libp2p_autonat_outgoing_dial_response_total",
                {"response_status": "dial refused"},
                4,
            ),
            ("libp2p_address_filter_refused_total", {"reason": "place"}, 1),
        )
        for name, labels, value in expected:
            self.assertEqual(found[name, tuple(sorted(labels.items()))], value, name)
