# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the targets of a dial.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import InvalidMultiaddr, InvalidPeerID
from twisted_libp2p.identity import Identity
from twisted_libp2p.node.targets import parse

PEER = Identity.generate().peerID
ADDRESS = Multiaddr("/ip4/192.0.2.1/tcp/4001")


class ParseTests(SynchronousTestCase):
    """
    Tests for L{parse}.
    """

    def test_forms(self) -> None:
        """
        A target is an id, an address, or both, as an object or as text.
        """
        full = ADDRESS.withPeer(PEER)
        for target, expected in (
            (PEER, (PEER, [])),
            (str(PEER), (PEER, [])),
            (ADDRESS, (None, [ADDRESS])),
            (str(ADDRESS), (None, [ADDRESS])),
            (full, (PEER, [ADDRESS])),
            (str(full), (PEER, [ADDRESS])),
            (f"/p2p/{PEER}", (PEER, [])),
        ):
            self.assertEqual(parse(target), expected)

    def test_refused(self) -> None:
        """
        A text that begins with a slash has to be an address, any other one an id.
        """
        self.assertRaises(InvalidMultiaddr, parse, "/nowhere/1")
        self.assertRaises(InvalidPeerID, parse, "nobody")
        self.assertRaises(InvalidPeerID, parse, 7)
