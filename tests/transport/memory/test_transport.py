# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the transport inside one process.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.error import (
    CannotListenError,
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.interfaces import ITransport
from twisted_libp2p.testing.producer import Producer
from twisted_libp2p.transport import MemoryNetwork, MemoryTransport
from twisted_libp2p.transport.memory import HIGH_WATER, MemoryAddress


class Recorder(Protocol):
    """
    Notes what it receives, and its end.
    """

    transport: Any

    def __init__(self) -> None:
        self.received = b""
        self.reasons: list[object] = []

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.reasons.append(type(reason.value))


class MemoryTests(SynchronousTestCase):
    """
    Two protocols, joined by a network in memory.
    """

    def setUp(self) -> None:
        """
        Listen, and connect once.
        """
        self.clock = Clock()
        self.network = MemoryNetwork(self.clock)
        self.transport = MemoryTransport(self.network)
        self.servers: list[Recorder] = []
        self.address = Multiaddr("/memory/7")
        self.factory = Factory()
        self.factory.noisy = False
        self.factory.buildProtocol = self.build  # type: ignore[method-assign]
        self.port = self.successResultOf(
            self.transport.serverEndpoint(self.address).listen(self.factory)
        )
        self.client = self.connect()
        self.server = self.servers[0]

    def build(self, addr: object) -> Any:
        """
        Build the protocol of a server.
        """
        self.servers.append(Recorder())
        return self.servers[-1]

    def connect(self) -> Recorder:
        """
        Connect to the listener.
        """
        factory = Factory()
        factory.noisy = False
        client = Recorder()
        factory.buildProtocol = lambda addr: client  # type: ignore[method-assign]
        endpoint = self.transport.clientEndpoint(self.address)
        self.assertIs(self.successResultOf(endpoint.connect(factory)), client)
        return client

    def pump(self) -> None:
        """
        Let the clock turn until nothing is left to do now.
        """
        while self.clock.getDelayedCalls():
            self.clock.advance(0)

    def test_interface(self) -> None:
        """
        It is a transport.
        """
        verifyObject(ITransport, self.transport)
        self.assertTrue(self.transport.canDial(self.address))
        self.assertFalse(self.transport.canDial(Multiaddr("/ip4/127.0.0.1/tcp/7")))

    def test_bytes(self) -> None:
        """
        Bytes arrive in the next turn, in both directions, in order.
        """
        self.client.transport.write(b"a")
        self.client.transport.writeSequence([b"b", b"c"])
        self.server.transport.write(b"answer")
        self.assertEqual(self.server.received, b"")
        self.clock.advance(0)
        self.assertEqual(self.server.received, b"abc")
        self.assertEqual(self.client.received, b"answer")

    def test_loseConnection(self) -> None:
        """
        A close delivers what was written, and ends both ends cleanly, once.
        """
        self.client.transport.write(b"x" * 5 * HIGH_WATER)
        self.client.transport.loseConnection()
        self.client.transport.write(b"too late")
        self.pump()
        self.assertEqual(len(self.server.received), 5 * HIGH_WATER)
        self.assertEqual(self.client.reasons, [ConnectionDone])
        self.assertEqual(self.server.reasons, [ConnectionDone])

    def test_abortConnection(self) -> None:
        """
        An abort delivers nothing more, and ends both ends, once.
        """
        self.client.transport.write(b"lost")
        self.client.transport.abortConnection()
        self.client.transport.abortConnection()
        self.pump()
        self.assertEqual(self.server.received, b"")
        self.assertEqual(self.client.reasons, [ConnectionAborted])
        self.assertEqual(self.server.reasons, [ConnectionLost])

    def test_pause(self) -> None:
        """
        A reader that pauses gets nothing until it resumes; a producer on the
        other side is paused meanwhile and resumed after.
        """
        producer = Producer()
        self.server.transport.pauseProducing()
        self.client.transport.registerProducer(producer, True)
        self.client.transport.write(b"x" * (HIGH_WATER + 1))
        self.pump()
        self.assertEqual((self.server.received, producer.calls), (b"", ["pause"]))
        self.server.transport.resumeProducing()
        self.pump()
        self.assertEqual(len(self.server.received), HIGH_WATER + 1)
        self.assertEqual(producer.calls, ["pause", "resume"])

    def test_pullProducer(self) -> None:
        """
        A pull producer is asked again when all is delivered.
        """
        transport = self.client.transport

        class Pull(Producer):
            def resumeProducing(self) -> None:
                self.calls.append("resume")
                if len(self.calls) <= 3:
                    transport.write(b"piece")
                else:
                    transport.unregisterProducer()
                    transport.loseConnection()

        transport.registerProducer(Pull(), False)
        self.pump()
        self.assertEqual(self.server.received, b"piece" * 3)
        self.assertEqual(self.server.reasons, [ConnectionDone])

    def test_loseConnectionWithProducer(self) -> None:
        """
        A close waits for the last words of a producer.
        """
        transport = self.client.transport
        transport.registerProducer(Producer(), True)
        transport.loseConnection()
        self.pump()
        self.assertEqual(self.client.reasons, [])
        transport.write(b"last words")
        transport.unregisterProducer()
        transport.write(b"too late")
        self.pump()
        self.assertEqual(self.server.received, b"last words")
        self.assertEqual(self.server.reasons, [ConnectionDone])

    def test_abortConnectionWithProducer(self) -> None:
        """
        An abort does not.
        """
        self.client.transport.registerProducer(Producer(), True)
        self.client.transport.abortConnection()
        self.client.transport.write(b"too late")
        self.pump()
        self.assertEqual(self.server.received, b"")
        self.assertEqual(self.client.reasons, [ConnectionAborted])

    def test_stopProducer(self) -> None:
        """
        A producer is told of the end.
        """
        producer = Producer()
        self.client.transport.registerProducer(producer, True)
        self.server.transport.abortConnection()
        self.pump()
        self.assertEqual(producer.calls, ["stop"])

    def test_addresses(self) -> None:
        """
        The ends know their addresses, as multiaddrs too.
        """
        peer = self.client.transport.getPeer()
        self.assertEqual(peer, MemoryAddress(7))
        self.assertEqual(self.transport.toMultiaddr(peer), self.address)
        self.assertEqual(self.server.transport.getHost(), peer)
        self.assertEqual(
            self.server.transport.getPeer(), self.client.transport.getHost()
        )
        self.assertEqual(
            self.transport.listeningOn(self.address, self.port), [self.address]
        )

    def test_freeNumber(self) -> None:
        """
        Number 0 takes one that nobody listens on.
        """
        endpoint = self.transport.serverEndpoint(Multiaddr("/memory/0"))
        one = self.successResultOf(endpoint.listen(self.factory))
        two = self.successResultOf(endpoint.listen(self.factory))
        self.assertNotEqual(one.getHost(), two.getHost())

    def test_taken(self) -> None:
        """
        A number is listened on once.
        """
        endpoint = self.transport.serverEndpoint(self.address)
        self.failureResultOf(endpoint.listen(self.factory), CannotListenError)

    def test_refused(self) -> None:
        """
        Where nobody listens, or no more, nobody answers.
        """
        self.port.stopListening()
        endpoint = self.transport.clientEndpoint(self.address)
        self.failureResultOf(endpoint.connect(self.factory), ConnectionRefusedError)
