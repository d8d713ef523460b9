# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of coming back to peers.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.connmanager.doubles import peer
from twisted_libp2p.connmanager.policy import Backoff
from twisted_libp2p.connmanager.redial import Redialer
from twisted_libp2p.errors import (
    ConfigurationError,
    DialFailed,
    LimitExceeded,
    NoAddresses,
    PeerMismatch,
)
from twisted_libp2p.identity import PeerID


class BackoffTests(SynchronousTestCase):
    """
    How long the waits are.
    """

    def test_growth(self) -> None:
        """
        Each wait is twice the one before, until they are long enough.
        """
        backoff = Backoff(first=5, most=100)
        delays = [backoff.delay(attempt, 0.0) for attempt in range(7)]
        self.assertEqual(delays, [5, 10, 20, 40, 80, 100, 100])

    def test_jitter(self) -> None:
        """
        A wait is between half of that and all of it.
        """
        backoff = Backoff(first=8)
        self.assertEqual(backoff.delay(0, 1.0), 4)
        self.assertEqual(backoff.delay(0, 0.5), 6)

    def test_forEver(self) -> None:
        """
        There is no last attempt.
        """
        self.assertEqual(Backoff().delay(10_000, 0.0), 600)

    def test_invalid(self) -> None:
        """
        Waits that make no sense are an error of the configuration.
        """
        self.assertRaises(ConfigurationError, Backoff, first=0)
        self.assertRaises(ConfigurationError, Backoff, first=10, most=5)
        self.assertRaises(ConfigurationError, Backoff, factor=0.5)


class RedialerTests(SynchronousTestCase):
    """
    Wanted peers are dialed.
    """

    def setUp(self) -> None:
        """
        Have a redialer that runs, and want one peer, which is connected.
        """
        self.clock = Clock()
        self.dials: list[tuple[PeerID, float]] = []
        self.pending: list[Deferred[object]] = []
        self.cancelled = 0
        self.peer = peer(1)
        self.redialer = Redialer(
            self.clock, self.dial, Backoff(first=10, most=40), lambda: 0.0
        )
        self.redialer.start(lambda peer: True)
        self.redialer.want(self.peer, False)

    def dial(self, peer: PeerID) -> Deferred[object]:
        """
        Begin to dial.
        """

        def cancel(_: object) -> None:
            self.cancelled += 1

        self.dials.append((peer, self.clock.seconds()))
        self.pending.append(Deferred(cancel))
        return self.pending[-1]

    def times(self) -> list[float]:
        """
        When the peer was dialed.
        """
        return [time for _, time in self.dials]

    def failed(self) -> None:
        """
        The last dial fails.
        """
        self.pending[-1].errback(NoAddresses("none"))

    def test_wait(self) -> None:
        """
        A lost peer is dialed after a wait.
        """
        self.redialer.disconnected(self.peer, 0)
        self.clock.advance(9)
        self.assertEqual(self.dials, [])
        self.clock.advance(1)
        self.assertEqual(self.dials, [(self.peer, 10)])
        self.pending[0].callback(None)
        self.clock.advance(1000)
        self.assertEqual(len(self.dials), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_again(self) -> None:
        """
        Each failure makes the next wait longer.
        """
        self.redialer.disconnected(self.peer, 0)
        for wait in (10, 20, 40, 40):
            self.clock.advance(wait)
            self.failed()
        self.assertEqual(self.times(), [10, 30, 70, 110])

    def waitAfter(self, lasted: float) -> float:
        """
        Lose the peer, wait, and get it back.

        @return: how long the wait was.
        """
        self.redialer.disconnected(self.peer, lasted)
        (call,) = self.clock.getDelayedCalls()
        wait = call.getTime() - self.clock.seconds()
        self.clock.advance(wait)
        self.pending[-1].callback(None)
        self.redialer.connected(self.peer)
        return wait

    def test_flapping(self) -> None:
        """
        A connection that does not last does not make the waits short again; one
        that lasts does.
        """
        waits = [self.waitAfter(lasted) for lasted in (0, 0, 59, 60)]
        self.assertEqual(waits, [10, 20, 40, 10])

    def test_cameBack(self) -> None:
        """
        A peer that has come back by itself is not dialed.
        """
        self.redialer.disconnected(self.peer, 0)
        self.redialer.connected(self.peer)
        self.clock.advance(1000)
        self.assertEqual(self.dials, [])

    def test_cameAndWent(self) -> None:
        """
        A peer that comes and goes during a dial is dialed by that one alone.
        """
        self.redialer.disconnected(self.peer, 0)
        self.clock.advance(10)
        self.redialer.connected(self.peer)
        self.redialer.disconnected(self.peer, 0)
        self.clock.advance(100)
        self.assertEqual(len(self.dials), 1)
        self.failed()
        self.clock.advance(20)
        self.assertEqual(len(self.dials), 2)

    def test_missing(self) -> None:
        """
        A peer that is wanted, but not connected, is dialed at once, and only
        once; after a failure the waits begin with the first one.
        """
        other = peer(2)
        self.redialer.want(other, True)
        self.redialer.want(other, True)
        self.assertEqual(self.dials, [(other, 0)])
        for wait in (10, 20, 40):
            self.failed()
            self.clock.advance(wait - 1)
            self.clock.advance(1)
        self.assertEqual(self.times(), [0, 10, 30, 70])

    def test_start(self) -> None:
        """
        A start dials all wanted peers that are missing at once, and their waits
        begin with the first one, however long they were before.
        """
        self.redialer.disconnected(self.peer, 0)
        for wait in (10, 20, 40):
            self.clock.advance(wait)
            self.failed()
        self.redialer.stop()
        self.redialer.want(peer(2), True)
        self.assertEqual(len(self.dials), 3)
        self.redialer.start(lambda peer: True)
        self.assertEqual(self.dials[3:], [(self.peer, 70), (peer(2), 70)])
        self.pending[3].errback(NoAddresses("none"))
        self.clock.advance(10)
        self.assertEqual(self.dials[5:], [(self.peer, 80)])

    def test_meanwhile(self) -> None:
        """
        A dial that ends at once may have other peers wanted, and no longer
        wanted, during a start.
        """
        self.redialer.stop()
        third, late = peer(3), peer(4)
        dials: list[PeerID] = []

        def dial(peer: PeerID) -> Deferred[object]:
            dials.append(peer)
            self.redialer.want(late, True)
            self.redialer.forget(third)
            return succeed(None)

        self.redialer = Redialer(self.clock, dial, Backoff(), lambda: 0.0)
        self.redialer.want(peer(2), True)
        self.redialer.want(third, True)
        self.redialer.start(lambda peer: True)
        self.assertEqual(dials, [peer(2), late])

    def test_forgottenMeanwhile(self) -> None:
        """
        A peer that is no longer wanted when its dial has just begun is neither
        dialed on nor waited for.
        """
        pending: list[Deferred[object]] = []

        def dial(peer: PeerID) -> Deferred[object]:
            self.redialer.forget(peer)
            pending.append(Deferred())
            return pending[-1]

        self.redialer = Redialer(self.clock, dial, Backoff(), lambda: 0.0)
        self.redialer.start(lambda peer: True)
        self.redialer.want(self.peer, True)
        self.assertTrue(pending[0].called)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nobody(self) -> None:
        """
        Nobody else is dialed.
        """
        self.redialer.disconnected(peer(2), 0)
        self.redialer.connected(peer(2))
        self.redialer.forget(peer(2))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_forget(self) -> None:
        """
        A peer that is wanted no more is neither waited for nor dialed.
        """
        self.redialer.disconnected(self.peer, 0)
        self.redialer.forget(self.peer)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.redialer.want(self.peer, True)
        self.assertEqual(self.dials, [(self.peer, 0)])
        self.redialer.forget(self.peer)
        self.assertEqual(self.cancelled, 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop(self) -> None:
        """
        After the stop nothing is left, and nobody is dialed; after a start the
        missing are.
        """
        other = peer(2)
        self.redialer.disconnected(self.peer, 0)
        self.clock.advance(10)
        self.redialer.want(other, True)
        self.redialer.stop()
        self.assertEqual(self.cancelled, 2)
        self.redialer.disconnected(self.peer, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.redialer.start(lambda peer: peer == other)
        self.assertEqual(self.dials, [(self.peer, 10), (other, 10), (other, 10)])

    def logged(self) -> list[str]:
        """
        Collect the lines that are logged from now on.
        """
        lines: list[str] = []

        @implementer(ILogObserver)
        def observe(event: LogEvent) -> None:
            if event.get("log_namespace", "").endswith("Redialer"):
                lines.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        return lines

    def refused(self) -> DialFailed:
        """
        Make the error of a dial that was refused.
        """
        return DialFailed(str(self.peer), [("/a", ConnectionRefusedError())])

    def failWith(self, error: BaseException) -> None:
        """
        Let time pass until the peer is dialed, and let that dial fail.
        """
        self.clock.advance(40)
        self.pending[-1].errback(error)

    def test_told(self) -> None:
        """
        The first failure is logged in one line that names the peer and the
        reason, then only a failure for another reason, and in the end that the
        peer is connected.
        """
        lines = self.logged()
        self.redialer.disconnected(self.peer, 0)
        for _ in range(3):
            self.failWith(self.refused())
        (line,) = lines
        self.assertNotIn("\n", line)
        self.assertIn(str(self.peer), line)
        self.assertIn("refused", line)
        mismatch = PeerMismatch("/noise", str(self.peer), str(peer(2)))
        for _ in range(3):
            self.failWith(DialFailed(str(self.peer), [("/a", mismatch)]))
        self.assertEqual(len(lines), 2)
        self.assertIn(str(mismatch), lines[1])
        self.failWith(self.refused())
        self.assertEqual(len(lines), 3)
        self.redialer.connected(self.peer)
        self.assertIn("connected again", lines[3])
        self.redialer.disconnected(self.peer, 0)
        self.failWith(self.refused())
        self.assertEqual(len(lines), 5)

    def test_sameReason(self) -> None:
        """
        Addresses in another order, and numbers that differ, are no other reason.
        """
        lines = self.logged()
        self.redialer.disconnected(self.peer, 0)
        refused = ("/a", ConnectionRefusedError())
        for current in (8, 9):
            full = ("/b", LimitExceeded("the system", 9, current, "Limits.system"))
            for causes in ([refused, full], [full, refused]):
                self.failWith(DialFailed(str(self.peer), causes))
        self.assertEqual(len(lines), 1)

    def test_cancelled(self) -> None:
        """
        A dial that is given up is not logged.
        """
        lines = self.logged()
        self.redialer.disconnected(self.peer, 0)
        self.failWith(CancelledError())
        self.redialer.connected(self.peer)
        self.assertEqual(lines, [])

    def test_fault(self) -> None:
        """
        A dial that fails by a fault of ours is logged, and tried again.
        """
        self.redialer = Redialer(
            self.clock, lambda peer: fail(RuntimeError()), Backoff(), lambda: 0.0
        )
        self.redialer.start(lambda peer: True)
        self.redialer.want(self.peer, True)
        failures: list[Failure] = self.flushLoggedErrors(RuntimeError)
        self.assertEqual(len(failures), 1)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
