# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of forwarding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import (
    ConnectError,
    ConnectingCancelledError,
    ConnectionDone,
    ConnectionLost,
)
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    ISSLTransport,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory
from twisted.internet.testing import EventLoggingObserver, StringTransport
from twisted.logger import formatEvent, globalLogPublisher
from twisted.protocols.wire import Echo
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.protocols.connected import ConnectedTestCase
from twisted_libp2p.errors import StreamReset
from twisted_libp2p.interfaces import IMuxedStream
from twisted_libp2p.protocols.forward import ForwardFactory
from twisted_libp2p.testing.muxer import Collector, HalfCloseCollector

FORWARDED = "/forwarded/1.0.0"
TARGET = "/target/1.0.0"
MIB = 1 << 20


@implementer(IStreamClientEndpoint)
class Endpoint:
    """
    Connects when the test says so.

    @ivar factory: what is to be connected.
    @ivar connecting: fires with the protocol.
    @ivar half: that protocol.
    @ivar cancelled: how often somebody has given up.
    """

    factory: IProtocolFactory
    half: Any
    cancelled = 0

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Begin to connect.
        """

        def cancel(connecting: Deferred[IProtocol]) -> None:
            self.cancelled += 1
            # As TCP endpoints do.
            connecting.errback(ConnectingCancelledError(None))

        self.factory = protocolFactory
        self.connecting: Deferred[IProtocol] = Deferred(cancel)
        return self.connecting

    def connected(self, transport: Any) -> None:
        """
        Be connected by now.
        """
        self.half = self.factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 80))
        self.half.makeConnection(transport)
        self.connecting.callback(self.half)


class ForwardTests(ConnectedTestCase):
    """
    The server forwards to an endpoint that is under the test's control.
    """

    def setUp(self) -> None:
        """
        Open a stream that is forwarded.
        """
        super().setUp()
        self.logged = EventLoggingObserver()
        globalLogPublisher.addObserver(self.logged)
        self.addCleanup(globalLogPublisher.removeObserver, self.logged)
        self.endpoint = Endpoint()
        self.server.registry.register(FORWARDED, ForwardFactory(self.endpoint))
        self.caller = self.open(FORWARDED, HalfCloseCollector())
        self.nodes.settle()

    def forwarded(self) -> Sequence[IMuxedStream]:
        """
        Give the streams that are being forwarded.
        """
        return [each for each in self.accepted.streams if each.protocolID == FORWARDED]

    def log(self) -> list[str]:
        """
        Give what was logged of forwarding.
        """
        return [
            f"{each['log_level'].name}: {each['reason']}"
            for each in self.logged
            if "cannot forward" in (each["log_format"] or "")
        ]

    def test_early(self) -> None:
        """
        What the caller says before the endpoint is connected is not lost, and
        not taken from the stream either.
        """
        self.caller.stream.write(bytes(MIB))
        self.nodes.settle()
        self.assertGreater(self.caller.stream.unsentSize, 0)
        transport = StringTransport()
        self.endpoint.connected(transport)
        self.nodes.settle()
        self.assertEqual(transport.value(), bytes(MIB))

    def test_refused(self) -> None:
        """
        An endpoint that cannot be connected resets the stream, which is worth
        one line.
        """
        self.endpoint.connecting.errback(ConnectError(string="no such luck"))
        self.nodes.settle()
        self.caller.reasons[0].trap(StreamReset)
        (line,) = self.log()
        self.assertIn("info: ", line)
        self.assertIn("no such luck", line)

    def test_gone(self) -> None:
        """
        A stream that ends too early needs no connection any more, and no line.
        """
        self.caller.stream.abortConnection()
        self.nodes.settle()
        self.assertEqual(self.endpoint.cancelled, 1)
        self.assertEqual(self.log(), [])

    def test_backPressure(self) -> None:
        """
        An endpoint that is full stops the stream at its window.
        """
        transport = StringTransport()
        self.endpoint.connected(transport)
        self.nodes.settle()
        producer: Any = transport.producer
        producer.pauseProducing()
        self.caller.stream.write(bytes(MIB))
        self.nodes.settle()
        self.assertEqual(transport.value(), b"")
        self.assertGreater(self.caller.stream.unsentSize, 0)
        producer.resumeProducing()
        self.nodes.settle()
        self.assertEqual(transport.value(), bytes(MIB))

    def test_backPressureOfCaller(self) -> None:
        """
        A caller that does not read stops the endpoint.
        """
        transport = StringTransport()
        self.endpoint.connected(transport)
        self.nodes.settle()
        self.caller.stream.pauseProducing()
        half = self.endpoint.half
        half.dataReceived(bytes(MIB))
        self.nodes.settle()
        self.assertEqual(transport.producerState, "paused")
        self.caller.stream.resumeProducing()
        self.nodes.settle()
        self.assertEqual(self.caller.data, bytes(MIB))
        self.assertEqual(transport.producerState, "producing")

    def check_close(self, transport: StringTransport) -> None:
        """
        This transport is closed when the caller is done; what it still says
        reaches the caller.
        """
        self.endpoint.connected(transport)
        self.caller.stream.write(b"question")
        self.caller.stream.loseWriteConnection()
        self.nodes.settle()
        self.assertEqual(transport.value(), b"question")
        self.assertTrue(transport.disconnecting)
        self.endpoint.half.dataReceived(b"answer")
        self.endpoint.half.connectionLost(Failure(ConnectionDone()))
        self.nodes.settle()
        self.assertEqual(self.caller.data, b"answer")
        self.caller.reasons[0].trap(ConnectionDone)
        self.assertEqual(self.forwarded(), [])

    def test_noHalfClose(self) -> None:
        """
        A transport that knows no half-close is closed.
        """
        self.check_close(StringTransport())

    def test_tls(self) -> None:
        """
        So is TLS, whose half-close loses data.
        """

        @implementer(ISSLTransport)
        class Secure(StringTransport):  # type: ignore[misc]
            """
            What Twisted's TLS looks like.
            """

            loseWriteConnection = StringTransport.abortConnection

        self.check_close(Secure())

    def test_lost(self) -> None:
        """
        A connection that breaks is not taken for one that has ended.
        """
        self.endpoint.connected(StringTransport())
        half = self.endpoint.half
        half.dataReceived(b"the beginning of")
        half.connectionLost(Failure(ConnectionLost()))
        self.nodes.settle()
        self.caller.reasons[0].trap(StreamReset)

    def test_reset(self) -> None:
        """
        A stream that is reset aborts the connection.
        """
        transport = StringTransport()
        self.endpoint.connected(transport)
        self.nodes.settle()
        self.caller.stream.abortConnection()
        self.nodes.settle()
        self.assertTrue(transport.disconnected)

    def test_resetWithoutAbort(self) -> None:
        """
        A transport that knows no abort is closed.
        """

        class Plain(StringTransport):
            """
            A transport that has only what every one must have.
            """

            abortConnection: Any = property()

        transport = Plain()
        self.endpoint.connected(transport)
        self.nodes.settle()
        self.caller.stream.abortConnection()
        self.nodes.settle()
        self.assertTrue(transport.disconnecting)

    def test_leavesEarly(self) -> None:
        """
        An endpoint that answers early, ends its half and leaves without reading
        everything holds no stream, although both halves of the stream have ended.
        """
        for reason in (ConnectionDone(), ConnectionLost()):
            caller = self.open(FORWARDED, HalfCloseCollector())
            self.nodes.settle()
            transport = StringTransport()
            self.endpoint.connected(transport)
            self.nodes.settle()
            producer: Any = transport.producer
            producer.pauseProducing()
            half = self.endpoint.half
            half.dataReceived(b"answer")
            half.readConnectionLost()
            caller.stream.write(bytes(1000))
            caller.stream.loseWriteConnection()
            self.nodes.settle()
            self.assertEqual(caller.data, b"answer")
            self.assertEqual(len(self.forwarded()), 2)
            half.connectionLost(Failure(reason))
            self.nodes.settle()
            self.assertEqual(len(self.forwarded()), 1)

    def test_callerLeavesEarly(self) -> None:
        """
        Everything that a caller has said before it left reaches an endpoint that takes
        its time to connect; and the end, in good order.
        """
        self.caller.stream.write(b"x" * 100_000)
        self.caller.stream.loseWriteConnection()
        self.nodes.settle()
        self.connection.close()
        self.nodes.settle()
        self.assertEqual(len(self.server.connections), 0)
        transport = StringTransport()
        self.endpoint.connected(transport)
        self.assertEqual(transport.disconnecting, False)
        self.nodes.settle()
        self.assertEqual(transport.value(), b"x" * 100_000)
        self.assertTrue(transport.disconnecting)
        self.assertFalse(transport.disconnected)

    def test_deaf(self) -> None:
        """
        Where nobody takes what the caller says any more, it is told so, and
        all is over.
        """
        transport = StringTransport()
        self.endpoint.connected(transport)
        self.endpoint.half.writeConnectionLost()
        self.nodes.settle()
        self.caller.reasons[0].trap(StreamReset)
        self.assertTrue(transport.disconnected)


class PortTests(ConnectedTestCase):
    """
    A port of this machine is forwarded to a protocol of the server.
    """

    def setUp(self) -> None:
        """
        Have connections that are accepted by a server of another kind.
        """
        super().setUp()
        self.logged = EventLoggingObserver()
        globalLogPublisher.addObserver(self.logged)
        self.addCleanup(globalLogPublisher.removeObserver, self.logged)

    def accept(self, endpoint: IStreamClientEndpoint) -> tuple[Any, StringTransport]:
        """
        Accept a connection, and forward it.
        """
        address = IPv4Address("TCP", "127.0.0.1", 12345)
        transport = StringTransport(peerAddress=address)
        half: Any = ForwardFactory(endpoint).buildProtocol(address)
        half.makeConnection(transport)
        self.nodes.settle()
        return half, transport

    def test_forwarded(self) -> None:
        """
        Bytes pass in both directions.
        """
        echo = Factory.forProtocol(Echo)
        self.server.registry.register(TARGET, echo)
        half, transport = self.accept(self.client.connector(self.server.peerID, TARGET))
        half.dataReceived(b"hello")
        self.nodes.settle()
        self.assertEqual(transport.value(), b"hello")
        half.connectionLost(Failure(ConnectionDone()))
        self.nodes.settle()

    def test_away(self) -> None:
        """
        A connection whose peer is away, or does not speak the protocol, or is no
        peer at all, is aborted, with one line of the log that names both.
        """
        away = self.nodes.start()
        self.nodes.result(away.stopService())

        @implementer(IStreamClientEndpoint)
        class Raising:
            """
            An endpoint with a mistake.
            """

            def connect(self, protocolFactory: IProtocolFactory) -> Any:
                """
                Make it.
                """
                raise ValueError("a mistake")

        for endpoint in (
            self.client.connector(f"/memory/99/p2p/{away.peerID}", TARGET),
            self.client.connector(away.peerID, TARGET),
            self.client.connector(self.server.peerID, "/unspoken"),
            self.client.connector("nobody", TARGET),
            Raising(),
        ):
            before = len(self.logged)
            _, transport = self.accept(endpoint)
            self.nodes.advance(60.0)
            self.assertTrue(transport.disconnected, endpoint)
            lines = [
                formatEvent(each)
                for each in list(self.logged)[before:]
                if "cannot forward" in (each["log_format"] or "")
            ]
            self.assertEqual(len(lines), 1)
            self.assertIn("12345", lines[0])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_goneMeanwhile(self) -> None:
        """
        Where a client goes before the peer is reached the stream ends as well, be
        the endpoint aware of it or not.
        """
        half: Any = None
        outcome: Deferred[Any] = Deferred(lambda _: outcome.callback(target))
        target = HalfCloseCollector()
        aborted = StringTransport()
        target.makeConnection(aborted)

        @implementer(IStreamClientEndpoint)
        class Deaf:
            """
            An endpoint that connects although nobody waits.
            """

            def connect(self, protocolFactory: IProtocolFactory) -> Any:
                """
                Connect later.
                """
                return outcome

        half, _ = self.accept(Deaf())
        half.connectionLost(Failure(ConnectionDone()))
        self.assertTrue(aborted.disconnected)


class ChainTests(ConnectedTestCase):
    """
    The server forwards to a protocol of a third node: both halves are streams.
    """

    def setUp(self) -> None:
        """
        Open a stream by way of the server.
        """
        super().setUp()
        third = self.nodes.start()
        self.target = HalfCloseCollector()
        third.registry.register(TARGET, Factory.forProtocol(lambda: self.target))
        self.server.registry.register(
            FORWARDED,
            ForwardFactory(self.server.connector(third.addresses[0], TARGET)),
        )
        self.caller = self.open(FORWARDED, HalfCloseCollector())
        self.nodes.settle()

    def ends(self) -> tuple[list[str], list[str]]:
        """
        Tell which halves have ended, at the caller and at the target.
        """
        self.nodes.settle()
        return self.caller.ends, self.target.ends

    def test_bytes(self) -> None:
        """
        Bytes pass in both directions at once.
        """
        content = bytes(range(256)) * (MIB // 256)
        self.caller.stream.write(content)
        self.target.stream.write(content[::-1])
        self.nodes.settle()
        self.assertEqual(self.target.data, content)
        self.assertEqual(self.caller.data, content[::-1])

    def test_halfClose(self) -> None:
        """
        The caller may end its half, and still receive.
        """
        self.caller.stream.write(b"question")
        self.caller.stream.loseWriteConnection()
        self.assertEqual(self.ends(), (["write"], ["read"]))
        self.assertEqual(self.target.data, b"question")
        self.target.stream.write(b"answer")
        self.target.stream.loseWriteConnection()
        self.nodes.settle()
        self.assertEqual(self.caller.data, b"answer")
        for each in (self.caller, self.target):
            each.reasons[0].trap(ConnectionDone)
        self.assertEqual(list(self.accepted.streams), [])

    def test_halfCloseOfTarget(self) -> None:
        """
        The target may end its half first.
        """
        self.target.stream.loseWriteConnection()
        self.assertEqual(self.ends(), (["read"], ["write"]))
        self.caller.stream.write(b"more")
        self.caller.stream.loseConnection()
        self.nodes.settle()
        self.assertEqual(self.target.data, b"more")
        self.target.reasons[0].trap(ConnectionDone)
        self.assertEqual(list(self.accepted.streams), [])

    def test_backPressure(self) -> None:
        """
        A target that does not read stops the caller.
        """
        content = bytes(8 * MIB)
        self.target.stream.pauseProducing()
        self.caller.stream.write(content)
        self.nodes.settle()
        self.assertGreater(self.caller.stream.unsentSize, 6 * MIB)
        self.target.stream.resumeProducing()
        self.nodes.settle()
        self.assertEqual(self.target.data, content)

    def test_reset(self) -> None:
        """
        A reset passes on.
        """
        self.target.stream.abortConnection()
        self.nodes.settle()
        self.caller.reasons[0].trap(StreamReset)

    def test_unsupported(self) -> None:
        """
        A third node that has no such protocol any more resets the stream.
        """
        gone = Collector()
        self.server.registry.register(
            "/gone", ForwardFactory(self.server.connector(self.client.peerID, "/gone"))
        )
        self.open("/gone", gone)
        self.nodes.settle()
        gone.reasons[0].trap(StreamReset)
