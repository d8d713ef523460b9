# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of whole nodes that many want to connect to.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import ILogObserver, formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.connmanager.doubles import CrowdedClock, HostTransport
from twisted_libp2p.connmanager import ConnectionPolicy, ListGater, OpenGater
from twisted_libp2p.errors import (
    ClosedHere,
    DialFailed,
    ErrorCode,
    Gated,
    Libp2pError,
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
from twisted_libp2p.interfaces import IConnection
from twisted_libp2p.limits import Limits, ScopeLimits
from twisted_libp2p.limits.usage import Usage
from twisted_libp2p.muxer.yamux import Yamux
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import PROTOCOL_ID, EchoFactory
from twisted_libp2p.security.noise import Noise
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.transport import MemoryNetwork


class Late(Noise):
    """
    Noise that names no muxer in its handshake.
    """

    def wrap(self, handshake: Any, wrappedFactory: Any) -> Any:
        """
        Leave the muxers out.
        """
        return super().wrap(replace(handshake, muxers=()), wrappedFactory)


class Silent(Protocol):
    """
    Says nothing, and notes its end.
    """

    lost = False

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Note it.
        """
        self.lost = True


def transport(connection: Any) -> Any:
    """
    Give our end of what is below everything.
    """
    session: Any = connection._session
    end = session.transport
    while hasattr(end, "transport"):
        end = end.transport
    return end


class CrowdTestCase(SynchronousTestCase):
    """
    One node, and others that come from IP addresses.
    """

    def setUp(self) -> None:
        """
        Have a network, and keep what is logged.
        """
        self.nodes = MemoryNodes()
        self.nodes.clock = CrowdedClock()
        self.network = self.nodes.network = MemoryNetwork(self.nodes.clock)
        self.addCleanup(self.nodes.stop)
        self.logged: list[Any] = []
        observer = cast(ILogObserver, self.logged.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def serve(self, **options: Any) -> Node:
        """
        Start the node that all want.
        """
        server = self.server = self.start(listen=["/memory/0"], **options)
        self.counts: Counter[type] = Counter()
        for kind in (OpenedConn, ClosedConn, ConnectionTrimmed, LimitReached):
            server.events.subscribe(
                kind, lambda event: self.counts.update([type(event)])
            )
        server.registry.register(PROTOCOL_ID, EchoFactory())
        self.addCleanup(self.assertNothingUsed)
        return server

    def come(self, host: str | None = None, **options: Any) -> Node:
        """
        Start a node that only dials; it has an IP address, or none.
        """
        muxers = [Yamux(self.nodes.clock, keepAlive=None)]
        return self.start(host, muxers=muxers, **options)

    def start(self, host: str | None = None, **options: Any) -> Node:
        """
        Start a node.
        """
        transports = [HostTransport(self.network, host)]
        node = Node(self.nodes.clock, transports=transports, **options)
        self.nodes._nodes.append(node)
        node.startService()
        self.nodes.settle()
        return node

    def dial(self, node: Node) -> Deferred[IConnection]:
        """
        Dial the server, and let happen what will.
        """
        dialed = node.connect(self.server.addresses[0])
        self.nodes.settle()
        return dialed

    def connect(self, node: Node) -> IConnection:
        """
        Dial the server, successfully as the dialer sees it.
        """
        return self.successResultOf(self.dial(node))

    def refused(self, connection: IConnection) -> Exception:
        """
        Give the reason why a connection has ended for its dialer.
        """
        self.nodes.settle()
        assert connection.reason is not None
        return cast(Exception, connection.reason.value)

    def silent(self, host: str = "127.0.0.1") -> Silent:
        """
        Open a raw transport to the server, and say nothing.
        """
        address = self.server.addresses[0].withoutPeer()
        transport = HostTransport(self.network, host)
        factory = Factory.forProtocol(Silent)
        factory.noisy = False
        connected = transport.clientEndpoint(address).connect(factory)
        return cast(Silent, self.successResultOf(connected))

    def assertNothingUsed(self) -> None:
        """
        When all have gone every counter is at zero, and the events pair up.
        """
        self.nodes.stop()
        limiter = self.server.connections.limiter
        for scope in (limiter.system, limiter.transient, *limiter.protocols.values()):
            self.assertEqual(scope.used, Usage(), scope.name)
        self.assertEqual(limiter.peers, {})
        self.assertEqual(limiter.subnets.counts, {})
        self.assertEqual(self.counts[OpenedConn], self.counts[ClosedConn])
        self.assertEqual([each for each in self.logged if each.get("log_failure")], [])


class WaterMarkTests(CrowdTestCase):
    """
    Attack 15: more connections than the marks allow.
    """

    def test_thousand(self) -> None:
        """
        Of 1,000 inbound connections against the marks 160 and 192 the node ends
        at the low one: protected ones live, and of the others the most
        valuable.  Young ones live beside these, and cost none its place.
        """
        server = self.serve(limits=Limits.scaled(connections=1400))
        manager = server.connections
        crowd = [self.come() for _ in range(1000)]
        for node in crowd:
            self.dial(node)
            self.nodes.clock.advance(0.001)
        self.assertEqual(len(manager), 1000)
        protected = crowd[:10]
        for node in protected:
            manager.protect(node.peerID, "test", redial=False)
        valued = crowd[500:620]
        for value, node in enumerate(valued):
            manager.tags.set(node.peerID, "test", 1 + value)
        self.nodes.clock.pump([5] * 9)
        self.assertEqual(len(manager), 1000)
        young = [self.come() for _ in range(50)]
        for node in young:
            self.dial(node)
        self.nodes.clock.pump([5] * 6)
        self.assertEqual(len(manager), 160 + 50)
        self.assertEqual(self.counts[ConnectionTrimmed], 840)
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

    def dialFrom(self, other: Node) -> Deferred[IConnection]:
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


class GaterTests(CrowdTestCase):
    """
    The hooks of the gater, each in its place.
    """

    def test_accepted(self) -> None:
        """
        Blocked addresses are closed at once.
        """
        self.serve(gater=ListGater(blocked=["192.0.2.0/24"]))
        self.failureResultOf(self.dial(self.come("192.0.2.1")), DialFailed)
        self.assertTrue(self.connect(self.come("198.51.100.1")).connected)

    def test_secured(self) -> None:
        """
        Blocked peers are sent the code of the refusal after the handshake,
        whichever way the muxer is agreed; nobody hears of a connection.
        """
        gater = ListGater()
        server = self.serve(gater=gater)
        for security in (["noise"], ["tls"], [Late(self.nodes.clock)]):
            node = self.come(security=security)
            gater.blocked.add(node.peerID)
            error = self.refused(self.connect(node))
            assert isinstance(error, SessionEnded)
            self.assertEqual(error.code, ErrorCode.GATED)
            self.assertEqual(list(node.connections), [])
            self.assertEqual(list(server.connections), [])
            self.assertEqual(server.connections.limiter.transient.used.connections, 0)
        self.assertEqual(self.counts[OpenedConn], 0)
        self.assertTrue(self.connect(self.come()).connected)

    def test_stranger(self) -> None:
        """
        Where only some peers are allowed, a stranger is sent the code, and the
        log names the peer and its address.
        """
        friend, stranger = self.come("192.0.2.1"), self.come("192.0.2.2")
        self.serve(gater=ListGater(allowed=[friend.peerID], only=True))
        error = self.refused(self.connect(stranger))
        assert isinstance(error, SessionEnded)
        self.assertEqual(error.code, ErrorCode.GATED)
        self.assertEqual(str(error), "the peer ended the session (code 0x1008, GATED)")
        self.assertEqual(str(SessionEnded(7)), "the peer ended the session (code 0x7)")
        (line,) = [
            text
            for text in map(formatEvent, self.logged)
            if text is not None and "refused by the gater" in text
        ]
        self.assertIn(str(stranger.peerID), line)
        self.assertIn("/ip4/192.0.2.2/tcp/4001", line)
        self.assertTrue(self.connect(friend).connected)

    def test_refusedAndFailed(self) -> None:
        """
        When the upgrade with a peer that the gater has refused fails later on,
        the reason is the refusal still, and nothing is left.
        """

        class Choosy(OpenGater):
            def secured(self, peer: Any, address: Any, direction: str) -> str | None:
                return "not today"

        server = self.serve(muxers=["mplex"])
        node = self.come(gater=Choosy(), security=[Late(self.nodes.clock)])
        failure = self.failureResultOf(self.dial(node), DialFailed)
        ((_, error),) = failure.value.causes
        self.assertIsInstance(error, Gated)
        self.assertEqual(server.connections.limiter.transient.used.connections, 0)

    def test_upgraded(self) -> None:
        """
        A connection that is refused when it is ready is told the code.
        """

        class Choosy(OpenGater):
            def upgraded(self, connection: Any) -> str | None:
                return "not today"

        self.serve(gater=Choosy())
        error = self.refused(self.connect(self.come()))
        assert isinstance(error, SessionEnded)
        self.assertEqual(error.code, ErrorCode.GATED)
        self.assertEqual(self.counts[OpenedConn], 0)

    def test_stoppedMeanwhile(self) -> None:
        """
        A node that stops does not wait for one that it has refused, and that
        does not take its leave.
        """

        ends: list[Any] = []

        class Choosy(OpenGater):
            def upgraded(self, connection: Any) -> str | None:
                ends.append(transport(connection))
                ends[0].other.pauseProducing()
                return "not today"

        server = self.serve(gater=Choosy())
        self.connect(self.come())
        (end,) = ends
        self.assertFalse(end.disconnected)
        self.assertEqual(server.connections.limiter.transient.used.connections, 1)
        self.nodes.result(server.stopService())
        self.assertTrue(end.disconnected)
        self.assertEqual(server.connections.limiter.transient.used.connections, 0)

    def test_dialer(self) -> None:
        """
        The hooks hold for our own dials as well, and the error tells the
        reason.
        """

        class Choosy(OpenGater):
            def secured(self, peer: Any, address: Any, direction: str) -> str | None:
                return f"no {direction} ones"

        self.serve()
        failure = self.failureResultOf(self.dial(self.come(gater=Choosy())), DialFailed)
        ((_, error),) = failure.value.causes
        assert isinstance(error, Gated)
        self.assertEqual(error.reason, "no outbound ones")

    def test_beforeDial(self) -> None:
        """
        A blocked address is not dialed.
        """
        self.serve()
        address = str(self.server.addresses[0].withoutPeer())
        node = self.come(gater=ListGater(blocked=[address]))
        failure = self.failureResultOf(self.dial(node), DialFailed)
        ((_, error),) = failure.value.causes
        assert isinstance(error, Gated)


class StreamLimitTests(CrowdTestCase):
    """
    Streams of whole nodes.
    """

    def test_inbound(self) -> None:
        """
        A stream too many of a peer is reset with the code; those of others are
        not.
        """
        limits = replace(Limits.scaled(), peer=ScopeLimits(inboundStreams=3))
        self.serve(limits=limits)
        connection, other = self.connect(self.come()), self.connect(self.come())
        self.nodes.advance(1)
        for _ in range(3):
            self.nodes.result(connection.openStream(PROTOCOL_ID, EchoFactory()))
        refused = connection.openStream(PROTOCOL_ID, EchoFactory())
        self.nodes.settle()
        failure = self.failureResultOf(refused, Libp2pError)
        self.assertIn(f"{ErrorCode.LIMIT_EXCEEDED:#x}", str(failure.value))
        self.nodes.result(other.openStream(PROTOCOL_ID, EchoFactory()))
        self.assertEqual(self.counts[LimitReached], 1)

    def test_inboundProtocol(self) -> None:
        """
        A stream too many of a protocol is reset with the code, whoever opens
        it; other protocols go on.
        """
        limits = replace(
            Limits.scaled(), protocols={PROTOCOL_ID: ScopeLimits(streams=1)}
        )
        self.serve(limits=limits)
        self.server.registry.register("/other", EchoFactory())
        connection, other = self.connect(self.come()), self.connect(self.come())
        self.nodes.result(connection.openStream(PROTOCOL_ID, EchoFactory()))
        refused = other.openStream([PROTOCOL_ID, "/unknown"], EchoFactory())
        self.nodes.settle()
        failure = self.failureResultOf(refused, Libp2pError)
        self.assertIn(f"{ErrorCode.LIMIT_EXCEEDED:#x}", str(failure.value))
        self.nodes.result(other.openStream("/other", EchoFactory()))

    def test_outbound(self) -> None:
        """
        A stream too many of ours fails with the limit, of the peer or of the
        protocol, and leaves no trace.
        """
        limits = replace(
            Limits.scaled(),
            peer=ScopeLimits(streams=3),
            protocols={PROTOCOL_ID: ScopeLimits(streams=1)},
        )
        self.serve()
        node = self.come(limits=limits)
        connection = self.connect(node)
        self.nodes.result(connection.openStream(PROTOCOL_ID, EchoFactory()))
        for proposals in ([PROTOCOL_ID], [PROTOCOL_ID, "/unknown"]):
            refused = connection.openStream(proposals, EchoFactory())
            self.nodes.settle()
            error = self.failureResultOf(refused, LimitExceeded).value
            self.assertEqual(error.option, f"Limits.protocols[{PROTOCOL_ID}].streams")
        self.assertEqual(len(connection.streams), 1)
        self.server.registry.register("/other", EchoFactory())
        for _ in range(2):
            self.nodes.result(connection.openStream("/other", EchoFactory()))
        error = self.failureResultOf(
            connection.openStream("/other", EchoFactory()), LimitExceeded
        ).value
        self.assertEqual(error.option, "Limits.peer.streams")
        self.nodes.result(connection.close())
        self.assertEqual(node.connections.limiter.system.used, Usage())
        self.assertEqual(node.connections.limiter.protocols[PROTOCOL_ID].used, Usage())

    def test_memory(self) -> None:
        """
        The windows of a connection are paid from its scope.
        """
        self.serve()
        connection: Any = self.connect(self.come())
        session = connection._session
        self.assertIs(session.budget, connection.scope)


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
