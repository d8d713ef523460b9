# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.pacing.below}.  Sockets, and Twisted's wrappers around them,
are in C{tests/transport/test_descriptor.py}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from twisted_libp2p.interfaces import IFlushable, ISwitchable
from twisted_libp2p.pacing import Layer
from twisted_libp2p.pacing.below import Switchable, flushable, switchable


@implementer(IFlushable)
class Prompt(StringTransport):
    """
    A transport that notes when it is flushed.
    """

    flushed = 0

    def writeNow(self, data: bytes) -> None:
        """
        Fail: the layer of these tests writes and flushes.
        """
        raise AssertionError("not expected")

    def flush(self) -> None:
        """
        Count.
        """
        self.flushed += 1


class Simple(Switchable):
    """
    A transport that does nothing but deliver.
    """


class Reader(Protocol):
    """
    A protocol that keeps the received bytes.
    """

    data = b""

    def dataReceived(self, data: bytes) -> None:
        """
        Keep them.
        """
        self.data += data


class FlushableTests(SynchronousTestCase):
    """
    A layer can always ask to send at once.
    """

    def test_provided(self) -> None:
        """
        A transport that provides the contract is written to directly.
        """
        transport = Prompt()
        self.assertIs(flushable(transport), transport)

    def test_notProvided(self) -> None:
        """
        Another transport gets the same bytes, and sends them when it can.
        """
        transport = StringTransport()
        below = flushable(transport)
        self.assertTrue(verifyObject(IFlushable, below))
        below.write(b"one ")
        below.writeSequence([b"two ", b"three "])
        below.writeNow(b"four")
        below.flush()
        self.assertEqual(transport.value(), b"one two three four")

    def test_layers(self) -> None:
        """
        A flush goes through all layers; each writes by its own method.
        """
        transport = Prompt()
        outer = Layer(Factory(), inner := Layer(Factory(), Protocol()))
        outer.makeConnection(transport)
        self.assertIs(flushable(inner), inner)
        inner.writeNow(b"data")
        self.assertEqual((transport.value(), transport.flushed), (b"data", 1))
        inner.flush()
        self.assertEqual(transport.flushed, 2)


class SwitchableTests(SynchronousTestCase):
    """
    A protocol can put another in its place.
    """

    def exchange(self, transport: Any, present: Protocol) -> None:
        """
        Try all that the contract has, with a transport that has one protocol.
        """
        successor = Reader()
        self.assertTrue(verifyObject(ISwitchable, transport))
        self.assertIs(switchable(transport), transport)
        self.assertFalse(transport.lend(successor))
        transport.switchProtocol(successor, successor)
        self.assertIs(transport.protocol, present)
        transport.switchProtocol(present, successor)
        self.assertIs(transport.protocol, successor)
        transport.unread(b"early")
        self.assertEqual(successor.data, b"early")
        transport.protocol = None
        transport.unread(b"late")
        self.assertEqual(successor.data, b"early")

    def test_transport(self) -> None:
        """
        A transport that delivers to its C{protocol} takes the base class.
        """
        transport = Simple()
        transport.protocol = present = Protocol()
        self.exchange(transport, present)

    def test_layer(self) -> None:
        """
        The protocol of a layer is the one that it wraps.
        """
        present = Protocol()
        layer = Layer(Factory(), present)
        self.exchange(layer, present)
        self.assertIsNone(layer.wrappedProtocol)

    def test_notSwitchable(self) -> None:
        """
        Other transports have no way to do it.
        """
        self.assertIsNone(switchable(StringTransport()))
