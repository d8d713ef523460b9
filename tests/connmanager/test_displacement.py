# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the streams that give way when a scope is full.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from tests.connmanager.crowd import CrowdTestCase
from twisted_libp2p.connmanager.look import Look
from twisted_libp2p.errors import ErrorCode, StreamReset
from twisted_libp2p.events import OpenedStream
from twisted_libp2p.limits import Limits, ScopeLimits, SubnetLimit
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import PROTOCOL_ID


class Held(Protocol):
    """
    A stream that is held, and says nothing.
    """

    lost: Failure | None = None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Note the reason.
        """
        self.lost = reason

    @property
    def code(self) -> int | None:
        """
        The code with which the peer has reset the stream; None if it has not.
        """
        error = None if self.lost is None else self.lost.value
        return int(error.code) if isinstance(error, StreamReset) else None


class DisplacementTestCase(CrowdTestCase):
    """
    A server with a few places, and peers that want them.
    """

    def limited(self, **scopes: Any) -> Node:
        """
        Start the server with limits in some scopes.
        """
        return self.serve(limits=replace(Limits.none(), **scopes))

    def hold(self, connection: Any, count: int = 1) -> list[Held]:
        """
        Open streams on which nothing is negotiated.
        """
        held = [Held() for _ in range(count)]
        session = connection._session
        for each in held:
            session.openStream(each)
            self.nodes.settle()
        return held

    def use(self, connection: Any, count: int = 1) -> list[Held]:
        """
        Open streams that speak echo, one after the other.
        """
        held = []
        factory = Factory.forProtocol(Held)
        factory.noisy = False
        for _ in range(count):
            protocol: Deferred[IProtocol] = connection.openStream(PROTOCOL_ID, factory)
            results: list[Any] = []
            protocol.addBoth(results.append)
            self.nodes.settle()
            (result,) = results
            if isinstance(result, Failure):
                held.append(Held())
                held[-1].lost = result
            else:
                held.append(result)
        self.nodes.settle()
        return held

    def alive(self, held: list[Held]) -> list[bool]:
        """
        Which streams are still open.
        """
        self.nodes.settle()
        return [each.lost is None for each in held]

    def peers(self, *hosts: str | None) -> list[Any]:
        """
        Connect peers to the server.
        """
        return [self.connect(self.come(host)) for host in hosts]


class TransientTests(DisplacementTestCase):
    """
    Streams in negotiation.
    """

    def test_oldest(self) -> None:
        """
        A peer that holds all places has its oldest stream reset with the code
        when another peer opens one; the count stays at the limit.
        """
        server = self.limited(transient=ScopeLimits(streams=4))
        holder, other = self.peers(None, None)
        held = self.hold(holder, 4)
        (used,) = self.use(other)
        self.assertIsNone(used.lost)
        self.assertEqual(self.alive(held), [False, True, True, True])
        self.assertEqual(held[0].code, ErrorCode.LIMIT_EXCEEDED)
        transient = server.connections.limiter.transient
        self.assertEqual(transient.used.streams, 3)
        fresh = self.hold(other, 2)
        self.assertEqual(self.alive(held), [False, False, True, True])
        self.assertEqual(self.alive(fresh), [True, True])
        self.assertEqual(transient.used[2:4], (4, 4))

    def test_inbound(self) -> None:
        """
        A limit of inbound streams alone is no other case.
        """
        self.limited(transient=ScopeLimits(inboundStreams=3))
        holder, other = self.peers(None, None)
        held = self.hold(holder, 3)
        self.assertEqual(self.alive(self.use(other)), [True])
        self.assertEqual(self.alive(held), [False, True, True])

    def test_most(self) -> None:
        """
        The peer that holds most gives way, though another one holds an older
        stream; and when nobody holds more, the oldest holder of most does.
        """
        self.limited(transient=ScopeLimits(streams=4))
        old, holder, other = self.peers(None, None, None)
        first = self.hold(old)
        held = self.hold(holder, 3)
        fresh = self.hold(other)
        self.assertEqual(self.alive(first + fresh), [True, True])
        self.assertEqual(self.alive(held), [False, True, True])

    def test_own(self) -> None:
        """
        A peer that holds most itself loses its own oldest stream.
        """
        self.limited(transient=ScopeLimits(streams=4))
        holder, other = self.peers(None, None)
        small = self.hold(other)
        held = self.hold(holder, 10)
        self.assertEqual(self.alive(held), [False] * 7 + [True] * 3)
        self.assertEqual(self.alive(small), [True])

    def test_network(self) -> None:
        """
        Many identities at one address are one holder.
        """
        self.limited(transient=ScopeLimits(streams=6), subnets=Limits.scaled().subnets)
        crowd = self.peers(*["192.0.2.1"] * 4)
        other, newcomer = self.peers("192.0.2.2", "192.0.2.3")
        held = [stream for each in crowd for stream in self.hold(each)]
        honest = self.hold(other, 2)
        self.assertEqual(self.alive(self.hold(newcomer)), [True])
        self.assertEqual(self.alive(honest), [True, True])
        self.assertEqual(sum(self.alive(held)), 3)

    def test_burst(self) -> None:
        """
        All streams of one burst are counted exactly, before any that gave way
        has ended.
        """
        server = self.limited(transient=ScopeLimits(streams=4))
        holder, other = self.peers(None, None)
        held = self.hold(holder, 4)
        session = other._session
        fresh = [Held() for _ in range(50)]
        for each in fresh:
            session.openStream(each)
        transient = server.connections.limiter.transient
        self.assertIn(sum(self.alive(fresh)), (2, 3))
        self.assertEqual(sum(self.alive(fresh + held)), 4)
        self.assertEqual(transient.used.streams, 4)
        self.assertEqual(server.connections.limiter.system.used.streams, 4)

    def test_protected(self) -> None:
        """
        A protected peer does not give way.
        """
        server = self.limited(transient=ScopeLimits(streams=2))
        holder, other = self.peers(None, None)
        server.connections.protect(holder.localPeer, "test", redial=False)
        held = self.hold(holder, 2)
        (refused,) = self.use(other)
        self.assertIsNotNone(refused.lost)
        self.assertEqual(self.alive(held), [True, True])

    def test_events(self) -> None:
        """
        No event tells of a stream that gave way before it had a protocol.
        """
        server = self.limited(transient=ScopeLimits(streams=2))
        holder, other = self.peers(None, None)
        self.hold(holder, 2)
        events: list[Any] = []
        server.events.subscribe(OpenedStream, events.append)
        self.hold(other, 2)
        self.assertEqual(events, [])

    def test_cheap(self) -> None:
        """
        A look at all streams chooses several that give way: many newcomers do
        not make the server look at all streams each time.
        """
        looks = 0
        original = Look._choose

        def choose(self: Look, streams: Any) -> None:
            nonlocal looks
            looks += 1
            original(self, streams)

        self.patch(Look, "_choose", choose)
        server = self.limited(transient=ScopeLimits(streams=128))
        holder, other = self.peers(None, None)
        self.hold(holder, 128)
        self.hold(other, 64)
        self.assertLessEqual(looks, 64 // 4 + 1)
        self.assertEqual(server.connections.limiter.transient.used.streams, 128)
        self.nodes.advance(30)
        self.assertEqual(server.connections.limiter.transient.used.streams, 0)


class AgreedTests(DisplacementTestCase):
    """
    Streams whose protocol is agreed.
    """

    def balanced(self, **scopes: ScopeLimits) -> None:
        """
        Two peers come to the same number of streams, and no further.
        """
        self.limited(**scopes)
        holder, other = self.peers(None, None)
        held = self.use(holder, 6)
        fresh = self.use(other, 3)
        self.assertEqual(self.alive(held), [True] * 3 + [False] * 3)
        self.assertEqual(held[-1].code, ErrorCode.LIMIT_EXCEEDED)
        self.assertEqual(self.alive(fresh), [True] * 3)
        for connection in (other, holder):
            self.assertEqual(self.alive(self.use(connection)), [False])
        self.assertEqual(self.alive(held), [True] * 3 + [False] * 3)
        self.assertEqual(self.alive(fresh), [True] * 3)
        fresh[0].transport.loseConnection()  # type: ignore[union-attr]
        self.nodes.settle()
        self.assertEqual(self.alive(self.use(other)), [True])

    def test_system(self) -> None:
        """
        The youngest streams of the peer that holds most give way, until another
        has as many.
        """
        self.balanced(system=ScopeLimits(inboundStreams=6))

    def test_systemTotal(self) -> None:
        """
        The limit of all streams is no other case.
        """
        self.balanced(system=ScopeLimits(streams=6))

    def test_protocol(self) -> None:
        """
        The same holds for the streams of one protocol.
        """
        self.balanced(protocol=ScopeLimits(inboundStreams=6))

    def test_onlyOne(self) -> None:
        """
        A protocol that has one stream at most keeps it: the newcomer would hold
        as much.
        """
        self.limited(protocol=ScopeLimits(inboundStreams=1))
        holder, other = self.peers(None, None)
        held = self.use(holder)
        self.assertEqual(self.alive(self.use(other)), [False])
        self.assertEqual(self.alive(held), [True])

    def test_ours(self) -> None:
        """
        Streams that the server has opened itself do not give way.
        """
        server = self.limited(system=ScopeLimits(streams=3))
        client, other = self.come(), self.come()
        client.registry.register("/held", Factory.forProtocol(Held))
        self.connect(client)
        (back,) = server.connections.to(client.peerID)
        factory = Factory.forProtocol(Held)
        ours: list[Any] = []
        for _ in range(3):
            back.openStream("/held", factory).addBoth(ours.append)
            self.nodes.settle()
        self.assertEqual(self.alive(self.use(self.connect(other))), [False])
        self.assertEqual(self.alive(ours), [True] * 3)

    def test_tooMuchOfOnePeer(self) -> None:
        """
        Nobody gives way to a peer that has all it may have itself.
        """
        self.limited(system=ScopeLimits(streams=4), peer=ScopeLimits(inboundStreams=3))
        holder, other = self.peers(None, None)
        self.use(holder, 3)
        (held,) = self.use(other)
        self.assertEqual(self.alive(self.use(holder)), [False])
        self.assertIsNone(held.lost)


class NetworkTests(DisplacementTestCase):
    """
    The share of a network.
    """

    def test_streams(self) -> None:
        """
        The peers of one address together have no more inbound streams than it
        may have; others are not affected, and what has ended is free again.
        """
        server = self.limited(subnets=[SubnetLimit(4, 32, 8, streams=3)])
        one, two, other = self.peers("192.0.2.1", "192.0.2.1", "192.0.2.2")
        held = self.use(one, 2)
        self.assertEqual(self.alive(self.use(two, 2)), [True, False])
        self.assertEqual(self.alive(self.use(other)), [True])
        held[0].transport.loseConnection()  # type: ignore[union-attr]
        self.nodes.settle()
        self.assertEqual(self.alive(self.use(two)), [True])
        subnets = server.connections.limiter.subnets
        self.assertEqual(sorted(subnets.streams.values()), [1, 3])
        for connection in (one, two, other):
            self.nodes.result(connection.close())
        self.nodes.settle()
        self.assertEqual(subnets.streams, {})

    def test_memory(self) -> None:
        """
        The windows of all peers of one address together grow no further than
        its share.
        """
        server = self.limited(subnets=[SubnetLimit(4, 32, 8, memory=100)])
        one, two, other = (
            server.connections.to(each.localPeer)[0].scope
            for each in self.peers("192.0.2.1", "192.0.2.1", "192.0.2.2")
        )
        one.hold(70)
        self.assertEqual((one.room, two.room, other.room), (30, 30, 100))
        two.hold(30)
        self.assertEqual((one.room, two.room), (0, 0))
        one.free(70)
        two.free(30)
        self.assertEqual(server.connections.limiter.subnets.memory, {})


class WindowTests(DisplacementTestCase):
    """
    The memory for windows.
    """

    def grow(self, connection: Any, held: Held, size: int) -> Any:
        """
        Grow the window of a stream at the server.

        @return: the connection at the server.
        """
        far: Any
        (far,) = self.server.connections.to(connection.localPeer)
        client: Any = held.transport
        session = far._session
        stream = session.find(client.streamID)
        window: Any = stream.receiveWindow
        window.size += size
        window.available += size
        session._growth += size
        far.scope.hold(size)
        return far

    def test_idle(self) -> None:
        """
        When little memory is left, a stream with a large window that was of no
        use for a minute gives way: one of the peer that holds most, and one in
        a second.  Until then, and with enough memory, none does.
        """
        server = self.limited(system=ScopeLimits(memory=160_000))
        holder, small, other = self.peers(None, None, None)
        held = self.use(holder, 3)
        for each in held:
            self.grow(holder, each, 45_000)
        (modest,) = self.use(small)
        self.grow(small, modest, 9_000)
        (far,) = server.connections.to(other.localPeer)
        scope: Any = far.scope
        used = server.connections.limiter.system
        self.nodes.advance(59)
        scope.claim()
        self.assertEqual(self.alive(held), [True] * 3)
        self.nodes.advance(2)
        scope.claim()
        self.assertEqual(self.alive(held), [True] * 3)
        self.assertEqual(used.memory, 144_000)
        scope.hold(10_000)
        for _ in range(3):
            scope.claim()
        self.assertEqual(sum(self.alive(held)), 2)
        self.assertEqual({each.code for each in held}, {None, ErrorCode.LIMIT_EXCEEDED})
        self.assertEqual(used.memory, 109_000)
        self.assertEqual(self.alive([modest]), [True])
        self.assertGreater(scope.claim(), 0)

    def test_protected(self) -> None:
        """
        Protected peers keep theirs.
        """
        server = self.limited(system=ScopeLimits(memory=160_000))
        holder, other = self.peers(None, None)
        server.connections.protect(holder.localPeer, "test", redial=False)
        (held,) = self.use(holder)
        self.grow(holder, held, 155_000)
        self.nodes.advance(100)
        (far,) = server.connections.to(other.localPeer)
        scope: Any = far.scope
        scope.claim()
        self.assertEqual(self.alive([held]), [True])
