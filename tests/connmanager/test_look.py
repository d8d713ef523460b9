# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.connmanager.look} and L{twisted_libp2p.connmanager.holders}.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.connmanager.doubles import peer
from tests.limits.counting import INBOUND, OUTBOUND, ScopesTestCase
from twisted_libp2p.connmanager.holders import holders
from twisted_libp2p.connmanager.look import PART, Look
from twisted_libp2p.interfaces import Direction
from twisted_libp2p.limits.connectionscope import ConnectionScope
from twisted_libp2p.limits.limiter import Limiter
from twisted_libp2p.limits.limits import SHARES, SITE_SHARES, Limits, ScopeLimits
from twisted_libp2p.limits.scope import Scope
from twisted_libp2p.limits.streamscope import StreamScope
from twisted_libp2p.limits.subnets import SubnetLimit


class Stream:
    """
    A stream that has a direction and a scope.
    """

    def __init__(self, scope: StreamScope) -> None:
        self.direction, self.scope = scope.direction, scope


class Connection:
    """
    A connection with a scope and streams.
    """

    def __init__(self, scope: ConnectionScope) -> None:
        self.scope = scope
        self.streams: list[Stream] = []

    def open(
        self, direction: Direction = INBOUND, protocol: str | None = None
    ) -> Stream:
        """
        Open a stream, in negotiation or with a protocol.
        """
        stream = Stream(self.scope.openStream(direction))
        if protocol is not None:
            stream.scope.agree(protocol)
        self.streams.append(stream)
        return stream


class LookTests(ScopesTestCase):
    """
    A look counts the holders in a scope, and chooses the streams that give way.
    """

    def look(self, scope: Scope, *connections: Any) -> Look:
        """
        Take a look at a scope.
        """
        return Look(scope, connections, 1.0)

    def test_oldestInNegotiation(self) -> None:
        """
        Of the streams in negotiation the oldest one gives way, of the others the
        youngest.
        """
        self.limited(system=ScopeLimits(inboundStreams=PART * 8))
        one = Connection(self.connect(1))
        asking = [one.open() for _ in range(2)]
        agreed = [one.open(protocol="/a") for _ in range(2)]
        for scope, first in (
            (self.limiter.transient, asking[0]),
            (self.limiter.protocols["/a"], agreed[-1]),
        ):
            chosen = self.look(scope, one).next()
            assert chosen is not None
            self.assertEqual(chosen, (first, one, peer(1)))

    def test_largestFirst(self) -> None:
        """
        The streams are those of the holder that has most, until it has no more than
        the others.
        """
        self.limited(system=ScopeLimits(inboundStreams=PART * 3))
        small, large = Connection(self.connect(1)), Connection(self.connect(2))
        small.open(protocol="/a")
        for _ in range(4):
            large.open(protocol="/a")
        look = self.look(self.limiter.system, small, large)
        self.assertEqual(look.held, {peer(1): 1.0, peer(2): 4.0})
        self.assertEqual(len(look.chosen), 3)
        self.assertEqual({each[1] for each in look.chosen}, {large})

    def test_ended(self) -> None:
        """
        A stream that has ended in the meantime is passed over.
        """
        one = Connection(self.connect(1))
        one.open(protocol="/a")
        look = self.look(self.limiter.system, one)
        self.assertFalse(look.empty)
        one.streams[0].scope.close()
        self.assertIsNone(look.next())

    def test_ours(self) -> None:
        """
        Streams that our side has opened are not among them.
        """
        one = Connection(self.connect(1))
        one.open(OUTBOUND, "/a")
        look = self.look(self.limiter.system, one)
        self.assertTrue(look.empty)
        self.assertEqual(look.held, {})


class HoldersTests(ScopesTestCase):
    """
    A connection belongs to its peer, and to the networks from which it comes.
    """

    def test_holders(self) -> None:
        """
        A site weighs less than an address.
        """
        address, site = SubnetLimit(6, 56, 8), SubnetLimit(6, 48, 64)
        limits = replace(Limits.none(), subnets=(address, site))
        self.limiter = Limiter(limits, self.clock.seconds)
        scope = self.accept(1, "/ip6/2001:db8::1/tcp/1")
        scope.admit(peer(1))
        weights = [weight for _, weight in holders(scope)]
        self.assertEqual(weights, [1.0, 1.0, SITE_SHARES / SHARES])
        self.assertEqual(next(holders(scope)), (peer(1), 1.0))
