# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the endpoint that connects through a proxy, in memory.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.interfaces import IHalfCloseableProtocol, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from twisted_libp2p.errors import ConnectionClosing, ProxyFailed, ProxyRefused
from twisted_libp2p.transport.proxy.connect import ConnectOpening
from twisted_libp2p.transport.proxy.socks import SocksOpening
from twisted_libp2p.transport.proxy.tunnel import PROXY_TIME, TunnelEndpoint

#: For each kind of proxy: its machine, and all that the proxy sends.
KINDS = (
    (SocksOpening, b"\5\0\5\0\0\1\0\0\0\0\0\0"),
    (ConnectOpening, b"HTTP/1.1 200 OK\r\n\r\n"),
)


class Aborted(StringTransport):
    """
    A transport that ends at once when it is aborted.
    """

    protocol: Any = None

    def abortConnection(self) -> None:
        """
        End.
        """
        super().abortConnection()
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            protocol.connectionLost(Failure(ConnectionDone()))


@implementer(IStreamClientEndpoint)
class Endpoint:
    """
    An endpoint whose connection the test makes.
    """

    def __init__(self) -> None:
        self.cancelled = False
        self.transport = Aborted()

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        """
        Wait for L{made} or L{failed}.
        """
        self.factory = protocolFactory
        self.connecting: Deferred[Any] = Deferred(lambda _: self.note())
        return self.connecting

    def note(self) -> None:
        """
        Note that the attempt is cancelled.
        """
        self.cancelled = True

    def made(self) -> Any:
        """
        Make the connection.
        """
        protocol = self.factory.buildProtocol(None)
        self.transport.protocol = protocol
        protocol.makeConnection(self.transport)
        self.connecting.callback(protocol)
        return protocol


@implementer(IHalfCloseableProtocol)
class HalfClosing(Protocol):
    """
    A protocol that notes half-closes.
    """

    def __init__(self) -> None:
        self.data = b""
        self.ends: list[str] = []

    def dataReceived(self, data: bytes) -> None:
        """
        Keep the bytes.
        """
        self.data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Note the end.
        """
        self.ends.append("lost")

    def readConnectionLost(self) -> None:
        """
        Note the end of the peer's half.
        """
        self.ends.append("read")

    def writeConnectionLost(self) -> None:
        """
        Note the end of our half.
        """
        self.ends.append("write")


class TunnelTests(SynchronousTestCase):
    """
    Tests for L{TunnelEndpoint}.
    """

    def setUp(self) -> None:
        """
        Make an endpoint.
        """
        self.clock = Clock()
        self.below = Endpoint()
        self.inner = HalfClosing()

    def connect(
        self, opening: Any = SocksOpening, factory: Any = None
    ) -> Deferred[Any]:
        """
        Begin to connect.
        """
        endpoint = TunnelEndpoint(
            self.below, lambda: opening("h", 1), "socks5:tcp:p:1", self.clock
        )
        return endpoint.connect(factory or Factory.forProtocol(lambda: self.inner))

    def failure(self, connecting: Deferred[Any], kind: type[Exception]) -> str:
        """
        Return the error of a failed attempt, which leaves no timer and no transport.
        """
        error = self.failureResultOf(connecting, kind).value
        self.assertEqual(self.clock.getDelayedCalls(), [])
        return str(error)

    def test_through(self) -> None:
        """
        When the proxy has connected us, the wanted protocol has the transport itself,
        and the bytes that came with the answer.
        """
        for opening, answers in KINDS:
            self.setUp()
            connecting = self.connect(opening)
            tunnel = self.below.made()
            tunnel.dataReceived(answers + b"first")
            self.assertIs(self.successResultOf(connecting), self.inner)
            self.assertIs(self.inner.transport, self.below.transport)
            self.assertEqual(self.inner.data, b"first")
            # This transport cannot replace its protocol.
            tunnel.dataReceived(b" second")
            self.assertEqual(self.inner.data, b"first second")
            tunnel.readConnectionLost()
            tunnel.writeConnectionLost()
            tunnel.connectionLost(Failure(ConnectionDone()))
            self.assertEqual(self.inner.ends, ["read", "write", "lost"])
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cut(self) -> None:
        """
        A proxy that hangs up after any of its bytes is a line.
        """
        for opening, answers in KINDS:
            for size in range(len(answers)):
                for half in (False, True):
                    self.setUp()
                    connecting = self.connect(opening)
                    tunnel = self.below.made()
                    tunnel.dataReceived(answers[:size])
                    if half:
                        tunnel.readConnectionLost()
                        self.assertTrue(self.below.transport.disconnecting)
                    tunnel.connectionLost(Failure(ConnectionDone()))
                    self.assertEqual(
                        self.failure(connecting, ProxyFailed),
                        "the proxy socks5:tcp:p:1 cannot be used: it has hung up"
                        " without an answer",
                    )

    def test_refused(self) -> None:
        """
        If the proxy refuses, its connection is dropped; what it still sends is ignored.
        """
        connecting = self.connect()
        tunnel = self.below.made()
        tunnel.dataReceived(b"\5\0\5\5")
        self.assertEqual(
            self.failure(connecting, ProxyRefused),
            "the proxy socks5:tcp:p:1 does not connect: the connection was refused",
        )
        self.assertTrue(self.below.transport.disconnected)
        tunnel.dataReceived(b"more")

    def test_unreachable(self) -> None:
        """
        A proxy that cannot be reached is a line.
        """
        connecting = self.connect()
        self.below.connecting.errback(ConnectionRefusedError())
        self.assertIn(
            "it cannot be reached: Connection was refused",
            self.failure(connecting, ProxyFailed),
        )

    def test_wrongName(self) -> None:
        """
        A name for which there is no room is a line, before anything is connected.
        """
        endpoint = TunnelEndpoint(
            self.below, lambda: SocksOpening("x" * 300, 1), "p", self.clock
        )
        connecting = endpoint.connect(Factory.forProtocol(Protocol))
        self.assertIn("255 bytes", self.failure(connecting, ProxyFailed))

    def test_late(self) -> None:
        """
        A proxy has so much time, in each of its steps.
        """
        for answered in (None, b"", b"\5\0"):
            self.setUp()
            connecting = self.connect()
            if answered is not None:
                self.below.made().dataReceived(answered)
            self.clock.advance(PROXY_TIME - 1)
            self.assertNoResult(connecting)
            self.clock.advance(1)
            self.clock.advance(0)
            self.assertIn("in 30 seconds", self.failure(connecting, ProxyFailed))
            self.assertEqual(self.below.cancelled, answered is None)
            if answered is not None:
                self.assertTrue(self.below.transport.disconnected)

    def test_cancel(self) -> None:
        """
        A cancelled attempt drops the connection of the proxy.
        """
        for made in (False, True):
            self.setUp()
            connecting = self.connect()
            if made:
                self.below.made()
            connecting.cancel()
            self.failure(connecting, CancelledError)
            self.assertEqual(self.below.cancelled, not made)
            self.assertEqual(self.below.transport.disconnected, made)

    def test_unwanted(self) -> None:
        """
        If nobody wants the connection any longer, or its protocol cannot be built, it
        is dropped.
        """

        class Refusing(Factory):
            def buildProtocol(self, addr: object) -> None:
                """
                Build nothing.
                """

        class Raising(Factory):
            def buildProtocol(self, addr: object) -> Any:
                """
                Raise.
                """
                raise ZeroDivisionError

        for factory, kind in (
            (Refusing(), ConnectionClosing),
            (Raising(), ZeroDivisionError),
        ):
            self.setUp()
            connecting = self.connect(factory=factory)
            self.below.made().dataReceived(KINDS[0][1])
            self.failure(connecting, kind)
            self.assertTrue(self.below.transport.disconnected)
