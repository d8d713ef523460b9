# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.status.metrics} and L{twisted_libp2p.status.usage}.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.python.reflect import requireModule
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.client import Agent, readBody
from twisted.web.static import Data

from tests.needs import skipWithout
from tests.status.browsing import Browsing
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.events import Event, LimitReached
from twisted_libp2p.interfaces import Direction, Resource, ScopeKind
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import PROTOCOL_ID as ECHO
from twisted_libp2p.protocols.echo import EchoFactory
from twisted_libp2p.status import NodeMetrics, metrics, serveMetrics
from twisted_libp2p.status.metrics import OTHER, ipVersion
from twisted_libp2p.testing import MemoryNodes

LISTEN = "/ip4/127.0.0.1/tcp/0"
STACK = {
    "transport": "memory",
    "security": "/noise",
    "muxer": "/yamux/1.0.0",
    "early_muxer": "true",
    "ip_version": "unknown",
}
FROM_PEERS = Direction.INBOUND
SYSTEM, TRANSIENT, PEER, PROTOCOL, SUBNET = ScopeKind
CONNECTIONS, STREAMS, MEMORY = Resource
INBOUND = {"dir": "inbound", **STACK}


def requireClient() -> None:
    """
    @raise SkipTest: prometheus_client is not installed.
    """
    if requireModule("prometheus_client") is None:
        missing = "prometheus_client is not installed: pip install prometheus_client"
        skipWithout("prometheus", missing)


class MetricsTests(SynchronousTestCase):
    """
    What is counted.
    """

    def setUp(self) -> None:
        """
        Count what a node does that serves echo.
        """
        requireClient()
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.node = self.nodes.start()
        self.node.registry.register(ECHO, EchoFactory())
        self.metrics = NodeMetrics(self.node)

    def value(self, name: str, **labels: str) -> float | None:
        """
        @return: the value of one series; None if it does not exist.
        """
        value = self.metrics.registry.get_sample_value(name, labels)
        assert value is None or isinstance(value, float | int)
        return value

    def open(self, client: Node, protocol: str) -> Any:
        """
        Open a stream to the node.
        """
        return self.nodes.result(
            client.connector(self.node.addresses[0], protocol).connect(
                Factory.forProtocol(Protocol)
            )
        )

    def test_connection(self) -> None:
        """
        A connection is counted when it is ready, and when it has ended, with
        all the labels that go-libp2p gives it.
        """
        swarm = "libp2p_swarm"
        client = self.nodes.start()
        near, _ = self.nodes.connect(client, self.node)
        self.assertEqual(self.value(f"{swarm}_connections_opened_total", **INBOUND), 1)
        self.assertIsNone(self.value(f"{swarm}_connections_closed_total", **INBOUND))
        self.assertEqual(
            self.value(f"{swarm}_handshake_latency_seconds_count", **STACK), 1
        )
        self.assertEqual(
            self.value(f"{swarm}_key_types_total", dir="inbound", key_type="Ed25519"), 1
        )
        self.nodes.advance(100)
        self.nodes.result(near.close())
        self.assertEqual(self.value(f"{swarm}_connections_closed_total", **INBOUND), 1)
        duration = f"{swarm}_connection_duration_seconds"
        self.assertEqual(self.value(f"{duration}_sum", **INBOUND), 100)
        self.assertEqual(self.value(f"{duration}_bucket", le="64.0", **INBOUND), 0)
        self.assertEqual(self.value(f"{duration}_bucket", le="128.0", **INBOUND), 1)
        self.assertEqual(
            self.value("libp2p_eventbus_events_emitted_total", event="ClosedConn"), 1
        )

    def test_outbound(self) -> None:
        """
        A connection that our side has opened is told apart.
        """
        self.nodes.connect(self.node, self.nodes.start())
        labels = {**INBOUND, "dir": "outbound"}
        self.assertEqual(
            self.value("libp2p_swarm_connections_opened_total", **labels), 1
        )

    def test_quic(self) -> None:
        """
        QUIC has the name that go-libp2p gives it.
        """
        self.nodes.connect(self.node, self.nodes.start())
        (connection,) = self.node.connections
        self.patch(type(connection), "transport", "quic")
        self.nodes.result(connection.close())
        labels = {**INBOUND, "dir": "outbound", "transport": "quic-v1"}
        self.assertEqual(
            self.value("libp2p_swarm_connections_closed_total", **labels), 1
        )

    def test_identify(self) -> None:
        """
        Identify and its push are counted in both directions.
        """
        identify = "libp2p_identify"
        client = self.nodes.start()
        self.nodes.connect(client, self.node)
        for direction in ("inbound", "outbound"):
            self.assertEqual(self.value(f"{identify}_identify_total", dir=direction), 1)
            self.assertIsNone(
                self.value(f"{identify}_identify_push_total", dir=direction)
            )
        self.assertEqual(
            self.value(f"{identify}_conn_push_support_total", support="supported"), 1
        )
        self.assertEqual(self.value(f"{identify}_protocols_received_sum"), 3)
        self.assertEqual(self.value(f"{identify}_addrs_received_sum"), 1)
        for node in (client, self.node):
            node.registry.register("/new/1", EchoFactory())
        self.nodes.advance(2)
        for direction in ("inbound", "outbound"):
            self.assertEqual(
                self.value(f"{identify}_identify_push_total", dir=direction), 1
            )
        self.metrics.refresh()
        self.assertEqual(self.value(f"{identify}_protocols_count"), 5)
        self.assertEqual(self.value(f"{identify}_addrs_count"), 1)

    def test_streams(self) -> None:
        """
        Streams are counted by protocol, but not by any number of protocols.
        """
        self.patch(metrics, "MAX_PROTOCOLS", 2)
        self.node.registry.register(lambda protocol: protocol[1] == "x", EchoFactory())
        client = self.nodes.start()
        # Identify is the first of the two.
        for protocol in (ECHO, ECHO, "/x/1", "/x/2"):
            self.open(client, protocol)
        name = "libp2p_protocol_streams_total"
        self.assertEqual(self.value(name, dir="inbound", protocol=ECHO), 2)
        self.assertEqual(self.value(name, dir="inbound", protocol=OTHER), 2)
        self.assertIsNone(self.value(name, dir="inbound", protocol="/x/1"))

    def test_served(self) -> None:
        """
        The protocols that strangers think up do not take the places of the served
        ones, and are not counted one by one where they are in use either.
        """
        self.patch(metrics, "MAX_PROTOCOLS", 4)
        self.node.registry.register(lambda protocol: protocol[1] == "x", EchoFactory())
        client = self.nodes.start()
        for number in range(9):
            self.open(client, f"/x/{number}")
        self.open(client, "/x/" + "y" * 300)
        self.open(client, ECHO)
        self.metrics.refresh()
        for name, more in (
            ("libp2p_protocol_streams_total", {}),
            ("libp2p_rcmgr_streams", {"scope": "protocol"}),
        ):
            labels = {"dir": "inbound", **more}
            self.assertEqual(self.value(name, protocol=ECHO, **labels), 1)
            self.assertGreaterEqual(self.value(name, protocol=OTHER, **labels) or 0, 7)
            found = {
                sample.labels["protocol"]
                for family in self.metrics.registry.collect()
                for sample in family.samples
                if sample.name == name and "protocol" in sample.labels
            }
            # With one for a served protocol that came late, OTHER, and none.
            self.assertLessEqual(len(found), 4 + 3)
            self.assertLess(max(map(len, found)), 201)

    def test_names(self) -> None:
        """
        Neither events nor refusals of the application make any number of series.
        """
        for number in range(500):
            kind = type(f"Event{number}", (Event,), {})
            self.node.events.publish(kind(time=1.0))
            self.node.events.publish(
                LimitReached(
                    time=1.0, scope="", limit=1, current=1,
                    option=f"Limits.kind{number}.streams", peer=None, count=1,
                    kind=f"kind{number}",  # type: ignore[arg-type]
                    resource=f"thing{number}",  # type: ignore[arg-type]
                    direction=f"there{number}",  # type: ignore[arg-type]
                )
            )  # fmt: skip
        series = [
            sample
            for family in self.metrics.registry.collect()
            for sample in family.samples
            if {"event", "scope"} & sample.labels.keys()
        ]
        self.assertLess(len(series), 500)

    def test_usage(self) -> None:
        """
        What is in use is told as it was when it was looked up.
        """
        rcmgr = "libp2p_rcmgr"
        client = self.nodes.start()
        for _ in range(3):
            self.open(client, ECHO)
        system = {"dir": "inbound", "scope": "system"}
        self.assertIsNone(self.value(f"{rcmgr}_connections", **system))
        self.metrics.refresh()
        self.assertEqual(self.value(f"{rcmgr}_connections", **system), 1)
        self.assertEqual(self.value(f"{rcmgr}_streams", protocol="", **system), 3)
        for direction, count in (("inbound", 3), ("outbound", 0)):
            labels = {"dir": direction, "scope": "protocol", "protocol": ECHO}
            self.assertEqual(self.value(f"{rcmgr}_streams", **labels), count)
        self.assertEqual(self.value(f"{rcmgr}_memory", scope="system", protocol=""), 0)
        self.assertEqual(
            self.value(f"{rcmgr}_limit", scope="system", resource="conns"),
            self.node.connections.limiter.limits.system.connections,
        )
        self.assertIsNone(
            self.value(f"{rcmgr}_limit", scope="transient", resource="memory")
        )
        for le, count in (("2.0", 0), ("3.0", 1), ("256.0", 1), ("+Inf", 1)):
            labels = {"dir": "inbound", "le": le}
            self.assertEqual(
                self.value(f"{rcmgr}_peer_streams_bucket", **labels), count
            )
            self.assertEqual(
                self.value(f"{rcmgr}_previous_peer_streams_bucket", **labels), 0
            )
        self.assertEqual(
            self.value(f"{rcmgr}_peer_streams_bucket", dir="outbound", le="+Inf"), 0
        )
        self.assertEqual(self.value(f"{rcmgr}_peer_memory_count"), 0)

    def test_refused(self) -> None:
        """
        What was refused is counted under the scopes of go-libp2p, and never
        under a peer.
        """
        for kind, resource, direction, labels in (
            (SYSTEM, CONNECTIONS, FROM_PEERS, ("inbound", "system", "connection")),
            (SYSTEM, CONNECTIONS, None, ("unknown", "system", "connection")),
            (TRANSIENT, STREAMS, None, ("unknown", "transient", "stream")),
            (PEER, STREAMS, FROM_PEERS, ("inbound", "peer", "stream")),
            (PEER, MEMORY, None, ("unknown", "peer", "memory")),
            (PROTOCOL, STREAMS, None, ("unknown", "protocol", "stream")),
            (SUBNET, CONNECTIONS, FROM_PEERS, ("inbound", "subnet", "connection")),
        ):
            names = dict(zip(("dir", "scope", "resource"), labels, strict=True))
            name = "libp2p_rcmgr_blocked_resources"
            before = self.value(name, **names) or 0
            self.node.events.publish(
                LimitReached(
                    time=1.0,
                    scope="",
                    limit=1,
                    current=1,
                    option="Limits.peers[12D3KooW].streams",
                    kind=kind,
                    resource=resource,
                    direction=direction,
                    peer=None,
                    count=4,
                )
            )
            self.assertEqual(self.value(name, **names), before + 4)

    def test_close(self) -> None:
        """
        When it is closed it counts no more, and its registry can take another.
        """
        self.metrics.close()
        self.nodes.connect(self.nodes.start(), self.node)
        self.assertIsNone(
            self.value("libp2p_swarm_connections_opened_total", **INBOUND)
        )
        self.assertFalse(self.node.events.subscribers[LimitReached])

    def test_versions(self) -> None:
        """
        The version of IP is told as go-libp2p does.
        """
        for address, version in (
            ("/ip4/192.0.2.1/tcp/1", "ip4"),
            ("/dns4/example.org/tcp/1", "ip4"),
            ("/ip6/::1/tcp/1", "ip6"),
            ("/dns/example.org/tcp/1", "unknown"),
            ("/memory/1", "unknown"),
        ):
            self.assertEqual(ipVersion(Multiaddr(address)), version)
        self.assertEqual(ipVersion(None), "unknown")


class MissingTests(SynchronousTestCase):
    """
    Where prometheus_client is not installed.
    """

    def test_missing(self) -> None:
        """
        One line tells what to install, and the node is as before.
        """
        self.patch(metrics, "requireModule", lambda name: None)
        nodes = MemoryNodes()
        self.addCleanup(nodes.stop)
        node = nodes.start()
        before = len(node.services)
        with self.assertRaises(ConfigurationError) as caught:
            serveMetrics(nodes.clock, node, "tcp:9100")
        self.assertIn("twisted-libp2p[metrics]", str(caught.exception))
        self.assertEqual(len(node.services), before)


class HostTests(SynchronousTestCase):
    """
    Who may ask.
    """

    def test_host(self) -> None:
        """
        A name that DNS may lead here from elsewhere gets nothing, unless the user
        has named it; Prometheus asks for an address, or for this machine's name.
        """
        requireClient()
        module = requireModule("prometheus_client.twisted")
        self.patch(module, "MetricsResource", lambda _: Data(b"all", "text/plain"))
        self.patch(socket, "gethostname", lambda: "thishost")
        nodes = MemoryNodes()
        self.addCleanup(nodes.stop)
        memory: Any = MemoryReactorClock()
        service = serveMetrics(
            memory, nodes.start(), "tcp:9100", ["metrics.example", "192.0.2.99"]
        )
        service.startService()
        evil = ("evil.example", "127.0.0.1.evil.example", "192.0.2.7:9100", "", None)
        for host in evil:
            self.assertEqual(Browsing(memory).ask("/metrics", host)[0], 403, host)
        for host in (
            "localhost:9100", "127.0.0.1", "[::1]:9100", "thishost:9100", "THISHOST",
            "metrics.example:9100", "Metrics.Example", "192.0.2.99:1",
        ):  # fmt: skip
            code, headers, body = Browsing(memory).ask("/metrics", host)
            self.assertEqual((code, body), (200, "all"), host)
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
        there = Browsing(memory, "::ffff:192.0.2.7")
        self.assertEqual(there.ask("/metrics", "192.0.2.7:9100")[0], 200)


class ScrapeTests(TestCase):
    """
    As Prometheus asks.
    """

    async def test_scrape(self) -> None:
        """
        There is text at C{/metrics}, and a new look at each request; whatever
        a protocol is called, a line stays a line.
        """
        requireClient()
        node, client = Node(reactor, listen=[LISTEN]), Node(reactor)
        hostile = '/a"} 1\\nlibp2p_taken 1'
        node.registry.register(lambda protocol: "taken" in protocol, EchoFactory())
        service = serveMetrics(reactor, node, "tcp:0")
        for each in (node, client):
            each.startService()
            self.addCleanup(each.stopService)
        (address,) = await node.whenListening()
        port: Any = await service.whenListening()
        url = f"http://127.0.0.1:{port.getHost().port}/metrics".encode()
        agent: Any = Agent(reactor)
        inUse = 'libp2p_rcmgr_connections{dir="inbound",scope="system"}'
        first = await agent.request(b"GET", url)
        self.assertEqual(first.code, 200)
        (kind,) = first.headers.getRawHeaders("content-type")
        self.assertTrue(kind.startswith("text/plain; version="))
        self.assertIn(f"{inUse} 0.0\n", (await readBody(first)).decode())
        await client.connector(address, hostile).connect(Factory.forProtocol(Protocol))
        text = (await readBody(await agent.request(b"GET", url))).decode()
        self.assertIn(f"{inUse} 1.0\n", text)
        self.assertIn('ip_version="ip4"', text)
        self.assertIn("process_resident_memory_bytes ", text)
        self.assertNotIn("\nlibp2p_taken", text)
        self.assertNotIn('/a"}', text)
