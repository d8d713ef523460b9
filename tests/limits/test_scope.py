# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.limits.scope}.
"""

from __future__ import annotations

from tests.connmanager.doubles import peer
from tests.limits.counting import ScopesTestCase


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
