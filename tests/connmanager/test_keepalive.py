# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of noticing dead peers.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.connmanager.keepalive import KeepAlive
from twisted_libp2p.errors import (
    LimitExceeded,
    PeerUnresponsive,
    UnsupportedProtocol,
    UpgradeTimeout,
)


class Pinged:
    """
    A connection that can be pinged.
    """

    keepsAlive = False

    def __init__(self) -> None:
        self.aborted: list[Failure] = []

    def abort(self, reason: Failure) -> None:
        """
        Note it.
        """
        self.aborted.append(reason)


class KeepAliveTests(SynchronousTestCase):
    """
    Pings, every ten seconds.
    """

    def setUp(self) -> None:
        """
        Watch a connection.
        """
        self.clock = Clock()
        self.pings: list[Deferred[float]] = []
        self.cancelled = 0
        self.keepAlive = KeepAlive(self.clock, 10, self.ping)
        self.connection = cast(Any, Pinged())
        self.keepAlive.opened(self.connection)

    def ping(self, connection: Any) -> Deferred[float]:
        """
        Ask.
        """

        def cancel(_: object) -> None:
            self.cancelled += 1

        self.assertIs(connection, self.connection)
        self.pings.append(Deferred(cancel))
        return self.pings[-1]

    def test_answered(self) -> None:
        """
        A peer that answers is asked again after ten seconds, for ever.
        """
        for count in range(1, 5):
            self.clock.advance(10)
            self.assertEqual(len(self.pings), count)
            self.pings[-1].callback(0.1)
        self.assertEqual(self.connection.aborted, [])

    def test_dead(self) -> None:
        """
        Two pings in a row without an answer end the connection: the reason
        tells for how long nothing was heard.
        """
        self.clock.advance(10)
        self.pings[-1].callback(0.1)
        self.clock.pump([10] * 4)
        (reason,) = self.connection.aborted
        self.assertIsInstance(reason.value, PeerUnresponsive)
        self.assertEqual(reason.value.seconds, 40)
        self.assertEqual((len(self.pings), self.cancelled), (3, 2))
        self.keepAlive.closed(self.connection)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_doubted(self) -> None:
        """
        A peer whose connection is doubted is asked at once: its answer ends the doubt,
        and two seconds without one end the connection.
        """
        self.clock.advance(7)
        self.keepAlive.doubt(self.connection)
        self.assertEqual(len(self.pings), 1)
        self.pings[-1].callback(0.1)
        self.clock.advance(10)
        self.assertEqual(len(self.pings), 2)
        # This one is not waited for.
        self.keepAlive.doubt(self.connection)
        self.assertEqual((len(self.pings), self.cancelled), (3, 1))
        self.clock.advance(1.9)
        self.assertEqual(self.connection.aborted, [])
        self.clock.advance(0.2)
        (reason,) = self.connection.aborted
        self.assertIsInstance(reason.value, PeerUnresponsive)

    def test_strangerDoubted(self) -> None:
        """
        A connection that is not watched is not asked.
        """
        self.keepAlive.closed(self.connection)
        self.keepAlive.doubt(self.connection)
        self.assertEqual(self.pings, [])

    def test_timeOut(self) -> None:
        """
        A ping that gives up by itself is one without an answer.
        """
        for _ in range(2):
            self.clock.advance(10)
            self.pings[-1].errback(UpgradeTimeout("a ping", 10.0))
        self.assertEqual(len(self.connection.aborted), 1)

    def test_overdue(self) -> None:
        """
        An answer that waits in the socket when the timer is overdue is in time.
        """
        for _ in range(3):
            self.clock.advance(10)
            self.clock.callLater(100, self.pings[-1].callback, 0.1)
            self.clock.advance(100)
        self.assertEqual((self.connection.aborted, self.cancelled), ([], 0))

    def test_oneMiss(self) -> None:
        """
        One late answer is forgiven, again and again.
        """
        for _ in range(3):
            self.clock.advance(10)
            self.clock.advance(10)
            self.clock.advance(10)
            self.pings[-1].callback(0.1)
        self.assertEqual(self.connection.aborted, [])

    def test_refusal(self) -> None:
        """
        A peer that does not speak ping has answered.
        """
        for _ in range(3):
            self.clock.advance(10)
            self.pings[-1].errback(UnsupportedProtocol(["/ipfs/ping/1.0.0"]))
        self.assertEqual(self.connection.aborted, [])
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_ourLimit(self) -> None:
        """
        What our own limits refuse tells nothing of the peer: it is no answer,
        and no miss.
        """
        self.clock.advance(10)
        self.clock.advance(10)
        self.clock.advance(10)
        self.pings[-1].errback(LimitExceeded("streams", 1, 1, "limits"))
        self.clock.advance(10)
        self.pings[-1].errback(LimitExceeded("streams", 1, 1, "limits"))
        self.assertEqual(self.connection.aborted, [])
        self.clock.pump([10, 10])
        (reason,) = self.connection.aborted
        self.assertEqual(reason.value.seconds, 60)

    def test_closedWhileWaiting(self) -> None:
        """
        A connection that has ended is watched no more.
        """
        self.assertEqual(len(self.keepAlive), 1)
        self.keepAlive.closed(self.connection)
        self.keepAlive.closed(self.connection)
        self.assertEqual(len(self.keepAlive), 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_closedWhileAsking(self) -> None:
        """
        Nor is there an answer to wait for.
        """
        self.clock.advance(10)
        self.keepAlive.closed(self.connection)
        self.assertEqual(self.cancelled, 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.connection.aborted, [])

    def test_muxer(self) -> None:
        """
        A connection whose muxer watches over it is left alone.
        """
        other: Any = Pinged()
        other.keepsAlive = True
        self.keepAlive.opened(other)
        self.assertEqual(len(self.keepAlive), 1)
