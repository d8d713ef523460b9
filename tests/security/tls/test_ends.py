# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for the ends that TLS announces, through L{twisted_libp2p.security.wrapper}.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

from OpenSSL import SSL
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol
from zope.interface import alsoProvides

from tests.security.application import Application
from tests.security.tls.foreign import Foreign, makeContext
from tests.security.tls.forgery import forge
from tests.security.tls.meeting import Meeting
from tests.security.tls.sealer import ALERT, HANDSHAKE, Sealer, watchedContext
from twisted_libp2p.errors import HandshakeFailed, ProtocolViolation, Truncated
from twisted_libp2p.interfaces import IHalfCloseable
from twisted_libp2p.security.tls.channel import MOST_ANSWERED, MOST_DELAYED
from twisted_libp2p.security.wrapper import CLOSING_TIME
from twisted_libp2p.testing.producer import Producer

# No record that the peer has sealed.
GARBAGE = b"\x17\x03\x03\x00\x40" + bytes(64)

# The largest content of a record.
RECORD = 2**14


def unbelieving() -> SSL.Context:
    """
    Make a context that refuses every certificate.
    """
    context = makeContext(forge())
    context.set_verify(
        SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: False
    )
    return context


class RefusedTests(Meeting):
    """
    The peer does not want us.
    """

    def test_client(self) -> None:
        """
        A server that refuses a client does so when the client believes to be
        done; the client learns it at the first read, by a typed error.
        """
        self.meet(True, Foreign(False, unbelieving()))
        error = self.assertLost(HandshakeFailed)
        self.assertEqual(str(error), "/tls/1.0.0: the peer sent the alert: unknown ca")
        self.assertEqual(self.application.received, [])

    def test_clientThatCloses(self) -> None:
        """
        A client that had said everything, and had begun to close, learns it as
        well.
        """

        def sayAll(application: Application) -> None:
            def say() -> None:
                application.transport.write(b"all")
                application.transport.loseConnection()

            application.onMade = say

        self.prepare = sayAll
        self.meet(True, Foreign(False, unbelieving()))
        self.assertLost(HandshakeFailed)

    def test_server(self) -> None:
        """
        A client that refuses a server does so before the server is done.
        """
        self.meet(False, Foreign(True, unbelieving()))
        self.assertRefused("the peer sent the alert: unknown ca")

    def test_later(self) -> None:
        """
        An alert behind something that was heard is not about our certificate.
        """
        foreign = Foreign(False)
        self.meet(True, foreign)
        foreign.say(b"welcome")
        self.pump.flush()
        self.below.write(GARBAGE)
        self.pump.flush()
        error = self.assertLost(ProtocolViolation)
        self.assertIn("the peer sent the alert: ", str(error))

    def test_serverLater(self) -> None:
        """
        Nor is one that comes to a server, which is secured last.
        """
        self.meet(False, Foreign(True))
        self.below.write(GARBAGE)
        self.pump.flush()
        self.assertLost(ProtocolViolation)


class ReadTests(Meeting):
    """
    What is received.
    """

    def test_oneRead(self) -> None:
        """
        What one read of the transport brings is delivered in one piece, though
        it comes in several records.
        """
        for initiator in (True, False):
            foreign = Foreign(not initiator)
            self.meet(initiator, foreign)
            content = bytes(range(256)) * 200
            self.assertGreater(len(content), 3 * RECORD)
            for start in range(0, len(content), RECORD):
                foreign.say(content[start : start + RECORD])
            self.pump.flush()
            self.assertEqual(self.application.received, [content])
            self.cut()

    def test_withTheHandshake(self) -> None:
        """
        What comes in one read with the end of the handshake is delivered
        behind C{connectionMade}.
        """
        foreign = Foreign(True)
        self.meet(False, foreign, until=lambda: foreign.finished)
        foreign.say(b"hello")
        self.assertFalse(self.application.connected)
        self.pump.flush()
        self.assertEqual(self.application.received, [b"hello"])
        self.cut()

    def test_violation(self) -> None:
        """
        A record that the peer has not sealed ends the connection, and the peer
        is told; what was good before it is delivered.
        """
        foreign = Foreign(False)
        self.meet(True, foreign)
        foreign.say(b"good")
        foreign.transport.write(GARBAGE)
        self.pump.flush()
        self.assertEqual(self.application.received, [b"good"])
        error = self.assertLost(ProtocolViolation)
        self.assertIn("bad record mac", str(error))
        self.assertIn("alert bad record mac", str(foreign.error))

    def test_violationAtOnce(self) -> None:
        """
        So does one that comes with the last message of the handshake: ours is
        sent, for the alert makes no sense without it.
        """
        foreign = Foreign(False)
        self.meet(True, foreign, until=lambda: True)
        self.below.stroke()
        foreign.transport.write(GARBAGE)
        self.pump.flush()
        self.assertLost(ProtocolViolation)
        self.assertTrue(foreign.finished)
        self.assertIn("alert", str(foreign.error))

    def test_fault(self) -> None:
        """
        A protocol that fails ends its own connection, and nothing of it comes
        out of TLS.
        """

        def fail(data: bytes) -> None:
            raise ZeroDivisionError

        foreign = Foreign(False)
        self.meet(True, foreign)
        self.application.onData = fail
        foreign.say(b"data")
        self.pump.flush()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertLost(ZeroDivisionError)

    def test_faultAtTheStart(self) -> None:
        """
        So does a protocol that fails to start.
        """

        def fail() -> None:
            raise ZeroDivisionError

        def prepare(application: Application) -> None:
            application.onMade = fail

        self.prepare = prepare
        for initiator in (True, False):
            self.meet(initiator, Foreign(not initiator))
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
            self.assertLost(ZeroDivisionError)

    def test_pausedInside(self) -> None:
        """
        An application that pauses in the midst of a read is given nothing of
        the reads that come in spite of it.
        """
        foreign = Foreign(False)
        self.meet(True, foreign)
        self.application.onData = lambda data: self.secure.pauseProducing()
        foreign.say(b"one")
        self.pump.flush()
        foreign.say(b"two")
        # A transport may have read ahead.
        _, data = foreign.transport._written.pop()
        foreign.transport.waiting = 0
        self.layer.dataReceived(data)
        self.assertEqual(self.application.received, [b"one"])
        self.secure.resumeProducing()
        self.pump.flush()
        self.assertEqual(self.application.received, [b"one", b"two"])
        self.cut()


class EndTests(Meeting):
    """
    How connections end.
    """

    def test_announced(self) -> None:
        """
        A peer that says that it closes is believed, and answered.
        """
        for initiator in (True, False):
            foreign = Foreign(not initiator)
            self.meet(initiator, foreign)
            foreign.say(b"last words")
            foreign.close()
            self.pump.flush()
            self.assertEqual(self.application.received, [b"last words"])
            self.assertLost(ConnectionDone)
            self.assertTrue(foreign.closed)

    def test_announcedAndCut(self) -> None:
        """
        How it ends below does not matter then: go-libp2p resets its socket.
        """
        foreign = Foreign(False)
        self.meet(True, foreign)
        foreign.close()
        self.pump.server.stroke()
        self.assertEqual(self.application.lost, [])
        self.cut(ConnectionLost())
        self.assertLost(ConnectionDone)

    def test_truncated(self) -> None:
        """
        An end that the peer has not announced may be somebody else's work.
        """
        foreign = Foreign(False)
        self.meet(True, foreign)
        foreign.say(b"not all")
        self.pump.flush()
        self.cut()
        error = self.assertLost(Truncated)
        self.assertIsInstance(error, ConnectionLost)
        self.assertEqual(str(error), "/tls/1.0.0: the peer had not announced the end")

    def test_truncatedRecord(self) -> None:
        """
        So is an end inside a record.
        """
        self.meet(True, Foreign(False))
        self.layer.dataReceived(GARBAGE[:20])
        self.cut()
        self.assertLost(Truncated)

    def test_truncatedByUs(self) -> None:
        """
        Where we had begun to close it is of no interest who was faster.
        """
        self.meet(True, Foreign(False))
        self.secure.loseConnection()
        self.cut()
        self.assertLost(ConnectionDone)

    def test_otherReasons(self) -> None:
        """
        What the transport tells of a bad end is passed on.
        """
        self.meet(True, Foreign(False))
        error = ConnectionLost("the cable is cut")
        self.cut(error)
        self.assertIs(self.assertLost(ConnectionLost), error)

    def test_duringTheHandshake(self) -> None:
        """
        Before the peer is known the handshake is told.
        """
        self.meet(True, Foreign(False), until=lambda: True)
        self.cut(ConnectionLost("the cable is cut"))
        self.assertRefused("the connection ended during the handshake: ")
        self.assertIn("the cable is cut", str(self.failures[0].value))

    def test_abort(self) -> None:
        """
        An abort says nothing to the peer, not even that it is the end.
        """
        foreign = Foreign(False)
        self.meet(True, foreign)
        self.secure.write(b"unsaid")
        self.secure.abortConnection()
        self.pump.flush()
        self.assertLost(ConnectionAborted)
        self.assertFalse(foreign.closed)
        self.assertEqual(foreign.received, b"")

    def test_atTheStart(self) -> None:
        """
        A protocol may close, or abort, as soon as it is connected.
        """
        for initiator in (True, False):

            def close(application: Application) -> None:
                application.onMade = lambda: application.transport.loseConnection()

            self.prepare = close
            foreign = Foreign(not initiator)
            self.meet(initiator, foreign)
            self.assertTrue(foreign.closed)
            foreign.close()
            self.pump.flush()
            self.assertLost(ConnectionDone)

            def abort(application: Application) -> None:
                application.onMade = lambda: application.transport.abortConnection()

            self.prepare = abort
            self.meet(initiator, Foreign(not initiator))
            self.assertLost(ConnectionAborted)

    def test_lastWrite(self) -> None:
        """
        What a producer writes between C{loseConnection} and its
        C{unregisterProducer} is sent, and then the connection closes.
        """
        foreign = Foreign(False)
        self.meet(True, foreign)
        secure, producer = self.secure, Producer()
        secure.registerProducer(producer, True)
        secure.write(b"first ")
        secure.loseConnection()
        self.pump.flush()
        self.assertFalse(foreign.closed)
        secure.write(b"last")
        secure.unregisterProducer()
        self.pump.flush()
        self.assertEqual(foreign.received, b"first last")
        self.assertTrue(foreign.closed)
        foreign.close()
        self.pump.flush()
        self.assertLost(ConnectionDone)
        self.assertEqual(producer.calls, [])

    def test_producerInTheWay(self) -> None:
        """
        A producer that stays registered does not keep a connection open that
        the peer has closed.
        """
        for streaming in (True, False):
            foreign = Foreign(False)
            self.meet(True, foreign)
            producer = Producer()
            self.secure.registerProducer(producer, streaming)
            foreign.close()
            for transport in (self.pump.server, self.pump.client):
                transport.stroke()
            asked = [] if streaming else ["resume"]
            self.assertEqual(producer.calls, [*asked, "stop"])
            self.secure.unregisterProducer()
            self.pump.flush()
            self.assertLost(ConnectionDone)
            self.assertEqual(producer.calls, [*asked, "stop"])

    def test_closingDirection(self) -> None:
        """
        Behind our announced end our direction of the transport is closed, if
        it can do that: some peers answer to nothing else.  Where only one
        direction is closed, the transport stays as it is.
        """

        def end(close: str) -> bool:
            foreign = Foreign(False)
            self.meet(True, foreign)
            below: Any = self.below
            directions: list[int] = []
            below.loseWriteConnection = lambda: directions.append(len(below.sent))
            alsoProvides(below, IHalfCloseable)
            self.secure.registerProducer(Producer(), True)
            getattr(self.secure, close)()
            self.assertEqual(directions, [])
            self.secure.unregisterProducer()
            if directions:
                self.assertEqual(directions, [len(below.sent)])
            self.pump.flush()
            self.assertTrue(foreign.closed)
            foreign.close()
            self.pump.flush()
            self.assertLost(ConnectionDone)
            return bool(directions)

        self.assertTrue(end("loseConnection"))
        self.assertFalse(end("loseWriteConnection"))

    def test_halfClose(self) -> None:
        """
        To close one direction is to send all that was written, and an end that
        is sealed; the transport stays open, and what the peer says until it
        closes is received.
        """
        foreign = Foreign(False)
        self.meet(True, foreign)
        self.secure.write(b"question")
        self.secure.loseWriteConnection()
        self.pump.flush()
        self.assertEqual(foreign.received, b"question")
        self.assertTrue(foreign.closed)
        self.secure.write(b"too late")
        foreign.say(b"answer")
        self.pump.flush()
        self.assertEqual(self.application.received, [b"answer"])
        self.assertFalse(self.below.disconnecting)
        foreign.close()
        self.pump.flush()
        self.assertLost(ConnectionDone)
        self.assertEqual(foreign.received, b"question")

    def test_halfCloseIsNotPassed(self) -> None:
        """
        A half-close of the transport, which nobody has sealed, is not passed
        upwards.
        """
        self.meet(True, Foreign(False))
        self.assertFalse(IHalfCloseableProtocol.providedBy(self.layer))
        self.cut()

    def test_closeWhilePaused(self) -> None:
        """
        An application may have paused when it closes, or pause after that: it
        closes nevertheless.
        """
        for first, second in (
            ("pauseProducing", "loseConnection"),
            ("loseConnection", "pauseProducing"),
        ):
            foreign = Foreign(False)
            self.meet(True, foreign)
            getattr(self.secure, first)()
            getattr(self.secure, second)()
            foreign.close()
            self.pump.flush()
            self.assertLost(ConnectionDone)

    def test_nothingBehindTheClose(self) -> None:
        """
        When it has closed an application is given nothing more, and nothing is
        kept for it, whether it pauses and resumes or not.
        """
        for calls in ([], ["pauseProducing"], ["pauseProducing", "resumeProducing"]):
            foreign = Foreign(False)
            self.meet(True, foreign)
            self.secure.loseConnection()
            for call in calls:
                getattr(self.secure, call)()
            foreign.say(b"unheard")
            self.pump.flush()
            self.secure.resumeProducing()
            self.pump.flush()
            self.assertEqual(self.application.received, [])
            self.assertEqual(self.application.lost, [])
            foreign.close()
            self.pump.flush()
            self.assertLost(ConnectionDone)
            self.assertEqual(self.application.received, [])

    def test_deafPeer(self) -> None:
        """
        A peer that breaks the protocol, and does not take the alert for it, is
        dropped after some seconds.
        """
        foreign = Foreign(False)
        self.meet(True, foreign)
        self.below.stalled = True
        foreign.transport.write(GARBAGE)
        self.pump.flush()
        self.assertEqual(self.application.lost, [])
        self.pump.advance(CLOSING_TIME - 0.1)
        self.assertEqual(self.application.lost, [])
        self.pump.advance(0.1)
        self.assertLost(ProtocolViolation)

    def test_deafStranger(self) -> None:
        """
        So is one that is refused.
        """
        foreign = Foreign(True, makeContext(forge(bare=True)))
        self.meet(False, foreign, until=lambda: foreign.finished)
        self.below.stalled = True
        self.pump.flush()
        self.assertEqual(self.failures, [])
        self.pump.advance(CLOSING_TIME)
        self.assertRefused("the peer's certificate: it has no libp2p extension")

    def test_afterTheEnd(self) -> None:
        """
        When all is over nothing does any harm.
        """
        for close in ("loseConnection", "abortConnection"):
            self.meet(True, Foreign(False))
            secure, late = self.secure, Producer()
            secure.registerProducer(Producer(), True)
            getattr(secure, close)()
            self.cut()
            secure.unregisterProducer()
            secure.write(b"late")
            secure.writeSequence([b"late"])
            for method in (
                "pauseProducing",
                "resumeProducing",
                "loseWriteConnection",
                "loseConnection",
                "abortConnection",
                "stopConsuming",
                "stopProducing",
            ):
                getattr(secure, method)()
            self.layer.dataReceived(b"late")
            for streaming in (True, False):
                secure.registerProducer(late, streaming)
                secure.unregisterProducer()
            self.assertEqual(late.calls, ["stop", "stop"])
            self.assertEqual(len(self.application.lost), 1)

    def test_nothingKept(self) -> None:
        """
        When a handshake is over its machine is not kept, and when a connection
        has ended well nothing holds on to its parts; it takes no garbage
        collector to free them.
        """
        foreign = Foreign(False)
        self.meet(True, foreign, until=lambda: True)
        gc.collect()
        gc.disable()
        try:
            machine: Any = self.layer._machine
            part, tls = weakref.ref(machine), weakref.ref(machine._tls)
            del machine
            self.pump.flush()
            self.assertTrue(self.application.connected)
            self.assertIsNone(part())
            layer = weakref.ref(self.layer)
            foreign.close()
            self.pump.flush()
            self.assertIsNone(tls())
            for transport in (self.pump.client, self.pump.server):
                del transport.protocol, transport.other
            del self.layer, self.pump
            self.application.transport = None
            del self.application
            self.assertIsNone(layer())
        finally:
            gc.enable()

    def test_nothingKeptOfAnAttempt(self) -> None:
        """
        Nor does it take one to free what there was of a handshake that did not
        come to its end.
        """
        for initiator in (True, False):
            self.meet(
                initiator,
                Foreign(not initiator),
                until=lambda: hasattr(self.layer._machine, "_tls"),
            )
            gc.collect()
            gc.disable()
            try:
                machine: Any = self.layer._machine
                parts = [weakref.ref(machine), weakref.ref(machine._tls)]
                del machine
                self.cut()
                self.assertEqual([part() for part in parts], [None] * len(parts))
            finally:
                gc.enable()


class MessageTests(Meeting):
    """
    The peer sends messages of the handshake behind it.
    """

    def setUp(self) -> None:
        """
        Connect.
        """
        super().setUp()
        secrets: list[bytes] = []
        self.foreign = Foreign(True, watchedContext(secrets))
        self.meet(False, self.foreign)
        self.sealer = Sealer(secrets, True)

    def test_answered(self) -> None:
        """
        A peer that asks for new keys gets them, though we have nothing to say.
        """
        before = len(self.below.sent)
        for _ in range(2):
            self.foreign.transport.write(self.sealer.update(True))
            self.pump.flush()
        self.assertGreater(len(self.below.sent), before)
        self.secure.write(b"data")
        self.pump.flush()
        self.assertEqual(self.foreign.received, b"data")
        self.cut()

    def test_answeredWithoutEnd(self) -> None:
        """
        Who goes on with that is dropped.
        """
        for _ in range(MOST_ANSWERED // 27 + 2):
            self.foreign.transport.write(self.sealer.update(True))
            self.pump.flush()
        self.assertLost(ProtocolViolation)

    def test_inside(self) -> None:
        """
        What is written, and an end that is made, in the midst of a message of
        the peer's wait for its end.
        """
        below: Any = self.below
        directions: list[int] = []
        below.loseWriteConnection = lambda: directions.append(len(below.sent))
        alsoProvides(below, IHalfCloseable)
        self.foreign.transport.write(self.sealer.seal(HANDSHAKE, b"\x18\x00\x00\x01"))
        self.pump.flush()
        before = len(below.sent)
        self.secure.write(b"all ")
        self.pump.flush()
        self.secure.write(b"of it")
        self.secure.loseConnection()
        self.pump.flush()
        self.assertEqual(len(below.sent), before)
        self.assertEqual(directions, [])
        self.foreign.transport.write(self.sealer.seal(HANDSHAKE, b"\x00"))
        self.pump.flush()
        self.assertEqual(self.foreign.received, b"all of it")
        self.assertTrue(self.foreign.closed)
        self.assertEqual(directions, [len(below.sent)])
        self.cut()
        self.assertLost(ConnectionDone)

    def test_insideWithoutEnd(self) -> None:
        """
        Who stays in the midst of a message for too long is dropped.
        """
        self.foreign.transport.write(self.sealer.seal(HANDSHAKE, b"\x18\x00\x00\x01"))
        self.pump.flush()
        self.secure.write(bytes(MOST_DELAYED))
        self.pump.flush()
        self.assertEqual(self.application.lost, [])
        self.secure.write(b"x")
        self.pump.flush()
        self.assertLost(ProtocolViolation)

    def test_endInside(self) -> None:
        """
        A peer may announce its end there; ours can not be announced then.
        """
        self.foreign.transport.write(self.sealer.seal(HANDSHAKE, b"\x18\x00\x00\x01"))
        self.foreign.transport.write(self.sealer.seal(ALERT, b"\x01\x00"))
        self.pump.flush()
        self.assertLost(ConnectionDone)

    def test_endInsideOfWhatWaits(self) -> None:
        """
        What was waiting for the end of the message is lost then.
        """
        self.foreign.transport.write(self.sealer.seal(HANDSHAKE, b"\x18\x00\x00\x01"))
        self.pump.flush()
        self.secure.write(b"data")
        self.pump.flush()
        self.foreign.transport.write(self.sealer.seal(ALERT, b"\x01\x00"))
        self.pump.flush()
        self.assertEqual(self.foreign.received, b"")
        self.assertLost(ConnectionDone)


class ProducerTests(Meeting):
    """
    Producers.
    """

    def test_flag(self) -> None:
        """
        A push producer is told of each change, once.
        """
        self.meet(True, Foreign(False))
        producer = Producer()
        self.secure.registerProducer(producer, True)
        for _ in range(3):
            self.secure.write(bytes(100_000))
        self.assertEqual(producer.calls, ["pause"])
        self.pump.flush()
        self.assertEqual(producer.calls, ["pause", "resume"])
        self.cut()
        self.assertEqual(producer.calls, ["pause", "resume", "stop"])

    def test_pulled(self) -> None:
        """
        A producer that has to be asked is asked when the transport is empty,
        and not before.
        """
        foreign = Foreign(False)
        self.meet(True, foreign)

        class Pulled(Producer):
            """
            Gives much.
            """

            def resumeProducing(self) -> None:
                """
                Give it.
                """
                super().resumeProducing()
                secure.write(bytes(40_000))

        secure, producer = self.secure, Pulled()
        secure.registerProducer(producer, False)
        for times in (1, 2, 3):
            for _ in range(5):
                self.clock.advance(0)
            self.assertEqual(producer.calls, ["resume"] * times)
            self.below.stroke()
        secure.unregisterProducer()
        self.pump.flush()
        self.assertEqual(producer.calls, ["resume"] * 4)
        self.assertEqual(len(foreign.received), 160_000)
        self.cut()

    def test_pulledToTheEnd(self) -> None:
        """
        It is told when the transport is gone.
        """
        self.meet(True, Foreign(False))
        producer = Producer()
        self.secure.registerProducer(producer, False)
        self.cut()
        self.assertEqual(producer.calls, ["resume", "stop"])

    def test_oneAtATime(self) -> None:
        """
        There is one producer at a time, of whatever kind.
        """
        self.meet(True, Foreign(False))
        producer = Producer()
        self.secure.registerProducer(producer, True)
        for streaming in (True, False):
            self.assertRaises(
                RuntimeError, self.secure.registerProducer, Producer(), streaming
            )
        self.secure.write(bytes(100_000))
        self.assertEqual(producer.calls, ["pause"])
        self.cut()


class LayerTests(Meeting):
    """
    What is between our protocols.
    """

    def test_notAround(self) -> None:
        """
        Nothing of the transport that would get around TLS is to be had from
        above.
        """
        self.meet(True, Foreign(False))
        for name in ("startTLS", "setTcpNoDelay", "getHandle", "sent"):
            self.assertFalse(hasattr(self.secure, name))
        self.cut()

    def test_joined(self) -> None:
        """
        Small writes of one turn of the reactor leave as one record.
        """
        foreign = Foreign(False)
        self.meet(True, foreign)
        before = len(self.below.sent)
        for _ in range(100):
            self.secure.write(b"ten bytes.")
        self.assertEqual(len(self.below.sent), before)
        self.pump.flush()
        # The header, the kind of content and the tag take 22 bytes.
        self.assertEqual(len(self.below.sent) - before, 1000 + 22)
        self.assertEqual(foreign.received, b"ten bytes." * 100)
        self.cut()

    def test_oneFlight(self) -> None:
        """
        What a client's application says at once leaves in one write with the
        end of the handshake.
        """

        def prepare(application: Application) -> None:
            application.onMade = lambda: application.transport.write(b"hello")

        self.prepare = prepare
        foreign = Foreign(False)
        self.meet(True, foreign, until=lambda: self.application.connected == 1)
        self.assertEqual(len(self.below._written), 1)
        self.pump.flush()
        self.assertEqual(foreign.received, b"hello")
        self.cut()
