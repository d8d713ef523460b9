# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.connmanager.trimming}: the water marks, and the hard cap.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from twisted.logger import ILogObserver, globalLogPublisher
from zope.interface import implementer

from tests.connmanager.doubles import FakeConnection, FakeStream, peer
from tests.connmanager.managing import ManagerTestCase
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connmanager import (
    ConnectionPolicy,
    halving,
)
from twisted_libp2p.connmanager.trimming import Trimming
from twisted_libp2p.errors import (
    ClosedHere,
    ErrorCode,
    LimitExceeded,
)
from twisted_libp2p.events import (
    ClosedConn,
    ConnectionTrimmed,
    LimitReached,
    OpenedConn,
    PeerConnected,
)
from twisted_libp2p.interfaces import IExpendability
from twisted_libp2p.limits import Limits, ScopeLimits

ADDRESS = Multiaddr("/ip4/192.0.2.1/tcp/4001")


class TrimTests(ManagerTestCase):
    """
    From the high water mark to the low one.
    """

    def test_quiet(self) -> None:
        """
        Up to the high mark nothing is trimmed, and no timer runs.
        """
        self.openSeveral(*range(6))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.clock.advance(1000)
        self.assertEqual(self.trimmed(), [])

    def test_down(self) -> None:
        """
        Above it connections are trimmed down to the low mark within one
        interval after their grace; the peer is told the code, and the reason is
        in the event.
        """
        connections = self.openSeveral(*range(7))
        self.clock.pump([10] * 5)
        self.assertEqual(self.trimmed(), [])
        self.clock.advance(10)
        self.assertEqual(len(self.trimmed()), 3)
        for connection in connections:
            if connection.codes:
                self.assertEqual(connection.codes, [ErrorCode.TRIMMED])
                connection.lose()
        self.assertEqual(len(self.manager), 4)
        reasons = [each.reason for each in self.events if isinstance(each, ClosedConn)]
        self.assertEqual(len(reasons), 3)
        for reason in reasons:
            self.assertIsInstance(reason.value, ClosedHere)
        self.clock.advance(10)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_order(self) -> None:
        """
        The most expendable go first, and the event tells what they were worth.
        """
        self.openSeveral(*range(8))
        for number in range(8):
            self.manager.tags.set(peer(number), "a", -number)
        self.clock.advance(60)
        self.assertEqual(self.trimmed(), [7, 6, 5, 4])
        first = next(
            each for each in self.events if isinstance(each, ConnectionTrimmed)
        )
        self.assertEqual(first.value, -7)

    def test_decayed(self) -> None:
        """
        What counts is what is left of a tag.
        """
        self.openSeveral(*range(7))
        for number in range(6):
            self.manager.tags.set(peer(number), "a", 1)
        self.manager.tags.set(peer(6), "a", 50, halving(10))
        self.clock.advance(60)
        self.assertIn(6, self.trimmed())

    def test_grace(self) -> None:
        """
        Young connections live, even if too many are left for it, and cost no
        other connection its place; when they have settled they are trimmed as
        others are.
        """
        self.openSeveral(*range(5))
        self.clock.advance(55)
        self.openSeveral(*range(5, 9))
        self.clock.pump([10])
        self.assertEqual(self.trimmed(), [])
        self.assertEqual(self.manager.trim(), self.manager.to(peer(0)))
        self.clock.pump([10] * 5)
        self.assertEqual(self.trimmed(), [0, 5, 6, 7, 8])

    def test_flood(self) -> None:
        """
        However many new connections come, and go, and come again, the settled
        ones stay, be they busy, valued, dialed or nothing of that.
        """
        self.manage(limits=Limits.none())
        old = [self.open(0), self.open(1, initiator=True), self.open(2), self.open(3)]
        old[2].streams.append(FakeStream())
        self.manager.tags.set(peer(3), "test", 5)
        self.clock.advance(60)
        for turn in range(1, 30):
            fresh = self.openSeveral(*range(turn * 100, turn * 100 + 50))
            for each in fresh:
                each.streams.append(FakeStream())
            self.clock.pump([10] * 5)
            for each in fresh:
                each.lose()
        self.assertTrue(all(each.connected for each in old))
        self.assertEqual(self.trimmed(), [])

    def test_protected(self) -> None:
        """
        Protected peers live, even if too many are left for it.
        """
        self.openSeveral(*range(9))
        for number in range(6):
            self.manager.protect(peer(number), "test")
        self.clock.advance(60)
        self.assertEqual(sorted(self.trimmed()), [6, 7, 8])

    def test_closing(self) -> None:
        """
        Connections that are being closed are neither counted nor trimmed again.
        """
        self.openSeveral(*range(9))
        self.clock.advance(60)
        self.assertEqual(len(self.trimmed()), 5)
        self.clock.advance(10)
        self.assertEqual(len(self.trimmed()), 5)

    def test_byHand(self) -> None:
        """
        To trim is possible at any time; to the low mark, and with grace.
        """
        old = self.openSeveral(*range(6))
        self.assertEqual(self.manager.trim(), [])
        self.clock.advance(60)
        chosen = self.manager.trim()
        self.assertEqual(len(chosen), 2)
        self.assertLess(set(chosen), set(old))
        self.assertEqual(self.manager.trim(), [])

    def test_otherOrder(self) -> None:
        """
        The order can be replaced by any other.
        """

        @implementer(IExpendability)
        class Oldest:
            def key(self, connection: Any, value: float) -> float:
                return cast(float, connection.openedAt)

        self.managed(expendability=Oldest(), grace=0)
        for number in range(7):
            self.open(number)
            self.clock.advance(1)
        self.clock.advance(10)
        self.assertEqual(self.trimmed(), [0, 1, 2])


class HardCapTests(ManagerTestCase):
    """
    At the limits.
    """

    def test_full(self) -> None:
        """
        When the inbound share is full of young connections, one more is refused
        and nobody hears of it but as a limit; our own dials still go.
        """
        self.openSeveral(*range(9))
        refused = FakeConnection(self.manager, peer(20))
        error = self.assertRaises(LimitExceeded, refused.open)
        self.assertEqual(error.option, "Limits.system.inboundConnections")
        refused.lose()
        self.assertEqual(len(self.manager), 9)
        kinds = {type(event) for event in self.events}
        self.assertEqual(kinds, {OpenedConn, PeerConnected, LimitReached})
        self.manager.dialing(peer(21), ADDRESS)
        self.open(21, initiator=True)

    def test_dialing(self) -> None:
        """
        At the hard cap nothing is dialed, but protected peers.
        """
        self.openSeveral(*range(9))
        for number in range(9, 12):
            self.open(number, initiator=True)
        error = self.assertRaises(
            LimitExceeded, self.manager.dialing, peer(20), ADDRESS
        )
        self.assertEqual(error.option, "Limits.system.connections")
        self.assertRaises(LimitExceeded, self.manager.dialing, None, ADDRESS)
        self.manager.protect(peer(20), "test")
        self.manager.dialing(peer(20), ADDRESS)

    def test_room(self) -> None:
        """
        Where somebody can go, room is made for a newcomer at once.
        """
        self.managed(interval=1000)
        self.openSeveral(*range(9))
        self.clock.advance(60)
        self.open(20)
        self.assertEqual(len(self.trimmed()), 5)
        self.assertEqual(self.manager.limiter.system.used.connections, 5)

    def test_protected(self) -> None:
        """
        A protected peer is let in beyond the cap, but not beyond its own.
        """
        limits = Limits.scaled(connections=12)
        self.manage(
            limits=replace(limits, peer=ScopeLimits(8, 8)),
            policy=ConnectionPolicy(lowWater=4, highWater=6),
        )
        self.openSeveral(*range(9))
        self.manager.protect(peer(20), "test")
        for _ in range(8):
            self.open(20)
        self.assertEqual(len(self.manager), 17)
        error = self.assertRaises(LimitExceeded, self.open, 20)
        self.assertEqual(error.option, "Limits.peer.connections")

    def test_cheap(self) -> None:
        """
        While nobody can be trimmed, newcomers do not make anybody look again
        within a second.
        """
        looks = 0
        original = Trimming._settled

        def settled(self: Trimming) -> Any:
            nonlocal looks
            looks += 1
            return original(self)

        self.patch(Trimming, "_settled", settled)
        self.managed(interval=1000)
        self.openSeveral(*range(9))
        for number in range(20, 40):
            self.assertRaises(LimitExceeded, self.open, number)
        self.assertEqual(looks, 1)
        self.clock.advance(60)
        self.open(50)
        self.assertEqual(looks, 2)

    def test_newcomers(self) -> None:
        """
        At the hard cap settled connections do not make place for inbound ones
        as long as others in their time of grace take up places.
        """
        self.managed(interval=1000)
        self.openSeveral(*range(6))
        self.clock.advance(55)
        self.openSeveral(*range(6, 9))
        self.clock.advance(5)
        for number in range(20, 40):
            self.assertRaises(LimitExceeded, self.open, number)
            self.clock.advance(1)
        self.assertEqual(self.trimmed(), [])
        self.clock.advance(60)
        self.open(50)
        self.assertEqual(self.trimmed(), [6, 7, 8, 0, 1])

    def test_worthy(self) -> None:
        """
        At the hard cap a valued peer, and one that our side has dialed, do not
        make place for an inbound connection; nor for a dial of ours, which may
        close an inbound connection without value even below the marks.
        """
        limits = Limits.scaled(connections=12)
        system = limits.system._replace(inboundConnections=12)
        self.manage(
            limits=replace(limits, system=system),
            policy=ConnectionPolicy(lowWater=12, highWater=12, interval=1000),
        )
        for number in range(6):
            self.open(number, initiator=True)
        self.openSeveral(*range(6, 12))
        for number in range(6, 11):
            self.manager.tags.set(peer(number), "test", 1)
        self.clock.advance(60)
        self.assertRaises(LimitExceeded, self.open, 20)
        self.assertEqual(self.trimmed(), [])
        self.clock.advance(1)
        self.manager.dialing(peer(21), ADDRESS)
        self.assertEqual(self.trimmed(), [11])
        self.open(21, initiator=True)
        self.clock.advance(1)
        self.assertRaises(LimitExceeded, self.manager.dialing, peer(22), ADDRESS)
        self.assertEqual(self.trimmed(), [11])

    def test_ofMost(self) -> None:
        """
        When connections in their time of grace take up all places, the peer
        that has several gives one to a peer that has none; one with a value
        does not.
        """
        limits = Limits.scaled(connections=12)
        self.manage(
            limits=replace(limits, peer=ScopeLimits()),
            policy=ConnectionPolicy(lowWater=4, highWater=6),
        )
        valued = [self.open(1) for _ in range(4)]
        self.manager.tags.set(peer(1), "test", 1)
        several = [self.open(2) for _ in range(3)]
        self.openSeveral(3, 4)
        self.open(20)
        self.open(21)
        self.assertEqual(self.trimmed(), [2, 2])
        self.assertEqual([each.connected for each in several].count(True), 1)
        self.assertRaises(LimitExceeded, self.open, 22)
        self.assertRaises(LimitExceeded, self.open, 2)
        self.assertTrue(all(each.connected for each in valued))

    def test_inTurns(self) -> None:
        """
        Two peers that have several connections each do not take places from each
        other in turns.
        """
        limits = Limits.scaled(connections=12)
        self.manage(
            limits=replace(limits, peer=ScopeLimits()),
            policy=ConnectionPolicy(lowWater=4, highWater=6),
        )
        for number in (1, 1, 1, 1, 2, 2, 2, 2, 2):
            self.open(number)
        for number in (1, 2):
            self.assertRaises(LimitExceeded, self.open, number)
        self.assertEqual(self.trimmed(), [])
        # The next look sees that nothing of these is left.
        for connection in list(self.manager):
            cast(Any, connection).lose()
        self.clock.advance(1)
        self.open(3).lose()
        self.assertEqual(self.manager._trimming._held, {})

    def test_unprotect(self) -> None:
        """
        When a peer loses its protection, it can make room for another.
        """
        self.managed(grace=0, interval=1000)
        self.openSeveral(*range(9))
        for number in range(9):
            self.manager.protect(peer(number), "test")
        self.assertRaises(LimitExceeded, self.open, 20)
        self.manager.unprotect(peer(3), "test")
        self.open(20)
        self.assertEqual(self.trimmed(), [3])

    def test_told(self) -> None:
        """
        A limit is told once a second, with the number of refusals, in the log
        and to subscribers.
        """
        logged: list[Any] = []
        observer = cast(ILogObserver, logged.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.openSeveral(*range(9))
        for _ in range(5):
            self.assertRaises(LimitExceeded, self.open, 20)
        self.assertEqual(self.reached(), [("Limits.system.inboundConnections", 1)])
        self.clock.advance(1)
        self.assertRaises(LimitExceeded, self.open, 20)
        self.assertEqual(self.reached()[1:], [("Limits.system.inboundConnections", 5)])
        texts = [each for each in logged if "refused" in str(each.get("log_format"))]
        self.assertEqual(len(texts), 2)

    def test_transient(self) -> None:
        """
        An upgrade that gives way to a newcomer is dropped, and it is told.
        """
        first = FakeConnection(self.manager, peer(0))
        for number in range(1, 65):
            FakeConnection(self.manager, peer(number))
        assert first.reason is not None
        self.assertIsInstance(first.reason.value, LimitExceeded)
        self.assertEqual(self.reached(), [("Limits.transient.connections", 1)])
