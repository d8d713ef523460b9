# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of whole nodes that many want to connect to.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from tests.amounts import amount
from tests.connmanager.crowd import CrowdTestCase, transport
from twisted_libp2p.connmanager import ConnectionPolicy
from twisted_libp2p.errors import (
    ClosedHere,
    DialFailed,
    ErrorCode,
    LimitExceeded,
    PeerUnresponsive,
    SessionEnded,
)
from twisted_libp2p.events import (
    ClosedConn,
    ConnectionTrimmed,
    LimitReached,
    OpenedConn,
)
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import Connection
from twisted_libp2p.limits import Limits
from twisted_libp2p.node import Node


class WaterMarkTests(CrowdTestCase):
    """
    Attack 15: more connections than the marks allow.
    """

    def test_thousand(self) -> None:
        """
        Of 1,000 inbound connections, or twice as many as fit, against the marks 160
        and 192 the node ends at the low one: protected ones live, and of the others
        the most valuable.  Young ones live beside these, and cost none its place.
        """
        server = self.serve(limits=Limits.scaled(connections=1400))
        manager = server.connections
        size = amount(1000, 400)
        crowd = [self.come() for _ in range(size)]
        for node in crowd:
            self.dial(node)
            self.nodes.clock.advance(0.001)
        self.assertEqual(len(manager), size)
        protected = crowd[:10]
        for node in protected:
            manager.protect(node.peerID, "test", redial=False)
        valued = crowd[-200:-80]
        for value, node in enumerate(valued):
            manager.tags.set(node.peerID, "test", 1 + value)
        self.nodes.clock.pump([5] * 9)
        self.assertEqual(len(manager), size)
        young = [self.come() for _ in range(50)]
        for node in young:
            self.dial(node)
        self.nodes.clock.pump([5] * 6)
        self.assertEqual(len(manager), 160 + 50)
        self.assertEqual(self.counts[ConnectionTrimmed], size - 160)
        kept = {connection.remotePeer for connection in manager}
        # Of those without a value the oldest stay.
        oldest = crowd[10:40]
        self.assertEqual(
            kept, {node.peerID for node in [*protected, *valued, *oldest, *young]}
        )
        self.assertEqual(list(crowd[40].connections), [])
        newcomer = self.connect(self.come())
        self.assertTrue(newcomer.connected)

    def test_reasons(self) -> None:
        """
        A trimmed connection tells both sides why it has ended.
        """
        server = self.serve(
            policy=ConnectionPolicy(lowWater=0, highWater=0, grace=0, interval=1)
        )
        reasons: list[Failure] = []
        server.events.subscribe(ClosedConn, lambda each: reasons.append(each.reason))
        connection = self.connect(self.come())
        self.nodes.advance(1)
        error = self.refused(connection)
        assert isinstance(error, SessionEnded)
        self.assertEqual(error.code, ErrorCode.TRIMMED)
        (reason,) = reasons
        assert isinstance(reason.value, ClosedHere)
        self.assertEqual(reason.value.code, ErrorCode.TRIMMED)


class HardCapTests(CrowdTestCase):
    """
    Attack 15: more connections than the hard cap allows.
    """

    def setUp(self) -> None:
        """
        Have room for 32 connections, 24 of them inbound.
        """
        super().setUp()
        self.serve(
            limits=Limits.scaled(connections=32),
            policy=ConnectionPolicy(lowWater=10, highWater=20, interval=1000),
        )

    def test_polite(self) -> None:
        """
        Who is refused is told so on an upgraded connection, and appears in no
        event but that of the limit; it is logged once.
        """
        for _ in range(24):
            self.assertTrue(self.connect(self.come()).connected)
        for _ in range(30):
            error = self.refused(self.connect(self.come()))
            assert isinstance(error, SessionEnded)
            self.assertEqual(error.code, ErrorCode.LIMIT_EXCEEDED)
        self.assertEqual(len(self.server.connections), 24)
        self.assertEqual(self.counts[OpenedConn], 24)
        self.assertEqual(self.counts[LimitReached], 1)
        told = [
            each for each in self.logged if "refused" in str(each.get("log_format"))
        ]
        self.assertEqual(len(told), 1)
        self.assertEqual(self.server.connections.limiter.transient.used.connections, 0)

    def test_honest(self) -> None:
        """
        At the cap a protected peer gets in, our own dials get out, and when the
        crowd is not young any more, anybody gets in at once.
        """
        for _ in range(24):
            self.dial(self.come())
        friend = self.come()
        self.server.connections.protect(friend.peerID, "test", redial=False)
        self.assertTrue(self.connect(friend).connected)
        other = self.nodes.start()
        self.nodes.connect(self.server, other)
        self.refused(self.connect(self.come()))
        self.nodes.clock.advance(60)
        self.assertTrue(self.connect(self.come()).connected)

    def test_defaultMarks(self) -> None:
        """
        The same without water marks of our own, where only 24 inbound connections
        fit, and the low mark is 26.
        """
        self.serve(limits=Limits.scaled(connections=32))
        policy = self.server.connections.policy
        self.assertGreater(policy.lowWater, 24)
        for _ in range(24):
            self.assertTrue(self.connect(self.come()).connected)
        self.refused(self.connect(self.come()))
        self.nodes.clock.advance(policy.grace)
        self.assertTrue(self.connect(self.come()).connected)
        # Some more come before anybody has to give way again.
        self.assertEqual(len(self.server.connections), 21)

    def test_dialer(self) -> None:
        """
        Our own connections are refused at the cap as well, and the error says
        what to change.
        """
        for _ in range(24):
            self.dial(self.come())
        others = [self.nodes.start() for _ in range(9)]
        for other in others[:8]:
            self.nodes.connect(self.server, other)
        failure = self.failureResultOf(self.dialFrom(others[8]), DialFailed)
        ((_, error),) = failure.value.causes
        assert isinstance(error, LimitExceeded)
        self.assertEqual(error.option, "Limits.system.connections")

    def dialFrom(self, other: Node) -> Deferred[Connection]:
        """
        Have the server dial another node.
        """
        dialed = self.server.connect(other.addresses[0])
        self.nodes.settle()
        return dialed


class FloodTests(CrowdTestCase):
    """
    C{connection.silent_connections} and C{connmanager.one_address} in memory:
    transports that say nothing, and many from one address.
    """

    def test_silent(self) -> None:
        """
        300 silent transports keep an honest peer out at no time: who is silent
        gives way, and the rest is closed after ten seconds.
        """
        self.serve(limits=Limits.scaled(connections=256))
        silent = [self.silent() for _ in range(300)]
        self.nodes.settle()
        self.assertEqual(self.server.connections.limiter.transient.used.connections, 64)
        connection = self.connect(self.come())
        self.assertTrue(connection.connected)
        self.nodes.clock.advance(9.9)
        self.assertEqual(self.server.connections.limiter.transient.used.connections, 63)
        self.nodes.clock.advance(0.2)
        self.nodes.settle()
        self.assertEqual(self.server.connections.limiter.transient.used.connections, 0)
        self.assertEqual([each for each in silent if not each.lost], [])
        self.assertTrue(connection.connected)

    def test_oneAddress(self) -> None:
        """
        Of 1,000 connections from one address eight are accepted, the others are
        closed before a byte was read; one from elsewhere gets in meanwhile, and
        those from loopback are not counted.
        """
        self.serve()
        handshakes = 0
        for _ in range(8):
            self.assertTrue(self.connect(self.come("192.0.2.1")).connected)
        attacker = self.come("192.0.2.1")
        for _ in range(992):
            self.failureResultOf(self.dial(attacker), DialFailed)
            handshakes += self.server.connections.limiter.transient.used.connections
        self.assertEqual(handshakes, 0)
        self.assertEqual(len(self.server.connections), 8)
        self.assertTrue(self.connect(self.come("192.0.2.2")).connected)
        for _ in range(10):
            self.assertTrue(self.connect(self.come("127.0.0.1")).connected)

    def test_sites(self) -> None:
        """
        The addresses of an IPv6 site count as one.
        """
        self.serve()
        for number in range(8):
            self.connect(self.come(f"2001:db8::{number}"))
        self.failureResultOf(self.dial(self.come("2001:db8::ffff")), DialFailed)
        self.connect(self.come("2001:db8:0:100::1"))

    def test_sameAddressLater(self) -> None:
        """
        When a connection has ended its place is free.
        """
        self.serve()
        connections = [self.connect(self.come("192.0.2.1")) for _ in range(8)]
        self.failureResultOf(self.dial(self.come("192.0.2.1")), DialFailed)
        self.nodes.result(connections[0].close())
        self.connect(self.come("192.0.2.1"))

    def test_manyOfOnePeer(self) -> None:
        """
        A peer may have eight connections; the ninth is refused politely.
        """
        self.serve()
        identity = Identity.generate()
        for _ in range(8):
            self.assertTrue(self.connect(self.come(identity=identity)).connected)
        error = self.refused(self.connect(self.come(identity=identity)))
        assert isinstance(error, SessionEnded)
        self.assertEqual(error.code, ErrorCode.LIMIT_EXCEEDED)


class LifeTests(CrowdTestCase):
    """
    Attack 24: idle and dead peers; and peers that matter.
    """

    def test_idle(self) -> None:
        """
        With the defaults an idle honest connection lives on.
        """
        self.serve()
        connection = self.connect(self.come())
        self.nodes.advance(600)
        self.assertTrue(connection.connected)

    def test_dead(self) -> None:
        """
        A peer whose bytes are lost is noticed, whatever the muxer, and leaves a
        typed reason.
        """
        self.serve(muxers=["yamux", "mplex"])
        reasons: list[Failure] = []
        self.server.events.subscribe(
            ClosedConn, lambda event: reasons.append(event.reason)
        )
        for muxer, seconds in (("yamux", 61), ("mplex", 91)):
            node = self.nodes.start(listen=(), muxers=[muxer])
            near = self.connect(node)
            self.nodes.advance(40)
            self.assertTrue(near.connected)
            self.unplug()
            self.nodes.advance(seconds)
            self.assertEqual(len(reasons), 1, muxer)
            self.assertIsInstance(reasons.pop().value, PeerUnresponsive)

    def unplug(self) -> None:
        """
        From now on no byte of the server's connections arrives.
        """
        (connection,) = self.server.connections
        end = transport(connection)
        for each in (end, end.other):
            each.stalled = True

    def test_redial(self) -> None:
        """
        A protected peer that was lost is dialed again.
        """
        server = self.serve()
        other = self.nodes.start()
        near, _ = self.nodes.connect(server, other)
        server.connections.protect(other.peerID, "test")
        self.nodes.result(near.close())
        self.assertEqual(server.connections.to(other.peerID), [])
        self.nodes.advance(5)
        self.assertEqual(len(server.connections.to(other.peerID)), 1)
