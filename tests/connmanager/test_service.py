# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the service that owns the connections, with connections that are none.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.connmanager.doubles import FakeConnection, FakeStream, peer
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connmanager import (
    ConnectionManager,
    ConnectionPolicy,
    OpenGater,
    halving,
)
from twisted_libp2p.connmanager.trimming import Trimming
from twisted_libp2p.errors import (
    ClosedHere,
    ConfigurationError,
    ErrorCode,
    Gated,
    LimitExceeded,
    PeerUnresponsive,
)
from twisted_libp2p.events import (
    ClosedConn,
    ConnectionTrimmed,
    Event,
    EventBus,
    LimitReached,
    OpenedConn,
)
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import Direction, IConnectionManager, IExpendability
from twisted_libp2p.limits import Limits, ScopeLimits
from twisted_libp2p.limits import limits as scaling

ADDRESS = Multiaddr("/ip4/192.0.2.1/tcp/4001")


class ManagerTestCase(SynchronousTestCase):
    """
    A manager with low marks: 4 and 6 of at most 12 connections, 9 of them
    inbound.
    """

    def setUp(self) -> None:
        """
        Have a manager that runs.
        """
        self.clock = Clock()
        self.events: list[Event] = []
        self.managed()

    def managed(self, **policy: Any) -> None:
        """
        Have another one.
        """
        self.manage(policy=ConnectionPolicy(**{"lowWater": 4, "highWater": 6} | policy))

    def manage(self, **options: Any) -> None:
        """
        Have another one, with other options.
        """
        bus = EventBus()
        bus.subscribe(Event, self.events.append)
        options.setdefault("policy", ConnectionPolicy(lowWater=4, highWater=6))
        options.setdefault("limits", Limits.scaled(connections=12))
        self.manager = ConnectionManager(self.clock, bus, **options)
        self.manager.startService()

    def open(self, number: int, initiator: bool = False) -> FakeConnection:
        """
        Open a connection to a peer.
        """
        return FakeConnection(self.manager, peer(number), initiator).open()

    def openSeveral(self, *numbers: int) -> list[FakeConnection]:
        """
        Open a connection to each of several peers.
        """
        return [self.open(number) for number in numbers]

    def trimmed(self) -> list[int]:
        """
        Whose connections were trimmed, in that order.
        """
        return [
            int.from_bytes(event.peer.toBytes()[2:], "big")
            for event in self.events
            if isinstance(event, ConnectionTrimmed)
        ]

    def reached(self) -> list[tuple[str, int]]:
        """
        Which limits were reached, and how often.
        """
        return [
            (event.option, event.count)
            for event in self.events
            if isinstance(event, LimitReached)
        ]


class TableTests(ManagerTestCase):
    """
    Connections by peer.
    """

    def test_interface(self) -> None:
        """
        It is what upgrades and connections talk to.
        """
        verifyObject(IConnectionManager, self.manager)

    def test_table(self) -> None:
        """
        Connections are found by peer, the oldest first, and counted.
        """
        first, second, other = self.open(1), self.open(1), self.open(2)
        self.assertEqual(self.manager.to(peer(1)), [first, second])
        self.assertEqual(list(self.manager), [first, second, other])
        self.assertEqual(len(self.manager), 3)
        first.lose()
        self.assertEqual(self.manager.to(peer(1)), [second])
        second.lose()
        self.assertEqual(self.manager.to(peer(1)), [])
        self.assertEqual(len(self.manager), 1)

    def test_events(self) -> None:
        """
        The beginning and the end are told, with the reason.
        """
        connection = self.open(1)
        connection.lose()
        opened, closed = self.events
        assert isinstance(opened, OpenedConn)
        assert isinstance(closed, ClosedConn)
        self.assertIs(opened.connection, connection)
        self.assertIs(closed.connection, connection)
        self.assertIs(closed.reason, connection.reason)

    def test_stopped(self) -> None:
        """
        When the service stops, nothing is left in the reactor.
        """
        self.managed(idleTimeout=10)
        self.openSeveral(*range(8))
        stopping = self.manager.stopService()
        self.assertEqual({code for each in self.manager for code in each.codes}, {0})  # type: ignore[attr-defined]
        self.successResultOf(stopping)
        self.assertEqual(self.clock.getDelayedCalls(), [])


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

    def test_invalid(self) -> None:
        """
        Marks that make no sense are an error of the configuration.
        """
        self.assertRaises(ConfigurationError, ConnectionPolicy, lowWater=5, highWater=4)
        self.assertRaises(ConfigurationError, ConnectionPolicy, lowWater=-1)
        self.assertRaises(ConfigurationError, ConnectionPolicy, interval=0)
        self.assertRaises(ConfigurationError, ConnectionPolicy, keepAlive=0)
        self.manage(policy=None)
        self.assertEqual(self.manager.policy.highWater, 12)
        self.assertEqual(self.manager.policy.lowWater, 10)
        error = self.assertRaises(
            ConfigurationError, self.manage, policy=ConnectionPolicy()
        )
        self.assertIn("192", str(error))
        self.assertIn("Limits.system.connections", str(error))

    def test_smallMachine(self) -> None:
        """
        On a machine with 64 descriptors the default marks fit the cap, and those
        that a program has chosen for any machine are lowered with a warning;
        both with and without a policy a node can be made.
        """
        self.patch(scaling, "machineDescriptors", lambda: 64)
        logged: list[Any] = []
        observer = cast(ILogObserver, logged.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.manage(limits=None, policy=None)
        marks = self.manager.policy
        self.assertEqual((marks.lowWater, marks.highWater), (26, 32))
        self.assertEqual(logged, [])
        self.manage(limits=None, policy=ConnectionPolicy(grace=5))
        marks = self.manager.policy
        self.assertEqual((marks.lowWater, marks.highWater, marks.grace), (26, 32, 5))
        self.assertEqual(len(logged), 1)
        self.manage(limits=None, policy=ConnectionPolicy(lowWater=1, highWater=2))
        self.assertEqual(self.manager.policy.highWater, 2)
        self.assertEqual(len(logged), 1)


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
        self.assertEqual(kinds, {OpenedConn, LimitReached})
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


class GaterTests(ManagerTestCase):
    """
    The hooks of the gater.
    """

    def test_hooks(self) -> None:
        """
        Each hook refuses with its reason, and a code for the peer.
        """

        class Closed(OpenGater):
            def beforeDial(self, peer: PeerID | None, address: Any) -> str:
                return f"dial {address}"

            def accepted(self, address: Any) -> str | None:
                return f"accept {address}" if address else None

            def secured(self, peer: PeerID, address: Any, direction: str) -> str:
                return f"secured {direction}"

            def upgraded(self, connection: Any) -> str:
                return f"upgraded {connection.security}"

        self.manage(gater=Closed())
        for call, reason in (
            (lambda: self.manager.dialing(peer(1), ADDRESS), f"dial {ADDRESS}"),
            (lambda: self.manager.accepted(ADDRESS, self.fail), f"accept {ADDRESS}"),
            (
                lambda: self.manager.secured(peer(1), ADDRESS, Direction.INBOUND),
                "secured inbound",
            ),
            (lambda: self.open(1), "upgraded /noise"),
        ):
            error = self.assertRaises(Gated, call)
            self.assertEqual(error.reason, reason)
            self.assertEqual(str(error), f"refused by the gater: {reason}")
            self.assertEqual(error.wireCode, ErrorCode.GATED)
        self.assertEqual(self.events, [])
        self.assertEqual(len(self.manager), 0)


class IdleTests(ManagerTestCase):
    """
    Idle connections.
    """

    def test_off(self) -> None:
        """
        An idle connection lives on, unless asked otherwise.
        """
        connection = self.open(1)
        self.clock.pump([600] * 100)
        self.assertEqual(connection.codes, [])

    def test_closed(self) -> None:
        """
        A connection without streams is closed when the time has passed; with
        streams it is not; a background stream does not help.
        """
        self.managed(idleTimeout=40)
        idle, busy, pinged = self.openSeveral(1, 2, 3)
        busy.streams.append(FakeStream())
        pinged.streams.append(FakeStream("/ipfs/ping/1.0.0"))
        self.clock.pump([10] * 3)
        self.assertEqual(idle.codes + pinged.codes, [])
        self.clock.advance(10)
        self.assertEqual((idle.codes, busy.codes, pinged.codes), ([0], [], [0]))

    def test_idleOverdue(self) -> None:
        """
        A connection is not idle whose next stream waits in the socket when the timer
        is overdue.
        """
        self.managed(idleTimeout=40)
        idle, used = self.openSeveral(1, 2)
        self.clock.callLater(100, used.streams.append, FakeStream())
        self.clock.advance(100)
        self.assertEqual((idle.codes, used.codes), ([0], []))

    def test_sinceLastStream(self) -> None:
        """
        The time begins with the end of the last stream.
        """
        self.managed(idleTimeout=40)
        connection = self.open(1)
        self.clock.advance(25)
        connection.scope.openStream(Direction.INBOUND).close()
        self.clock.pump([10] * 3)
        self.assertEqual(connection.codes, [])
        self.clock.advance(10)
        self.assertEqual(connection.codes, [0])

    def test_noTimer(self) -> None:
        """
        Without connections no timer runs.
        """
        self.managed(idleTimeout=40)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.open(1).lose()
        self.clock.advance(10)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.open(1)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)


class KeepAliveTests(ManagerTestCase):
    """
    Signs of life.
    """

    def test_stream(self) -> None:
        """
        Over a muxer without pings a peer is pinged on a stream; if it does not
        answer, its connection ends with a typed reason.
        """
        asked: list[Any] = []

        def ping(connection: Any) -> Deferred[float]:
            asked.append(connection)
            return Deferred()

        self.manage(ping=ping)
        connection = FakeConnection(self.manager, peer(1))
        connection.keepsAlive = False
        connection.open()
        self.clock.pump([30] * 4)
        self.assertEqual(asked, [connection] * 2)
        assert connection.reason is not None
        self.assertIsInstance(connection.reason.value, PeerUnresponsive)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_muxer(self) -> None:
        """
        Without a way to ask but the muxer's, one that has none is believed.
        """
        self.manage()
        connection = FakeConnection(self.manager, peer(1))
        connection.keepsAlive = False
        connection.open()
        self.clock.pump([30] * 4)
        self.assertIsNone(connection.reason)

    def test_off(self) -> None:
        """
        It can be turned off.
        """
        self.managed(keepAlive=None)
        connection = FakeConnection(self.manager, peer(1))
        connection.keepsAlive = False
        connection.open()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class RedialTests(ManagerTestCase):
    """
    Protected peers are redialed.
    """

    def setUp(self) -> None:
        """
        Have a manager that can dial.
        """
        super().setUp()
        self.dials: list[PeerID] = []
        self.manage(dial=self.dial, random=lambda: 0.0)

    def dial(self, peer: PeerID) -> Deferred[None]:
        """
        Note it.
        """
        self.dials.append(peer)
        return succeed(None)

    def test_lost(self) -> None:
        """
        A protected peer is dialed when its last connection is lost.
        """
        first, second = self.open(1), self.open(1)
        self.manager.protect(peer(1), "test")
        first.lose()
        self.clock.advance(100)
        self.assertEqual(self.dials, [])
        second.lose()
        self.clock.advance(5)
        self.assertEqual(self.dials, [peer(1)])

    def test_back(self) -> None:
        """
        If it comes back by itself it is not.
        """
        lost = self.open(1)
        self.manager.protect(peer(1), "test")
        lost.lose()
        self.open(1)
        self.clock.advance(100)
        self.assertEqual(self.dials, [])

    def test_atOnce(self) -> None:
        """
        A peer that is protected while it is not connected is dialed at once.
        """
        self.manager.protect(peer(1), "test")
        self.assertEqual(self.dials, [peer(1)])

    def test_missing(self) -> None:
        """
        A peer that was never there is dialed too, once the service runs.
        """
        self.manager.stopService()
        self.manager.protect(peer(1), "test")
        self.clock.advance(100)
        self.assertEqual(self.dials, [])
        self.manager.startService()
        self.assertEqual(self.dials, [peer(1)])

    def test_notWanted(self) -> None:
        """
        A peer may be protected without being dialed, and is not dialed again
        when it is no longer protected.
        """
        self.manager.protect(peer(1), "test", redial=False)
        lost = self.open(2)
        self.manager.protect(peer(2), "test")
        lost.lose()
        self.manager.protect(peer(2), "other")
        self.assertTrue(self.manager.unprotect(peer(2), "test"))
        self.assertFalse(self.manager.unprotect(peer(2), "other"))
        self.clock.advance(100)
        self.assertEqual(self.dials, [])

    def test_stop(self) -> None:
        """
        A service that stops dials nobody, and leaves nothing in the reactor.
        """
        self.manager.protect(peer(1), "test")
        self.successResultOf(self.manager.stopService())
        self.assertEqual(self.clock.getDelayedCalls(), [])
