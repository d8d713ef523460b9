# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.status.relays}.
"""

from __future__ import annotations

from typing import Any

from twisted.python.reflect import requireModule
from twisted.trial.unittest import SkipTest

from tests.relay.case import RelayTestCase
from twisted_libp2p.errors import DialFailed
from twisted_libp2p.identity import Identity
from twisted_libp2p.portmap.service import PortMapping
from twisted_libp2p.relay.autorelay import AutoRelay
from twisted_libp2p.status.metrics import NodeMetrics
from twisted_libp2p.status.relays import relayLines, relayMetrics


class RelayMetricsTests(RelayTestCase):
    """
    The metrics of a relay, and of a node with a place at one.
    """

    def setUp(self) -> None:
        """
        Skip without prometheus_client.
        """
        super().setUp()
        self.core: Any = requireModule("prometheus_client.core")
        if self.core is None:
            raise SkipTest("prometheus_client is not installed")

    def samples(self, node: Any) -> dict[str, float]:
        """
        Return the samples of all metrics, by name and label.
        """
        return {
            " ".join((sample.name, *sample.labels.values())): sample.value
            for family in relayMetrics(node, self.core)
            for sample in family.samples
        }

    def test_service(self) -> None:
        """
        Reservations, circuits, answers and bytes of a relay are counted under the names
        of go-libp2p.
        """
        relay = self.relay()
        metrics = NodeMetrics(relay)
        self.addCleanup(metrics.close)
        listener, dialer = self.listener(), self.node()
        self.echo(dialer, listener)
        stranger = f"{self.place}/p2p/{Identity.generate().peerID}"
        dialing = dialer.connect(stranger)
        self.nodes.settle()
        self.failureResultOf(dialing, DialFailed)
        prefix = "libp2p_relaysvc_"
        found = self.samples(relay)
        for name, value in (
            ("status", 1),
            ("reservations_total opened", 1),
            ("reservations_total renewed", 0),
            ("reservations_total closed", 0),
            ("connections_total opened", 1),
            ("connections_total closed", 0),
            ("reservation_request_response_status_total ok", 1),
            ("connection_request_response_status_total ok", 1),
            ("connection_request_response_status_total rejected", 1),
            ("connection_rejections_total no reservation", 1),
        ):
            self.assertEqual(found[prefix + name], value, name)
        self.assertGreater(found[prefix + "data_transferred_bytes_total"], 500)
        for each in dialer.connections.to(listener.peerID):
            each.close()
        self.nodes.settle()
        found = self.samples(relay)
        self.assertEqual(found[prefix + "connections_total closed"], 1)
        count = metrics.registry.get_sample_value
        self.assertEqual(count(prefix + "connection_duration_seconds_count"), 1)

    def test_client(self) -> None:
        """
        The places of a node, and its addresses there, are counted as those of the
        AutoRelay of go-libp2p.
        """
        relay = self.relay()
        node = self.node()
        metrics = NodeMetrics(node)
        self.addCleanup(metrics.close)
        node.add(AutoRelay([str(relay.addresses[0])]))
        self.nodes.settle()
        prefix = "libp2p_autorelay_"
        found = self.samples(node)
        for name in ("status", "desired_reservations", "relay_addresses_count"):
            self.assertEqual(found[prefix + name], 1, name)
        value = metrics.registry.get_sample_value
        self.assertEqual(value(prefix + "reservations_opened_total"), 1)
        self.nodes.result(node.stopListeningOn(self.place))
        self.assertEqual(value(prefix + "reservations_closed_total"), 1)
        self.assertEqual(self.samples(node)[prefix + "relay_addresses_count"], 0)

    def test_lines(self) -> None:
        """
        The page has a line for each place, for the relay service, and for mapped ports
        or the reason why they are missing.
        """
        relay = self.relay()
        listener = self.listener()
        (line,) = relayLines(listener)
        self.assertEqual(line, f"place at the relay {relay.peerID}: held")
        (line,) = relayLines(relay)
        self.assertIn("relay for others: 1 reservations, 0 circuits", line)
        node = self.node(services=[PortMapping(lambda: None)])
        (line,) = relayLines(node)
        self.assertIn("this host has no default gateway", line)
