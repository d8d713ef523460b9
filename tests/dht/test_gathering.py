# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.dht.gathering}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.dht.gathering import allOf, fewAtATime


class AllOfTests(SynchronousTestCase):
    """
    Tests for L{allOf}.
    """

    def setUp(self) -> None:
        self.requests: list[Deferred[Any]] = [Deferred() for _ in range(3)]

    def test_all(self) -> None:
        """
        It has the outcome of each request.
        """
        gathered = allOf(self.requests)
        self.requests[2].callback("third")
        self.requests[0].errback(Failure(OSError()))
        self.assertNoResult(gathered)
        self.requests[1].callback("second")
        results = self.successResultOf(gathered)
        self.assertEqual([success for success, _ in results], [False, True, True])
        self.assertEqual([each for _, each in results[1:]], ["second", "third"])
        self.assertEqual(self.successResultOf(allOf([])), [])

    def test_cancelled(self) -> None:
        """
        A coroutine that waits for it does not go on after it was cancelled.
        """
        went: list[object] = []

        async def caller() -> None:
            went.append(await allOf(self.requests))

        waiting = Deferred.fromCoroutine(caller())
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.assertEqual(went, [])
        self.assertTrue(all(each.called for each in self.requests))


class FewAtATimeTests(SynchronousTestCase):
    """
    Tests for L{fewAtATime}.
    """

    def setUp(self) -> None:
        self.begun: list[Deferred[Any]] = []
        self.waiting = fewAtATime(2, self.begin, range(5))

    def begin(self, item: int) -> Deferred[Any]:
        """
        Begin a request.
        """
        self.assertEqual(item, len(self.begun))
        self.begun.append(Deferred())
        return self.begun[-1]

    def test_all(self) -> None:
        """
        The end of one lets the next begin.
        """
        for position in range(5):
            self.assertNoResult(self.waiting)
            self.assertEqual(len(self.begun), min(2 + position, 5))
            self.begun[position].callback(None)
        self.successResultOf(self.waiting)

    def test_failed(self) -> None:
        """
        It fails with the first error.
        """
        self.begun[1].errback(Failure(OSError()))
        self.failureResultOf(self.waiting, OSError)
        self.begun[0].callback(None)
        self.assertEqual(len(self.begun), 3)
        self.begun[2].errback(Failure(OSError()))
        self.assertEqual(len(self.begun), 3)

    def test_cancelled(self) -> None:
        """
        No request begins after it was cancelled.
        """
        self.waiting.cancel()
        self.failureResultOf(self.waiting, CancelledError)
        self.assertEqual(len(self.begun), 2)
        self.assertTrue(all(each.called for each in self.begun))
