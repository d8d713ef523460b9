# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.wrapper}: the end of a connection.
"""

from __future__ import annotations

from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from tests.security.wires import (
    SMALL,
    WrapperTestCase,
)
from twisted_libp2p.errors import ProtocolViolation


class CloseTests(WrapperTestCase):
    """
    The ways to an end.
    """

    def setUp(self) -> None:
        """
        Finish a handshake.
        """
        super().setUp()
        self.secure()

    def test_lose(self) -> None:
        """
        What was written leaves before the transport is closed.
        """
        self.wrapper.write(SMALL)
        self.assertFalse(self.wrapper.disconnecting)
        self.wrapper.loseConnection()
        self.assertTrue(self.wrapper.disconnecting)
        self.assertEqual(self.transport.writes, [b"[" + SMALL + b"]"])
        self.assertEqual(self.transport.calls, ["lose after 1"])
        self.lose(ConnectionDone())
        self.assertLost(ConnectionDone)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_loseDuringDataReceived(self) -> None:
        """
        So it does in answer to a read.
        """

        def answer(data: bytes) -> None:
            self.wrapper.write(SMALL)
            self.wrapper.loseConnection()

        self.application.onData = answer
        self.wrapper.dataReceived(b"[data]")
        self.assertEqual(self.transport.writes, [b"[" + SMALL + b"]"])
        self.assertEqual(self.transport.calls, ["lose after 1"])

    def test_writeAfterLose(self) -> None:
        """
        A producer's last words, between C{loseConnection} and
        C{unregisterProducer}, are not held back.
        """
        self.wrapper.registerProducer(StringTransport(), True)
        self.wrapper.loseConnection()
        self.wrapper.write(b"last")
        self.assertEqual(self.transport.writes, [b"[last]"])
        self.wrapper.unregisterProducer()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_loseWrite(self) -> None:
        """
        What was written leaves before a half-close.
        """
        self.wrapper.write(SMALL)
        self.wrapper.loseWriteConnection()
        self.assertEqual(self.transport.writes, [b"[" + SMALL + b"]"])
        self.assertEqual(self.transport.calls, ["loseWrite after 1"])

    def test_abort(self) -> None:
        """
        An abort drops what was written, and what is still received.
        """
        self.wrapper.write(SMALL)
        self.wrapper.abortConnection()
        self.assertTrue(self.wrapper.disconnecting)
        self.wrapper.dataReceived(b"[data]")
        self.clock.advance(0)
        self.assertEqual(self.transport.writes, [])
        self.assertEqual(self.transport.calls, ["abort"])
        self.assertEqual(self.application.received, [])
        self.lose(ConnectionAborted())
        self.assertLost(ConnectionAborted)

    def test_abortWhileHeld(self) -> None:
        """
        An abort drops what was held, also on its way to be delivered.
        """
        self.wrapper.pauseProducing()
        self.wrapper.dataReceived(b"[data]")
        self.wrapper.resumeProducing()
        self.wrapper.abortConnection()
        self.clock.advance(0)
        self.assertEqual(self.application.received, [])

    def test_done(self) -> None:
        """
        An end between frames is the end as the transport tells it.
        """
        self.wrapper.dataReceived(b"[one]")
        done = Failure(ConnectionDone())
        self.wrapper.connectionLost(done)
        self.assertEqual(self.application.lost, [done])

    def test_truncated(self) -> None:
        """
        An end inside a frame is not a clean one.
        """
        self.wrapper.dataReceived(b"[one")
        self.lose(ConnectionDone())
        reason = self.assertLost(ProtocolViolation)
        self.assertTrue(reason.check(ConnectionLost))
        self.assertFalse(reason.check(ConnectionDone))

    def test_truncatedByUs(self) -> None:
        """
        Where our side closes, it cuts the peer off; that is nobody's fault.
        """
        self.wrapper.dataReceived(b"[one")
        self.wrapper.loseConnection()
        self.lose(ConnectionDone())
        self.assertLost(ConnectionDone)

    def test_otherReasons(self) -> None:
        """
        Another reason than a clean end stays what it is, inside a frame too.
        """
        self.wrapper.dataReceived(b"[one")
        self.lose(ConnectionLost())
        reason = self.assertLost(ConnectionLost)
        self.assertNotIsInstance(reason.value, ProtocolViolation)

    def test_lostWhileBusy(self) -> None:
        """
        A transport that ends while the application is busy ends only once.
        """
        self.application.onData = lambda data: self.lose(ConnectionDone())
        self.wrapper.dataReceived(b"[one]")
        self.assertLost(ConnectionDone)
        self.assertEqual(self.application.received, [b"one"])
