# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for the end of an accepted stream that comes right after its first data.
"""

from __future__ import annotations

from itertools import product
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from twisted_libp2p.interfaces import ISelfDelimiting
from twisted_libp2p.muxer.yamux.pings import APART
from twisted_libp2p.testing.muxer import HalfCloseCollector
from twisted_libp2p.testing.nodes import MemoryNodes

#: The agent of js-libp2p.
JS = "js-libp2p/3.3.11 node/22.12.0"

PROTOCOL = "/greeting/1.0.0"


class Greeter(Protocol):
    """
    Says something, and closes.

    @cvar size: how much it says.
    """

    size = 5

    def connectionMade(self) -> None:
        """
        Say it.
        """
        transport: Any = self.transport
        transport.write(b"x" * self.size)
        transport.loseConnection()


@implementer(ISelfDelimiting)
class Delimiter(Greeter):
    """
    Says something that shows its own end.
    """


class Answerer(Protocol):
    """
    Answers, and closes.
    """

    def dataReceived(self, data: bytes) -> None:
        """
        Answer.
        """
        transport: Any = self.transport
        transport.write(b"hello")
        transport.loseConnection()


class AcceptedTests(SynchronousTestCase):
    """
    The end of an accepted stream comes apart from the answer of the negotiation.
    """

    def open(
        self, muxer: str, delay: float, served: type[Protocol], agent: str = JS
    ) -> Any:
        """
        Open a stream, over a network that takes this many seconds in one direction.

        @param agent: the agent that the opener states to identify.
        """
        self.nodes = MemoryNodes(delay)
        self.addCleanup(self.nodes.stop)
        server = self.nodes.start(muxers=[muxer])
        client = self.nodes.start(muxers=[muxer], agent=agent)
        server.registry.register(PROTOCOL, Factory.forProtocol(served))
        connection, self.accepted = self.nodes.connect(client, server)
        protocol = HalfCloseCollector()
        connection.openStream(PROTOCOL, Factory.forProtocol(lambda: protocol))
        protocol.stream.write(b"question")
        # It leaves at the end of this turn.
        self.nodes.settle()
        return protocol

    def test_answeredPing(self) -> None:
        """
        Over yamux it leaves when the peer has acted on the data, as its answers to two
        pings show.
        """
        for served in (Greeter, Answerer):
            protocol = self.open("yamux", 0.004, served)
            # The proposal and the question, and the answers to both.
            self.nodes.clock.pump([0.004, 0.004, 0])
            self.assertEqual(protocol.data, b"x" * 5 if served is Greeter else b"hello")
            self.assertEqual(protocol.ends, [])
            # Back and forth, twice.
            self.nodes.clock.pump([0.004, 0] * 3)
            self.assertEqual(protocol.ends, [])
            self.nodes.clock.pump([0.004, 0] * 2)
            self.assertEqual(protocol.ends, ["read"])

    def test_time(self) -> None:
        """
        It does not wait for long for answers that take their time.
        """
        protocol = self.open("yamux", 1.0, Greeter)
        self.nodes.clock.pump([1.0])
        self.nodes.clock.pump([APART, 0])
        self.nodes.clock.pump([1.0 - APART])
        self.assertEqual(protocol.data, b"xxxxx")
        self.assertEqual(protocol.ends, [])
        self.nodes.clock.pump([APART + 0.001, 0])
        self.assertEqual(protocol.ends, ["read"])

    def test_instantly(self) -> None:
        """
        Where a network takes no time, it takes none either; however long the data is.
        """

        class Long(Greeter):
            size = 200_000

        for muxer, served in product(("yamux", "mplex"), (Greeter, Long)):
            protocol = self.open(muxer, 0.0, served)
            self.nodes.settle()
            self.assertEqual(len(protocol.data), served.size)
            self.assertEqual(protocol.ends, ["read"])
            protocol.stream.loseConnection()
            self.nodes.settle()
            protocol.reasons[0].trap(ConnectionDone)
            self.assertNotIn(
                PROTOCOL, [each.protocolID for each in self.accepted.streams]
            )

    def test_known(self) -> None:
        """
        Once identify knows that the peer is another implementation, the end leaves
        with the answer.  A peer that has stated no agent may be js-libp2p.
        """
        for agent, ends in (("go-libp2p/0.48.0", ["read"]), (JS, []), ("", [])):
            protocol = self.open("yamux", 0.004, Greeter, agent)
            self.assertEqual(self.accepted.endsApart, not ends)
            self.nodes.clock.pump([0.004, 0.004])
            self.assertEqual(protocol.data, b"xxxxx")
            self.assertEqual(protocol.ends, ends)

    def test_selfDelimiting(self) -> None:
        """
        If the messages of a protocol show their own end, nobody waits for the end of
        the stream: it leaves with them.
        """
        protocol = self.open("yamux", 0.004, Delimiter)
        self.assertTrue(self.accepted.endsApart)
        self.nodes.clock.pump([0.004, 0.004])
        self.assertEqual(protocol.data, b"xxxxx")
        self.assertEqual(protocol.ends, ["read"])

    def test_later(self) -> None:
        """
        An end that comes after the first data does not wait.
        """
        served = HalfCloseCollector()

        def build() -> HalfCloseCollector:
            return served

        protocol = self.open("mplex", 0.0, build)  # type: ignore[arg-type]
        self.nodes.settle()
        served.stream.write(b"answer")
        served.stream.loseConnection()
        self.nodes.settle()
        self.assertEqual(protocol.data, b"answer")
        self.assertEqual(protocol.ends, ["read"])

    def test_connectionClosed(self) -> None:
        """
        A connection that closes meanwhile lets it leave before; nothing waits then.
        """
        for muxer in ("yamux", "mplex"):
            protocol = self.open(muxer, 1.0, Greeter)
            self.nodes.clock.pump([1.0, 0])
            self.accepted.close()
            self.nodes.clock.pump([1.0, 0])
            self.assertEqual(protocol.data, b"xxxxx")
            self.assertEqual(protocol.ends, ["read"])

    def test_reset(self) -> None:
        """
        A stream that is reset meanwhile has no end to wait for.
        """
        protocol = self.open("yamux", 1.0, Greeter)
        self.nodes.clock.pump([1.0])
        for stream in list(self.accepted.streams):
            if stream.protocolID == PROTOCOL:
                stream.abortConnection()
        self.nodes.clock.pump([APART, 0])
        self.nodes.clock.pump([1.0, 0])
        self.assertEqual(protocol.data, b"xxxxx")
        self.assertEqual(protocol.ends, [])
        self.assertEqual(len(protocol.reasons), 1)
