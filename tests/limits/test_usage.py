# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.limits.usage}, as L{Limiter.snapshot} returns it.
"""

from __future__ import annotations

from tests.connmanager.doubles import peer
from tests.limits.counting import INBOUND, OUTBOUND, ScopesTestCase
from twisted_libp2p.limits.limits import ScopeLimits
from twisted_libp2p.limits.usage import Usage


class SnapshotTests(ScopesTestCase):
    """
    A snapshot has the use of each scope.
    """

    def test_snapshot(self) -> None:
        """
        It names the use and the limits, and does not change any more.
        """
        self.limited(system=ScopeLimits(connections=9))
        self.accept(7)
        scope = self.connect(1)
        self.connect(2, inbound=False)
        scope.openStream(INBOUND)
        stream = scope.openStream(OUTBOUND)
        stream.agree("/a")
        stream.hold(30)
        snapshot = self.limiter.snapshot()
        stream.close()
        self.assertEqual(snapshot.system.used, Usage(2, 1, 2, 1, 30))
        self.assertEqual(snapshot.system.limits.connections, 9)
        self.assertEqual(snapshot.transient.used, Usage(1, 1, 1, 1, 0))
        self.assertEqual(
            snapshot.peers, {peer(1): Usage(1, 1, 2, 1, 30), peer(2): Usage(1, 0)}
        )
        self.assertEqual(snapshot.protocols, {"/a": Usage(streams=1)})

    def test_outbound(self) -> None:
        """
        The outbound share is the rest of the total.
        """
        used = Usage(5, 2, 7, 3)
        self.assertEqual((used.outboundConnections, used.outboundStreams), (3, 4))
