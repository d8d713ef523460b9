# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the lists of who is let in.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connmanager.gater import AddressList, ListGater, OpenGater
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import Direction, IGater

ALICE = PeerID.fromText("12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA")
BOB = PeerID.fromText("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N")
HERE = Multiaddr("/ip4/192.0.2.1/tcp/4001")
THERE = Multiaddr("/ip4/198.51.100.1/tcp/4001")


class AddressListTests(SynchronousTestCase):
    """
    Lists of peers, addresses and networks.
    """

    def test_peers(self) -> None:
        """
        A peer is listed as an object, by its text in any spelling, or by an
        address that is nothing but its id.
        """
        for entry in (ALICE, str(ALICE), ALICE.toCID(), f"/p2p/{ALICE}"):
            found = AddressList([entry])
            self.assertEqual(found.peers, {ALICE}, entry)
            found.remove(entry)
            self.assertEqual(found.peers, set())

    def test_addresses(self) -> None:
        """
        An address stands for all that begin with it, component by component.
        """
        found = AddressList(["/ip4/192.0.2.1", Multiaddr("/dns4/a.example/tcp/1")])
        self.assertTrue(found.matches(HERE))
        self.assertFalse(found.matches(THERE))
        self.assertFalse(found.matches(Multiaddr("/ip4/192.0.2.11/tcp/4001")))
        self.assertTrue(found.matches(Multiaddr("/dns4/a.example/tcp/1/ws")))
        self.assertFalse(found.matches(Multiaddr("/dns4/a.example/tcp/2")))
        found.remove("/ip4/192.0.2.1")
        self.assertFalse(found.matches(HERE))

    def test_mapped(self) -> None:
        """
        An IPv4 address that is mapped into IPv6 is the IPv4 address, on the list
        and in the question, as an address, a host and a network.
        """
        mapped = "/ip6/::ffff:192.0.2.1"
        for entry in (
            "/ip4/192.0.2.1",
            mapped,
            Multiaddr(mapped),
            "192.0.2.1",
            "::ffff:192.0.2.1",
            "::ffff:192.0.2.0/120",
        ):
            found = AddressList([entry])
            self.assertTrue(found.matches(HERE), entry)
            self.assertTrue(found.matches(Multiaddr(f"{mapped}/tcp/4001")), entry)
            self.assertFalse(found.matches(THERE), entry)
            self.assertFalse(found.matches(Multiaddr("/ip6/::ffff:198.51.100.1")))
            found.remove(entry)
            self.assertFalse(found.matches(HERE), entry)

    def test_zone(self) -> None:
        """
        A zone in front of an address does not hide it.
        """
        found = AddressList(["/ip6/fe80::1"])
        self.assertTrue(found.matches(Multiaddr("/ip6zone/eth0/ip6/fe80::1/tcp/1")))
        self.assertFalse(found.matches(Multiaddr("/ip6zone/eth0/ip6/fe80::2/tcp/1")))

    def test_networks(self) -> None:
        """
        A network stands for all addresses in it, whatever their transport; of
        any length, and in both versions.
        """
        found = AddressList(["192.0.2.0/24", "2001:db8::/32", "198.51.100.1"])
        for text, expected in (
            ("/ip4/192.0.2.77/tcp/1", True),
            ("/ip4/192.0.3.77/tcp/1", False),
            ("/ip4/198.51.100.1/udp/1/quic-v1", True),
            ("/ip4/198.51.100.2/tcp/1", False),
            ("/ip6/2001:db8:1::1/tcp/1", True),
            ("/ip6/2001:db9::1/tcp/1", False),
            ("/ip6/::ffff:192.0.2.1/tcp/1", True),
            ("/memory/1", False),
        ):
            self.assertEqual(found.matches(Multiaddr(text)), expected, text)
        found.remove("192.0.2.0/24")
        found.remove("192.0.2.0/24")
        self.assertFalse(found.matches(HERE))
        self.assertEqual(set(found.networks), {(6, 32), (4, 32)})

    def test_nothing(self) -> None:
        """
        Nothing is on an empty list, and no address on any.
        """
        self.assertFalse(AddressList().matches(HERE))
        self.assertFalse(AddressList(["0.0.0.0/0"]).matches(None))

    def test_invalid(self) -> None:
        """
        An entry that is nothing of that kind is told as an error.
        """
        for entry in ("", "Alice", "/ip4/1.2.3", "192.0.2.1/24", "1.2.3.4.5", "/p2p/x"):
            error = self.assertRaises(ConfigurationError, AddressList, [entry])
            self.assertIn(repr(entry), str(error))


class ListGaterTests(SynchronousTestCase):
    """
    Blocked and allowed.
    """

    def judge(self, gater: ListGater) -> list[bool]:
        """
        Ask with Alice here and Bob there: may they be dialed, come in, stay?
        """
        return [
            answer is None
            for peer, address in ((ALICE, HERE), (BOB, THERE))
            for answer in (
                gater.beforeDial(peer, address),
                gater.accepted(address),
                gater.secured(peer, address, Direction.INBOUND),
            )
        ]

    def test_interface(self) -> None:
        """
        Both are gaters, and let in whoever has passed the other hooks.
        """
        for gater in (OpenGater(), ListGater()):
            verifyObject(IGater, gater)
            connection: Any = object()
            self.assertIsNone(gater.upgraded(connection))

    def test_open(self) -> None:
        """
        Without lists everybody gets through.
        """
        self.assertEqual(self.judge(ListGater()), [True] * 6)
        gater = OpenGater()
        self.assertIsNone(gater.beforeDial(ALICE, HERE))
        self.assertIsNone(gater.accepted(HERE))
        self.assertIsNone(gater.secured(ALICE, HERE, Direction.INBOUND))

    def test_blockedPeer(self) -> None:
        """
        A blocked peer is not dialed, and found out after the handshake.
        """
        gater = ListGater(blocked=[ALICE])
        self.assertEqual(self.judge(gater), [False, True, False, True, True, True])
        self.assertEqual(gater.beforeDial(ALICE, HERE), f"peer {ALICE} is blocked")

    def test_blockedNetwork(self) -> None:
        """
        A blocked network is closed at once.
        """
        gater = ListGater(blocked=["192.0.2.0/24"])
        self.assertEqual(self.judge(gater), [False, False, False, True, True, True])
        self.assertEqual(gater.accepted(HERE), f"address {HERE} is blocked")

    def test_embedded(self) -> None:
        """
        What is blocked is not reached by way of a translator or a tunnel either;
        what is allowed is allowed in its own form alone.
        """
        for entry in ("10.0.0.0/8", "10.0.0.1", "/ip4/10.0.0.1", "/ip4/10.0.0.1/tcp/1"):
            blocked, allowed = ListGater([entry]), ListGater((), [entry], only=True)
            for text in (
                "/ip6/64:ff9b::10.0.0.1/tcp/1",
                "/ip6/2002:a00:1::1/tcp/1",
                "/ip6/2001:0:808:808::f5ff:fffe/tcp/1",
                "/ip6zone/eth0/ip6/64:ff9b::a00:1/tcp/1",
            ):
                address = Multiaddr(text)
                for gater in (blocked, allowed):
                    self.assertIsNotNone(gater.beforeDial(None, address), text)
                    self.assertIsNotNone(gater.accepted(address), text)
            far = Multiaddr("/ip6/64:ff9b::11.0.0.1/tcp/1")
            self.assertIsNone(blocked.beforeDial(None, far))

    def test_nowhere(self) -> None:
        """
        The empty address is on no list.
        """
        address = Multiaddr("/ip4/10.0.0.1").withoutFirst()
        self.assertFalse(AddressList(["/ip4/10.0.0.1", "::/0"]).matches(address))

    def test_allowedInBlocked(self) -> None:
        """
        What is allowed gets through, though its network is blocked.
        """
        gater = ListGater(blocked=["0.0.0.0/0"], allowed=["192.0.2.1"])
        self.assertEqual(self.judge(gater), [True, True, True, False, False, False])

    def test_onlyNetworks(self) -> None:
        """
        Nobody else gets through: one from elsewhere is closed at once.
        """
        gater = ListGater(allowed=["192.0.2.0/24"], only=True)
        self.assertEqual(self.judge(gater), [True, True, True, False, False, False])
        self.assertIsNotNone(gater.accepted(None))

    def test_onlyPeers(self) -> None:
        """
        Nobody else gets through; who it is shows after the handshake.
        """
        gater = ListGater(allowed=[ALICE], only=True)
        self.assertEqual(self.judge(gater), [True, True, True, False, True, False])
        self.assertIsNotNone(gater.beforeDial(None, HERE))

    def test_onlyPeersOfNetworks(self) -> None:
        """
        Where peers are allowed, a blocked address is closed at once all the
        same.
        """
        gater = ListGater(allowed=[ALICE], blocked=["198.51.100.0/24"], only=True)
        self.assertEqual(self.judge(gater), [True, True, True, False, False, False])

    def test_change(self) -> None:
        """
        The lists may change at any time.
        """
        gater = ListGater()
        gater.blocked.add(ALICE)
        self.assertIsNotNone(gater.secured(ALICE, HERE, Direction.INBOUND))
        gater.blocked.remove(ALICE)
        self.assertIsNone(gater.secured(ALICE, HERE, Direction.INBOUND))
