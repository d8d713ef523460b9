# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.transport.websocket.layer}.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis.strategies import binary, integers, lists
from OpenSSL import SSL
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import ITransport
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.examples import drawn
from tests.transport.websocket.frames import (
    BINARY,
    CLOSE,
    MASK,
    PING,
    PONG,
    REQUEST,
    Pair,
    Raw,
    answerTo,
    code,
    frame,
)
from twisted_libp2p.errors import (
    HandshakeEnded,
    HandshakeFailed,
    ProtocolViolation,
    Truncated,
)
from twisted_libp2p.testing.producer import Producer
from twisted_libp2p.testing.pump import byteByByte, inReads
from twisted_libp2p.transport.websocket.layer import (
    CLOSING_TIME,
    EMPTY_BURST,
    EMPTY_INTERVAL,
    FRAME,
)


class StreamTests(SynchronousTestCase):
    """
    Bytes in both directions.
    """

    def test_interface(self) -> None:
        """
        The layer is a transport.
        """
        verifyObject(ITransport, Pair().dialing)

    def test_bothFirst(self) -> None:
        """
        Both sides may speak first: the first bytes wait for the opening handshake, and
        none is lost, even if each byte comes alone.
        """
        for split in (inReads, byteByByte):
            pair = Pair(split, first=(b"hello", b"world"))
            pair.pump.flush()
            self.assertEqual(pair.server.received, b"hello")
            self.assertEqual(pair.client.received, b"world")

    def test_withTheAnswer(self) -> None:
        """
        Messages in the same segment as the end of the handshake are delivered, in both
        roles.
        """
        for server in (True, False):
            raw = Raw(server, opened=False)
            raw.open(frame(BINARY, b"first", mask=raw.mask))
            self.assertEqual(raw.upper.received, b"first")

    def test_sameSegment(self) -> None:
        """
        Our first bytes leave together with our answer, in one segment.
        """
        raw = Raw(opened=False)
        raw.layer.write(b"hello")
        raw.send(REQUEST)
        self.assertEqual(len(raw.peer.reads), 1)
        self.assertTrue(raw.peer.received.endswith(frame(BINARY, b"hello")))

    @drawn(30, lists(binary(max_size=300), max_size=10), integers(1, 50))
    def test_anything(self, messages: list[bytes], size: int) -> None:
        """
        What is written arrives, however it is cut on its way.
        """

        def cut(data: bytes) -> Iterator[bytes]:
            for begin in range(0, len(data), size):
                yield data[begin : begin + size]

        pair = Pair(split=cut)
        for message in messages:
            pair.dialing.write(message)
            pair.listening.writeNow(message)
        pair.pump.flush()
        self.assertEqual(pair.server.received, b"".join(messages))
        self.assertEqual(pair.client.received, b"".join(messages))

    def test_large(self) -> None:
        """
        A large write leaves in frames of at most 64 KiB.
        """
        data = bytes(range(256)) * 1024
        for server in (True, False):
            raw = Raw(server)
            raw.layer.write(data + b"end")
            raw.pump.flush()
            sizes = [len(payload) for _, _, payload in raw.answers]
            self.assertEqual(sizes, [FRAME] * 4 + [3])
            self.assertEqual(b"".join(each[2] for each in raw.answers), data + b"end")
            self.assertEqual({each[:2] for each in raw.answers}, {(BINARY, True)})

    def test_oneRead(self) -> None:
        """
        The messages of one read are delivered in one piece.
        """
        raw = Raw()
        raw.frames((BINARY, b"a"), (PING, b""), (BINARY, b"b"), (BINARY, b""))
        self.assertEqual(raw.upper.reads, [b"ab"])

    def test_sequence(self) -> None:
        """
        Pieces that are written together leave in one message; nothing leaves in none.
        """
        raw = Raw()
        raw.layer.writeSequence([b"a", b"b"])
        raw.layer.write(b"")
        raw.pump.flush()
        self.assertEqual(raw.answers, [(BINARY, True, b"ab")])
        self.assertRaises(TypeError, raw.layer.write, "text")

    def test_masks(self) -> None:
        """
        The frames of a client are masked, each with a mask of its own; those of a
        server are not.
        """
        raw = Raw(server=False)
        raw.layer.write(b"12345678")
        raw.layer.write(b"12345678")
        raw.pump.flush()
        sent = raw.peer.received
        self.assertEqual(sent[:2], b"\x82\x88")
        self.assertNotEqual(sent[2:6], sent[16:20])
        raw = Raw()
        raw.layer.write(b"12345678")
        raw.pump.flush()
        self.assertEqual(raw.peer.received, b"\x82\x0812345678")

    def test_backPressure(self) -> None:
        """
        A producer is paused if the transport is full, and a reader that pauses fills
        the transport of the peer.
        """
        pair = Pair()
        pair.pump.flush()
        producer = Producer()
        pair.dialing.registerProducer(producer, True)
        pair.listening.pauseProducing()
        pair.dialing.write(bytes(1 << 18))
        pair.pump.flush()
        self.assertEqual(producer.calls, ["pause"])
        self.assertEqual(pair.server.received, b"")
        pair.listening.resumeProducing()
        pair.pump.flush()
        self.assertEqual(producer.calls[-1], "resume")
        self.assertEqual(len(pair.server.received), 1 << 18)

    def test_origin(self) -> None:
        """
        The origin of a page is logged, so that no line of it can be forged.
        """
        request = REQUEST.replace(b"Host", b"Origin: https://a\x85\r\nHost")
        with capturedLogs() as logs:
            Raw(opened=False).send(request)
        (event,) = [each for each in logs if "origin" in each]
        self.assertEqual(event["origin"], "https://a\\x85")


class EndTests(SynchronousTestCase):
    """
    How a WebSocket ends.
    """

    def ended(self, recorder: Any, *kinds: type[Exception]) -> Any:
        """
        Check that a protocol has lost its connection, once.
        """
        (reason,) = recorder.reasons
        self.assertTrue(reason.check(*kinds), reason)
        return reason

    def test_close(self) -> None:
        """
        Each side may close: the bytes written before arrive, and both ends are in good
        order.
        """
        for name in ("dialing", "listening"):
            for close in ("loseConnection", "loseWriteConnection", "stopProducing"):
                pair = Pair()
                pair.pump.flush()
                closing = getattr(pair, name)
                closing.write(b"last")
                getattr(closing, close)()
                closing.write(b"too late")
                pair.pump.flush()
                other = pair.server if name == "dialing" else pair.client
                self.assertEqual(other.received, b"last")
                self.ended(pair.client, ConnectionDone)
                self.ended(pair.server, ConnectionDone)
                self.assertEqual(pair.clock.getDelayedCalls(), [])

    def test_closeFrame(self) -> None:
        """
        Our close frame has the code 1000.
        """
        for server in (True, False):
            raw = Raw(server)
            raw.layer.loseConnection()
            raw.pump.flush()
            self.assertEqual(raw.answers, [(CLOSE, True, b"\x03\xe8")])
            self.assertEqual(raw.upper.reasons, [])
            raw.frames((CLOSE, b"\x03\xe8"))
            if server:
                self.ended(raw.upper, ConnectionDone)
            else:
                # A client leaves it to the server to close the transport.
                self.assertEqual(raw.upper.reasons, [])
                raw.peer.transport.loseConnection()
                raw.pump.flush()
                self.ended(raw.upper, ConnectionDone)
            self.assertEqual(raw.clock.getDelayedCalls(), [])

    def test_noAnswer(self) -> None:
        """
        A peer that does not answer our close frame, or does not close the transport,
        is dropped after a while.
        """
        for answered in (False, True):
            raw = Raw(server=False)
            raw.layer.loseConnection()
            raw.pump.flush()
            if answered:
                raw.frames((CLOSE, b"\x03\xe8"))
            raw.pump.advance(CLOSING_TIME)
            raw.pump.advance(0)
            self.ended(raw.upper, ConnectionDone, ConnectionAborted)
            self.assertEqual(raw.clock.getDelayedCalls(), [])

    def test_receivesUntilTheAnswer(self) -> None:
        """
        After L{WebSocketLayer.loseWriteConnection} the peer's bytes are delivered;
        after C{loseConnection} they are not.
        """
        closes = ("loseWriteConnection", "loseConnection")
        for close, wanted in zip(closes, (b"more", b""), strict=True):
            raw = Raw()
            getattr(raw.layer, close)()
            raw.frames((BINARY, b"more"), (CLOSE, b""))
            self.assertEqual(raw.upper.received, wanted)
            self.ended(raw.upper, ConnectionDone)

    def test_pausedReader(self) -> None:
        """
        A paused layer that closes reads the peer's answer.
        """
        pair = Pair()
        pair.pump.flush()
        pair.dialing.pauseProducing()
        pair.dialing.loseConnection()
        pair.pump.flush()
        self.ended(pair.client, ConnectionDone)

    def test_peerCloses(self) -> None:
        """
        The codes 1000, 1001 and 1005 (no code) are an end; any other is an error.  Each
        is answered.
        """
        for payload, good in (
            (b"\x03\xe8", True),
            (b"\x03\xe8bye", True),
            (b"\x03\xe9", True),
            (b"", True),
            (b"\x03\xea", False),
            (b"\x0b\xb8why", False),
        ):
            raw = Raw()
            raw.frames((BINARY, b"last"), (CLOSE, payload), (BINARY, b"never"))
            self.assertEqual(raw.upper.received, b"last")
            self.assertEqual(raw.answers, [(CLOSE, True, payload)])
            reason = self.ended(
                raw.upper, ConnectionDone if good else ProtocolViolation
            )
            if not good:
                self.assertIn(str(code(payload)), reason.getErrorMessage())

    def test_cut(self) -> None:
        """
        The end of the transport without a close frame is no end in good order.
        """
        raw = Raw()
        raw.frames((BINARY, b"last"))
        raw.send(frame(BINARY, b"some", mask=MASK)[:5])
        raw.peer.transport.loseConnection()
        raw.pump.flush()
        self.ended(raw.upper, Truncated)
        self.assertEqual(raw.upper.received, b"last")

    def test_cutEverywhere(self) -> None:
        """
        Cut at every byte of the opening handshake, an upgrade fails with a typed error,
        on both sides, and leaves nothing.
        """
        request = REQUEST
        for place in range(len(request)):
            raw = Raw(opened=False)
            raw.send(request[:place])
            raw.peer.transport.loseConnection()
            raw.pump.flush()
            reason = self.ended(raw.upper, HandshakeEnded)
            self.assertIn("opening handshake", reason.getErrorMessage())
            self.assertEqual(raw.clock.getDelayedCalls(), [])
        for place in range(129):
            raw = Raw(server=False, opened=False)
            answer = answerTo(raw.peer.received)
            self.assertEqual(len(answer), 129)
            raw.send(answer[:place])
            raw.peer.transport.abortConnection()
            raw.pump.flush()
            self.ended(raw.upper, HandshakeFailed)
            self.assertEqual(raw.clock.getDelayedCalls(), [])

    def test_failedBelow(self) -> None:
        """
        A peer with which the TLS below fails has not left.
        """
        raw = Raw(opened=False)
        raw.layer.connectionLost(Failure(SSL.Error([("", "", "wrong version")])))
        reason = self.ended(raw.upper, HandshakeFailed)
        self.assertIs(reason.type, HandshakeFailed)

    def test_refused(self) -> None:
        """
        A refused request is answered, the transport is closed, and the protocol above
        hears why.
        """
        raw = Raw(opened=False)
        raw.upper.first = b""
        raw.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + REQUEST)
        self.assertTrue(raw.peer.received.startswith(b"HTTP/1.1 426 "))
        self.assertEqual(raw.peer.received.count(b"HTTP/1.1"), 1)
        self.ended(raw.peer, ConnectionDone)
        reason = self.ended(raw.upper, HandshakeFailed)
        self.assertIn("no upgrade", reason.getErrorMessage())

    def test_refusedUnread(self) -> None:
        """
        A peer that does not read the answer is dropped after a while.
        """
        raw = Raw(opened=False)
        raw.peer.transport.pauseProducing()
        raw.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(raw.upper.reasons, [])
        raw.pump.advance(CLOSING_TIME)
        raw.pump.advance(0)
        self.ended(raw.upper, HandshakeFailed)

    def test_smuggled(self) -> None:
        """
        A second request after the upgrade is no frame, and is not read as a request.
        """
        raw = Raw(opened=False)
        raw.open(b"GET /admin HTTP/1.1\r\nHost: b\r\n\r\n")
        reason = self.ended(raw.upper, ProtocolViolation)
        self.assertEqual(raw.upper.received, b"")
        self.assertIn("websocket", reason.getErrorMessage())
        self.assertEqual(code(raw.answers[-1][2]), 1002)

    def test_abort(self) -> None:
        """
        To abort is to drop the transport at once, before the WebSocket is open too.
        """
        for opened in (True, False):
            raw = Raw(opened=opened)
            raw.layer.write(b"never")
            raw.layer.abortConnection()
            raw.pump.flush()
            self.ended(raw.upper, ConnectionAborted)
            self.assertNotIn(b"never", raw.peer.received)
            self.assertEqual(raw.clock.getDelayedCalls(), [])

    def test_closedWhileOpening(self) -> None:
        """
        What was written before the WebSocket is open leaves, although our side closes.
        """
        pair = Pair(first=(b"last", b""))
        pair.dialing.loseConnection()
        pair.pump.flush()
        self.assertEqual(pair.server.received, b"last")
        self.ended(pair.client, ConnectionDone)
        self.ended(pair.server, ConnectionDone)

    def test_producer(self) -> None:
        """
        The close frame follows the last bytes of a producer.
        """
        pair = Pair()
        pair.pump.flush()
        pair.dialing.registerProducer(Producer(), True)
        pair.dialing.loseConnection()
        pair.dialing.write(b"last")
        pair.pump.flush()
        self.assertEqual(pair.client.reasons, [])
        pair.dialing.unregisterProducer()
        pair.pump.flush()
        self.assertEqual(pair.server.received, b"last")
        self.ended(pair.server, ConnectionDone)

    def test_producerOfADeadPeer(self) -> None:
        """
        A producer does not keep a WebSocket that the peer has closed, and no other one
        is accepted then.
        """
        raw = Raw()
        producer, other = Producer(), Producer()
        raw.layer.registerProducer(producer, True)
        raw.frames((CLOSE, b""))
        self.ended(raw.upper, ConnectionDone)
        self.assertEqual(producer.calls, ["stop"])
        raw.layer.registerProducer(other, True)
        self.assertEqual(other.calls, ["stop"])


class AbuseTests(SynchronousTestCase):
    """
    What a hostile peer sends.
    """

    def test_pings(self) -> None:
        """
        Pings are answered as long as they are few; a flood of them ends the connection.
        """
        raw = Raw()
        raw.frames(*[(PING, b"%d" % number) for number in range(EMPTY_BURST)])
        self.assertEqual(
            raw.answers, [(PONG, True, b"%d" % n) for n in range(EMPTY_BURST)]
        )
        raw.pump.advance(EMPTY_INTERVAL)
        raw.frames((PING, b"once more"))
        self.assertEqual(raw.upper.reasons, [])
        raw.frames((PING, b"too many"))
        self.assertTrue(raw.upper.reasons[0].check(ProtocolViolation))
        opcode, _, payload = raw.answers[-1]
        self.assertEqual((opcode, code(payload)), (CLOSE, 1008))

    def test_flood(self) -> None:
        """
        Of the pings of one read only as many are parsed as show that they are too many.
        """
        raw = Raw()
        raw.frames(*[(PING, b"")] * 1000)
        self.assertEqual(len(raw.answers), EMPTY_BURST + 2)
        opcode, _, payload = raw.answers[-1]
        self.assertEqual((opcode, code(payload)), (CLOSE, 1008))
        self.assertTrue(raw.upper.reasons[0].check(ProtocolViolation))

    def test_emptyFragments(self) -> None:
        """
        So do frames without data.
        """
        raw = Raw()
        raw.frames((BINARY, b"", False), *[(0, b"", False)] * 10_000)
        self.assertTrue(raw.upper.reasons[0].check(ProtocolViolation))

    def test_tinyFragments(self) -> None:
        """
        10,000 tiny fragments are as many bytes.
        """
        raw = Raw()
        raw.frames((BINARY, b"a", False), *[(0, b"b", False)] * 9_999)
        self.assertEqual(raw.upper.received, b"a" + b"b" * 9_999)
        self.assertEqual(raw.upper.reasons, [])

    def test_closeStorm(self) -> None:
        """
        Further close frames are not answered.
        """
        raw = Raw()
        raw.frames(*[(CLOSE, b"")] * 1000)
        self.assertEqual(raw.answers, [(CLOSE, True, b"")])

    def test_afterTheEnd(self) -> None:
        """
        What follows a violation is not read, nor kept.
        """
        raw = Raw()
        raw.peer.transport.pauseProducing()
        raw.frames((1, b"text"))
        for _ in range(100):
            raw.layer.dataReceived(bytes(1000))
        self.assertEqual(len(raw.layer._protocol.reader.buffer), 0)
        self.assertEqual(raw.upper.received, b"")
