# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of peers that read nothing any more, or one byte a second.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase

from tests.faults.flood import Flood
from tests.faults.links import SlowTransport
from twisted_libp2p.errors import (
    DialFailed,
    PeerUnresponsive,
    UpgradeTimeout,
)
from twisted_libp2p.events import ClosedConn
from twisted_libp2p.node import Node
from twisted_libp2p.testing.nodes import MemoryNodes

PROTOCOL_ID = "/flood/1.0.0"

MIB = 1024 * 1024

#: Seconds until a keep-alive that asks every thirty seconds knows better.
BOUNDS = {"yamux": 61.0, "mplex": 181.0}


class SlowTests(SynchronousTestCase):
    """
    Slow peers take a bounded amount of memory for a bounded time, and nobody
    else's.
    """

    def setUp(self) -> None:
        """
        Have a node that floods whoever asks for it, and one that reads slowly.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.link = SlowTransport(self.nodes.network)

    def start(self, **options: Any) -> None:
        """
        Start both.
        """
        self.flood = Flood()
        factory = Factory()
        factory.noisy = False
        factory.buildProtocol = lambda addr: self.flood  # type: ignore[method-assign]
        self.server = self.nodes.start(**options)
        self.server.registry.register(PROTOCOL_ID, factory)
        self.closed: list[ClosedConn] = []
        self.server.events.subscribe(ClosedConn, self.closed.append)
        self.client = Node(self.nodes.clock, transports=[self.link], **options)
        self.client.startService()
        self.addCleanup(lambda: self.nodes.result(self.client.stopService()))

    def flooded(self, muxer: str) -> Node:
        """
        Ask for a flood, and stop reading.

        @return: an honest node beside.
        """
        self.start(muxers=[muxer])
        server = self.server.addresses[0]
        connection = self.nodes.result(self.client.connect(server))
        self.link.slow = True
        factory = Factory.forProtocol(Protocol)
        factory.noisy = False
        connection.openStream(PROTOCOL_ID, factory).addErrback(lambda reason: None)
        self.nodes.settle()
        self.assertTrue(self.flood.paused)
        other = self.nodes.start()
        self.nodes.result(other.ping(server))
        return other

    def assertEnded(self, other: Node) -> None:
        """
        The slow peer is gone, and has taken little; the other is served.
        """
        self.assertLess(self.flood.sent, 2 * MIB)
        self.assertEqual(len(self.closed), 1)
        self.assertIsNotNone(self.flood.reason)
        self.nodes.result(other.ping(self.server.addresses[0]))
        self.assertEqual(len(self.server.connections), 1)
        used = self.server.connections.limiter.system.used
        self.assertEqual(used[:2], (1, 1))

    def assertVanished(self, muxer: str) -> None:
        """
        A peer that neither reads nor writes is taken for dead, in time.
        """
        other = self.flooded(muxer)
        self.link.mute = True
        self.nodes.advance(BOUNDS[muxer])
        self.assertEnded(other)
        self.assertIsInstance(self.closed[0].reason.value, PeerUnresponsive)
        self.assertIsInstance(self.flood.reason, PeerUnresponsive)

    def test_vanishedYamux(self) -> None:
        """
        Over yamux.
        """
        self.assertVanished("yamux")

    def test_vanishedMplex(self) -> None:
        """
        Over mplex, which has no pings of its own.
        """
        self.assertVanished("mplex")

    def test_nothing(self) -> None:
        """
        Where a peer reads nothing, but writes, one side or the other notices.
        """
        other = self.flooded("yamux")
        self.nodes.advance(BOUNDS["yamux"])
        self.assertEnded(other)

    def assertDrip(self, muxer: str) -> None:
        """
        So does one that reads a byte a second: its answers would be days late.
        """
        self.link.pace = 1.0
        other = self.flooded(muxer)
        self.nodes.advance(BOUNDS[muxer])
        self.assertEnded(other)

    def test_dripYamux(self) -> None:
        """
        Over yamux.
        """
        self.assertDrip("yamux")

    def test_dripMplex(self) -> None:
        """
        Over mplex.
        """
        self.assertDrip("mplex")

    def test_upgrade(self) -> None:
        """
        Who reads one byte a second from the beginning is not upgraded: both
        sides give up at their deadline.
        """
        self.start()
        self.link.slow, self.link.pace = True, 1.0
        dialing = self.client.connect(self.server.addresses[0])
        self.nodes.advance(9.9)
        self.assertNoResult(dialing)
        self.nodes.advance(0.2)
        error: Any = self.failureResultOf(dialing, DialFailed).value
        ((_, cause),) = error.causes
        self.assertIsInstance(cause, UpgradeTimeout)
        for node in (self.server, self.client):
            limiter = node.connections.limiter
            for scope in (limiter.system, limiter.transient):
                self.assertFalse(any(scope.used))
