# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the side that pings.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import (
    ProtocolViolation,
    StreamReset,
    UpgradeTimeout,
)
from twisted_libp2p.protocols.ping.protocol import SIZE, TIMEOUT, Ping


class PingTests(SynchronousTestCase):
    """
    The side that asks.
    """

    def setUp(self) -> None:
        """
        Connect a ping to nobody.
        """
        self.clock = Clock()
        self.transport = StringTransport()
        self.ping = Ping(self.clock, self.clock.seconds)
        self.ping.makeConnection(self.transport)

    def sent(self) -> bytes:
        """
        Take what was sent.
        """
        sent: bytes = self.transport.value()
        self.transport.clear()
        return sent

    def lost(self) -> None:
        """
        The transport tells that it was aborted.
        """
        self.assertTrue(self.transport.disconnected)
        self.ping.connectionLost(Failure(ConnectionDone()))

    def test_roundTrip(self) -> None:
        """
        A ping fires with the seconds that it took, in whatever pieces it comes.
        """
        waiting = self.ping.ping()
        payload = self.sent()
        self.assertEqual(len(payload), SIZE)
        self.clock.advance(1.5)
        self.ping.dataReceived(payload[:10])
        self.assertNoResult(waiting)
        self.clock.advance(0.5)
        self.ping.dataReceived(payload[10:])
        self.assertEqual(self.successResultOf(waiting), 2.0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_random(self) -> None:
        """
        No two pings are alike.
        """
        self.ping.ping()
        first = self.sent()
        self.ping.ping()
        self.assertNotEqual(self.sent(), first)

    def test_flight(self) -> None:
        """
        Several pings may be under way; each is told its own time.
        """
        waiting = []
        for _ in range(3):
            waiting.append(self.ping.ping())
            self.clock.advance(1.0)
        self.ping.dataReceived(self.sent())
        self.assertEqual(
            [self.successResultOf(each) for each in waiting], [3.0, 2.0, 1.0]
        )

    def test_again(self) -> None:
        """
        Whoever is answered may ping again at once.
        """
        results: list[float] = []

        def again(seconds: float) -> Deferred[float]:
            results.append(seconds)
            return self.ping.ping()

        last = self.ping.ping().addCallback(again).addCallback(again)
        for _ in range(3):
            self.clock.advance(1.0)
            self.ping.dataReceived(self.sent())
        self.assertEqual([*results, self.successResultOf(last)], [1.0, 1.0, 1.0])

    def test_wrong(self) -> None:
        """
        A wrong answer fails all pings, and resets the stream.
        """
        waiting = [self.ping.ping(), self.ping.ping()]
        sent = self.sent()
        self.ping.dataReceived(sent[: SIZE - 1] + bytes([sent[SIZE - 1] ^ 1]))
        for each in waiting:
            self.failureResultOf(each, ProtocolViolation)
        self.lost()
        self.failureResultOf(self.ping.ping(), ProtocolViolation)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_unasked(self) -> None:
        """
        Bytes behind the last answer are no answer: the stream is reset, but
        the ping has succeeded.
        """
        waiting = self.ping.ping()
        self.ping.dataReceived(self.sent() + b"x")
        self.successResultOf(waiting)
        self.lost()
        self.failureResultOf(self.ping.ping(), ProtocolViolation)

    def test_late(self) -> None:
        """
        A ping fails after 10 seconds, and so does the stream.
        """
        waiting = self.ping.ping()
        self.clock.advance(TIMEOUT - 0.1)
        self.assertNoResult(waiting)
        self.clock.advance(0.1)
        self.failureResultOf(waiting, UpgradeTimeout)
        self.lost()
        self.failureResultOf(self.ping.ping(), UpgradeTimeout)

    def test_overdue(self) -> None:
        """
        A ping is not late whose answer waits in the socket when the timer is overdue.
        """
        waiting = self.ping.ping()
        self.clock.callLater(60, self.ping.dataReceived, self.sent())
        self.clock.advance(60)
        self.successResultOf(waiting)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_lateEach(self) -> None:
        """
        Each ping has its own 10 seconds: an answer to an earlier one gives no
        later one more time.
        """
        first = self.ping.ping()
        answer = self.sent()
        self.clock.advance(6.0)
        second = self.ping.ping()
        self.clock.advance(3.0)
        self.ping.dataReceived(answer)
        self.assertEqual(self.successResultOf(first), 9.0)
        self.clock.advance(6.9)
        self.assertNoResult(second)
        self.clock.advance(0.1)
        self.failureResultOf(second, UpgradeTimeout)

    def test_lost(self) -> None:
        """
        The end of the stream is the answer to all who wait, and will.
        """
        waiting = self.ping.ping()
        self.ping.connectionLost(Failure(StreamReset()))
        self.failureResultOf(waiting, StreamReset)
        self.failureResultOf(self.ping.ping(), StreamReset)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cancel(self) -> None:
        """
        A ping that nobody waits for any more does not touch the others.
        """
        first, second = self.ping.ping(), self.ping.ping()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.ping.dataReceived(self.sent())
        self.assertEqual(self.successResultOf(second), 0.0)

    def test_cancelInside(self) -> None:
        """
        One answer may make a ping that is answered in the same flight
        superfluous.
        """
        first, second = self.ping.ping(), self.ping.ping()
        first.addCallback(lambda _: second.cancel())
        self.ping.dataReceived(self.sent())
        self.failureResultOf(second, CancelledError)
        self.assertFalse(self.transport.disconnected)
