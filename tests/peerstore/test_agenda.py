# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.peerstore.agenda}.
"""

from __future__ import annotations

from math import inf

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from twisted_libp2p.peerstore.agenda import Agenda


class AgendaTests(SynchronousTestCase):
    """
    What is due when.
    """

    def test_order(self) -> None:
        """
        Keys come out in the order of the minutes in which they are due, those
        that are never due last.
        """
        agenda: Agenda[str] = Agenda()
        for key, due in (("never", inf), ("second", 61.0), ("first", 59.0)):
            agenda.move(key, None, due)
        self.assertEqual(agenda.count, 3)
        keys = [agenda.pop() for _ in range(4)]
        self.assertEqual(keys, ["first", "second", "never", None])
        self.assertEqual(agenda.count, 0)

    def test_now(self) -> None:
        """
        A key comes out for being due when its minute is over, not earlier.
        """
        agenda: Agenda[str] = Agenda()
        agenda.move("key", None, 61.0)
        agenda.move("never", None, inf)
        self.assertIsNone(agenda.pop(119.9))
        self.assertEqual(agenda.pop(120.0), "key")
        self.assertIsNone(agenda.pop(1e300))

    def test_move(self) -> None:
        """
        A key is where it was moved last, or nowhere.
        """
        agenda: Agenda[str] = Agenda()
        page = agenda.move("key", None, 1000.0)
        page = agenda.move("key", page, 10.0)
        self.assertEqual(agenda.move("key", page, 20.0), page)
        self.assertEqual(agenda.count, 1)
        self.assertIsNone(agenda.move("key", page, None))
        self.assertEqual(agenda.count, 0)
        self.assertIsNone(agenda.pop())

    def test_noLitter(self) -> None:
        """
        A key that comes and goes in the same minute leaves one page behind.
        """
        agenda: Agenda[int] = Agenda()
        for key in range(1000):
            agenda.move(key, agenda.move(key, None, 100_000.0), None)
        self.assertEqual(len(agenda._order), 1)
        self.assertIsNone(agenda.pop())
        self.assertEqual(len(agenda._order), 0)

    @drawn(
        100,
        st.lists(
            st.tuples(
                st.integers(0, 5),
                st.one_of(st.none(), st.just(inf), st.floats(0, 1e6)),
            ),
            max_size=50,
        ),
    )
    def test_model(self, moves: list[tuple[int, float | None]]) -> None:
        """
        It does what a sorted list would do.
        """
        agenda: Agenda[int] = Agenda()
        dues: dict[int, float] = {}
        pages: dict[int, float | None] = {}
        for key, due in moves:
            pages[key] = agenda.move(key, pages.get(key), due)
            dues.pop(key, None)
            if due is not None:
                dues[key] = due
            self.assertEqual(agenda.count, len(dues))
        minutes = []
        while (popped := agenda.pop()) is not None:
            due = dues.pop(popped)
            minutes.append(due if due == inf else due // 60)
        self.assertEqual(minutes, sorted(minutes))
        self.assertEqual(dues, {})
