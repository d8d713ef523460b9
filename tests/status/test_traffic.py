# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.status.traffic}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Protocol
from twisted.python.reflect import requireModule
from twisted.trial.unittest import SynchronousTestCase

from tests.status.test_metrics import requireClient
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import PROTOCOL_ID as ECHO
from twisted_libp2p.protocols.echo import EchoFactory
from twisted_libp2p.status.traffic import (
    MAX_PEERS,
    Bytes,
    Traffic,
    addedUp,
    bytesOf,
    trafficMetrics,
)
from twisted_libp2p.testing import MemoryNodes

SIZE = 10_000


class TrafficTests(SynchronousTestCase):
    """
    The bytes of a node that serves echo.
    """

    def setUp(self) -> None:
        """
        Start the node, and connect another one.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.node = self.serve()
        self.client = self.nodes.start()
        self.nodes.connect(self.client, self.node)
        self.traffic = Traffic(self.node)
        self.addCleanup(self.traffic.close)
        (self.connection,) = self.node.connections

    def serve(self, **options: Any) -> Node:
        """
        Start a node that serves echo.
        """
        node = self.nodes.start(**options)
        node.registry.register(ECHO, EchoFactory())
        return node

    def echo(self, client: Node, server: Node) -> None:
        """
        Send bytes there and back.
        """
        stream: Any = self.nodes.result(
            client.openStream(server.peerID, ECHO, Protocol)
        )
        stream.transport.write(bytes(SIZE))
        self.nodes.settle()

    def test_connection(self) -> None:
        """
        A connection counts the bytes of its streams, and little more.
        """
        before = bytesOf(self.connection)
        self.echo(self.client, self.node)
        for count in bytesOf(self.connection).since(before, 1.0):
            self.assertGreater(count, SIZE)
            self.assertLess(count, 1.2 * SIZE)

    def test_ends(self) -> None:
        """
        One side has received what the other has sent.
        """
        self.echo(self.client, self.node)
        (near,) = self.client.connections
        self.assertEqual(near.received, self.connection.sent)
        self.assertEqual(near.sent, self.connection.received)

    def test_rates(self) -> None:
        """
        A rate is the difference of two looks; there is none before the second.
        """
        self.traffic.look(100.0)
        self.assertIsNone(self.traffic.snapshot()["receiving"])
        self.assertIsNone(self.traffic.of(self.connection)["sending"])
        self.echo(self.client, self.node)
        self.traffic.look(102.0)
        row, all_ = self.traffic.of(self.connection), self.traffic.snapshot()
        for name in ("receiving", "sending"):
            self.assertEqual(row[name], all_[name])
            self.assertGreater(row[name], SIZE / 2)
        self.traffic.look(104.0)
        self.assertEqual(self.traffic.snapshot()["receiving"], 0.0)

    def test_soon(self) -> None:
        """
        A look a moment after another one, of a second page, changes no rate.
        """
        self.traffic.look(100.0)
        self.echo(self.client, self.node)
        self.traffic.look(101.0)
        rate = self.traffic.rate
        self.traffic.look(101.1)
        self.assertEqual(self.traffic.rate, rate)

    def test_clockSetBack(self) -> None:
        """
        A look after the clock was set back is the first of new ones; the rates of
        before stay until the next.
        """
        self.traffic.look(5000.0)
        self.echo(self.client, self.node)
        self.traffic.look(5002.0)
        rate = self.traffic.rate
        self.traffic.look(100.0)
        self.assertEqual(self.traffic.rate, rate)
        self.traffic.look(102.0)
        self.assertEqual(self.traffic.rate, Bytes())

    def test_ended(self) -> None:
        """
        Connections that have ended count in the sum, and nowhere else.
        """
        self.echo(self.client, self.node)
        self.traffic.look(100.0)
        before = self.traffic.total
        self.nodes.result(self.client.stopService())
        self.nodes.settle()
        self.assertEqual(list(self.node.connections), [])
        self.assertGreaterEqual(self.traffic.total, before)
        self.traffic.look(102.0)
        self.assertEqual(self.traffic.rates, {})
        self.assertEqual(self.traffic.snapshot()["peers"], [])

    def test_newcomer(self) -> None:
        """
        A connection that is new since the last look has no rate yet.
        """
        self.traffic.look(100.0)
        other = self.nodes.start()
        self.nodes.connect(other, self.node)
        (new,) = self.node.connections.to(other.peerID)
        self.traffic.look(102.0)
        self.assertIsNone(self.traffic.of(new)["receiving"])

    def test_peers(self) -> None:
        """
        The peer with the most bytes comes first.
        """
        other = self.nodes.start()
        self.nodes.connect(other, self.node)
        self.echo(other, self.node)
        rows = self.traffic.snapshot()["peers"]
        self.assertEqual(
            [row["peer"] for row in rows], [str(other.peerID), str(self.client.peerID)]
        )

    def test_metrics(self) -> None:
        """
        The sums are counters.
        """
        requireClient()
        core = requireModule("prometheus_client.core")
        self.echo(self.client, self.node)
        (family,) = trafficMetrics(self.traffic, core)
        self.assertEqual(
            {each.labels["dir"]: each.value for each in family.samples},
            dict(zip(("inbound", "outbound"), self.traffic.total, strict=True)),
        )


class AddedUpTests(SynchronousTestCase):
    """
    The traffic of several processes.
    """

    def row(self, count: Bytes, rate: float | None, *peers: str) -> dict[str, Any]:
        """
        Return a snapshot, or a row of a peer.
        """
        row = {**count._asdict(), "receiving": rate, "sending": rate}
        return {**row, "peers": [{"peer": each, **row} for each in peers]}

    def test_sum(self) -> None:
        """
        Bytes and rates are added, also those of a peer; a process that was looked at
        once has no rate.
        """
        found = addedUp(
            [
                self.row(Bytes(1, 2), 5.0, "a"),
                self.row(Bytes(10, 20), None, "a", "b"),
                self.row(Bytes(100, 200), 7.0, "a"),
            ]
        )
        peers = found.pop("peers")
        self.assertEqual(
            found, {"received": 111, "sent": 222, "receiving": 12.0, "sending": 12.0}
        )
        self.assertEqual(
            [(row["peer"], row["received"], row["sending"]) for row in peers],
            [("a", 111, 12.0), ("b", 10, 0)],
        )

    def test_bound(self) -> None:
        """
        Only so many peers are listed; without a rate there is none.
        """
        names = [str(number) for number in range(MAX_PEERS + 5)]
        found = addedUp([self.row(Bytes(1, 1), None, *names)])
        self.assertEqual(len(found["peers"]), MAX_PEERS)
        self.assertIsNone(found["receiving"])
        self.assertIsNone(found["peers"][0]["sending"])
