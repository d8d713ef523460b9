# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.address.peeraddress}.
"""

from __future__ import annotations

from dataclasses import FrozenInstanceError

from twisted.internet.address import IPv4Address
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

    def test_host(self) -> None:
        """
        To a server that knows nothing of libp2p the host is the proven peer,
        wherever it is, and fits the label of a host name; the port is a number,
        be it known or not.
        """
        for where, port in (
            ("/ip4/127.0.0.1/tcp/4001", 4001),
            ("/ip6/::1/udp/4002/quic-v1", 4002),
            ("/dns4/example.com/tcp/4003/ws", 4003),
            (f"/ip4/192.0.2.1/tcp/4004/p2p/{PEER}/p2p-circuit", 4004),
            ("/memory/7", 0),
        ):
            address = PeerAddress(PEER, Multiaddr(where))
            self.assertEqual((address.host, address.port), (str(PEER), port))
        nowhere = PeerAddress(PEER)
        self.assertEqual((nowhere.host, nowhere.port), (str(PEER), 0))
        self.assertEqual(nowhere.host.encode("idna"), str(PEER).encode())

    def test_ipv4Address(self) -> None:
        """
        Servers that read the host of no other class than Twisted's take it for
        one of these; it does not equal one.
        """
        address = PeerAddress(PEER, Multiaddr("/ip4/192.0.2.1/tcp/1"))
        self.assertIsInstance(address, IPv4Address)
        self.assertEqual(address.type, "TCP")
        self.assertNotEqual(address, IPv4Address("TCP", str(PEER), 1))
        self.assertNotEqual(IPv4Address("TCP", str(PEER), 1), address)
        with self.assertRaises(FrozenInstanceError):
            address.host = "example.com"  # type: ignore[misc]
