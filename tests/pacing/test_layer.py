# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.pacing.layer}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import (
    IConsumer,
    IHalfCloseableProtocol,
    IPushProducer,
    ITCPTransport,
    ITransport,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyClass

from twisted_libp2p.interfaces import IHalfCloseable
from twisted_libp2p.pacing import Layer


@implementer(IHalfCloseable)
class Below(StringTransport):
    """
    A transport that notes the calls that its base class has no record of.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def loseWriteConnection(self) -> None:
        """
        Note the half-close.
        """
        self.calls.append("loseWriteConnection")

    def abortConnection(self) -> None:
        """
        Note the abort.
        """
        self.calls.append("abortConnection")

    def startTLS(self) -> None:
        """
        Fail: no layer may reach this.
        """
        raise AssertionError("a call went past the layer")


class Above(Protocol):
    """
    A protocol that notes everything that is reported to it.
    """

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def connectionMade(self) -> None:
        """
        Note the connection.
        """
        self.calls.append("made")

    def dataReceived(self, data: bytes) -> None:
        """
        Note the bytes.
        """
        self.calls.append(data)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """
        Note the reason.
        """
        self.calls.append(reason)


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Above):
    """
    A protocol that handles half-closes.
    """

    def readConnectionLost(self) -> None:
        """
        Note the half-close of the peer.
        """
        self.calls.append("readLost")

    def writeConnectionLost(self) -> None:
        """
        Note our half-close.
        """
        self.calls.append("writeLost")


class LayerTests(SynchronousTestCase):
    """
    A layer that adds nothing is transparent, and hides the transport nevertheless.
    """

    def setUp(self) -> None:
        """
        Put a layer between a transport and a protocol.
        """
        self.connect(Above())

    def connect(self, above: Above) -> None:
        """
        Put a layer below a protocol.
        """
        self.below = Below()
        self.above = above
        self.layer = Layer(Factory(), above)
        self.layer.makeConnection(self.below)

    def test_contracts(self) -> None:
        """
        A layer is a transport, a consumer and a producer, by methods of its own: none
        is left to the forwarding of the base class.
        """
        for interface in (ITransport, IConsumer, IPushProducer):
            self.assertTrue(verifyClass(interface, Layer))
        names = {
            name
            for interface in (ITCPTransport, IConsumer, IPushProducer)
            for name in interface.names(all=True)
            if not name.endswith(("TcpNoDelay", "TcpKeepAlive"))
        }
        self.assertEqual(names - set(vars(Layer)), set())

    def test_noWayAround(self) -> None:
        """
        No other attribute of the transport can be reached.
        """
        for name in ("startTLS", "setTcpNoDelay", "dataBuffer", "io"):
            error = self.assertRaises(AttributeError, getattr, self.layer, name)
            self.assertIn(name, str(error))

    def test_upwards(self) -> None:
        """
        The wrapped protocol gets the connection, the bytes and, once, the end.
        """
        self.assertIs(self.above.transport, self.layer)
        self.layer.dataReceived(b"one")
        reason = Failure(ConnectionLost())
        self.layer.connectionLost(reason)
        self.layer.connectionLost(reason)
        self.assertEqual(self.above.calls, ["made", b"one", reason])
        self.assertFalse(self.layer.connected)

    def test_halfClosed(self) -> None:
        """
        Half-closes reach a protocol that handles them; for another protocol the peer's
        half-close closes the transport.
        """
        self.layer.writeConnectionLost()
        self.assertFalse(self.below.disconnecting)
        self.layer.readConnectionLost()
        self.assertTrue(self.below.disconnecting)
        self.connect(HalfCloseable())
        self.layer.readConnectionLost()
        self.layer.writeConnectionLost()
        self.assertEqual(self.above.calls, ["made", "readLost", "writeLost"])
        self.assertFalse(self.below.disconnecting)

    def test_notDeclared(self) -> None:
        """
        A layer handles half-closes only if its class says so.
        """
        self.assertFalse(IHalfCloseableProtocol.implementedBy(Layer))

    def test_downwards(self) -> None:
        """
        Each call of the wrapped protocol reaches the transport.
        """
        layer, below = self.layer, self.below
        layer.write(b"one ")
        layer.writeSequence([b"two", b" three"])
        self.assertEqual(below.value(), b"one two three")
        layer.registerProducer(self, False)  # type: ignore[arg-type]
        self.assertIs(below.producer, self)
        layer.unregisterProducer()
        self.assertIsNone(below.producer)
        layer.pauseProducing()
        self.assertEqual(below.producerState, "paused")
        layer.resumeProducing()
        self.assertEqual(below.producerState, "producing")
        layer.stopProducing()
        self.assertEqual(below.producerState, "stopped")
        layer.loseWriteConnection()
        layer.abortConnection()
        self.assertEqual(below.calls, ["loseWriteConnection", "abortConnection"])
        self.assertFalse(layer.disconnecting)
        layer.loseConnection()
        self.assertTrue(layer.disconnecting)
        self.assertEqual(layer.getPeer(), below.getPeer())
        self.assertEqual(layer.getHost(), below.getHost())

    def test_stopConsuming(self) -> None:
        """
        A consumer that is stopped forgets its producer and closes.
        """
        self.layer.registerProducer(self, True)  # type: ignore[arg-type]
        self.layer.stopConsuming()
        self.assertIsNone(self.below.producer)
        self.assertTrue(self.below.disconnecting)

    def test_notWrapping(self) -> None:
        """
        A layer can be connected before there is a protocol to wrap.
        """
        layer = Layer(Factory())
        layer.makeConnection(self.below)
        self.assertEqual(layer.logPrefix(), "Layer")
        layer.wrappedProtocol = self.above
        self.assertEqual(layer.logPrefix(), "Above (Layer)")
        layer.wrappedProtocol = None
        layer.connectionLost(Failure(ConnectionLost()))
        self.assertFalse(layer.connected)
