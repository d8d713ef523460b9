# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.limits.scopefull}: each scope says what it is short of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from tests.connmanager.doubles import peer
from tests.limits.counting import INBOUND, OUTBOUND, ScopesTestCase
from twisted_libp2p.errors import ErrorCode
from twisted_libp2p.interfaces import Direction, Resource, ScopeKind
from twisted_libp2p.limits.limiter import Limiter
from twisted_libp2p.limits.limits import Limits, ScopeLimits
from twisted_libp2p.limits.scope import Scope, takeAll
from twisted_libp2p.limits.scopefull import ScopeFull
from twisted_libp2p.limits.subnets import SubnetLimit

CONNECTIONS, STREAMS = Resource.CONNECTIONS, Resource.STREAMS


class ScopeFullTests(ScopesTestCase):
    """
    The error names the scope and the resource by values, not in words alone.
    """

    def full(self, call: Callable[[], object]) -> tuple[object, ...]:
        """
        Call a function that is refused.

        @return: the kind, the resource and the direction of the full scope, and the
            option.
        """
        error = self.assertRaises(ScopeFull, call)
        self.assertEqual(error.wireCode, ErrorCode.LIMIT_EXCEEDED)
        return error.kind, error.resource, error.direction, error.option

    def test_connections(self) -> None:
        """
        The total of a scope has no direction, its inbound share has.
        """
        for limits, direction, option in (
            (ScopeLimits(connections=0), None, "connections"),
            (ScopeLimits(inboundConnections=0), INBOUND, "inboundConnections"),
        ):
            self.limited(peer=limits)
            self.assertEqual(
                self.full(lambda: self.connect()),
                (ScopeKind.PEER, CONNECTIONS, direction, f"Limits.peer.{option}"),
            )

    def test_streams(self) -> None:
        """
        So it is with streams, of every kind of scope.
        """
        for kind in ("system", "transient", "peer", "protocol"):
            self.limited(**{kind: ScopeLimits(inboundStreams=0)})
            self.assertEqual(
                self.full(lambda: self.connect().openStream(INBOUND).agree("/a")),
                (ScopeKind(kind), STREAMS, INBOUND, f"Limits.{kind}.inboundStreams"),
            )

    def test_special(self) -> None:
        """
        Where one peer has limits of its own, the option names it.
        """
        limits = replace(Limits.none(), peers={peer(1): ScopeLimits(streams=0)})
        self.limiter = Limiter(limits, self.clock.seconds)
        scope = self.connect(1)
        self.assertEqual(
            self.full(lambda: scope.openStream(OUTBOUND)),
            (ScopeKind.PEER, STREAMS, None, f"Limits.peers[{peer(1)}].streams"),
        )

    def test_subnet(self) -> None:
        """
        Networks refuse connections and streams.
        """
        limits = replace(Limits.none(), subnets=(SubnetLimit(4, 32, 1, streams=0),))
        self.limiter = Limiter(limits, self.clock.seconds)
        scope = self.accept(1, "/ip4/192.0.2.1/tcp/1")
        scope.admit(peer(1))
        option = "Limits.subnets"
        self.assertEqual(
            self.full(lambda: scope.openStream(INBOUND)),
            (ScopeKind.SUBNET, STREAMS, INBOUND, option),
        )
        self.assertEqual(
            self.full(lambda: self.accept(2, "/ip4/192.0.2.1/tcp/2")),
            (ScopeKind.SUBNET, CONNECTIONS, INBOUND, option),
        )


class TakeTests(SynchronousTestCase):
    """
    Scopes count together, or not at all.
    """

    def test_all(self) -> None:
        """
        If one of several scopes is full, none has counted.
        """
        for resource in (CONNECTIONS, STREAMS):
            for direction in Direction:
                wide = Scope(ScopeKind.SYSTEM, ScopeLimits())
                narrow = Scope(ScopeKind.PEER, ScopeLimits(1, 1, 1, 1), "p")
                both = (wide, narrow)
                self.assertIsNone(takeAll(both, resource, direction))
                before = wide.used
                full = takeAll(both, resource, direction)
                assert full is not None
                self.assertEqual((full.kind, full.resource), (ScopeKind.PEER, resource))
                self.assertEqual((wide.used, narrow.used), (before, before))
                narrow.add(resource, direction)
                self.assertEqual(sum(narrow.used), 2 * sum(before))
