# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the deadline that many share.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.negotiation import Deadlines


class Late:
    """
    Notes when it was told that it is late.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.told: list[float] = []

    def timedOut(self) -> None:
        """
        Note it.
        """
        self.told.append(self.clock.seconds())


class DeadlinesTests(SynchronousTestCase):
    """
    Everybody has the same time, and one timer runs for all.
    """

    def setUp(self) -> None:
        """
        Have a clock, ten seconds for everybody, and somebody.
        """
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock, 10.0)
        self.first, self.second = Late(self.clock), Late(self.clock)

    def test_each(self) -> None:
        """
        Each is told at the end of his own time, once; there is never more than
        one timer, and none when all were told.
        """
        self.deadlines.begin(self.first)
        self.clock.advance(4)
        self.deadlines.begin(self.second)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.pump([1] * 20)
        self.assertEqual((self.first.told, self.second.told), ([10.0], [14.0]))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_end(self) -> None:
        """
        Who is done in time is not told; to be done twice is fine.
        """
        self.deadlines.begin(self.first)
        self.deadlines.begin(self.second)
        self.deadlines.end(self.first)
        self.deadlines.end(self.first)
        self.clock.advance(10)
        self.assertEqual((self.first.told, self.second.told), ([], [10.0]))

    def test_again(self) -> None:
        """
        When all are done the timer runs out, and the next one has all of his
        time.
        """
        self.deadlines.begin(self.first)
        self.deadlines.end(self.first)
        self.clock.advance(9)
        self.deadlines.begin(self.second)
        self.clock.pump([1] * 9)
        self.assertEqual(self.second.told, [])
        self.clock.advance(1)
        self.assertEqual(self.second.told, [19.0])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop(self) -> None:
        """
        After the end nobody is told, and no timer runs; again is fine.
        """
        self.deadlines.begin(self.first)
        self.deadlines.stop()
        self.deadlines.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.first.told, [])

    def test_rest(self) -> None:
        """
        As soon as all are done no timer needs to run, but for as long as one is
        not.
        """
        self.deadlines.begin(self.first)
        self.deadlines.begin(self.second)
        self.deadlines.end(self.first)
        self.deadlines.rest()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.deadlines.end(self.second)
        self.deadlines.rest()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_oneEndsAnother(self) -> None:
        """
        Who is ended by another one that is late is not told himself.
        """
        self.patch(self.first, "timedOut", lambda: self.deadlines.end(self.second))
        self.deadlines.begin(self.first)
        self.deadlines.begin(self.second)
        self.clock.advance(10)
        self.assertEqual(self.second.told, [])
