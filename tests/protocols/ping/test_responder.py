# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the side that answers pings.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory

from tests.protocols.connected import ConnectedTestCase
from twisted_libp2p.errors import (
    StreamReset,
)
from twisted_libp2p.protocols.echo import PROTOCOL_ID as ECHO
from twisted_libp2p.protocols.echo import EchoFactory
from twisted_libp2p.protocols.ping.protocol import PROTOCOL_ID, SIZE, TIMEOUT
from twisted_libp2p.protocols.ping.responder import MAX_STREAMS
from twisted_libp2p.testing.muxer import Collector, HalfCloseCollector


class PingResponderTests(ConnectedTestCase):
    """
    The side that answers, on a node.
    """

    def test_echo(self) -> None:
        """
        What comes back is what was sent, in whole pings of 32 bytes.
        """
        collector = self.open(PROTOCOL_ID, Collector())
        ping = bytes(range(SIZE))
        collector.stream.write(ping + ping[:1])
        self.nodes.settle()
        self.assertEqual(collector.data, ping)
        collector.stream.write(ping[1:])
        self.nodes.settle()
        self.assertEqual(collector.data, ping * 2)

    def test_partial(self) -> None:
        """
        A peer that sends 31 bytes is reset after 10 seconds, even if it drips.
        """
        collector = self.open(PROTOCOL_ID, Collector())
        for _ in range(SIZE - 1):
            collector.stream.write(b"x")
            self.nodes.advance(0.3)
        self.nodes.advance(TIMEOUT - 9.3 - 0.1)
        self.assertEqual(collector.reasons, [])
        self.nodes.advance(0.1)
        collector.reasons[0].trap(StreamReset)
        self.assertEqual(collector.data, b"")

    def test_busy(self) -> None:
        """
        A stream lives as long as a ping comes every 10 seconds, and no longer.
        """
        collector = self.open(PROTOCOL_ID, Collector())
        for _ in range(5):
            self.nodes.advance(TIMEOUT - 0.1)
            collector.stream.write(bytes(SIZE))
        self.nodes.settle()
        self.assertEqual(len(collector.data), 5 * SIZE)
        self.nodes.advance(TIMEOUT)
        collector.reasons[0].trap(StreamReset)

    def test_overdue(self) -> None:
        """
        A stream lives whose next ping waits in the socket when the timer is overdue.
        """
        collector = self.open(PROTOCOL_ID, Collector())
        (stream,) = (
            each
            for connection in self.server.connections
            for each in connection.streams
            if each.protocolID == PROTOCOL_ID
        )
        responder: Any = stream.protocol
        clock = self.nodes.clock
        clock.callLater(TIMEOUT * 2, responder.dataReceived, bytes(SIZE))
        clock.advance(TIMEOUT * 2)
        self.nodes.settle()
        self.assertEqual((collector.reasons, len(collector.data)), ([], SIZE))
        self.nodes.advance(TIMEOUT)
        collector.reasons[0].trap(StreamReset)

    def test_halfClose(self) -> None:
        """
        When the peer has pinged enough, all is answered and then closed.
        """
        collector = self.open(PROTOCOL_ID, HalfCloseCollector())
        collector.stream.write(bytes(3 * SIZE))
        collector.stream.loseWriteConnection()
        self.nodes.settle()
        self.assertEqual(len(collector.data), 3 * SIZE)
        self.assertEqual(collector.ends, ["write", "read"])
        collector.reasons[0].trap(ConnectionDone)

    def test_thirdStream(self) -> None:
        """
        One peer gets two streams; another peer is not hindered by that; each
        that ends makes room.
        """
        first = self.open(PROTOCOL_ID, Collector())
        for _ in range(1, MAX_STREAMS):
            self.open(PROTOCOL_ID, Collector())
        refused = self.connection.openStream(
            PROTOCOL_ID, Factory.forProtocol(Collector)
        )
        self.nodes.settle()
        self.failureResultOf(refused, StreamReset)
        other = self.nodes.start()
        self.assertGreaterEqual(
            self.nodes.result(other.ping(self.server.addresses[0])), 0.0
        )
        first.stream.loseConnection()
        self.nodes.settle()
        again = self.open(PROTOCOL_ID, Collector())
        again.stream.write(bytes(SIZE))
        self.nodes.settle()
        self.assertEqual(again.data, bytes(SIZE))

    def test_flood(self) -> None:
        """
        A flood that nobody reads the answer of stops at the windows, does not
        delay another protocol of the same connection, and is reset.
        """
        self.server.registry.register(ECHO, EchoFactory())
        flooding = self.open(PROTOCOL_ID, Collector())
        flooding.stream.pauseProducing()
        flooding.stream.write(bytes(4 << 20))
        self.nodes.settle()
        self.assertGreater(flooding.stream.unsentSize, 1 << 20)
        other = self.open(ECHO, Collector())
        other.stream.write(b"word")
        self.nodes.settle()
        self.assertEqual(other.data, b"word")
        self.nodes.advance(TIMEOUT)
        flooding.reasons[0].trap(StreamReset)
        self.assertEqual(other.reasons, [])
