# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.wrapper}.
"""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IHalfCloseableProtocol,
    IProtocol,
    IPushProducer,
    ITCPTransport,
)
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.security.application import Application
from twisted_libp2p.errors import HandshakeFailed, ProtocolViolation
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import (
    Handshake,
    IFlushable,
    IHalfCloseable,
    ISecureTransport,
    Role,
    Secured,
)
from twisted_libp2p.pacing import Layer
from twisted_libp2p.security import (
    Channel,
    HandshakeMachine,
    SecureFactory,
    SecureTransport,
)

IDENTITY = Identity.generate()
SECURED = Secured("/bang", IDENTITY.peerID, IDENTITY.publicKey)
SMALL = b"small"
LARGE = b"x" * 32 * 1024


class Bracketed(Channel):
    """
    A channel whose frames are in brackets; a bang is a violation.
    """

    def __init__(self) -> None:
        self._partial = b""

    @property
    def truncated(self) -> bool:  # type: ignore[override]
        """
        Whether a bracket is open.
        """
        return bool(self._partial)

    def seal(self, pieces: Sequence[bytes]) -> list[bytes]:
        """
        Put brackets around what is to be sent.
        """
        return [b"[", *pieces, b"]"]

    def open(self, data: bytes, opened: list[bytes]) -> None:
        """
        Take the brackets off.
        """
        *frames, self._partial = (self._partial + data).split(b"]")
        for frame in frames:
            if b"!" in frame:
                raise ProtocolViolation("/bang", "a bang")
            opened.append(frame[1:])


class Greeting(HandshakeMachine):
    """
    A handshake: the responder says C{hello?} to the initiator's C{hello.}, and
    is answered C{hello!}; C{no} is a failure, C{oops} a fault of ours.
    """

    protocolID = "/bang"

    def __init__(self, initiator: bool) -> None:
        self._initiator = initiator

    def start(self) -> bytes:
        """
        Greet, if it is for us to begin.
        """
        return b"hello." if self._initiator else b""

    def receive(self, data: bytes) -> bytes:
        """
        Greet back.
        """
        if data.startswith(b"no"):
            raise HandshakeFailed("/bang", "no")
        if data.startswith(b"oops"):
            raise ZeroDivisionError("oops")
        if data == b"hello.":
            return b"hello?"
        self.trailing = data[len(b"hello?") :]
        self.channel = Bracketed()
        self.secured = SECURED
        return b"hello!" if self._initiator else b""


@implementer(IHalfCloseable)
class Wire(StringTransport):
    """
    A transport that counts its writes, and tells what is done to it.
    """

    def __init__(self) -> None:
        super().__init__(lenient=True)
        self.calls: list[str] = []
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        """
        Take one write.
        """
        self.writes.append(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """
        Take one write, in pieces.
        """
        self.writes.append(b"".join(data))

    def loseConnection(self) -> None:
        """
        Note the order of things.
        """
        self.calls.append(f"lose after {len(self.writes)}")
        super().loseConnection()

    def loseWriteConnection(self) -> None:
        """
        Note the order of things.
        """
        self.calls.append(f"loseWrite after {len(self.writes)}")

    def abortConnection(self) -> None:
        """
        Note that there was no mercy.
        """
        self.calls.append("abort")
        self.disconnected = True

    def startTLS(self, *args: object) -> None:
        """
        What nobody above may call.
        """
        raise AssertionError("reached around the encryption")


@implementer(IFlushable)
class Prompt(Wire):
    """
    A transport that sends at once if it is asked to, and otherwise waits for the
    reactor.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    def writeNow(self, data: bytes) -> None:
        """
        Send after the earlier writes.
        """
        self.write(data)
        self.flush()

    def flush(self) -> None:
        """
        Send the earlier writes.
        """
        self.sent += self.writes
        self.writes.clear()


class WrapperTestCase(SynchronousTestCase):
    """
    A base: one wrapper, on a transport that records.
    """

    initiator = True
    wire: type[Wire] = Wire

    def setUp(self) -> None:
        """
        Begin a handshake.
        """
        self.clock = Clock()
        self.failures: list[Failure] = []
        self.addresses: list[IAddress | None] = []
        self.application = Application()
        self.build: Callable[[], IProtocol | None] = lambda: self.application
        self.begin()

    def begin(self) -> None:
        """
        Begin a handshake on a new transport.
        """
        case = self

        class Applications(Factory):
            """
            Builds the application.
            """

            def buildProtocol(self, addr: IAddress | None) -> Any:
                """
                The peer is authenticated.
                """
                case.addresses.append(addr)
                return case.build()

        self.transport = self.wire()
        factory = SecureFactory(
            Handshake(
                IDENTITY,
                Role.CLIENT if self.initiator else Role.SERVER,
                None,
                (),
                self.failures.append,
            ),
            Applications(),
            lambda: Greeting(self.initiator),
            self.clock,
        )
        self.address = self.transport.getPeer()
        self.wrapper = factory.buildProtocol(self.address)
        self.wrapper.makeConnection(self.transport)

    def secure(self, behind: bytes = b"") -> None:
        """
        Finish the handshake, and forget what was written for it.
        """
        self.wrapper.dataReceived(b"hello?" + behind)
        self.transport.writes.clear()

    def lose(self, error: Exception) -> None:
        """
        End the transport.
        """
        self.wrapper.connectionLost(Failure(error))

    def assertLost(self, error: type[Exception]) -> Failure:
        """
        The application was told once that it is over.
        """
        (reason,) = self.application.lost
        self.assertIsInstance(reason.value, error)
        return reason


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
        self.assertIsInstance(failure.value, HandshakeFailed)
        assert failure.value is not None
        self.assertIsInstance(failure.value.__cause__, ConnectionLost)
        self.assertIn("cut", str(failure.value))
        self.wrapper.dataReceived(b"hello?")
        self.assertEqual(self.addresses, [])

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


class ReceiveTests(WrapperTestCase):
    """
    From the transport to the application.
    """

    def setUp(self) -> None:
        """
        Finish a handshake.
        """
        super().setUp()
        self.secure()

    def test_oneRead(self) -> None:
        """
        The frames of one read make one piece.
        """
        self.wrapper.dataReceived(b"[one][two][thr")
        self.wrapper.dataReceived(b"ee]")
        self.assertEqual(self.application.received, [b"onetwo", b"three"])

    def test_nothing(self) -> None:
        """
        A read without a complete frame is nothing to the application.
        """
        self.wrapper.dataReceived(b"[on")
        self.assertEqual(self.application.received, [])

    def test_replaced(self) -> None:
        """
        Who takes the application's place, as a negotiator has it done, receives
        from then on.
        """
        other = Application()
        self.wrapper.wrappedProtocol = other
        self.wrapper.dataReceived(b"[one]")
        self.lose(ConnectionDone())
        self.assertEqual(other.received, [b"one"])
        self.assertEqual(len(other.lost), 1)
        self.assertEqual(self.application.lost, [])

    def test_violation(self) -> None:
        """
        A violation ends the connection at once; the application is told of it,
        once, when the transport is gone, and got what was good.
        """
        self.wrapper.dataReceived(b"[one][!][two]")
        self.assertEqual(self.transport.calls, ["abort"])
        self.assertEqual(self.application.received, [b"one"])
        self.wrapper.dataReceived(b"[three]")
        self.wrapper.write(SMALL)
        self.lose(ConnectionAborted())
        reason = self.assertLost(ProtocolViolation)
        assert reason.value is not None
        self.assertIsNone(reason.value.__traceback__)
        self.assertEqual(self.application.received, [b"one"])
        self.assertEqual(self.transport.writes, [])

    def test_brokenApplication(self) -> None:
        """
        An application that fails ends its own connection, and nothing below
        hears of it; the fault is logged.
        """

        def broken(data: bytes) -> None:
            raise ZeroDivisionError

        self.application.onData = broken
        self.wrapper.dataReceived(b"[one]")
        self.assertEqual(self.transport.calls, ["abort"])
        self.wrapper.dataReceived(b"[two]")
        self.lose(ConnectionAborted())
        self.assertLost(ZeroDivisionError)
        self.assertEqual(self.application.received, [b"one"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_brokenAndViolated(self) -> None:
        """
        The first of two reasons to end is the one that is told.
        """

        def broken(data: bytes) -> None:
            raise ZeroDivisionError

        self.application.onData = broken
        self.wrapper.dataReceived(b"[one][!]")
        self.lose(ConnectionAborted())
        self.assertLost(ZeroDivisionError)
        self.assertEqual(self.transport.calls, ["abort"])
        self.flushLoggedErrors(ZeroDivisionError)

    def test_reentrant(self) -> None:
        """
        What arrives while the application is busy waits for its turn.
        """

        def again(data: bytes) -> None:
            if data == b"one":
                self.wrapper.dataReceived(b"[two]")
                self.assertEqual(self.application.received, [b"one"])

        self.application.onData = again
        self.wrapper.dataReceived(b"[one]")
        self.assertEqual(self.application.received, [b"one", b"two"])

    def test_afterTheEnd(self) -> None:
        """
        A transport that speaks after its end is not heard.
        """
        self.lose(ConnectionDone())
        self.wrapper.dataReceived(b"[one]")
        self.assertEqual(self.application.received, [])


class PauseTests(WrapperTestCase):
    """
    Back-pressure towards the transport.
    """

    def setUp(self) -> None:
        """
        Finish a handshake.
        """
        super().setUp()
        self.secure()

    def test_passed(self) -> None:
        """
        Pausing and resuming reach the transport.
        """
        self.wrapper.pauseProducing()
        self.assertEqual(self.transport.producerState, "paused")
        self.wrapper.resumeProducing()
        self.assertEqual(self.transport.producerState, "producing")

    def test_held(self) -> None:
        """
        What arrives in spite of a pause is held; it is delivered in order when
        the application resumes, in a turn of its own, and only then the
        transport is resumed.
        """
        self.wrapper.pauseProducing()
        self.wrapper.dataReceived(b"[one]")
        self.wrapper.dataReceived(b"[two]")
        self.assertEqual(self.application.received, [])
        self.wrapper.resumeProducing()
        self.assertEqual(self.application.received, [])
        self.assertEqual(self.transport.producerState, "paused")
        self.clock.advance(0)
        self.assertEqual(self.application.received, [b"one", b"two"])
        self.assertEqual(self.transport.producerState, "producing")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_heldSmall(self) -> None:
        """
        Bytes that arrive one by one in spite of a pause take little more memory than
        their number, and none of them is lost.
        """
        self.wrapper.pauseProducing()
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        before = tracemalloc.get_traced_memory()[0]
        for number in range(10_000):
            self.wrapper.dataReceived(b"[%d]" % number)
        self.assertLess(tracemalloc.get_traced_memory()[0] - before, 90_000)
        self.wrapper.resumeProducing()
        self.clock.advance(0)
        wanted = b"".join(b"%d" % number for number in range(10_000))
        self.assertEqual(b"".join(self.application.received), wanted)

    def test_order(self) -> None:
        """
        What arrives after a resumption does not overtake what is held.
        """
        self.wrapper.pauseProducing()
        self.wrapper.dataReceived(b"[one]")
        self.wrapper.resumeProducing()
        self.wrapper.dataReceived(b"[two]")
        self.clock.advance(0)
        self.assertEqual(self.application.received, [b"one", b"two"])

    def test_pausedAgain(self) -> None:
        """
        An application may take one read at a time.
        """
        self.application.onData = lambda data: self.wrapper.pauseProducing()
        for data in (b"[one]", b"[two]", b"[three]"):
            self.wrapper.dataReceived(data)
        for expected in ([b"one"], [b"one", b"two"], [b"one", b"two", b"three"]):
            self.assertEqual(self.application.received, expected)
            self.assertEqual(self.transport.producerState, "paused")
            self.wrapper.resumeProducing()
            self.clock.advance(0)
        self.assertEqual(self.transport.producerState, "producing")

    def test_flicker(self) -> None:
        """
        Pausing takes a resumption back that had not come into effect.
        """
        self.wrapper.pauseProducing()
        self.wrapper.dataReceived(b"[one]")
        for _ in range(3):
            self.wrapper.resumeProducing()
            self.wrapper.pauseProducing()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.advance(0)
        self.assertEqual(self.application.received, [])
        self.assertEqual(self.transport.producerState, "paused")
        self.wrapper.resumeProducing()
        self.clock.advance(0)
        self.assertEqual(self.application.received, [b"one"])

    def test_resumedWhileBusy(self) -> None:
        """
        A pause that ends before the application has returned holds nothing.
        """

        def flicker(data: bytes) -> None:
            self.wrapper.pauseProducing()
            if data == b"one":
                self.wrapper.dataReceived(b"[two]")
            self.wrapper.resumeProducing()

        self.application.onData = flicker
        self.wrapper.dataReceived(b"[one]")
        self.assertEqual(self.application.received, [b"one", b"two"])
        self.assertEqual(self.transport.producerState, "producing")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_lostWhileResuming(self) -> None:
        """
        What an application has asked for again is not lost with the transport.
        """
        self.wrapper.pauseProducing()
        self.wrapper.dataReceived(b"[one]")
        self.wrapper.resumeProducing()
        self.lose(ConnectionDone())
        self.assertEqual(self.application.received, [b"one"])
        self.assertLost(ConnectionDone)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_lostWhilePaused(self) -> None:
        """
        What nobody asked for is dropped.
        """
        self.wrapper.pauseProducing()
        self.wrapper.dataReceived(b"[one]")
        self.lose(ConnectionDone())
        self.assertEqual(self.application.received, [])
        self.assertLost(ConnectionDone)

    def test_lostWhilePausedInside(self) -> None:
        """
        The peer is not blamed for an end inside a frame whose rest nobody asked for.
        """
        self.application.onData = lambda data: self.wrapper.pauseProducing()
        self.wrapper.dataReceived(b"[one][tw")
        self.wrapper.dataReceived(b"o]")
        self.lose(ConnectionDone())
        self.assertEqual(self.application.received, [b"one"])
        self.assertLost(ConnectionDone)

    def test_violationHeld(self) -> None:
        """
        A violation waits behind what arrived before it.
        """
        self.wrapper.pauseProducing()
        self.wrapper.dataReceived(b"[one]")
        self.wrapper.dataReceived(b"[!]")
        self.assertEqual(self.transport.calls, [])
        self.wrapper.resumeProducing()
        self.clock.advance(0)
        self.assertEqual(self.application.received, [b"one"])
        self.assertEqual(self.transport.calls, ["abort"])


class WriteTests(WrapperTestCase):
    """
    From the application to the transport.
    """

    def setUp(self) -> None:
        """
        Finish a handshake.
        """
        super().setUp()
        self.secure()

    def test_turn(self) -> None:
        """
        Small writes leave together when the turn of the reactor is over.
        """
        self.wrapper.write(b"one,")
        self.wrapper.writeSequence([b"two,", b"three"])
        self.assertEqual(self.transport.writes, [])
        self.clock.advance(0)
        self.assertEqual(self.transport.writes, [b"[one,two,three]"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_duringDataReceived(self) -> None:
        """
        Small writes in answer to a read leave together at its end, without the
        reactor.
        """

        def answer(data: bytes) -> None:
            self.wrapper.write(b"one,")
            self.wrapper.write(b"two")
            self.assertEqual(self.transport.writes, [])

        self.application.onData = answer
        self.wrapper.dataReceived(b"[data]")
        self.assertEqual(self.transport.writes, [b"[one,two]"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_large(self) -> None:
        """
        A large write leaves at once, behind what was written before.
        """
        self.wrapper.write(SMALL)
        self.wrapper.write(LARGE)
        self.assertEqual(self.transport.writes, [b"[" + SMALL + LARGE + b"]"])
        self.wrapper.write(SMALL)
        self.clock.advance(0)
        self.assertEqual(self.transport.writes[1:], [b"[" + SMALL + b"]"])

    def test_manySmall(self) -> None:
        """
        However many small writes there are, no more is held back than makes
        one large.
        """
        for _ in range(100):
            self.wrapper.write(b"x" * 1000)
        self.assertEqual(
            [len(write) for write in self.transport.writes], [33002, 33002, 33002]
        )
        self.clock.advance(0)
        self.assertEqual(len(self.transport.writes[-1]), 1002)

    def test_nothing(self) -> None:
        """
        Nothing is nothing.
        """
        self.wrapper.write(b"")
        self.wrapper.writeSequence([])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.transport.writes, [])

    def test_notBytes(self) -> None:
        """
        What is not bytes is refused, as by Twisted's own transports.
        """
        for data in ("text", bytearray(b"data"), None):
            self.assertRaises(TypeError, self.wrapper.write, data)
        self.assertRaises(TypeError, self.wrapper.writeSequence, ["text"])

    def test_afterTheEnd(self) -> None:
        """
        What is written after the end is dropped.
        """
        self.wrapper.write(SMALL)
        self.lose(ConnectionDone())
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.wrapper.write(SMALL)
        self.wrapper.write(LARGE)
        self.assertEqual(self.transport.writes, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])


class PromptTests(WrapperTestCase):
    """
    A socket is tried at once, not in the reactor's next turn.
    """

    wire = Prompt
    transport: Prompt

    def test_handshake(self) -> None:
        """
        The answer to a message of the handshake leaves with its read.
        """
        self.initiator = False
        self.begin()
        self.wrapper.dataReceived(b"hello.")
        self.assertEqual(self.transport.sent, [b"hello?"])

    def test_lastMessage(self) -> None:
        """
        So does the last one, with what the application says at once.
        """
        self.application.onMade = lambda: self.wrapper.write(b"first")
        self.wrapper.dataReceived(b"hello?")
        self.assertEqual(self.transport.sent, [b"hello.", b"hello![first]"])

    def test_read(self) -> None:
        """
        What is written during a read leaves at the end of it.
        """
        self.secure()
        del self.transport.sent[:]

        def echo(data: bytes) -> None:
            self.wrapper.write(data)
            self.assertEqual(self.transport.sent, [])

        self.application.onData = echo
        self.wrapper.dataReceived(b"[one]")
        self.assertEqual(self.transport.sent, [b"[one]"])

    def test_turn(self) -> None:
        """
        What is written outside of one leaves at the end of the turn.
        """
        self.secure()
        del self.transport.sent[:]
        self.wrapper.write(b"one")
        self.wrapper.write(b"two")
        self.clock.advance(0)
        self.assertEqual(self.transport.sent, [b"[onetwo]"])

    def test_large(self) -> None:
        """
        An application that writes until it is paused is not helped to go on for
        ever: large writes wait for the reactor.
        """
        self.secure()
        del self.transport.sent[:]
        self.wrapper.write(LARGE)
        self.assertEqual(self.transport.sent, [])
        self.assertEqual(self.transport.writes, [b"[" + LARGE + b"]"])

    def test_nothing(self) -> None:
        """
        The transport is not asked to send after a read that leads to no writing.
        """
        self.secure()
        tried: list[object] = []
        self.patch(self.transport, "flush", lambda: tried.append(None))
        self.patch(self.transport, "writeNow", tried.append)
        self.wrapper.dataReceived(b"[one]")
        self.assertEqual(tried, [])

    def test_closing(self) -> None:
        """
        To end a transport that is closing is left to the reactor.
        """
        self.secure()
        del self.transport.sent[:]

        def bye(data: bytes) -> None:
            self.wrapper.write(b"bye")
            self.wrapper.loseConnection()

        self.application.onData = bye
        self.wrapper.dataReceived(b"[one]")
        self.assertEqual(self.transport.sent, [])
        self.assertEqual(self.transport.writes, [b"[bye]"])


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
