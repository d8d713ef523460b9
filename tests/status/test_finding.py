# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.status.finding}.
"""

from __future__ import annotations

from typing import Any
from unittest import SkipTest

from twisted.internet.defer import Deferred
from twisted.python.reflect import requireModule

from tests.dht.case import PROTOCOL, DHTTestCase
from twisted_libp2p.discovery.bootstrap import Bootstrap
from twisted_libp2p.discovery.rendezvous.point import RendezvousPoint
from twisted_libp2p.errors import NotFound
from twisted_libp2p.identity import Identity
from twisted_libp2p.status.finding import findingLines, findingMetrics

KAD = "libp2p_io_dht_kad_"


class FindingTests(DHTTestCase):
    """
    The numbers of a node that has looked up two peers.
    """

    def setUp(self) -> None:
        """
        Make three servers, and a node that knows one of them.
        """
        super().setUp()
        servers = self.chain(3)
        self.known = servers[0][0].peerID
        place = servers[2][0].addresses[0]
        self.node, self.dht = self.start("client")
        for service in (Bootstrap([place]), RendezvousPoint()):
            self.node.add(service)
        self.nodes.advance(1)
        found = Deferred.fromCoroutine(self.node.routing.findPeer(self.known))
        self.nodes.result(found)
        stranger = Identity.generate().peerID
        missing = Deferred.fromCoroutine(self.node.routing.findPeer(stranger))
        self.nodes.settle()
        self.failureResultOf(missing, NotFound)
        self.server, self.serverDHT = servers[2]

    def samples(self, node: Any) -> dict[str, float]:
        """
        Return the samples of all metrics, by name and label.
        """
        core: Any = requireModule("prometheus_client.core")
        if core is None:
            raise SkipTest("prometheus_client is not installed")
        return {
            " ".join((sample.name, *sample.labels.values())): sample.value
            for family in findingMetrics(node, core)
            for sample in family.samples
        }

    def test_metrics(self) -> None:
        """
        Lookups, requests, the table and the stores are counted, on both sides.
        """
        found = self.samples(self.node)
        for name, value in (
            ("libp2p_routing_lookups_total dht found", 1),
            ("libp2p_routing_lookups_total dht nothing", 1),
            ("libp2p_bootstrap_peers_connected", 1),
            ("libp2p_rendezvous_registrations", 0),
            ("libp2p_dht_server", 0),
            ("libp2p_dht_table_peers", len(self.dht.table)),
            (f"{KAD}received_message_errors_total", 0),
        ):
            self.assertEqual(found[name], value, name)
        sent = found[f"{KAD}sent_requests_total FIND_NODE"]
        self.assertGreaterEqual(sent, 3)
        lookups = [
            value for name, value in found.items() if "libp2p_dht_lookups_total" in name
        ]
        self.assertGreaterEqual(sum(lookups), 2)
        other = self.samples(self.server)
        self.assertGreaterEqual(other[f"{KAD}received_messages_total FIND_NODE"], 1)
        self.assertEqual(other["libp2p_dht_server"], 1)

    def test_lines(self) -> None:
        """
        The status page has a line for each way.
        """
        lines = findingLines(self.node)
        for text in (
            f"client of the DHT {PROTOCOL}: {len(self.dht.table)} servers in the table",
            "1 of 1 bootstrap peers connected",
            "rendezvous point: 0 registrations",
            "lookups of peers by dht: 1 found",
            "lookups of peers by dht: 1 nothing",
        ):
            self.assertTrue(any(text in each for each in lines), (text, lines))
        self.assertIn(f"server of the DHT {PROTOCOL}", findingLines(self.server)[0])
