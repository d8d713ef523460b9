# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of both sides dialing at once.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.amounts import amount
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection import Connection
from twisted_libp2p.connmanager.duplicates import (
    GRACE,
    WINDOW,
    Duplicates,
    supplanted,
)
from twisted_libp2p.errors import ErrorCode, SessionEnded
from twisted_libp2p.events import ClosedConn, OpenedConn
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import Direction, IConnection
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import PROTOCOL_ID, EchoFactory
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.transport.memory import MemoryNetwork

SMALL, LARGE = sorted(
    (Identity.generate().peerID for _ in range(2)), key=PeerID.toBytes
)


class FakeConnection:
    """
    What matters of a connection here.
    """

    def __init__(
        self,
        local: PeerID = SMALL,
        remote: PeerID = LARGE,
        *,
        initiator: bool,
        openedAt: float = 0.0,
        remoteAddress: Multiaddr | None = None,
    ) -> None:
        self.localPeer, self.remotePeer = local, remote
        self.direction = Direction.OUTBOUND if initiator else Direction.INBOUND
        self.openedAt, self.remoteAddress = openedAt, remoteAddress
        self.connected = True
        self.closedWith: int | None = None

    def close(self, code: int = 0) -> None:
        """
        Note that it is closed.
        """
        self.closedWith = code
        self.connected = False


class SupplantedTests(SynchronousTestCase):
    """
    Which of two connections goes.
    """

    def goes(self, one: Any, other: Any) -> str | None:
        """
        Decide, and assert that the order in which they are given is nothing.
        """
        goes = supplanted(one, other)
        self.assertIs(supplanted(other, one), goes)
        return {None: None, one: "one", other: "other"}[goes]

    def test_bothSides(self) -> None:
        """
        What the peer with the smaller id has opened stays, on both sides.
        """
        self.assertEqual(
            self.goes(
                FakeConnection(SMALL, LARGE, initiator=True),
                FakeConnection(SMALL, LARGE, initiator=False),
            ),
            "other",
        )
        self.assertEqual(
            self.goes(
                FakeConnection(LARGE, SMALL, initiator=False),
                FakeConnection(LARGE, SMALL, initiator=True),
            ),
            "other",
        )

    def test_oneDirection(self) -> None:
        """
        Two in the same direction are no accident.
        """
        for initiator in (True, False):
            self.assertIsNone(
                self.goes(
                    FakeConnection(initiator=initiator),
                    FakeConnection(initiator=initiator),
                )
            )

    def test_window(self) -> None:
        """
        Nor is a second one that comes much later.
        """
        first = FakeConnection(initiator=True)
        second = FakeConnection(initiator=False, openedAt=WINDOW)
        third = FakeConnection(initiator=False, openedAt=WINDOW + 0.1)
        self.assertEqual(self.goes(first, second), "other")
        self.assertIsNone(self.goes(first, third))

    def test_relayed(self) -> None:
        """
        A connection that leads through a relay gives way to a direct one, whichever
        side has opened them, and whenever.
        """
        for ours, theirs in ((True, True), (True, False), (False, True)):
            relayed = FakeConnection(
                initiator=ours, remoteAddress=Multiaddr("/p2p-circuit")
            )
            direct = FakeConnection(initiator=theirs, openedAt=9 * WINDOW)
            self.assertEqual(self.goes(relayed, direct), "one")
            self.assertEqual(self.goes(direct, relayed), "other")


class DuplicatesTests(SynchronousTestCase):
    """
    What becomes of the connection that goes.
    """

    def setUp(self) -> None:
        """
        Have two connections, of which the second goes.
        """
        self.clock = Clock()
        self.idle: dict[Any, float | None] = {}
        self.duplicates = Duplicates(self.clock, lambda each: self.idle[each])
        self.stays: Any = FakeConnection(initiator=True)
        self.goes: Any = FakeConnection(initiator=False)
        self.idle[self.goes] = self.idle[self.stays] = 0.0

    def test_order(self) -> None:
        """
        Whichever came first, the one that stays is for new streams.
        """
        both = [self.goes, self.stays]
        self.assertEqual(self.duplicates.ranked(both), both)
        self.duplicates.opened(self.stays, both)
        self.assertEqual(self.duplicates.ranked(both), [self.stays, self.goes])
        duplicates = Duplicates(self.clock, lambda each: None)
        duplicates.opened(self.goes, both)
        self.assertEqual(duplicates.ranked(both), [self.stays, self.goes])
        duplicates.closed(self.goes)
        self.duplicates.closed(self.goes)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_grace(self) -> None:
        """
        It is closed when it was without streams for five seconds.
        """
        self.duplicates.opened(self.goes, [self.stays, self.goes])
        self.clock.advance(GRACE - 0.1)
        self.assertTrue(self.goes.connected)
        self.clock.advance(0.1)
        self.assertEqual(self.goes.closedWith, ErrorCode.SUPPLANTED)
        self.assertTrue(self.stays.connected)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_streams(self) -> None:
        """
        As long as there are streams it is left alone, and five seconds longer.
        """
        self.idle[self.goes] = None
        self.duplicates.opened(self.goes, [self.stays, self.goes])
        self.clock.pump([1.0] * 3600)
        self.assertTrue(self.goes.connected)
        self.idle[self.goes] = self.clock.seconds()
        self.clock.advance(GRACE - 0.1)
        self.assertTrue(self.goes.connected)
        self.clock.advance(2 * GRACE)
        self.clock.advance(0)
        self.assertFalse(self.goes.connected)

    def test_rounding(self) -> None:
        """
        Nor does it matter that a clock has no more than 53 bits: a wait that
        falls short by the last of them is not repeated for ever.
        """
        for ended in range(1000):
            self.setUp()
            self.clock.advance(61.0 + ended * 0.013)
            self.duplicates.opened(self.goes, [self.stays, self.goes])
            self.clock.advance(0.01 + ended * 0.0007)
            self.idle[self.goes] = self.clock.seconds()
            self.clock.advance(GRACE)
            calls = self.clock.getDelayedCalls()
            if calls:
                self.assertGreater(calls[0].getTime(), self.clock.seconds())
                self.clock.advance(calls[0].getTime() - self.clock.seconds())
            self.assertEqual(self.clock.getDelayedCalls(), [])
            self.assertFalse(self.goes.connected)

    def test_ended(self) -> None:
        """
        One that ends before is not closed once more.
        """
        self.duplicates.opened(self.goes, [self.stays, self.goes])
        self.duplicates.closed(self.goes)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_closing(self) -> None:
        """
        Nor is one that is being closed; and it supplants nobody.
        """
        self.duplicates.opened(self.goes, [self.stays, self.goes])
        self.goes.connected = False
        self.clock.advance(GRACE)
        self.assertIsNone(self.goes.closedWith)
        self.stays.connected = False
        third: Any = FakeConnection(initiator=False)
        self.duplicates.opened(third, [self.stays, third])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_wantedAgain(self) -> None:
        """
        When the one that ought to stay ends, the other stays.
        """
        self.duplicates.opened(self.goes, [self.stays, self.goes])
        self.duplicates.closed(self.stays)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.clock.advance(60)
        self.assertTrue(self.goes.connected)

    def test_third(self) -> None:
        """
        Of three, both that go do, and one that was supplanted supplants
        nobody.
        """
        third: Any = FakeConnection(initiator=False)
        self.idle[third] = 0.0
        self.duplicates.opened(self.stays, [self.goes, third, self.stays])
        self.assertEqual(
            self.duplicates.ranked([self.goes, third, self.stays]),
            [self.stays, self.goes, third],
        )
        fourth: Any = FakeConnection(initiator=True)
        self.duplicates.opened(fourth, [self.goes, third, self.stays, fourth])
        self.clock.advance(GRACE)
        self.assertEqual(
            [each.connected for each in (self.goes, third, self.stays, fourth)],
            [False, False, True, True],
        )


class JitterNetwork(MemoryNetwork):
    """
    A network on which every connection has a delay of its own.
    """

    def __init__(self, clock: IReactorTime, chance: random.Random) -> None:
        self._chance = chance
        super().__init__(clock)

    @property
    def delay(self) -> float:
        """
        Seconds for this connection, in one direction.
        """
        return self._chance.uniform(0.001, 0.1)

    @delay.setter
    def delay(self, delay: float) -> None:
        """
        Not to be chosen.
        """


class Once(Protocol):
    """
    Sends one message, and waits until it has come back.
    """

    transport: Any

    def __init__(self, message: bytes) -> None:
        self._message = message
        self._received = b""
        self.done: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        self.transport.write(self._message)
        self.transport.loseWriteConnection()

    def dataReceived(self, data: bytes) -> None:
        self._received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.done.callback(self._received)


class Pair:
    """
    Two nodes that dial each other at once.

    @ivar opened: how many connections each has heard to be opened.
    @ivar closed: how many to be closed.
    @ivar echoes: what came of the echoes that were asked for.
    """

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.nodes = MemoryNodes()
        self.nodes.network = JitterNetwork(self.nodes.clock, self.chance)
        self.both = (self.nodes.start(), self.nodes.start())
        self.opened = [0, 0]
        self.closed = [0, 0]
        self.echoes: list[Any] = []
        self.dialed: list[Any] = []
        for index, node in enumerate(self.both):
            node.registry.register(PROTOCOL_ID, EchoFactory())
            node.events.subscribe(OpenedConn, partial(self._opened, index))
            node.events.subscribe(ClosedConn, partial(self._closed, index))
        for node, other in (self.both, self.both[::-1]):
            delay = self.chance.uniform(0, 0.4)
            self.nodes.clock.callLater(delay, self._dial, node, other)
            # Two at once, and then now and again.
            for wait in (0, 0, 0.05, 0.3, 2.0, 5.5, 7.0):
                self.nodes.clock.callLater(delay + wait, self._echo, node, other)

    def _opened(self, index: int, event: OpenedConn) -> None:
        self.opened[index] += 1

    def _closed(self, index: int, event: ClosedConn) -> None:
        self.closed[index] += 1

    def _dial(self, node: Node, other: Node) -> None:
        node.connect(other.addresses[0]).addBoth(self.dialed.append)

    def _echo(self, node: Node, other: Node) -> None:
        message = self.chance.randbytes(100)
        protocol = Once(message)
        factory = Factory()
        factory.noisy = False
        factory.buildProtocol = lambda addr: protocol  # type: ignore[method-assign]
        node.connector(other.addresses[0], PROTOCOL_ID).connect(factory).addErrback(
            self.echoes.append
        )
        protocol.done.addCallback(lambda echo: self.echoes.append(echo == message))

    @property
    def connections(self) -> list[Sequence[IConnection]]:
        """
        The connections of each.
        """
        one, other = self.both
        return [one.connections.to(other.peerID), other.connections.to(one.peerID)]

    def stop(self) -> None:
        """
        Stop both.
        """
        for node in self.both:
            node.stopService()
        self.nodes.advance(10)
        self.nodes.stop()


class SimultaneousTests(SynchronousTestCase):
    """
    Whole nodes that dial each other at once.
    """

    def test_twoHundred(self) -> None:
        """
        In 200 of 200 pairs, or 50 of 50, one connection is left, the same one on both
        sides, and usable; no echo is lost on the way; every event has its other half.
        """
        twice, pairs = 0, amount(200, 50)
        for seed in range(pairs):
            pair = Pair(seed)
            pair.nodes.advance(15)
            twice += pair.opened[0] > 1
            self.assertEqual(pair.echoes, [True] * 14, seed)
            (near,), (far,) = pair.connections
            for each in (near, far):
                self.assertTrue(each.connected)
            self.assertEqual(near.localAddress, far.remoteAddress)
            self.assertNotEqual(near.direction, far.direction)
            for index in (0, 1):
                self.assertEqual(pair.opened[index] - pair.closed[index], 1)
            if pair.opened[0] > 1:
                smaller = near.localPeer.toBytes() < near.remotePeer.toBytes()
                self.assertEqual(near.direction is Direction.OUTBOUND, smaller)
            self.assertEqual(
                {type(each) for each in pair.dialed}, {Connection}, pair.dialed
            )
            pair.stop()
            self.assertEqual(pair.opened, pair.closed)
        # Else it would not be about simultaneous dials.
        self.assertGreater(twice, pairs // 4)

    def meet(self) -> tuple[MemoryNodes, list[Node], list[Connection]]:
        """
        Have two nodes dial each other in the same moment.

        @return: the nodes, and their connections, each side's own one first.
        """
        nodes = MemoryNodes(0.01)
        both = sorted(
            (nodes.start(), nodes.start()), key=lambda node: node.peerID.toBytes()
        )
        one, other = both
        own: list[Any] = []
        one.events.subscribe(OpenedConn, lambda event: own.append(event.connection))
        one.connect(other.addresses[0])
        other.connect(one.addresses[0])
        nodes.advance(1)
        self.assertEqual(len(own), 2)
        return (
            nodes,
            both,
            sorted(own, key=lambda each: each.direction is Direction.INBOUND),
        )

    def test_code(self) -> None:
        """
        The peer is told why its connection is closed.
        """
        nodes, (one, other), (stays, goes) = self.meet()
        reasons: list[Failure] = []
        for node in (one, other):
            node.events.subscribe(
                ClosedConn, lambda event: reasons.append(event.reason)
            )
        # The other one looks a moment later.
        call = other.connections._duplicates._going.popitem()[1][1]
        call.cancel()
        nodes.advance(10)
        ends = [each.value for each in reasons if each.check(SessionEnded)]
        self.assertEqual(
            [getattr(each, "code", None) for each in ends], [ErrorCode.SUPPLANTED]
        )
        self.assertTrue(stays.connected)
        self.assertFalse(goes.connected)
        for node in (one, other):
            node.stopService()
        nodes.advance(1)
        nodes.stop()

    def test_longStream(self) -> None:
        """
        A stream on the connection that goes is not cut off, however long it
        takes; new ones are opened on the other.
        """
        nodes, (one, other), (stays, goes) = self.meet()
        other.registry.register(PROTOCOL_ID, EchoFactory())
        protocol = Protocol()
        received: list[bytes] = []
        protocol.dataReceived = received.append  # type: ignore[method-assign,assignment]
        factory = Factory()
        factory.noisy = False
        factory.buildProtocol = lambda addr: protocol  # type: ignore[method-assign]
        goes.openStream(PROTOCOL_ID, factory)
        nodes.advance(600)
        transport: Any = protocol.transport
        transport.write(b"still here")
        nodes.advance(1)
        self.assertEqual(b"".join(received), b"still here")
        for node, peer in ((one, other), (other, one)):
            connection = self.successResultOf(node.connect(peer.peerID))
            self.assertEqual(connection.direction is Direction.OUTBOUND, node is one)
        transport.loseConnection()
        nodes.advance(11)
        self.assertFalse(goes.connected)
        self.assertTrue(stays.connected)
        for node in (one, other):
            node.stopService()
        nodes.advance(1)
        nodes.stop()

    def test_later(self) -> None:
        """
        A second connection that comes much later is none of this.
        """
        nodes = MemoryNodes()
        self.addCleanup(nodes.stop)
        one, other = nodes.start(), nodes.start()
        nodes.connect(one, other)
        nodes.advance(WINDOW + 1)
        dial = other._dialer.dial(one.peerID, one.addresses)
        nodes.settle()
        self.successResultOf(dial)
        nodes.advance(60)
        for node, peer in ((one, other), (other, one)):
            self.assertEqual(len(node.connections.to(peer.peerID)), 2)
