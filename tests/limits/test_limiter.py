# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.limits.limiter}.
"""

from __future__ import annotations

from dataclasses import replace

from tests.connmanager.doubles import peer
from tests.limits.counting import ScopesTestCase
from twisted_libp2p.errors import LimitExceeded
from twisted_libp2p.limits.limiter import Limiter
from twisted_libp2p.limits.limits import Limits, ScopeLimits


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
