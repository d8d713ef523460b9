# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.portmap.mapping} and L{twisted_libp2p.portmap.epoch}.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from twisted_libp2p.portmap.epoch import Epoch
from twisted_libp2p.portmap.lease import Lease
from twisted_libp2p.portmap.mapping import (
    LIFETIME,
    MAX_RETRY,
    MIN_RENEWAL,
    TABLE,
    Effect,
    Event,
    Mapping,
    State,
)

LEASE = Lease(IPv4Address("45.45.0.1"), 4001, 3600)


class MappingTests(SynchronousTestCase):
    """
    The life of one mapping.
    """

    def setUp(self) -> None:
        """
        Begin with none.
        """
        self.mapping = Mapping(lambda: 1.0)

    def hold(self, lifetime: float = 3600.0) -> None:
        """
        Get a lease.
        """
        self.mapping.happened(Event.WANTED)
        self.mapping.granted(0.0, Lease(LEASE.address, LEASE.port, lifetime))

    def test_held(self) -> None:
        """
        A mapping is asked for, announced, and renewed after half of its time.
        """
        self.assertEqual(self.mapping.happened(Event.WANTED), (Effect.ASK,))
        self.assertEqual(
            self.mapping.granted(0.0, LEASE), (Effect.ANNOUNCE, Effect.WAIT)
        )
        self.assertEqual(self.mapping.wait(0.0), 1800.0)
        self.assertEqual(self.mapping.happened(Event.DUE), (Effect.ASK,))
        self.assertTrue(self.mapping.held)
        self.mapping.granted(1800.0, LEASE)
        self.assertEqual(self.mapping.expires, 5400.0)

    def test_long(self) -> None:
        """
        A lease for longer than it was asked is not believed; a short one is renewed
        with a pause.
        """
        self.hold(2.0**32)
        self.assertEqual(self.mapping.expires, LIFETIME)
        self.setUp()
        self.hold(1.0)
        self.assertEqual(self.mapping.wait(0.0), MIN_RENEWAL)

    def test_failedRenewal(self) -> None:
        """
        A lease whose renewal fails lasts until it expires.
        """
        self.hold()
        self.mapping.happened(Event.DUE)
        self.assertEqual(self.mapping.happened(Event.REFUSED), (Effect.WAIT,))
        self.assertTrue(self.mapping.held)
        self.assertEqual(self.mapping.wait(1800.0), 450.0)
        effects = self.mapping.happened(Event.EXPIRED)
        self.assertIn(Effect.WITHDRAW, effects)
        self.assertFalse(self.mapping.held)

    def test_refused(self) -> None:
        """
        A gateway that refuses is asked again later and later.
        """
        self.mapping.happened(Event.WANTED)
        waits = []
        for _ in range(9):
            self.mapping.happened(Event.REFUSED)
            waits.append(self.mapping.wait(0.0))
            self.mapping.happened(Event.DUE)
        self.assertEqual(waits[:3], [60.0, 120.0, 240.0])
        self.assertEqual(waits[-1], MAX_RETRY)

    def test_forgotten(self) -> None:
        """
        A gateway that has begun again is asked at once, in any state.
        """
        self.hold()
        self.assertEqual(
            self.mapping.happened(Event.FORGOTTEN),
            (Effect.CANCEL, Effect.WITHDRAW, Effect.ASK),
        )
        self.mapping.happened(Event.REFUSED)
        self.assertIn(Effect.ASK, self.mapping.happened(Event.FORGOTTEN))

    def test_unwanted(self) -> None:
        """
        A mapping that is no longer wanted is deleted, also if it was only asked for.
        """
        self.hold()
        self.assertEqual(
            self.mapping.happened(Event.UNWANTED),
            (Effect.CANCEL, Effect.DELETE, Effect.WITHDRAW),
        )
        self.mapping.happened(Event.WANTED)
        self.assertIn(Effect.DELETE, self.mapping.happened(Event.UNWANTED))

    @drawn(100, st.lists(st.sampled_from(list(Event)), max_size=30))
    def test_balance(self, events: list[Event]) -> None:
        """
        Whatever happens: an address is withdrawn that was announced, and nothing else;
        a question has one end.
        """
        self.setUp()
        announced, asked = False, False
        for event in events:
            if event in (Event.GRANTED, Event.REFUSED) and not asked:
                continue
            before = self.mapping.state
            effects = (
                self.mapping.granted(0.0, LEASE)
                if event is Event.GRANTED
                else self.mapping.happened(event)
            )
            if event not in TABLE[before]:
                self.assertEqual((self.mapping.state, effects), (before, ()))
                continue
            if event in (Event.GRANTED, Event.REFUSED):
                asked = False
            for each in effects:
                if each is Effect.ANNOUNCE:
                    announced = True
                elif each is Effect.WITHDRAW:
                    self.assertTrue(announced)
                    announced = False
                elif each is Effect.CANCEL:
                    asked = False
                elif each is Effect.ASK:
                    self.assertFalse(asked)
                    asked = True
            self.assertEqual(announced, self.mapping.held)
            asking = (State.ASKING, State.RENEWING)
            self.assertEqual(asked, self.mapping.state in asking)


class EpochTests(SynchronousTestCase):
    """
    The clock of a gateway.
    """

    def test_runs(self) -> None:
        """
        A clock that runs as ours, or somewhat slower or faster, shows no restart.
        """
        epoch = Epoch()
        for now, its in ((0, 100), (10, 110), (26, 125), (126, 221), (126, 220)):
            epoch.take(now, its)
        self.assertEqual(epoch.restarts, 0)

    def test_restarts(self) -> None:
        """
        A clock that goes back, stands, or jumps, does.
        """
        for its in (0, 98, 100, 300):
            epoch = Epoch()
            epoch.take(0, 100)
            epoch.take(100, its)
            self.assertEqual(epoch.restarts, 1)
