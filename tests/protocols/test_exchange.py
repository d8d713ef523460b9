# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of requests and answers.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.protocols.connected import ConnectedTestCase
from twisted_libp2p.errors import (
    ProtocolViolation,
    StreamReset,
    UnsupportedProtocol,
    UpgradeTimeout,
)
from twisted_libp2p.protocols.exchange import MAX_MESSAGE, TIMEOUT, Exchange
from twisted_libp2p.testing import HostDouble
from twisted_libp2p.testing.host import ConnectionDouble, StreamDouble
from twisted_libp2p.wire.frames import delimit

ID = "/upper/1.0.0"


class NodeExchangeTests(ConnectedTestCase):
    """
    Two nodes with a protocol of requests and answers.
    """

    def setUp(self) -> None:
        """
        Let the server answer in capitals.
        """
        super().setUp()
        self.exchange = Exchange(ID, self.nodes.clock)
        self.asked: list[Any] = []

    def serve(self, answer: Any) -> None:
        """
        Let the server answer.
        """
        self.exchange.serve(self.server.registry, answer)

    def streams(self) -> list[Any]:
        """
        Return the open streams of both sides that belong to the protocol.
        """
        self.nodes.settle()
        return [
            each
            for connection in (self.connection, self.accepted)
            for each in connection.streams
            if each.protocolID == ID
        ]

    def test_answer(self) -> None:
        """
        The answer comes now, from a Deferred, or from a coroutine; its function is
        told who asks.
        """

        async def coroutine(connection: Any, request: bytes) -> bytes:
            self.asked.append(connection.remotePeer)
            return request.upper()

        def later(connection: Any, request: bytes) -> Deferred[bytes]:
            waiting: Deferred[bytes] = Deferred()
            self.nodes.clock.callLater(1.0, waiting.callback, request.upper())
            return waiting

        for answer in (lambda _, request: request.upper(), coroutine, later):
            registration = self.exchange.serve(self.server.registry, answer)
            for request in (b"", b"hello", b"x" * MAX_MESSAGE):
                asking = self.exchange.ask(self.connection, request)
                self.nodes.advance(1.0)
                self.assertEqual(self.successResultOf(asking), request.upper())
            registration.cancel()
        self.assertEqual(self.asked, [self.client.peerID] * 3)
        self.assertEqual(self.streams(), [])

    def test_tooLong(self) -> None:
        """
        A message over the bound is refused on both sides.
        """
        self.serve(lambda _, request: bytes(MAX_MESSAGE + 1))
        self.failureResultOf(self.ask(b"x"), ProtocolViolation)
        self.failureResultOf(self.ask(bytes(MAX_MESSAGE + 1)), StreamReset)
        self.assertEqual(self.streams(), [])

    def ask(self, request: bytes) -> Deferred[bytes]:
        """
        Ask, and let everything happen that needs no time.
        """
        asking = self.exchange.ask(self.connection, request)
        self.nodes.settle()
        return asking

    def test_late(self) -> None:
        """
        A peer that does not answer in time fails the request, and its answer is
        cancelled.
        """
        cancelled: list[Any] = []
        self.serve(lambda _, request: Deferred(cancelled.append))
        asking = self.ask(b"x")
        self.nodes.advance(TIMEOUT - 0.1)
        self.assertNoResult(asking)
        self.nodes.advance(0.1)
        error = self.failureResultOf(asking, UpgradeTimeout).value
        self.assertIn(ID, str(error))
        self.nodes.settle()
        self.assertEqual(len(cancelled), 1)
        self.assertEqual(self.streams(), [])

    def test_cancel(self) -> None:
        """
        A request that is cancelled resets its stream.
        """
        cancelled: list[Any] = []
        self.serve(lambda _, request: Deferred(cancelled.append))
        asking = self.ask(b"x")
        asking.cancel()
        self.failureResultOf(asking, CancelledError)
        self.nodes.settle()
        self.assertEqual(len(cancelled), 1)
        self.assertEqual(self.streams(), [])

    def test_raises(self) -> None:
        """
        A function that raises resets the stream, and its error is logged; that of a
        peer's fault is not.
        """

        def answer(connection: Any, request: bytes) -> bytes:
            if request == b"bad":
                raise ProtocolViolation(ID, "bad")
            raise ZeroDivisionError

        self.serve(answer)
        self.failureResultOf(self.ask(b"bad"), StreamReset)
        self.assertEqual(self.flushLoggedErrors(), [])
        self.failureResultOf(self.ask(b"x"), StreamReset)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_text(self) -> None:
        """
        A message that is text is refused by one line that says what would be right, on
        both sides; a request opens no stream.
        """
        text: Any = "hello"
        with self.assertRaises(TypeError) as raised:
            self.exchange.ask(self.connection, text)
        self.assertEqual(str(raised.exception), "a message is bytes, not str")
        self.assertEqual(self.streams(), [])
        self.serve(lambda _, request: text)
        self.failureResultOf(self.ask(b"x"), StreamReset)
        (failure,) = self.flushLoggedErrors(TypeError)
        self.assertEqual(failure.getErrorMessage(), "a message is bytes, not str")

    def test_unsupported(self) -> None:
        """
        A peer that does not serve the protocol is named as such.
        """
        self.failureResultOf(self.ask(b"x"), UnsupportedProtocol)


class StreamTests(SynchronousTestCase):
    """
    Both sides, byte by byte.
    """

    def setUp(self) -> None:
        """
        Have a host that serves the protocol, and a peer that does as well.
        """
        self.host = HostDouble()
        self.connection: ConnectionDouble = self.host.meet(serves=[ID])
        self.exchange = Exchange(ID, self.host.clock, maximum=100)
        self.exchange.serve(self.host.registry, lambda _, request: request.upper())

    def asking(self) -> tuple[Deferred[bytes], StreamDouble]:
        """
        Ask the peer.
        """
        result = self.exchange.ask(self.connection, b"hello")
        stream = self.connection.opened[-1]
        self.assertEqual(stream.value(), delimit(b"hello"))
        return result, stream

    def test_pieces(self) -> None:
        """
        A message may arrive in pieces of any size.
        """
        message = delimit(b"hello")
        for at in range(1, len(message)):
            stream = self.host.serve(self.connection, ID)
            stream.protocol.dataReceived(message[:at])
            self.assertEqual(stream.value(), b"")
            stream.protocol.dataReceived(message[at:])
            self.assertEqual(stream.value(), delimit(b"HELLO"))
            result, stream = self.asking()
            stream.protocol.dataReceived(message[:at])
            self.assertNoResult(result)
            stream.protocol.dataReceived(message[at:])
            self.assertEqual(self.successResultOf(result), b"hello")

    def test_halfClosed(self) -> None:
        """
        A peer may end its half after its request; before that the stream is reset.
        """
        stream = self.host.serve(self.connection, ID)
        stream.protocol.dataReceived(delimit(b"hello"))
        stream.protocol.readConnectionLost()
        self.assertEqual(stream.value(), delimit(b"HELLO"))
        self.assertIsNone(stream.resetCode)
        stream = self.host.serve(self.connection, ID)
        stream.protocol.dataReceived(delimit(b"hello")[:-1])
        stream.protocol.readConnectionLost()
        self.assertIsNotNone(stream.resetCode)

    def test_bad(self) -> None:
        """
        An answer that is too long, cut off, or followed by more bytes fails.
        """
        for answer in (delimit(bytes(101)), b"\xff" * 20, delimit(b"x") + b"y"):
            result, stream = self.asking()
            stream.protocol.dataReceived(answer)
            self.failureResultOf(result, ProtocolViolation)
            self.assertIsNotNone(stream.resetCode)
        for answer in (b"", delimit(b"hello")[:-1]):
            result, stream = self.asking()
            stream.protocol.dataReceived(answer)
            stream.protocol.readConnectionLost()
            self.failureResultOf(result, ProtocolViolation)

    def test_nothingLeft(self) -> None:
        """
        Bytes after a refused request, and its end, change nothing.
        """
        stream = self.host.serve(self.connection, ID)
        stream.protocol.dataReceived(delimit(bytes(101)))
        self.assertIsNotNone(stream.resetCode)
        stream.protocol.dataReceived(b"x")
        stream.protocol.connectionLost()
        self.assertEqual(stream.value(), b"")
