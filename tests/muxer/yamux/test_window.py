# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.muxer.yamux.window}.
"""

from __future__ import annotations

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from twisted_libp2p.muxer.yamux.window import (
    INITIAL_WINDOW,
    MAX_WINDOW,
    ReceiveWindow,
)


class ReceiveWindowTests(SynchronousTestCase):
    """
    The arithmetic of a receive window.
    """

    def full(self) -> ReceiveWindow:
        """
        Make a window that was used up and consumed at the time 0.
        """
        window = ReceiveWindow(0.0)
        window.available = 0
        window.consumed = INITIAL_WINDOW
        return window

    def test_due(self) -> None:
        """
        The peer is told when half of the window is free again, not before.
        """
        window = ReceiveWindow(0.0)
        window.consumed = INITIAL_WINDOW // 2 - 1
        self.assertFalse(window.due)
        window.consumed += 1
        self.assertTrue(window.due)

    def test_slow(self) -> None:
        """
        A window that lasts four round trips keeps its size.
        """
        window = self.full()
        self.assertEqual(window.update(0.4, 0.1, MAX_WINDOW, MAX_WINDOW), 262144)
        self.assertEqual((window.size, window.available), (262144, 262144))
        self.assertEqual(window.growth, 0)

    def test_fast(self) -> None:
        """
        A window that is used up in less is doubled.
        """
        window = self.full()
        self.assertEqual(window.update(0.39, 0.1, MAX_WINDOW, MAX_WINDOW), 524288)
        self.assertEqual((window.size, window.available), (524288, 524288))
        self.assertEqual(window.growth, 262144)

    def test_unknownRoundTrip(self) -> None:
        """
        Without a round trip nothing grows.
        """
        window = self.full()
        self.assertEqual(window.update(0.0, 0.0, MAX_WINDOW, MAX_WINDOW), 262144)

    def test_bounds(self) -> None:
        """
        A window grows neither beyond its maximum nor beyond the room that the
        connection has left.
        """
        window = self.full()
        window.update(0.0, 1.0, 300_000, MAX_WINDOW)
        self.assertEqual(window.size, 300_000)
        window = self.full()
        window.update(0.0, 1.0, MAX_WINDOW, 1000)
        self.assertEqual(window.size, INITIAL_WINDOW + 1000)
        window.update(0.0, 1.0, MAX_WINDOW, 0)
        self.assertEqual(window.size, INITIAL_WINDOW + 1000)

    def test_shrink(self) -> None:
        """
        A window that has to give memory back shrinks by what was consumed, down
        to the initial size.
        """
        window = self.full()
        window.update(0.0, 1.0, MAX_WINDOW, MAX_WINDOW)
        self.assertEqual(window.size, 2 * INITIAL_WINDOW)
        window.available, window.consumed = INITIAL_WINDOW, INITIAL_WINDOW
        self.assertEqual(window.update(0.0, 1.0, MAX_WINDOW, -1000), 261144)
        self.assertEqual(window.growth, INITIAL_WINDOW - 1000)
        window.available -= 200_000
        window.consumed = 200_000
        self.assertEqual(window.update(0.0, 1.0, MAX_WINDOW, -MAX_WINDOW), 0)
        self.assertEqual(window.growth, INITIAL_WINDOW - 201_000)
        window.available -= 300_000
        window.consumed = 300_000
        window.update(0.0, 1.0, MAX_WINDOW, -MAX_WINDOW)
        self.assertEqual(window.growth, 0)

    def test_maximum(self) -> None:
        """
        A window that is always too small ends at the maximum.
        """
        window = ReceiveWindow(0.0)
        for _ in range(10):
            window.consumed, window.available = window.available, 0
            window.update(0.0, 1.0, MAX_WINDOW, 1 << 40)
        self.assertEqual((window.size, window.available), (MAX_WINDOW, MAX_WINDOW))

    @drawn(
        50,
        st.lists(
            st.tuples(
                st.integers(0, 1 << 20),
                st.integers(0, 1 << 20),
                st.floats(0.0, 2.0),
                st.sampled_from([MAX_WINDOW, 0, -1, -100_000, -MAX_WINDOW]),
            ),
            max_size=40,
        ),
    )
    def test_sum(self, steps: list[tuple[int, int, float, int]]) -> None:
        """
        What is available, waiting and consumed is always the whole window, which
        is never below the initial one; and no credit is taken back.
        """
        window = ReceiveWindow(0.0)
        now = 0.0
        waiting = 0
        for arriving, reading, passing, room in steps:
            now += passing
            arriving = min(arriving, window.available)
            window.available -= arriving
            waiting += arriving
            reading = min(reading, waiting)
            waiting -= reading
            window.consumed += reading
            if window.due:
                before = window.available
                delta = window.update(now, 0.25, MAX_WINDOW, room)
                self.assertGreaterEqual(delta, 0)
                self.assertGreaterEqual(window.growth, 0)
                self.assertEqual(window.available, before + delta)
            self.assertEqual(window.available + waiting + window.consumed, window.size)
