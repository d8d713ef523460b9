# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.muxer.state}.
"""

from __future__ import annotations

from itertools import permutations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.muxer.state import (
    RECEIVING,
    SENDING,
    START,
    STATES,
    Event,
    Receiving,
    Sending,
    StreamState,
)


def walk(*events: Event) -> StreamState:
    """
    Return the state after some events, each of which has to change something.
    """
    state = START
    for event in events:
        state = state.after[event][0]
    return state


class TransitionTests(SynchronousTestCase):
    """
    The tables of the halves, joined.
    """

    def test_bothOrders(self) -> None:
        """
        Both orders of the two ends lead from open to closed.
        """
        ours = (Event.SHUT, Event.FIN_SENT)
        theirs = (Event.FIN_RECEIVED,)
        for first, second in ((ours, theirs), (theirs, ours)):
            between = walk(*first)
            self.assertTrue(between.sent or between.peerEnded)
            self.assertFalse(between.closed)
            self.assertTrue(walk(*first, *second).closed)

    def test_once(self) -> None:
        """
        No half ends twice, and no end is reported twice.
        """
        for state in STATES.values():
            for event in (
                Event.FIN_SENT,
                Event.FIN_RECEIVED,
                Event.WRITE_END,
                Event.READ_END,
                Event.KEEP,
                Event.LOSE,
                Event.LOST,
            ):
                if event in state.after:
                    after, _ = state.after[event]
                    self.assertNotIn(event, after.after, f"{state} {event!r}")

    def test_lasting(self) -> None:
        """
        No event takes back an end, a notification, or a departure.
        """
        for state in STATES.values():
            for after, _ in state.after.values():
                for fact in ("sent", "peerEnded", "closed", "left", "lost", "gone"):
                    if getattr(state, fact):
                        self.assertTrue(getattr(after, fact), f"{state} {after}")

    def test_reset(self) -> None:
        """
        A reset settles the stream in any state, with at most C{connectionLost} to come.
        """
        for state in STATES.values():
            after = state.after.get(Event.RESET, (state, ()))[0]
            self.assertTrue(after.settled, state)
            self.assertTrue(after.discards, state)

    def test_readBeforeLoss(self) -> None:
        """
        A stream is not settled before the application knows the peer's end.
        """
        for events in permutations((Event.SHUT, Event.FIN_RECEIVED)):
            state = walk(*events, Event.FIN_SENT)
            self.assertTrue(state.closed)
            self.assertFalse(state.settled)
            self.assertTrue(state.after[Event.READ_END][0].settled)

    def test_keep(self) -> None:
        """
        Only an application with an unread end is kept when the session ends; it reads
        the end, and loses the stream then.
        """
        for (_, receiving), state in STATES.items():
            if receiving is Receiving.UNREAD and not state.lost:
                kept = state.after[Event.KEEP][0]
                self.assertIs(kept.receiving, Receiving.KEPT)
                self.assertTrue(kept.sent)
                self.assertFalse(kept.settled)
                self.assertTrue(kept.after[Event.READ_END][0].settled)

    def test_leavingWhileNegotiating(self) -> None:
        """
        An application that leaves while its protocol is negotiated lets the negotiator
        read: bytes are discarded as soon as the protocol is confirmed.
        """
        leaving = walk(Event.LEAVE)
        self.assertTrue(leaving.left)
        self.assertFalse(leaving.discards)
        self.assertTrue(leaving.after[Event.NEGOTIATED][0].discards)

    def test_tablesAreUsed(self) -> None:
        """
        Each row of both tables belongs to a state that can be reached.
        """
        for sending, _ in SENDING:
            self.assertIn(sending, {halves[0] for halves in STATES})
        for receiving, _ in RECEIVING:
            self.assertIn(receiving, {halves[1] for halves in STATES})

    def test_names(self) -> None:
        """
        A state is shown by the names of its halves.
        """
        self.assertEqual(repr(START), "OPEN/OPEN")
        self.assertEqual(
            repr(STATES[Sending.SENT, Receiving.UNREAD]),
            "SENT/UNREAD",
        )
