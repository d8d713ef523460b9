# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A limiter for tests, whose limits each test chooses.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.connmanager.doubles import peer
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import LimitExceeded
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import Direction
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
