# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.connection.limited}.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.connection.limited import Limited
from twisted_libp2p.errors import UpgradeTimeout
from twisted_libp2p.negotiation import Deadlines


class LimitedTests(SynchronousTestCase):
    """
    Tests for L{Limited}.
    """

    def setUp(self) -> None:
        """
        Wait for something, for ten seconds.
        """
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock, 10.0)
        self.given: list[object] = []
        self.wanted: Deferred[int] = Deferred(self.given.append)
        limited = Limited(self.wait(), self.deadlines)
        self.result = Deferred.fromCoroutine(limited.within("it"))

    async def wait(self) -> int:
        """
        Wait for what is wanted.
        """
        return await self.wanted + 1

    def test_inTime(self) -> None:
        """
        What comes in time is given, and the time does not matter any more.
        """
        self.clock.advance(9.9)
        self.wanted.callback(1)
        self.assertEqual(self.successResultOf(self.result), 2)
        self.deadlines.rest()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.given, [])

    def test_failed(self) -> None:
        """
        What fails in time fails as it does.
        """
        self.wanted.errback(KeyError())
        self.failureResultOf(self.result, KeyError)

    def test_late(self) -> None:
        """
        What is late is given up, and the error says what it was.
        """
        self.clock.advance(9.9)
        self.assertNoResult(self.result)
        self.clock.advance(0.1)
        error = self.failureResultOf(self.result, UpgradeTimeout).value
        self.assertIn("it", str(error))
        self.assertEqual(self.given, [self.wanted])

    def test_cancelled(self) -> None:
        """
        Who gives it up himself hears nothing of the time.
        """
        self.result.cancel()
        self.failureResultOf(self.result, CancelledError)
        self.assertEqual(self.given, [self.wanted])
        self.deadlines.rest()
        self.assertEqual(self.clock.getDelayedCalls(), [])
