# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.muxer.state}.
"""

from __future__ import annotations

from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.muxer.state import (
    CLOSED,
    FIN_RECEIVED,
    FIN_SENT,
    OPEN,
    TRANSITIONS,
    StreamEvent,
    StreamState,
)


class TransitionTests(SynchronousTestCase):
    """
    The table of half-closes.
    """

    def test_bothOrders(self) -> None:
        """
        Both orders of the two ends lead from open to closed.
        """
        for first, second in ((FIN_SENT, FIN_RECEIVED), (FIN_RECEIVED, FIN_SENT)):
            between = TRANSITIONS[OPEN, first]
            self.assertNotIn(between, (OPEN, CLOSED))
            self.assertIs(TRANSITIONS[between, second], CLOSED)

    def test_once(self) -> None:
        """
        No half ends twice.
        """
        for state, event in product(StreamState, StreamEvent):
            after = TRANSITIONS.get((state, event))
            if after is not None:
                self.assertNotIn((after, event), TRANSITIONS)
