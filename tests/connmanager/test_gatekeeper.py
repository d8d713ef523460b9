# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.connmanager.gatekeeper}.
"""

from __future__ import annotations

from typing import Any

from tests.connmanager.doubles import peer
from tests.connmanager.managing import ManagerTestCase
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connmanager import (
    OpenGater,
)
from twisted_libp2p.errors import (
    ErrorCode,
    Gated,
)
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import Direction

ADDRESS = Multiaddr("/ip4/192.0.2.1/tcp/4001")


class GaterTests(ManagerTestCase):
    """
    The hooks of the gater.
    """

    def test_hooks(self) -> None:
        """
        Each hook refuses with its reason, and a code for the peer.
        """

        class Closed(OpenGater):
            def beforeDial(self, peer: PeerID | None, address: Any) -> str:
                return f"dial {address}"

            def accepted(self, address: Any) -> str | None:
                return f"accept {address}" if address else None

            def secured(self, peer: PeerID, address: Any, direction: str) -> str:
                return f"secured {direction}"

            def upgraded(self, connection: Any) -> str:
                return f"upgraded {connection.security}"

        self.manage(gater=Closed())
        for call, reason in (
            (lambda: self.manager.dialing(peer(1), ADDRESS), f"dial {ADDRESS}"),
            (lambda: self.manager.accepted(ADDRESS, self.fail), f"accept {ADDRESS}"),
            (
                lambda: self.manager.secured(peer(1), ADDRESS, Direction.INBOUND),
                "secured inbound",
            ),
            (lambda: self.open(1), "upgraded /noise"),
        ):
            error = self.assertRaises(Gated, call)
            self.assertEqual(error.reason, reason)
            self.assertEqual(str(error), f"refused by the gater: {reason}")
            self.assertEqual(error.wireCode, ErrorCode.GATED)
        self.assertEqual(self.events, [])
        self.assertEqual(len(self.manager), 0)
