# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of running so many jobs at once.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.transport.lane import Lane


class LaneTests(SynchronousTestCase):
    """
    Two jobs at once, and two that wait.
    """

    def setUp(self) -> None:
        """
        Have a lane.
        """
        self.lane: Lane[int] = Lane(2, 2, lambda: ValueError("full"))
        self.begun: list[Deferred[int]] = []

    def begin(self) -> Deferred[int]:
        """
        Begin a job.
        """
        self.begun.append(Deferred())
        return self.begun[-1]

    def run_(self, count: int, cancellable: bool = True) -> list[Deferred[int]]:
        """
        Ask for so many jobs.
        """
        return [self.lane.run(self.begin, cancellable) for _ in range(count)]

    def test_width(self) -> None:
        """
        The third begins when one of the first two has ended, well or not.
        """
        one, two, three, four = self.run_(4)
        self.assertEqual(len(self.begun), 2)
        self.begun[1].callback(2)
        self.assertEqual(self.successResultOf(two), 2)
        self.assertEqual(len(self.begun), 3)
        self.begun[0].errback(KeyError())
        self.failureResultOf(one, KeyError)
        self.assertEqual(len(self.begun), 4)
        for result, job in ((three, self.begun[2]), (four, self.begun[3])):
            job.callback(0)
            self.successResultOf(result)

    def test_full(self) -> None:
        """
        Beyond the room a job is refused; those that were cancelled take none.
        """
        jobs = self.run_(4)
        self.failureResultOf(self.lane.run(self.begin), ValueError)
        jobs[2].cancel()
        self.failureResultOf(jobs[2], CancelledError)
        self.assertNoResult(self.lane.run(self.begin))
        self.failureResultOf(self.lane.run(self.begin), ValueError)

    def test_cancelWaiting(self) -> None:
        """
        A job that is cancelled before its turn never begins.
        """
        jobs = self.run_(3)
        jobs[2].cancel()
        self.failureResultOf(jobs[2], CancelledError)
        self.begun[0].callback(0)
        self.assertEqual(len(self.begun), 2)

    def test_cancelRunning(self) -> None:
        """
        A job that is cancelled gives its place to the next one.
        """
        jobs = self.run_(3)
        jobs[0].cancel()
        self.failureResultOf(jobs[0], CancelledError)
        self.assertEqual(len(self.begun), 3)

    def test_stubborn(self) -> None:
        """
        One that cannot be cancelled keeps its place until it has ended, though
        nobody waits for it.
        """
        jobs = self.run_(3, cancellable=False)
        jobs[0].cancel()
        self.failureResultOf(jobs[0], CancelledError)
        self.assertEqual(len(self.begun), 2)
        self.begun[0].callback(0)
        self.assertEqual(len(self.begun), 3)

    def test_synchronous(self) -> None:
        """
        Jobs that end at once, or raise, leave the lane free.
        """

        def fail() -> Deferred[int]:
            raise KeyError

        for _ in range(10):
            self.assertEqual(self.successResultOf(self.lane.run(lambda: succeed(1))), 1)
            self.failureResultOf(self.lane.run(fail), KeyError)
