# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.limits.connectionscope}.
"""

from __future__ import annotations

from dataclasses import replace

from zope.interface.verify import verifyObject

from tests.connmanager.doubles import peer
from tests.limits.counting import INBOUND, OUTBOUND, ScopesTestCase
from twisted_libp2p.errors import ErrorCode, LimitExceeded
from twisted_libp2p.interfaces import IConnectionScope
from twisted_libp2p.limits.limiter import Limiter
from twisted_libp2p.limits.limits import Limits, ScopeLimits
from twisted_libp2p.limits.usage import Usage


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
