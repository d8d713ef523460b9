# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of how many round trips it takes until an answer is there.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.protocols.echo import PROTOCOL_ID, EchoFactory
from twisted_libp2p.testing.nodes import MemoryNodes

#: Seconds that a byte takes in one direction.
DELAY = 1.0


class FirstByte(Protocol):
    """
    Sends a byte at once, and notes when one comes back.
    """

    transport: Any

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self.answeredAt: float | None = None

    def connectionMade(self) -> None:
        self.transport.write(b"x")

    def dataReceived(self, data: bytes) -> None:
        self.answeredAt = self._clock.seconds()


class RoundTripTests(SynchronousTestCase):
    """
    The way from an address to the first byte of an answer.
    """

    def trips(self, **options: Any) -> float:
        """
        Count the round trips over a link on which nothing else takes time.
        """
        nodes = MemoryNodes(DELAY)
        server = nodes.start(**options)
        client = nodes.start(listen=(), **options)
        server.registry.register(PROTOCOL_ID, EchoFactory())
        protocol = FirstByte(nodes.clock)
        factory = Factory()
        factory.noisy = False
        factory.buildProtocol = lambda addr: protocol  # type: ignore[method-assign]
        begin = nodes.clock.seconds()
        client.connector(server.addresses[0], PROTOCOL_ID).connect(factory)
        nodes.advance(30.0)
        assert protocol.answeredAt is not None
        for node in (client, server):
            node.stopService()
        nodes.advance(30.0)
        nodes.stop()
        return (protocol.answeredAt - begin) / (2 * DELAY)

    def test_three(self) -> None:
        """
        Connect, handshake, and the answer: three round trips, the first of
        which is the transport's own.
        """
        for security in (["noise"], ["tls"], ["noise", "tls"], ["tls", "noise"]):
            self.assertEqual(self.trips(security=security), 3, security)

    def test_default(self) -> None:
        """
        So many it takes two nodes as they come, that have never met.
        """
        self.assertEqual(self.trips(), 3)

    def test_draft(self) -> None:
        """
        The draft's dialect does not take optimism, and costs one more.
        """
        self.assertEqual(self.trips(security=["noise"], dialect="bootstrap"), 4)
