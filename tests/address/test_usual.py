# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.address.usual}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.vectors import vector
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.address.usual import isUsual, usualText
from twisted_libp2p.identity import PeerID

PEER = vector("key.test_identity_01")["peer_id"]


class UsualTests(SynchronousTestCase):
    """
    Addresses of the usual forms, and others.
    """

    def test_usual(self) -> None:
        """
        Two forms have their text at once, the same as that of their components.
        """
        for host in ("0.0.0.0", "127.0.0.1", "255.1.20.3"):
            for port in (0, 1, 256, 65535):
                for text in (
                    f"/ip4/{host}/tcp/{port}",
                    f"/ip4/{host}/udp/{port}/quic-v1",
                ):
                    encoded = Multiaddr(text).toBytes()
                    self.assertEqual(usualText(encoded), text)
                    self.assertEqual(str(Multiaddr.fromBytes(encoded)), text)

    def test_peer(self) -> None:
        """
        The id of a peer is found after both forms, and at no other place.
        """
        peer = PeerID.of(PEER)
        for text in ("/ip4/1.2.3.4/tcp/1", "/ip4/1.2.3.4/udp/1/quic-v1"):
            bare = Multiaddr(text)
            whole = bare.withPeer(peer)
            self.assertEqual((whole.peerID, whole.withoutPeer()), (peer, bare))
            relayed = whole.encapsulate("/p2p-circuit")
            self.assertIsNone(relayed.peerID)
            self.assertIs(relayed.withoutPeer(), relayed)
            twice = relayed.withPeer(peer)
            self.assertEqual((twice.peerID, twice.withoutPeer()), (peer, relayed))

    def test_others(self) -> None:
        """
        All others are cut into components.
        """
        for text in (
            "/ip4/1.2.3.4",
            "/ip4/1.2.3.4/tcp/1/ws",
            "/ip4/1.2.3.4/udp/1",
            "/ip4/1.2.3.4/udp/1/quic-v1/webtransport",
            "/ip4/1.2.3.4/tcp/1/p2p-circuit",
            "/ip6/::1/tcp/1",
            "/dns4/a/tcp/1",
        ):
            address = Multiaddr(text)
            self.assertFalse(isUsual(address.toBytes()), text)
            self.assertIsNone(usualText(address.toBytes()), text)
            self.assertEqual(str(address), text)
        self.assertIsNone(usualText(b""))
