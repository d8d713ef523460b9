# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the deadline that is believed only after the sockets were read.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.pacing import Deadline, addTimeout


class DeadlineTests(SynchronousTestCase):
    """
    The reactor reads between the timer and the judgement.
    """

    def setUp(self) -> None:
        """
        Have a clock, and somewhere to note calls.
        """
        self.clock = Clock()
        self.calls: list[object] = []

    def test_missed(self) -> None:
        """
        A deadline that was missed calls its function once, with its arguments.
        """
        deadline = Deadline(self.clock, 5, self.calls.append, "late")
        self.clock.advance(4.9)
        self.assertEqual((self.calls, deadline.active()), ([], True))
        self.clock.advance(0.1)
        self.assertEqual((self.calls, deadline.active()), (["late"], False))

    def test_cancel(self) -> None:
        """
        One that is cancelled in time leaves nothing to the reactor.
        """
        deadline = Deadline(self.clock, 5, self.calls.append, "late")
        deadline.cancel()
        self.assertFalse(deadline.active())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_overdue(self) -> None:
        """
        What is read after the overdue timer may still cancel it.
        """
        deadline = Deadline(self.clock, 5, self.calls.append, "late")
        self.clock.callLater(60, deadline.cancel)
        self.clock.advance(60)
        self.assertEqual(self.calls, [])

    def test_reset(self) -> None:
        """
        A deadline can begin again, before its time and between the timer and the
        judgement; it reads first each time.
        """
        deadline = Deadline(self.clock, 5, self.calls.append, "late")
        self.clock.advance(3)
        deadline.reset(5)
        self.clock.callLater(60, deadline.reset, 5)
        self.clock.advance(60)
        self.assertEqual(self.calls, [])
        self.clock.callLater(60, deadline.reset, 5)
        self.clock.advance(60)
        self.assertEqual(self.calls, [])
        self.clock.advance(5)
        self.assertEqual(self.calls, ["late"])

    def test_addTimeout(self) -> None:
        """
        The same for a Deferred with a timeout.
        """
        answered: Deferred[str] = Deferred()
        silent: Deferred[str] = Deferred()
        for each in (answered, silent):
            addTimeout(each, 5, self.clock)
        self.clock.callLater(60, answered.callback, "answer")
        self.clock.advance(60)
        self.assertEqual(self.successResultOf(answered), "answer")
        self.failureResultOf(silent, TimeoutError)
        self.assertEqual(self.clock.getDelayedCalls(), [])
