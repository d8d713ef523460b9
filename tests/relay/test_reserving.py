# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.relay.reserving}.
"""

from __future__ import annotations

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from twisted_libp2p.relay.messages import Status
from twisted_libp2p.relay.reserving import (
    MAX_LIFETIME,
    MAX_RETRY,
    TABLE,
    Effect,
    Event,
    Reserving,
    State,
)


class ReservingTests(SynchronousTestCase):
    """
    The life of one reservation.
    """

    def setUp(self) -> None:
        """
        Begin with none.
        """
        self.reserving = Reserving(lambda: 1.0)

    def hold(self, expires: float = 3600.0) -> None:
        """
        Get a reservation.
        """
        for each in (Event.WANTED, Event.CONNECTED):
            self.reserving.happened(each)
        self.reserving.granted(0.0, expires)

    def test_held(self) -> None:
        """
        A reservation is asked for, announced, and renewed after half of its time.
        """
        happened = self.reserving.happened
        self.assertEqual(happened(Event.WANTED), (Effect.CONNECT,))
        self.assertEqual(happened(Event.CONNECTED), (Effect.ASK,))
        self.assertEqual(
            self.reserving.granted(0.0, 3600.0), (Effect.ANNOUNCE, Effect.WAIT)
        )
        self.assertTrue(self.reserving.held)
        self.assertEqual(self.reserving.wait(0.0), 1800.0)
        self.assertEqual(happened(Event.DUE), (Effect.ASK,))
        self.assertTrue(self.reserving.held)
        self.assertEqual(
            self.reserving.granted(1800.0, 5400.0), (Effect.ANNOUNCE, Effect.WAIT)
        )
        self.assertEqual(self.reserving.wait(1800.0), 1800.0)

    def test_renewalFails(self) -> None:
        """
        The old reservation is kept until it expires, and the renewal is tried again,
        several times.
        """
        self.hold()
        now = tries = 0.0
        while True:
            now += self.reserving.wait(now)
            if now > 3500.0:
                break
            self.assertEqual(self.reserving.happened(Event.DUE), (Effect.ASK,))
            self.assertEqual(self.reserving.refused(None), (Effect.WAIT,))
            self.assertTrue(self.reserving.held)
            tries += 1
        self.assertGreaterEqual(tries, 3)
        self.assertEqual(
            self.reserving.happened(Event.EXPIRED),
            (Effect.CANCEL, Effect.WITHDRAW, Effect.CONNECT),
        )

    def test_lost(self) -> None:
        """
        When the connection is lost the relay is dialed again soon, and again and again.
        """
        self.hold()
        self.assertIn(Effect.WITHDRAW, self.reserving.happened(Event.LOST))
        waits = []
        for _ in range(8):
            waits.append(self.reserving.wait(0.0))
            self.assertEqual(self.reserving.happened(Event.DUE), (Effect.CONNECT,))
            self.reserving.refused(None)
        self.assertEqual(waits[:5], [1.0, 1.0, 2.0, 4.0, 8.0])
        self.assertEqual(max(waits), MAX_RETRY)

    def test_refused(self) -> None:
        """
        A relay that refuses is left alone for longer, and for longer each time.
        """
        self.reserving.happened(Event.WANTED)
        for status, first, longest in (
            (Status.RESOURCE_LIMIT_EXCEEDED, 60.0, 3600.0),
            (Status.PERMISSION_DENIED, 600.0, 3600.0),
            (999, 60.0, 3600.0),
        ):
            waits = []
            for _ in range(9):
                self.reserving.happened(Event.CONNECTED)
                self.reserving.refused(status)
                waits.append(self.reserving.wait(0.0))
                self.reserving.happened(Event.DUE)
            self.assertEqual((waits[0], waits[-1]), (first, longest))
            self.assertEqual(waits, sorted(waits))
            self.reserving = Reserving(lambda: 1.0)
            self.reserving.happened(Event.WANTED)

    def test_spread(self) -> None:
        """
        The peers of one relay do not come back at once.
        """
        waits = []
        for random in (0.0, 0.5, 1.0):
            reserving = Reserving(lambda random=random: random)  # type: ignore[misc]
            reserving.happened(Event.WANTED)
            reserving.refused(None)
            waits.append(reserving.wait(0.0))
        self.assertEqual(waits, [0.5, 0.75, 1.0])

    def test_forEver(self) -> None:
        """
        No relay is believed for longer than a day.
        """
        self.hold(2.0**63)
        self.assertEqual(self.reserving.expires, MAX_LIFETIME)

    @drawn(100, st.lists(st.sampled_from(Event), max_size=40))
    def test_anyOrder(self, events: list[Event]) -> None:
        """
        Events may come in any order: addresses are announced and withdrawn in turn, a
        dial or question is under way in its states alone, and an unwanted reservation
        leaves nothing.
        """
        reserving = Reserving(lambda: 0.0)
        announced = timed = pending = False
        for event in [*events, Event.UNWANTED]:
            if event is Event.DUE:
                timed = False
            answers = (Event.CONNECTED, Event.GRANTED, Event.FAILED)
            if event in answers and event in TABLE[reserving.state]:
                pending = False
            effects = (
                reserving.granted(0.0, 100.0)
                if event is Event.GRANTED
                else reserving.happened(event)
            )
            for effect in effects:
                if effect is Effect.ANNOUNCE:
                    announced = True
                elif effect is Effect.WITHDRAW:
                    self.assertTrue(announced)
                    announced = False
                elif effect is Effect.CANCEL:
                    timed = pending = False
                elif effect is Effect.WAIT:
                    self.assertFalse(timed)
                    timed = True
                else:
                    self.assertFalse(pending)
                    pending = True
            self.assertEqual(announced, reserving.held)
            self.assertEqual(reserving.expires > 0, reserving.held)
            asking = (State.CONNECTING, State.ASKING, State.RENEWING)
            self.assertEqual(pending, reserving.state in asking)
            self.assertGreaterEqual(reserving.wait(0.0), 0.0)
        self.assertIs(reserving.state, State.IDLE)
        self.assertFalse(announced or pending)
