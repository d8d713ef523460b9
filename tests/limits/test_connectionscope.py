# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of what is counted, and refused.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.connmanager.doubles import peer
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConnectionClosing, ErrorCode, LimitExceeded
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import Direction, IConnectionScope
from twisted_libp2p.limits.connectionscope import ConnectionScope
from twisted_libp2p.limits.limiter import Limiter
from twisted_libp2p.limits.limits import Limits, ScopeLimits
from twisted_libp2p.limits.usage import Usage

INBOUND, OUTBOUND = Direction


class ScopesTestCase(SynchronousTestCase):
    """
    A limiter without limits, but for those of a test.
    """

    def setUp(self) -> None:
        """
        Have no limits.
        """
        self.clock = Clock()
        self.refusals: list[tuple[LimitExceeded, PeerID | None]] = []
        self.limited()

    def limited(self, **scopes: ScopeLimits) -> None:
        """
        Have limits in some scopes.
        """
        self.limiter = Limiter(
            replace(Limits.none(), **scopes),  # type: ignore[arg-type]
            self.clock.seconds,
            lambda error, peer: self.refusals.append((error, peer)),
            ["/background"],
        )
        self.dropped: list[int] = []

    def accept(self, number: int = 0, address: str | None = None) -> ConnectionScope:
        """
        Accept a transport.
        """
        return self.limiter.accept(
            None if address is None else Multiaddr(address),
            lambda error: self.dropped.append(number),
        )

    def connect(self, number: int = 1, inbound: bool = True) -> ConnectionScope:
        """
        Have a connection.
        """
        scope = self.accept(number) if inbound else self.limiter.dial()
        scope.admit(peer(number))
        return scope

    def assertNothingUsed(self) -> None:
        """
        Every counter is at zero.
        """
        limiter = self.limiter
        self.assertEqual(limiter.system.used, Usage())
        self.assertEqual(limiter.transient.used, Usage())
        self.assertEqual(limiter.peers, {})
        self.assertEqual(limiter.subnets.counts, {})
        for scope in limiter.protocols.values():
            self.assertEqual(scope.used, Usage())


class ConnectionTests(ScopesTestCase):
    """
    Connections in the scopes.
    """

    def test_interface(self) -> None:
        """
        A scope is what connections ask for.
        """
        verifyObject(IConnectionScope, self.connect())

    def test_life(self) -> None:
        """
        A connection is transient, then one of its peer and of the system, and
        then gives all back; twice is no harm.
        """
        scope = self.accept(address="/ip4/192.0.2.1/tcp/1")
        self.assertEqual(self.limiter.transient.used[:2], (1, 1))
        self.assertEqual(self.limiter.system.used[:2], (0, 0))
        scope.admit(peer(1))
        self.assertEqual(self.limiter.transient.used[:2], (0, 0))
        self.assertEqual(self.limiter.system.used[:2], (1, 1))
        self.assertEqual(self.limiter.peers[peer(1)].used[:2], (1, 1))
        scope.close()
        scope.close()
        self.assertNothingUsed()

    def test_outbound(self) -> None:
        """
        Our own connections are not transient, and not inbound.
        """
        scope = self.limiter.dial()
        self.assertEqual(self.limiter.transient.used, Usage())
        scope.admit(peer(1))
        self.assertEqual(self.limiter.system.used[:2], (1, 0))
        scope.close()
        self.assertNothingUsed()

    def test_neverAdmitted(self) -> None:
        """
        A connection that comes to nothing gives back what it had.
        """
        self.accept(address="/ip4/192.0.2.1/tcp/1").close()
        self.limiter.dial().close()
        self.assertNothingUsed()

    def test_peer(self) -> None:
        """
        A peer has no more connections than it may have; the error names the
        scope, the limit, what is in use, and the option.
        """
        self.limited(peer=ScopeLimits(connections=2))
        self.connect(1)
        self.connect(1, inbound=False)
        self.connect(2)
        error = self.assertRaises(LimitExceeded, self.accept(1).admit, peer(1))
        self.assertEqual(error.wireCode, ErrorCode.LIMIT_EXCEEDED)
        self.assertEqual(
            (error.scope, error.limit, error.current, error.option),
            (f"connections of peer {peer(1)}", 2, 2, "Limits.peer.connections"),
        )
        self.assertEqual(
            str(error),
            f"connections of peer {peer(1)}: 2 of 2 in use;"
            " the limit is set by Limits.peer.connections",
        )

    def test_inboundShare(self) -> None:
        """
        What peers open never takes all: the rest is for our own connections.
        """
        self.limited(system=ScopeLimits(connections=3, inboundConnections=2))
        self.connect(1)
        self.connect(2)
        self.assertIsNotNone(self.limiter.full(INBOUND))
        self.assertIsNone(self.limiter.full(OUTBOUND))
        error = self.assertRaises(LimitExceeded, self.accept().admit, peer(3))
        self.assertEqual(error.scope, "inbound connections of the system")
        self.assertEqual(error.option, "Limits.system.inboundConnections")
        self.assertNotIn(peer(3), self.limiter.peers)
        self.connect(3, inbound=False)
        self.assertIsNotNone(self.limiter.full(OUTBOUND))

    def test_refusedIsTransient(self) -> None:
        """
        A connection that was refused stays transient until it has ended.
        """
        self.limited(system=ScopeLimits(connections=0))
        scope = self.accept()
        self.assertRaises(LimitExceeded, scope.admit, peer(1))
        self.assertEqual(self.limiter.transient.used.connections, 1)
        scope.close()
        self.assertNothingUsed()

    def test_beyond(self) -> None:
        """
        A connection may be admitted beyond the limit of the system, and is
        counted all the same; the limit of its peer holds.
        """
        self.limited(system=ScopeLimits(connections=1), peer=ScopeLimits(connections=1))
        self.connect(1)
        scope = self.accept()
        scope.admit(peer(2), overCap=True)
        self.assertEqual(self.limiter.system.used[:2], (2, 2))
        self.assertRaises(LimitExceeded, self.accept().admit, peer(2), True)
        scope.close()
        self.assertEqual(self.limiter.system.used[:2], (1, 1))

    def test_leave(self) -> None:
        """
        A connection that is being closed leaves its place to another.
        """
        self.limited(system=ScopeLimits(connections=1))
        leaving = self.connect(1)
        leaving.leave()
        staying = self.connect(1)
        leaving.close()
        self.assertIsNotNone(self.limiter.full(INBOUND))
        staying.close()
        self.assertNothingUsed()

    def test_specialPeer(self) -> None:
        """
        A peer may have other limits, and the error says which.
        """
        limits = replace(Limits.none(), peers={peer(1): ScopeLimits(connections=0)})
        self.limiter = Limiter(limits, self.clock.seconds)
        self.connect(2)
        error = self.assertRaises(LimitExceeded, self.accept().admit, peer(1))
        self.assertEqual(error.option, f"Limits.peers[{peer(1)}].connections")


class TransientTests(ScopesTestCase):
    """
    Upgrades that are under way.
    """

    def test_oldestGivesWay(self) -> None:
        """
        When too many are under upgrade, a newcomer takes the place of the one
        that has taken longest; so silent ones keep nobody out.
        """
        self.limited(transient=ScopeLimits(connections=3))
        scopes = [self.accept(number) for number in range(3)]
        scopes[0].admit(peer(0))
        self.accept(3)
        self.assertEqual(self.dropped, [])
        self.accept(4)
        self.accept(5)
        self.assertEqual(self.dropped, [1, 2])
        self.assertEqual(self.limiter.transient.used.connections, 3)
        scopes[1].close()
        self.assertEqual(self.limiter.transient.used.connections, 3)
        error, _ = self.refusals[0]
        self.assertEqual(error.option, "Limits.transient.connections")

    def test_closedInTime(self) -> None:
        """
        An upgrade that has ended is not given up for another.
        """
        self.limited(transient=ScopeLimits(connections=1))
        self.accept(1).close()
        self.accept(2)
        self.assertEqual(self.dropped, [])

    def test_noneAtAll(self) -> None:
        """
        Where there is room for none, none is accepted.
        """
        self.limited(transient=ScopeLimits(connections=0))
        self.assertRaises(LimitExceeded, self.accept)
        self.assertNothingUsed()

    def test_subnet(self) -> None:
        """
        Too many from one address are refused at once; nobody has to give way.
        """
        limits = replace(Limits.scaled(), transient=ScopeLimits(connections=8))
        self.limiter = Limiter(
            limits, self.clock.seconds, lambda e, p: self.refusals.append((e, p))
        )
        for number in range(8):
            self.accept(number, "/ip4/192.0.2.1/tcp/1")
        self.assertRaises(LimitExceeded, self.accept, 9, "/ip4/192.0.2.1/tcp/1")
        self.assertEqual(self.dropped, [])
        self.assertEqual(len(self.refusals), 1)
        self.accept(10, "/ip4/192.0.2.2/tcp/1")
        self.assertEqual(self.dropped, [0])


class StreamTests(ScopesTestCase):
    """
    Streams in the scopes.
    """

    def test_life(self) -> None:
        """
        A stream is counted for the system, its peer and its protocol; an
        inbound one is transient until it has a protocol.
        """
        scope = self.connect()
        inbound = scope.openStream(INBOUND)
        self.assertEqual(self.limiter.system.used[2:4], (1, 1))
        self.assertEqual(self.limiter.peers[peer(1)].used[2:4], (1, 1))
        self.assertEqual(self.limiter.transient.used[2:4], (1, 1))
        inbound.agree("/a")
        self.assertEqual(self.limiter.transient.used[2:4], (0, 0))
        self.assertEqual(self.limiter.protocols["/a"].used[2:4], (1, 1))
        outbound = scope.openStream(OUTBOUND)
        self.assertEqual(self.limiter.transient.used[2:4], (0, 0))
        outbound.agree("/a")
        self.assertEqual(self.limiter.protocols["/a"].used[2:4], (2, 1))
        inbound.close()
        outbound.close()
        scope.close()
        self.assertNothingUsed()

    def test_neverAgreed(self) -> None:
        """
        Streams without a protocol give back what they had.
        """
        scope = self.connect()
        for direction in Direction:
            scope.openStream(direction).close()
        scope.close()
        self.assertNothingUsed()

    def test_peer(self) -> None:
        """
        All connections of a peer share its streams; others have their own.
        """
        self.limited(peer=ScopeLimits(streams=3, inboundStreams=2))
        first, second, other = self.connect(1), self.connect(1), self.connect(2)
        first.openStream(INBOUND)
        second.openStream(INBOUND)
        error = self.assertRaises(LimitExceeded, first.openStream, INBOUND)
        self.assertEqual(error.option, "Limits.peer.inboundStreams")
        self.assertEqual(self.refusals, [(error, peer(1))])
        other.openStream(INBOUND)
        first.openStream(OUTBOUND)
        error = self.assertRaises(LimitExceeded, second.openStream, OUTBOUND)
        self.assertEqual(error.option, "Limits.peer.streams")

    def test_allOrNothing(self) -> None:
        """
        What one scope refuses is counted in none.
        """
        for limits in (ScopeLimits(streams=0), ScopeLimits(inboundStreams=0)):
            self.limited(transient=limits)
            scope = self.connect()
            self.assertRaises(LimitExceeded, scope.openStream, INBOUND)
            self.assertEqual(self.limiter.transient.used[2:4], (0, 0))
            self.assertEqual(self.limiter.system.used[2:4], (0, 0))
            self.assertEqual(self.limiter.peers[peer(1)].used[2:4], (0, 0))
            scope.openStream(OUTBOUND)

    def test_protocol(self) -> None:
        """
        All peers share the streams of a protocol; a stream that is refused is
        still to be closed.
        """
        self.limited(protocol=ScopeLimits(inboundStreams=1))
        first, second = self.connect(1), self.connect(2)
        served = first.openStream(INBOUND)
        served.agree("/a")
        refused = second.openStream(INBOUND)
        error = self.assertRaises(LimitExceeded, refused.agree, "/a")
        self.assertEqual(error.scope, "inbound streams of protocol /a")
        self.assertEqual(error.option, "Limits.protocol.inboundStreams")
        self.assertEqual(self.refusals, [(error, peer(2))])
        refused.close()
        other = second.openStream(INBOUND)
        other.agree("/b")
        served.close()
        other.close()
        first.close()
        second.close()
        self.assertNothingUsed()

    def test_specialProtocol(self) -> None:
        """
        A protocol may have other limits, and the error says which.
        """
        limits = replace(Limits.none(), protocols={"/a": ScopeLimits(streams=0)})
        self.limiter = Limiter(limits, self.clock.seconds)
        stream = self.connect().openStream(OUTBOUND)
        error = self.assertRaises(LimitExceeded, stream.agree, "/a")
        self.assertEqual(error.option, "Limits.protocols[/a].streams")

    def test_inventedProtocols(self) -> None:
        """
        The scopes of protocols that peers think up do not pile up; those in use
        are kept.
        """
        scope = self.connect()
        scope.openStream(INBOUND).agree("/used")
        for number in range(1000):
            stream = scope.openStream(INBOUND)
            stream.agree(f"/{number}")
            stream.close()
        self.assertLess(len(self.limiter.protocols), 300)
        self.assertIn("/used", self.limiter.protocols)

    def test_idleSince(self) -> None:
        """
        A connection is idle since its last stream, or since it was admitted;
        background protocols do not count.
        """
        self.clock.advance(5)
        scope = self.connect()
        self.assertEqual(scope.idleSince, 5)
        for protocol, expected in (("/a", 6), ("/background", 6), (None, 8)):
            self.clock.advance(1)
            stream = scope.openStream(INBOUND)
            if protocol is not None:
                stream.agree(protocol)
            stream.close()
            self.assertEqual(scope.idleSince, expected)

    def test_held(self) -> None:
        """
        Bytes that are held for a stream are counted with the connection's, and
        given back with the stream.
        """
        scope = self.connect()
        stream = scope.openStream(INBOUND)
        stream.hold(5)
        stream.hold(-2)
        self.assertEqual(self.limiter.system.used.memory, 3)
        stream.close()
        stream.hold(7)
        scope.close()
        self.assertNothingUsed()

    def test_afterTheConnection(self) -> None:
        """
        A stream that closes after its connection's scope gives back all the
        same, and only once; nothing can be opened or agreed by then.
        """
        scope = self.connect()
        agreed, asking = scope.openStream(INBOUND), scope.openStream(INBOUND)
        agreed.agree("/a")
        agreed.hold(5)
        scope.close()
        self.assertRaises(ConnectionClosing, scope.openStream, INBOUND)
        for stream in (agreed, asking):
            stream.close()
            stream.close()
            self.assertRaises(ConnectionClosing, stream.agree, "/b")
        self.assertNothingUsed()
        self.assertEqual(self.limiter.peers, {})

    def test_notAdmitted(self) -> None:
        """
        A connection that is not admitted yet has no streams: they would be
        counted nowhere.
        """
        scope = self.limiter.dial()
        self.assertRaises(ConnectionClosing, scope.openStream, OUTBOUND)


class MemoryTests(ScopesTestCase):
    """
    Windows in the scopes.
    """

    def test_room(self) -> None:
        """
        The room is what both the peer and the system have left; other
        connections of the peer, and other peers, take from it.
        """
        self.limited(system=ScopeLimits(memory=100), peer=ScopeLimits(memory=60))
        first, second, other = self.connect(1), self.connect(1), self.connect(2)
        self.assertEqual(first.room, 60)
        first.hold(40)
        self.assertEqual((first.room, second.room, other.room), (20, 20, 60))
        other.hold(50)
        self.assertEqual((first.room, second.room, other.room), (10, 10, 10))
        first.free(40)
        self.assertEqual((first.room, second.room, other.room), (50, 50, 10))
        other.close()
        self.assertEqual(second.room, 60)

    def test_claim(self) -> None:
        """
        When less than a sixteenth is left, a peer that holds more than that has
        to give back half of the rest, and one that holds less may take what is
        left; with more, or without a limit, everybody may.
        """
        self.limited(system=ScopeLimits(memory=160))
        first, second, other = self.connect(1), self.connect(1), self.connect(2)
        self.assertEqual(first.claim(), 160)
        first.hold(100)
        other.hold(50)
        self.assertEqual((first.claim(), other.claim()), (10, 10))
        other.hold(2)
        self.assertEqual((first.claim(), second.claim()), (-45, -45))
        self.assertEqual(other.claim(), -21)
        other.free(52)
        first.hold(55)
        self.assertEqual(other.claim(), 5)
        self.limited()
        self.assertGreater(self.connect(1).claim(), 1 << 40)

    def test_never(self) -> None:
        """
        A room is never negative.
        """
        self.limited(system=ScopeLimits(memory=10))
        scope = self.connect()
        scope.hold(20)
        self.assertEqual(scope.room, 0)

    def test_close(self) -> None:
        """
        A connection that ends gives its memory back.
        """
        scope = self.connect()
        scope.hold(20)
        scope.close()
        self.assertNothingUsed()


class TextTests(ScopesTestCase):
    """
    What scopes say of themselves.
    """

    def test_repr(self) -> None:
        """
        A scope shows what is in use.
        """
        self.connect(1).hold(7)
        self.assertEqual(
            repr(self.limiter.peers[peer(1)]),
            f"<Scope peer {peer(1)}: connections=1, inboundConnections=1,"
            " streams=0, inboundStreams=0, memory=7>",
        )
        self.assertEqual(self.limiter.system.name, "the system")
