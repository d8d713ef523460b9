# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of what peers are worth.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.connmanager.doubles import peer
from twisted_libp2p.connmanager.tags import (
    MAX_ABSENT,
    Tags,
    expiring,
    fading,
    halving,
)


class TagsTestCase(SynchronousTestCase):
    """
    Tags of one peer, and a clock.
    """

    def setUp(self) -> None:
        """
        Have tags.
        """
        self.clock = Clock()
        self.tags = Tags(self.clock.seconds)
        self.peer = peer(1)


class ValueTests(TagsTestCase):
    """
    Tags add up.
    """

    def test_nothing(self) -> None:
        """
        A peer without tags is worth nothing, and so is a tag it does not have.
        """
        self.assertEqual(self.tags.value(self.peer), 0)
        self.assertEqual(self.tags.get(self.peer, "a"), 0)
        self.tags.remove(self.peer, "a")

    def test_sum(self) -> None:
        """
        A peer is worth the sum of its tags, negative ones included.
        """
        self.tags.set(self.peer, "a", 5)
        self.tags.set(self.peer, "b", -2)
        self.assertEqual(self.tags.value(self.peer), 3)
        self.assertEqual(self.tags.value(peer(2)), 0)

    def test_replaced(self) -> None:
        """
        A tag is replaced by one of the same name, and can be taken away.
        """
        self.tags.set(self.peer, "a", 5)
        self.tags.set(self.peer, "a", 7)
        self.assertEqual(self.tags.get(self.peer, "a"), 7)
        self.tags.remove(self.peer, "a")
        self.assertEqual(self.tags.value(self.peer), 0)

    def test_add(self) -> None:
        """
        A tag can be raised from what it is, or from nothing.
        """
        self.assertEqual(self.tags.add(self.peer, "a", 2), 2)
        self.assertEqual(self.tags.add(self.peer, "a", 3), 5)
        self.assertEqual(self.tags.value(self.peer), 5)


class DecayTests(TagsTestCase):
    """
    Values get less by time, without a timer.
    """

    def test_halving(self) -> None:
        """
        Half of a value is left after each period, and at last nothing.
        """
        self.tags.set(self.peer, "a", 8, halving(60))
        self.clock.advance(60)
        self.assertEqual(self.tags.value(self.peer), 4)
        self.clock.advance(120)
        self.assertEqual(self.tags.value(self.peer), 1)
        self.clock.advance(3600)
        self.assertEqual(self.tags.value(self.peer), 0)

    def test_fading(self) -> None:
        """
        A value goes to zero at an even pace, from either side, and stays there.
        """
        self.tags.set(self.peer, "a", 10, fading(2))
        self.tags.set(self.peer, "b", -10, fading(1))
        self.clock.advance(3)
        self.assertEqual(self.tags.get(self.peer, "a"), 4)
        self.assertEqual(self.tags.get(self.peer, "b"), -7)
        self.clock.advance(60)
        self.assertEqual(self.tags.value(self.peer), 0)

    def test_expiring(self) -> None:
        """
        A value lasts for a time; to add to it gives it that time again.
        """
        self.tags.set(self.peer, "a", 3, expiring(10))
        self.clock.advance(9)
        self.assertEqual(self.tags.add(self.peer, "a", 1, expiring(10)), 4)
        self.clock.advance(9)
        self.assertEqual(self.tags.value(self.peer), 4)
        self.clock.advance(1)
        self.assertEqual(self.tags.value(self.peer), 0)

    def test_addToDecayed(self) -> None:
        """
        What is added is added to what is left.
        """
        self.tags.set(self.peer, "a", 8, halving(10))
        self.clock.advance(10)
        self.assertEqual(self.tags.add(self.peer, "a", 1, halving(10)), 5)

    def test_noTimer(self) -> None:
        """
        Nothing waits in the reactor for a value to decay.
        """
        self.tags.set(self.peer, "a", 8, halving(10))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_clockSetBack(self) -> None:
        """
        A clock that jumps back makes no value grow.
        """
        times = [100.0, 50.0]
        tags = Tags(lambda: times.pop(0))
        tags.set(self.peer, "a", 8, halving(10))
        self.assertEqual(tags.value(self.peer), 8)


class ProtectionTests(TagsTestCase):
    """
    Protection is counted by those who protect.
    """

    def test_tags(self) -> None:
        """
        A peer is protected until the last protector has let it go.
        """
        self.assertFalse(self.tags.protected(self.peer))
        self.tags.protect(self.peer, "dht")
        self.tags.protect(self.peer, "dht")
        self.tags.protect(self.peer, "relay")
        self.assertTrue(self.tags.protected(self.peer, "relay"))
        self.assertTrue(self.tags.unprotect(self.peer, "dht"))
        self.assertFalse(self.tags.protected(self.peer, "dht"))
        self.assertTrue(self.tags.protected(self.peer))
        self.assertFalse(self.tags.unprotect(self.peer, "relay"))
        self.assertFalse(self.tags.protected(self.peer))

    def test_notProtected(self) -> None:
        """
        To take away what is not there does nothing.
        """
        self.assertFalse(self.tags.unprotect(self.peer, "dht"))


class AbsenceTests(TagsTestCase):
    """
    Peers that are not connected are remembered within bounds.
    """

    def test_outlives(self) -> None:
        """
        Tags can be given before a connection, and outlive it.
        """
        self.tags.set(self.peer, "a", 5)
        self.tags.connected(self.peer)
        self.assertEqual(self.tags.value(self.peer), 5)
        self.tags.add(self.peer, "a", 1)
        self.tags.disconnected(self.peer)
        self.assertEqual(self.tags.value(self.peer), 6)
        self.tags.connected(self.peer)
        self.assertEqual(self.tags.value(self.peer), 6)

    def test_bound(self) -> None:
        """
        Of the absent only so many are remembered; the connected are all.
        """
        self.tags.connected(self.peer)
        self.tags.set(self.peer, "a", 5)
        for number in range(MAX_ABSENT + 10):
            self.tags.set(peer(100 + number), "a", 1)
        self.assertEqual(self.tags.value(self.peer), 5)
        self.assertEqual(self.tags.value(peer(100)), 0)
        self.assertEqual(self.tags.value(peer(110)), 1)

    def test_boundAtLeaving(self) -> None:
        """
        Who leaves is remembered; who had left first is forgotten for it.
        """
        for number in range(MAX_ABSENT):
            self.tags.set(peer(100 + number), "a", 1)
        self.tags.connected(self.peer)
        self.tags.set(self.peer, "a", 5)
        self.tags.disconnected(self.peer)
        self.assertEqual(self.tags.value(self.peer), 5)
        self.assertEqual(self.tags.value(peer(100)), 0)

    def test_removedWhileConnected(self) -> None:
        """
        A connected peer that has lost its tags may get new ones, which are not
        those of an absent one.
        """
        self.tags.connected(self.peer)
        self.tags.set(self.peer, "a", 5)
        self.tags.remove(self.peer, "a")
        self.tags.set(self.peer, "b", 1)
        for number in range(MAX_ABSENT + 1):
            self.tags.set(peer(100 + number), "a", 1)
        self.assertEqual(self.tags.value(self.peer), 1)
