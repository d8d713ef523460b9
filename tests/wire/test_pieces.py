# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.wire.pieces}.
"""

from __future__ import annotations

import sys
from collections import deque

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from twisted_libp2p.wire.pieces import MANY, SMALL, joinSmall


class JoinTests(SynchronousTestCase):
    """
    Small pieces are joined; no byte is lost, moved or copied often.
    """

    @drawn(40, st.lists(st.integers(1, 2 * SMALL), max_size=300), st.booleans())
    def test_bytes(self, sizes: list[int], queue: bool) -> None:
        """
        Whatever the sizes are, the bytes stay the same, and two pieces that follow
        each other are not both small, but for the last L{MANY}.
        """
        data = [bytes([number % 251]) * size for number, size in enumerate(sizes)]
        pieces: list[bytes] | deque[bytes] = deque() if queue else []
        for piece in data:
            pieces.append(piece)
            if not len(pieces) % MANY:
                joinSmall(pieces)
        self.assertEqual(b"".join(pieces), b"".join(data))
        small = 0
        for first, second in zip(list(pieces), list(pieces)[1:], strict=False):
            small += len(first) < SMALL and len(second) < SMALL
        self.assertLess(small, MANY)

    def test_cost(self) -> None:
        """
        What 64 KiB cost that come in single bytes, or beside large pieces, is little
        more than 64 KiB; a large piece that comes just when the pieces are looked at
        hides no small ones.
        """
        hiding = (2,) * (MANY - 1) + (SMALL,)
        for sizes in ((1,), (2,), (SMALL - 1,), (1, SMALL), hiding):
            pieces: list[bytes] = []
            total = 0
            while total < 65536:
                for size in sizes:
                    total += size
                    pieces.append(bytes(size))
                    if not len(pieces) % MANY:
                        joinSmall(pieces)
            cost = sys.getsizeof(pieces) + sum(map(sys.getsizeof, pieces))
            self.assertLess(cost, total * 1.2)

    def test_nothing(self) -> None:
        """
        Where nothing waits, nothing is made.
        """
        pieces: list[bytes] = []
        joinSmall(pieces)
        self.assertEqual(pieces, [])
