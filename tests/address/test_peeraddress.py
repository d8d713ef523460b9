# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.address.peeraddress}.
"""

from __future__ import annotations

from dataclasses import FrozenInstanceError

from twisted.internet.interfaces import IAddress
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.vectors import vector
from twisted_libp2p.address import Multiaddr, PeerAddress
from twisted_libp2p.identity import PeerID

PEER = PeerID.fromText(vector("key.test_identity_01")["peer_id"])


class PeerAddressTests(SynchronousTestCase):
    """
    What a stream tells of its ends.
    """

    def test_interface(self) -> None:
        """
        It is an address as Twisted knows them, and cannot be changed.
        """
        address = PeerAddress(PEER)
        verifyObject(IAddress, address)
        with self.assertRaises(FrozenInstanceError):
            address.protocolID = "/a"  # type: ignore[misc]

    def test_text(self) -> None:
        """
        The text is a multiaddr that ends in the peer, once.
        """
        bare = Multiaddr("/ip4/192.0.2.1/tcp/1")
        for where, expected in (
            (bare, f"{bare}/p2p/{PEER}"),
            (bare.withPeer(PEER), f"{bare}/p2p/{PEER}"),
            (Multiaddr(f"/p2p/{PEER}"), f"/p2p/{PEER}"),
            (None, f"/p2p/{PEER}"),
        ):
            self.assertEqual(str(PeerAddress(PEER, where, "/a")), expected)

    def test_equality(self) -> None:
        """
        Addresses are equal if all of their parts are.
        """
        where = Multiaddr("/ip4/192.0.2.1/tcp/1")
        address = PeerAddress(PEER, where, "/a")
        self.assertEqual(len({address, PeerAddress(PEER, where, "/a")}), 1)
        self.assertNotEqual(address, PeerAddress(PEER, where, "/b"))
        self.assertNotEqual(address, PeerAddress(PEER, None, "/a"))
