# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.wrapper}.
"""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IConsumer,
    IHalfCloseableProtocol,
    IProtocol,
    IPushProducer,
    ITCPTransport,
)
from twisted.internet.testing import StringTransport
from zope.interface.verify import verifyObject

from tests.security.wires import (
    LARGE,
    SECURED,
    SMALL,
    WrapperTestCase,
)
from twisted_libp2p.errors import HandshakeEnded, HandshakeFailed, ProtocolViolation
from twisted_libp2p.interfaces import (
    ISecureTransport,
)
from twisted_libp2p.pacing import Layer
from twisted_libp2p.security import (
    SecureTransport,
)


class HandshakeTests(WrapperTestCase):
    """
    From C{makeConnection} to the wrapped protocol.
    """

    def test_initiator(self) -> None:
        """
        The initiator begins; the application is connected when there is
        nothing left to be received.
        """
        self.assertEqual(self.transport.writes, [b"hello."])
        self.assertEqual(self.addresses, [])
        self.wrapper.dataReceived(b"hello?")
        self.assertEqual(self.transport.writes, [b"hello.", b"hello!"])
        self.assertEqual(self.addresses, [self.address])
        self.assertIs(self.application.transport, self.wrapper)
        self.assertIs(self.wrapper.secured, SECURED)
        self.assertEqual(self.failures, [])

    def test_responder(self) -> None:
        """
        The responder waits.
        """
        self.initiator = False
        self.begin()
        self.assertEqual(self.transport.writes, [])
        self.wrapper.dataReceived(b"hello.")
        self.assertEqual(self.transport.writes, [b"hello?"])
        self.assertEqual(self.addresses, [])
        self.wrapper.dataReceived(b"hello!")
        self.assertIs(self.application.transport, self.wrapper)

    def test_sameSegment(self) -> None:
        """
        What the application says at once leaves in one write with the last
        message of the handshake.
        """
        self.application.onMade = lambda: self.wrapper.write(b"first")
        self.wrapper.dataReceived(b"hello?")
        self.assertEqual(self.transport.writes[1:], [b"hello![first]"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_agreedMuxerRefused(self) -> None:
        """
        An application that aborts at once is not heard after that message.
        """
        self.secured = replace(SECURED, muxer="/yamux/1.0.0")
        self.begin()
        self.application.onMade = lambda: self.wrapper.abortConnection()
        self.wrapper.dataReceived(b"hello?")
        self.assertEqual(self.transport.writes, [b"hello.", b"hello!"])
        self.assertEqual(self.transport.calls, ["abort"])

    def test_agreedMuxerLost(self) -> None:
        """
        If the transport is lost as it takes that message, the handshake has failed, and
        there is no application.
        """
        self.secured = replace(SECURED, muxer="/yamux/1.0.0")
        self.begin()
        self.patch(self.transport, "write", lambda _: self.lose(ConnectionLost()))
        self.wrapper.dataReceived(b"hello?")
        self.assertEqual(len(self.failures), 1)
        self.assertIsNone(self.application.transport)

    def test_agreedMuxerAnswered(self) -> None:
        """
        A transport may deliver the answer to that message while it takes it.
        """
        self.secured = replace(SECURED, muxer="/yamux/1.0.0")
        self.begin()
        answer = self.wrapper.dataReceived
        self.patch(self.transport, "write", lambda _: answer(b"[two]"))
        self.wrapper.dataReceived(b"hello?[one]")
        self.assertEqual(self.application.received, [b"one", b"two"])

    def test_largeInTheBeginning(self) -> None:
        """
        The last message of the handshake stays in front, however much the
        application says at once.
        """
        self.application.onMade = lambda: self.wrapper.write(LARGE)
        self.wrapper.dataReceived(b"hello?")
        self.assertEqual(self.transport.writes[1:], [b"hello![" + LARGE + b"]"])

    def test_closeInTheBeginning(self) -> None:
        """
        An application that says something and closes at once is heard.
        """

        def made() -> None:
            self.wrapper.write(b"bye")
            self.wrapper.loseConnection()

        self.application.onMade = made
        self.wrapper.dataReceived(b"hello?")
        self.assertEqual(self.transport.writes[1:], [b"hello![bye]"])
        self.assertEqual(self.transport.calls, ["lose after 2"])

    def test_abortInTheBeginning(self) -> None:
        """
        An application that aborts at once says nothing.
        """
        self.application.onMade = lambda: self.wrapper.abortConnection()
        self.wrapper.dataReceived(b"hello?[more]")
        self.assertEqual(self.transport.writes[1:], [])
        self.assertEqual(self.transport.calls, ["abort"])
        self.assertEqual(self.application.received, [])

    def test_surplus(self) -> None:
        """
        Bytes behind the handshake reach the application after it is connected,
        and its answer leaves with the handshake's last message.
        """
        self.application.onData = self.wrapper.write
        self.wrapper.dataReceived(b"hello?[one][two")
        self.assertEqual(self.application.received, [b"one"])
        self.wrapper.dataReceived(b"]")
        self.assertEqual(self.application.received, [b"one", b"two"])
        self.assertEqual(self.transport.writes[1:], [b"hello![one]", b"[two]"])

    def test_surplusWhilePaused(self) -> None:
        """
        An application that pauses at once is given them when it resumes.
        """
        self.application.onMade = lambda: self.wrapper.pauseProducing()
        self.wrapper.dataReceived(b"hello?[one]")
        self.assertEqual(self.application.received, [])
        self.wrapper.resumeProducing()
        self.clock.advance(0)
        self.assertEqual(self.application.received, [b"one"])

    def test_failure(self) -> None:
        """
        A handshake that fails is told once, and nothing else comes of it.
        """
        self.wrapper.dataReceived(b"no")
        self.assertEqual(self.transport.calls, ["abort"])
        self.wrapper.dataReceived(b"hello?")
        self.lose(ConnectionAborted())
        (failure,) = self.failures
        self.assertIsInstance(failure.value, HandshakeFailed)
        self.assertEqual(self.addresses, [])
        self.assertEqual(self.transport.writes, [b"hello."])

    def test_fault(self) -> None:
        """
        A handshake with a fault of our own in it is told as well, and logged.
        """
        self.wrapper.dataReceived(b"oops")
        (failure,) = self.failures
        self.assertIsInstance(failure.value, ZeroDivisionError)
        self.assertEqual(self.transport.calls, ["abort"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_lost(self) -> None:
        """
        A handshake that loses its transport has failed, for that reason.
        """
        self.lose(ConnectionLost("cut"))
        (failure,) = self.failures
        self.assertIsInstance(failure.value, HandshakeEnded)
        assert failure.value is not None
        self.assertIsInstance(failure.value.__cause__, ConnectionLost)
        self.assertIn("cut", str(failure.value))
        self.wrapper.dataReceived(b"hello?")
        self.assertEqual(self.addresses, [])

    def test_violatedBelow(self) -> None:
        """
        A transport that ends since the peer has violated its protocol is not one that
        the peer has left.
        """
        self.lose(ProtocolViolation("websocket", "not masked"))
        (failure,) = self.failures
        self.assertIs(failure.type, HandshakeFailed)

    def test_abortedMeanwhile(self) -> None:
        """
        Bytes that come after our side has dropped the transport complete no handshake.
        """
        self.wrapper.abortConnection()
        self.wrapper.dataReceived(b"hello?")
        self.assertEqual(self.addresses, [])
        self.lose(ConnectionAborted())
        (failure,) = self.failures
        self.assertIsInstance(failure.value, HandshakeFailed)

    def test_refused(self) -> None:
        """
        A factory that builds nothing for this peer ends the connection; that
        is no failure of the handshake.
        """
        self.build = lambda: None
        self.wrapper.dataReceived(b"hello?[data]")
        self.assertEqual(self.transport.calls, ["abort"])
        self.lose(ConnectionAborted())
        self.assertEqual(self.failures, [])

    def test_broken(self) -> None:
        """
        An application that fails to start ends its own connection, and is
        told why.
        """

        def broken() -> None:
            raise ZeroDivisionError

        self.application.onMade = broken
        self.wrapper.dataReceived(b"hello?[data]")
        self.assertEqual(self.transport.calls, ["abort"])
        self.lose(ConnectionAborted())
        self.assertLost(ZeroDivisionError)
        self.assertEqual(self.application.received, [])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class TransportTests(WrapperTestCase):
    """
    The wrapper as a transport.
    """

    def setUp(self) -> None:
        """
        Finish a handshake.
        """
        super().setUp()
        self.secure()

    def test_interfaces(self) -> None:
        """
        It provides what it claims, and claims nothing that the transport below
        happens to provide.
        """
        for interface in (ISecureTransport, IPushProducer, IConsumer, IProtocol):
            verifyObject(interface, self.wrapper)
        self.assertFalse(ITCPTransport.providedBy(self.wrapper))
        self.assertFalse(IHalfCloseableProtocol.providedBy(self.wrapper))

    def test_notAround(self) -> None:
        """
        Nothing else of the transport can be reached.
        """
        for name in ("startTLS", "value", "producerState", "setTcpNoDelay"):
            error = self.assertRaises(AttributeError, getattr, self.wrapper, name)
            self.assertIn(name, str(error))

    def test_ownMethods(self) -> None:
        """
        No method of a transport is left to Twisted's wrapper.
        """
        inherited = {
            name
            for interface in (ITCPTransport, IPushProducer, IConsumer)
            for name in interface.names(all=True)
            if not name.endswith(("TcpNoDelay", "TcpKeepAlive"))
        } - {*vars(SecureTransport), *vars(Layer)}
        self.assertEqual(inherited, set())

    def test_addresses(self) -> None:
        """
        The addresses are those of the transport.
        """
        self.assertEqual(self.wrapper.getPeer(), self.transport.getPeer())
        self.assertEqual(self.wrapper.getHost(), self.transport.getHost())

    def test_producers(self) -> None:
        """
        A producer is the transport's to pause.
        """
        producer = StringTransport()
        for streaming in (True, False):
            self.wrapper.registerProducer(producer, streaming)
            self.assertIs(self.transport.producer, producer)
            self.assertEqual(self.transport.streaming, streaming)
            self.wrapper.unregisterProducer()
            self.assertIsNone(self.transport.producer)

    def test_stopProducing(self) -> None:
        """
        To stop producing is to close.
        """
        self.wrapper.write(SMALL)
        self.wrapper.stopProducing()
        self.assertEqual(self.transport.calls, ["lose after 1"])

    def test_stopConsuming(self) -> None:
        """
        To stop consuming is to forget the producer, and to close.
        """
        self.wrapper.registerProducer(StringTransport(), True)
        self.wrapper.write(SMALL)
        self.wrapper.stopConsuming()
        self.assertIsNone(self.transport.producer)
        self.assertEqual(self.transport.calls, ["lose after 1"])

    def test_logPrefix(self) -> None:
        """
        In logs it is known by what it wraps, if anything.
        """
        self.assertEqual(self.wrapper.logPrefix(), "Application (SecureTransport)")
        self.lose(ConnectionDone())
        self.assertEqual(self.wrapper.logPrefix(), "SecureTransport")

    def test_nothingKept(self) -> None:
        """
        After the end no cycle of references keeps anything alive, and the
        factory has kept nothing.
        """
        self.wrapper.write(SMALL)
        self.wrapper.pauseProducing()
        self.wrapper.dataReceived(b"[held]")
        self.wrapper.resumeProducing()
        self.lose(ConnectionDone())
        self.assertEqual(self.wrapper.factory.protocols, {})
        reference = weakref.ref(self.wrapper)
        gc.disable()
        self.addCleanup(gc.enable)
        # Of these the wrapper's user would have dropped its own.
        self.application.transport = None
        del self.wrapper
        self.assertIsNone(reference())
