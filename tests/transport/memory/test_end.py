# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.transport.memory.end}; those of the pump test the rest.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IConsumer, IPushProducer, ITransport
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_libp2p.interfaces import IFlushable, ISwitchable
from twisted_libp2p.transport.memory import HIGH_WATER, MemoryAddress, MemoryNetwork


class Reader(Protocol):
    """
    Records its reads.
    """

    transport: Any

    def __init__(self) -> None:
        self.reads: list[bytes] = []

    def dataReceived(self, data: bytes) -> None:
        """
        Record a read.
        """
        self.reads.append(data)


class EndTests(SynchronousTestCase):
    """
    Both ends of a connection.
    """

    def setUp(self) -> None:
        """
        Connect two readers.
        """
        self.clock = Clock()
        self.network = MemoryNetwork(self.clock)
        self.client, self.server = Reader(), Reader()
        self.network.join(self.client, self.server, MemoryAddress(7))

    def test_contracts(self) -> None:
        """
        Both are transports, of which a layer can ask everything.
        """
        for interface in (
            ITransport,
            IConsumer,
            IPushProducer,
            IFlushable,
            ISwitchable,
        ):
            verifyObject(interface, self.client.transport)

    def test_onlyBytes(self) -> None:
        """
        As a socket, an end refuses text and mutable bytes.
        """
        for wrong in ("text", bytearray(b"x")):
            self.assertRaises(TypeError, self.client.transport.write, wrong)
        self.assertRaises(TypeError, self.client.transport.writeSequence, ["text"])

    def test_reads(self) -> None:
        """
        No read is larger than those of a socket.
        """
        data = bytes(range(256)) * 600
        self.client.transport.write(data[:3])
        self.client.transport.writeNow(data[3:])
        self.client.transport.flush()
        self.assertEqual(self.client.transport.waiting, len(data))
        self.clock.advance(0)
        sizes = [len(read) for read in self.server.reads]
        self.assertEqual(sizes, [HIGH_WATER, HIGH_WATER, len(data) - 2 * HIGH_WATER])
        self.assertEqual(b"".join(self.server.reads), data)
        self.assertEqual(self.client.transport.waiting, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stalled(self) -> None:
        """
        Nothing arrives through a dead network, neither bytes nor a close.
        """
        self.client.transport.stalled = True
        self.client.transport.write(b"lost")
        self.client.transport.loseConnection()
        self.clock.advance(1)
        self.assertEqual(self.server.reads, [])
        self.assertFalse(self.server.transport.disconnected)

    def test_abort(self) -> None:
        """
        An abort drops the bytes of both directions.
        """
        self.server.transport.write(b"one")
        self.client.transport.write(b"two")
        self.client.transport.abortConnection()
        self.clock.advance(0)
        self.assertEqual(self.server.reads + self.client.reads, [])
        for end in (self.client.transport, self.server.transport):
            self.assertTrue(end.disconnected)
            self.assertIsNone(end.protocol)
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
