# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for the ends that TLS announces, through L{twisted_libp2p.security.wrapper}.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol
from zope.interface import alsoProvides

from tests.security.application import Application
from tests.security.tls.ends import GARBAGE
from tests.security.tls.foreign import Foreign, makeContext
from tests.security.tls.forgery import forge
from tests.security.tls.meeting import Meeting
from twisted_libp2p.errors import ProtocolViolation, Truncated
from twisted_libp2p.interfaces import IHalfCloseable
from twisted_libp2p.security.wrapper import CLOSING_TIME
from twisted_libp2p.testing.producer import Producer


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
