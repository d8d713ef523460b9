# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.transport.private.layer}.
"""

from __future__ import annotations

import os
from itertools import pairwise
from typing import Any

from hypothesis.strategies import integers, lists
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IConsumer,
    IHalfCloseableProtocol,
    IPushProducer,
)
from twisted.internet.interfaces import ITransport as ITwistedTransport
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.examples import drawn
from tests.transport.private.doubles import (
    ADDRESS,
    KEY,
    NONCE,
    PLAINTEXT,
    WIRE,
    HalfCloseable,
    Prepared,
    Recorder,
    Told,
)
from twisted_libp2p.negotiation import Negotiation, Negotiator, multistream
from twisted_libp2p.testing.producer import Producer
from twisted_libp2p.testing.pump import Pump, byteByByte
from twisted_libp2p.transport.private.layer import PrivateFactory
from twisted_libp2p.transport.private.network import PrivateNetwork


class PrivateConnectionTests(SynchronousTestCase):
    """
    Tests for L{PrivateConnection} and L{PrivateFactory}.
    """

    def setUp(self) -> None:
        """
        Connect an application that records.
        """
        self.network = PrivateNetwork(KEY)
        self.application: Recorder = Recorder()
        self.connect()

    def connect(self) -> None:
        """
        Connect the application.
        """
        factory = PrivateFactory(self.network, Prepared(self.application))
        connection = factory.buildProtocol(ADDRESS)
        assert connection is not None
        self.connection = connection
        self.transport = Told()
        self.connection.makeConnection(self.transport)

    def test_interfaces(self) -> None:
        """
        To the application it is a transport.
        """
        self.assertIs(self.application.transport, self.connection)
        for interface in (ITwistedTransport, IConsumer, IPushProducer):
            verifyObject(interface, self.connection)
        verifyObject(IHalfCloseableProtocol, self.connection)

    def test_write(self) -> None:
        """
        What is written follows the nonce; the bytes are those of the vector.
        """
        self.patch(os, "urandom", lambda size: NONCE[:size])
        self.connect()
        self.assertEqual(self.transport.value(), NONCE)
        self.connection.write(b"")
        self.assertEqual(self.transport.value(), NONCE)
        self.connection.write(PLAINTEXT[:5])
        self.connection.writeSequence([PLAINTEXT[5:9], PLAINTEXT[9:]])
        self.assertEqual(self.transport.value(), WIRE)

    def test_writeAtOnce(self) -> None:
        """
        What the application says at once leaves together with the nonce.
        """

        class Eager(Recorder):
            """
            Says something at once.
            """

            def connectionMade(self) -> None:
                """
                Say it.
                """
                self.transport.write(PLAINTEXT)

        writes: list[bytes] = []
        self.patch(os, "urandom", lambda size: NONCE[:size])
        self.patch(Told, "write", lambda told, data: writes.append(data))
        self.application = Eager()
        self.connect()
        self.assertEqual(writes, [WIRE])

    def test_nonces(self) -> None:
        """
        No two connections begin in the same way.
        """
        seen = set()
        for _ in range(5):
            self.setUp()
            self.connection.write(PLAINTEXT)
            seen.add(self.transport.value())
        self.assertEqual(len({each[:24] for each in seen}), 5)
        self.assertEqual(len({each[24:] for each in seen}), 5)

    @drawn(50, lists(integers(0, len(WIRE)), max_size=5))
    def test_received(self, cuts: list[int]) -> None:
        """
        Wherever reads end, the application receives what was written, as soon
        as the bytes are there.
        """
        self.setUp()
        places = [0, *sorted(cuts), len(WIRE)]
        for start, end in pairwise(places):
            self.connection.dataReceived(WIRE[start:end])
            expected = PLAINTEXT[: max(0, end - 24)]
            self.assertEqual(self.application.received, expected)
        self.assertNotIn(b"", self.application.reads)

    def test_pair(self) -> None:
        """
        Two ends understand each other, byte by byte; who listens in does not.
        """
        applications = Recorder(), Recorder()
        ends: list[Any] = [
            PrivateFactory(self.network, Prepared(each)).buildProtocol(ADDRESS)
            for each in applications
        ]
        pump = Pump(*ends, split=byteByByte)
        pump.connect()
        for application in applications:
            for _ in range(2):
                application.transport.write(PLAINTEXT * 10)
        pump.flush()
        for application, transport in zip(
            applications, (pump.client, pump.server), strict=True
        ):
            self.assertEqual(application.received, PLAINTEXT * 20)
            self.assertNotIn(b"multistream", transport.sent)
        applications[0].transport.loseConnection()
        pump.flush()
        for application in applications:
            (reason,) = application.reasons
            self.assertTrue(reason.check(ConnectionDone))

    def test_passedOn(self) -> None:
        """
        What is no data is the transport's affair.
        """
        connection, transport = self.connection, self.transport
        self.assertEqual(connection.getPeer(), transport.getPeer())
        self.assertEqual(connection.getHost(), transport.getHost())
        connection.pauseProducing()
        self.assertEqual(transport.producerState, "paused")
        connection.resumeProducing()
        self.assertEqual(transport.producerState, "producing")
        producer = Producer()
        connection.registerProducer(producer, True)
        self.assertIs(transport.producer, producer)
        self.assertTrue(transport.streaming)
        connection.unregisterProducer()
        self.assertIsNone(transport.producer)
        connection.loseWriteConnection()
        connection.abortConnection()
        self.assertEqual(transport.calls, ["loseWriteConnection", "abortConnection"])
        self.assertFalse(connection.disconnecting)
        connection.loseConnection()
        self.assertTrue(transport.disconnecting)
        self.assertTrue(connection.disconnecting)

    def test_stopped(self) -> None:
        """
        To stop the connection as a consumer, or as a producer, is to close it.
        """
        self.connection.registerProducer(Producer(), True)
        self.connection.stopConsuming()
        self.assertIsNone(self.transport.producer)
        self.assertTrue(self.transport.disconnecting)
        self.setUp()
        self.connection.stopProducing()
        self.assertEqual(self.transport.producerState, "stopped")

    def test_noWayAround(self) -> None:
        """
        What else the transport can do cannot be reached.
        """
        for name in ("startTLS", "sendFileDescriptor", "io", "getHandle"):
            setattr(self.transport, name, None)
            self.assertFalse(hasattr(self.connection, name))

    def test_connectionLost(self) -> None:
        """
        The application is told once, and hears nothing afterwards.
        """
        reason = Failure(ConnectionLost())
        self.connection.connectionLost(reason)
        self.connection.connectionLost(reason)
        self.connection.dataReceived(WIRE)
        self.assertEqual(self.application.reasons, [reason])
        self.assertEqual(self.application.received, b"")

    def test_halfClose(self) -> None:
        """
        A half-close is the application's affair, if it knows of such; if not,
        the connection closes.
        """
        self.connection.readConnectionLost()
        self.assertTrue(self.transport.disconnecting)
        self.connection.writeConnectionLost()
        self.application = application = HalfCloseable()
        self.connect()
        self.connection.writeConnectionLost()
        self.assertFalse(self.transport.disconnecting)
        self.connection.readConnectionLost()
        self.assertEqual(application.halves, ["write", "read"])

    def test_refused(self) -> None:
        """
        Where the application's factory refuses, so does this one.
        """
        factory = PrivateFactory(
            self.network,
            Prepared(),
        )
        self.assertIsNone(factory.buildProtocol(ADDRESS))

    def test_negotiator(self) -> None:
        """
        A negotiator on top steps out of the way when it is done.
        """
        inner = Recorder()
        negotiation = Willing(Prepared(inner))
        connection = PrivateFactory(self.network, negotiation).buildProtocol(ADDRESS)
        assert connection is not None
        connection.makeConnection(Told())
        self.assertIsInstance(connection.wrappedProtocol, Negotiator)
        keystream = self.network.keystream(NONCE)
        proposal = PLAINTEXT + b"\x06/echo\n"
        connection.dataReceived(NONCE + keystream(proposal + b"hello"))
        self.assertIs(connection.wrappedProtocol, inner)
        connection.dataReceived(keystream(b" again"))
        self.assertEqual(inner.received, b"hello again")


class Willing(Negotiation):
    """
    The negotiation of a side that agrees to anything.
    """

    def __init__(self, factory: Factory) -> None:
        self._factory = factory
        self.clock = Clock()

    def machine(self) -> multistream.Responder:
        """
        Make the machine of the side that answers.
        """
        return multistream.Responder(lambda each: True, lambda: ())

    def choose(self, agreed: str, transport: object) -> Factory:
        """
        Return the one factory.
        """
        return self._factory
