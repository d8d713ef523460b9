# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for the first reads after a handshake of TLS, and for refused certificates.
"""

from __future__ import annotations

from tests.security.application import Application
from tests.security.tls.ends import GARBAGE, RECORD, unbelieving
from tests.security.tls.foreign import Foreign
from tests.security.tls.meeting import Meeting
from twisted_libp2p.errors import HandshakeFailed, ProtocolViolation


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
