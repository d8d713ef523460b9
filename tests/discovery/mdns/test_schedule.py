# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.discovery.mdns.schedule}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.discovery.mdns.schedule import (
    RATE,
    SOURCE_RATE,
    AnswerTimes,
    Budget,
    QuestionTimes,
)


class ScheduleTests(SynchronousTestCase):
    """
    The times of questions and answers, and the number of packets that are read.
    """

    def test_questions(self) -> None:
        """
        The waits grow to 40 seconds, with a fifth more or less.
        """
        numbers = iter((0.0, 0.5, 1.0))
        times = QuestionTimes(lambda: next(numbers))
        self.assertEqual(
            [times.next() for _ in range(8)],
            [0.0, 1.0, 2.0, 6.0, 18.0, 32.0, 40.0, 48.0],
        )
        times.restart()
        self.assertEqual(times.next(), 0.0)

    def test_answers(self) -> None:
        """
        An answer comes soon, but not within a second after the last.
        """
        times = AnswerTimes(lambda: 0.5)
        self.assertAlmostEqual(times.delay(0.0), 0.07)
        times.answered(10.0)
        self.assertAlmostEqual(times.delay(10.25), 0.75)
        self.assertAlmostEqual(times.delay(12.0), 0.07)

    def test_budget(self) -> None:
        """
        Each source, and all together, have their number of packets in a second.
        """
        budget = Budget(0.0)
        taken = [budget.take("a", 0.0) for _ in range(1000)]
        self.assertEqual(sum(taken), SOURCE_RATE)
        others = [budget.take(each, 0.0) for each in range(1000)]
        self.assertEqual(sum(others), RATE - SOURCE_RATE)
        self.assertTrue(budget.take("new", 1.0))
