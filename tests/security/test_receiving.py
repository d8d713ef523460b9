# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.wrapper}: received bytes.
"""

from __future__ import annotations

from twisted.internet.error import ConnectionAborted, ConnectionDone

from tests.security.application import Application
from tests.security.wires import (
    SMALL,
    WrapperTestCase,
)
from tests.traced import traced
from twisted_libp2p.errors import ProtocolViolation


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
        with traced() as held:
            for number in range(10_000):
                self.wrapper.dataReceived(b"[%d]" % number)
            self.assertLess(held(), 90_000)
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
