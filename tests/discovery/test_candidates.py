# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.discovery.candidates}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.connmanager.policy import Backoff
from twisted_libp2p.discovery.candidates import Candidates


def nobody(key: str) -> bool:
    """
    Leave nobody out.
    """
    return False


class CandidatesTests(SynchronousTestCase):
    """
    Who may be dialed, and when.
    """

    def candidates(
        self, maximum: int | None = None, failures: int | None = None
    ) -> Candidates[str]:
        """
        Make candidates whose waits are those of the back-off.
        """
        backoff = Backoff(first=10.0, factor=2.0, most=30.0)
        return Candidates(backoff, lambda: 0.0, maximum, failures)

    def test_ready(self) -> None:
        """
        Candidates are ready from their time on, those that have failed less first.
        """
        candidates = self.candidates()
        for key, due in (("a", 0.0), ("b", 0.0), ("late", 5.0)):
            candidates.add(key, due)
        candidates.add("a", 99.0)
        self.assertEqual(list(candidates), ["a", "b", "late"])
        self.assertEqual(candidates.ready(0.0, 9, nobody), ["a", "b"])
        self.assertEqual(candidates.ready(0.0, 9, lambda key: key == "a"), ["b"])
        self.assertEqual(candidates.ready(0.0, 1, nobody), ["a"])
        self.assertEqual(candidates.ready(0.0, -1, nobody), [])
        self.assertEqual(candidates.next(0.0, nobody), 5.0)
        self.assertIsNone(candidates.next(5.0, nobody))
        candidates.failed("a", 0.0)
        self.assertEqual(candidates.ready(10.0, 9, nobody), ["b", "late", "a"])

    def test_backoff(self) -> None:
        """
        The waits grow with each failure, and start again after a success.
        """
        candidates = self.candidates()
        candidates.add("a", 0.0)
        for wait in (10.0, 20.0, 30.0, 30.0):
            candidates.failed("a", 100.0)
            self.assertEqual(candidates.next(100.0, nobody), 100.0 + wait)
        candidates.succeeded("a")
        candidates.failed("a", 200.0)
        self.assertEqual(candidates.next(200.0, nobody), 210.0)

    def test_lost(self) -> None:
        """
        A lost one waits too.
        """
        candidates = self.candidates()
        candidates.add("a", 0.0)
        candidates.lost("a", 50.0)
        self.assertEqual(candidates.next(50.0, nobody), 60.0)

    def test_bounds(self) -> None:
        """
        The oldest makes room, and one that fails too often is removed.
        """
        candidates = self.candidates(maximum=2, failures=2)
        for key in "abc":
            candidates.add(key, 0.0)
        self.assertEqual(list(candidates), ["b", "c"])
        candidates.failed("b", 0.0)
        candidates.failed("b", 0.0)
        self.assertNotIn("b", candidates)
        candidates.remove("c")
        self.assertEqual(len(candidates), 0)

    def test_unknown(self) -> None:
        """
        Unknown ones are ignored.
        """
        candidates = self.candidates()
        candidates.failed("x", 0.0)
        candidates.succeeded("x")
        candidates.lost("x", 0.0)
        candidates.remove("x")
        self.assertEqual(list(candidates), [])
