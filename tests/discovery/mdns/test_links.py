# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.discovery.mdns.links}.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import ifaddr
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.discovery.mdns.links import Link, findLinks, onLinks, placeOf


def adapter(name: str, index: int, *addresses: tuple[Any, int]) -> ifaddr.Adapter:
    """
    Make an adapter.
    """
    ips = [ifaddr.IP(ip, prefix, name) for ip, prefix in addresses]
    return ifaddr.Adapter(name, name, ips, index)


ADAPTERS = [
    adapter("lo", 1, ("127.0.0.1", 8), (("::1", 0, 0), 128)),
    adapter(
        "eth0", 2, ("10.0.0.1", 24), (("fe80::1", 0, 2), 64), (("fd00::1", 0, 0), 64)
    ),
    adapter("down", 3),
]


def links(*names: str) -> list[Link]:
    """
    Find the links of a machine.
    """
    return findLinks(lambda: ADAPTERS, names)


class LinkTests(SynchronousTestCase):
    """
    The links of a machine.
    """

    def test_found(self) -> None:
        """
        Each interface with an address is a link.
        """
        lo, eth = links()
        self.assertEqual(
            (lo.name, lo.index, lo.ipv4, lo.ipv6), ("lo", 1, "127.0.0.1", False)
        )
        self.assertEqual(
            (eth.name, eth.index, eth.ipv4, eth.ipv6), ("eth0", 2, "10.0.0.1", True)
        )
        self.assertTrue(lo.loopback)
        self.assertFalse(eth.loopback)
        self.assertTrue(findLinks())

    def test_chosen(self) -> None:
        """
        An interface is chosen by its name, or by an address.
        """
        for name in ("eth0", "10.0.0.1", "fd00::1"):
            self.assertEqual([each.name for each in links(name)], ["eth0"])
        self.assertEqual(links("eth1"), [])

    def test_unlisted(self) -> None:
        """
        If the interfaces cannot be listed, the error says so.
        """

        def failing() -> Any:
            raise AssertionError("no netlink")

        error = self.assertRaises(OSError, findLinks, failing)
        self.assertIn("no netlink", str(error))

    def test_holds(self) -> None:
        """
        The hosts of its networks are on a link.
        """
        lo, eth = links()
        self.assertTrue(eth.holds(ip_address("10.0.0.99")))
        self.assertTrue(eth.holds(ip_address("fe80::99")))
        self.assertFalse(eth.holds(ip_address("10.0.1.1")))
        self.assertTrue(lo.holds(ip_address("127.9.9.9")))

    def test_leading(self) -> None:
        """
        The addresses of the interface are named there, TCP first, and no relayed ones.
        """
        _, eth = links()
        relayed = Multiaddr("/ip4/10.0.0.1/tcp/1/p2p-circuit")
        ws = Multiaddr("/ip4/10.0.0.1/tcp/2/ws")
        quic = Multiaddr("/ip4/10.0.0.1/udp/3/quic-v1")
        tcp = Multiaddr("/ip6/fd00::1/tcp/4")
        other = Multiaddr("/ip4/127.0.0.1/tcp/5")
        name = Multiaddr("/dns4/example.com/tcp/5")
        found = eth.leading(
            [relayed, ws, quic, tcp, other, name, Multiaddr("/ip4/10.0.0.1")]
        )
        self.assertEqual(found, [tcp, quic, ws])


class PlaceTests(SynchronousTestCase):
    """
    The places of sources and addresses.
    """

    def test_source(self) -> None:
        """
        A source is this machine, or another one.
        """
        for source in ("127.0.0.1", "10.0.0.1", "fd00::1"):
            self.assertEqual(placeOf(ip_address(source), links()), Origin.HOST)
        self.assertEqual(placeOf(ip_address("10.0.0.2"), links()), Origin.NETWORK)

    def test_addresses(self) -> None:
        """
        Addresses on a link are selected: no others, private or public, no names,
        nothing without a zone.
        """
        good = [
            Multiaddr("/ip4/10.0.0.9/tcp/1"),
            Multiaddr("/ip6/fd00::9/udp/1/quic-v1"),
            Multiaddr("/ip4/127.0.0.1/tcp/1"),
        ]
        bad = [
            Multiaddr("/ip4/10.0.9.9/tcp/1"),
            Multiaddr("/ip4/8.8.8.8/tcp/1"),
            Multiaddr("/ip6/fe80::9/tcp/1"),
            Multiaddr("/dns4/localhost/tcp/1"),
            Multiaddr("/ip4/10.0.0.9/tcp/1/p2p-circuit"),
            Multiaddr("/memory/1"),
        ]
        self.assertEqual(onLinks([*bad, *good], links()), good)
