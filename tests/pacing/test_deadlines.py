# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the deadline that many share.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.pacing import Deadlines


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

    def test_oneFails(self) -> None:
        """
        One that raises as it is ended does not spare the others, those included
        whose time is still to come.
        """

        def fail() -> None:
            raise RuntimeError("on purpose")

        third = Late(self.clock)
        self.patch(self.first, "timedOut", fail)
        self.deadlines.begin(self.first)
        self.deadlines.begin(self.second)
        self.clock.advance(1)
        self.deadlines.begin(third)
        self.clock.advance(9)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(self.second.told, [10.0])
        self.clock.advance(1)
        self.assertEqual(third.told, [11.0])

    def test_overdue(self) -> None:
        """
        Whoever is done by what is read after an overdue timer is not late: the
        process was stopped, or busy, while the bytes waited in the socket.
        """
        self.deadlines.begin(self.first)
        self.deadlines.begin(self.second)
        # The reactor reads its sockets after all the timers that are due.
        self.clock.callLater(30, self.deadlines.end, self.first)
        self.clock.advance(30)
        self.assertEqual((self.first.told, self.second.told), ([], [30.0]))

    def test_setBack(self) -> None:
        """
        A clock that was set back stretches nobody's time, neither of those who
        began before nor of those who began after.
        """
        self.clock.advance(1000)
        self.deadlines.begin(self.first)
        self.clock.rightNow = 100.0
        [timer] = self.clock.getDelayedCalls()
        timer.reset(10)
        self.clock.advance(5)
        self.deadlines.begin(self.second)
        self.clock.pump([1] * 15)
        self.assertEqual(self.second.told, [115.0])
        self.assertEqual(self.first.told, [120.0])

    def test_many(self) -> None:
        """
        The work grows with their number, not with its square: nobody is looked at
        but who is late, and the next one.
        """
        looked = 0
        clock = self.clock

        class Counted(float):
            """
            An end that counts its comparisons.
            """

            def __gt__(self, other: float) -> bool:
                nonlocal looked
                looked += 1
                return float(self) > other

            def __le__(self, other: float) -> bool:
                nonlocal looked
                looked += 1
                return float(self) <= other

        self.patch(clock, "seconds", lambda: Counted(float(Clock.seconds(clock))))
        many = [Late(clock) for _ in range(300)]
        self.patch(Counted, "__add__", lambda self, other: Counted(float(self) + other))
        for each in many:
            self.deadlines.begin(each)
            clock.rightNow += 0.01
        looked = 0
        for _ in range(2000):
            clock.advance(0.01)
        self.assertTrue(all(each.told for each in many))
        self.assertLess(looked, 300 * 20)
