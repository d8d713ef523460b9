# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.autotls.renewal}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.autotls.renewal import (
    MAX_RETRY,
    MIN_RETRY,
    RENEWAL,
    RENEWAL_TABLE,
    SETTLE_TIME,
    SPREAD,
    Effect,
    Event,
    Renewal,
    State,
)


class RenewalTests(SynchronousTestCase):
    """
    States and times.
    """

    def test_table(self) -> None:
        """
        Each state but the first can be stopped, and each is reached.
        """
        self.assertEqual(set(RENEWAL_TABLE), set(State))
        for state in (State.WAITING, State.ASKING):
            following, effects = RENEWAL_TABLE[state][Event.STOPPED]
            self.assertEqual((following, effects), (State.IDLE, (Effect.CANCEL,)))

    def test_spread(self) -> None:
        """
        A renewal is due after two thirds of the life, spread by a part of it.
        """
        due = []
        for number in (0.0, 0.5, 1.0):
            renewal = Renewal(lambda number=number: number)  # type: ignore[misc]
            renewal.held(0.0, 900.0)
            due.append(renewal.wait(0.0))
        half = 900 * SPREAD / 2
        for found, wanted in zip(due, (600 - half, 600.0, 600 + half), strict=True):
            self.assertAlmostEqual(found, wanted)
        self.assertLess(RENEWAL + SPREAD, 1)

    def test_retries(self) -> None:
        """
        Waits double up to a limit; a success begins again.
        """
        renewal = Renewal(lambda: 0.5)
        self.assertEqual(renewal.wait(0.0), SETTLE_TIME)
        renewal.happened(Event.REACHABLE)
        waits = []
        for _ in range(7):
            self.assertEqual(renewal.happened(Event.DUE), (Effect.ASK,))
            self.assertEqual(renewal.failed(0.0, None), (Effect.WAIT,))
            waits.append(renewal.wait(0.0))
        doubled = [MIN_RETRY * 2**number for number in range(5)]
        self.assertEqual(waits, [*doubled, MAX_RETRY, MAX_RETRY])
        renewal.failed(0.0, 1e9)
        self.assertEqual(renewal.wait(0.0), MAX_RETRY)
        renewal.held(0.0, 900.0)
        self.assertEqual(renewal.failures, 0)

    def test_due(self) -> None:
        """
        A timer may be a little early, and no more.
        """
        renewal = Renewal(lambda: 0.5)
        self.assertTrue(renewal.isDue(0.0))
        renewal.held(0.0, 900.0)
        self.assertFalse(renewal.isDue(590.0))
        self.assertTrue(renewal.isDue(599.5))
