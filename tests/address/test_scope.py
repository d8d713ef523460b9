# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.address.scope}.
"""

from __future__ import annotations

from ifaddr import IP, Adapter
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import (
    Multiaddr,
    Scope,
    interfaceAddresses,
    isWildcard,
    unmapped,
)


class ScopeTests(SynchronousTestCase):
    """
    How far addresses reach.
    """

    def test_scopes(self) -> None:
        """
        Addresses of each kind, in both families.
        """
        for text, scope in (
            ("/ip4/127.0.0.1/tcp/1", Scope.LOOPBACK),
            ("/ip4/127.9.9.9", Scope.LOOPBACK),
            ("/ip6/::1/tcp/1", Scope.LOOPBACK),
            ("/ip6/::ffff:127.0.0.1", Scope.LOOPBACK),
            ("/ip4/169.254.1.1", Scope.LINK_LOCAL),
            ("/ip6/fe80::1", Scope.LINK_LOCAL),
            ("/ip6zone/eth0/ip6/fe80::1/tcp/1", Scope.LINK_LOCAL),
            ("/ip4/10.1.2.3", Scope.PRIVATE),
            ("/ip4/172.16.0.1", Scope.PRIVATE),
            ("/ip4/192.168.1.1", Scope.PRIVATE),
            ("/ip4/100.64.0.1", Scope.PRIVATE),
            ("/ip6/fd00::1", Scope.PRIVATE),
            ("/ip6/::ffff:10.0.0.1", Scope.PRIVATE),
            ("/ip4/8.8.8.8/udp/1/quic-v1", Scope.PUBLIC),
            ("/ip6/2606:4700::1111", Scope.PUBLIC),
            ("/ip6/::ffff:8.8.8.8", Scope.PUBLIC),
            ("/ip4/0.0.0.0", Scope.UNKNOWN),
            ("/ip6/::", Scope.UNKNOWN),
            ("/ip4/224.0.0.1", Scope.UNKNOWN),
            ("/ip6/ff02::1", Scope.UNKNOWN),
            ("/dns/localhost/tcp/1", Scope.UNKNOWN),
            ("/memory/1", Scope.UNKNOWN),
            ("/p2p-circuit/ip4/8.8.8.8", Scope.UNKNOWN),
            ("/ip4/0.1.2.3", Scope.UNKNOWN),
            ("/ip4/240.0.0.1", Scope.PRIVATE),
            ("/ip4/255.255.255.255", Scope.UNKNOWN),
            ("/ip6/::ffff:0.0.0.0", Scope.UNKNOWN),
            ("/ip6/fec0::1", Scope.PRIVATE),
            ("/ip6/::10.0.0.1", Scope.PRIVATE),
            ("/ip6/64:ff9b::127.0.0.1", Scope.LOOPBACK),
            ("/ip6/64:ff9b::8.8.8.8", Scope.PUBLIC),
            ("/ip6/64:ff9b:1::1", Scope.UNKNOWN),
            ("/ip6/2002:7f00:1::1", Scope.LOOPBACK),
            ("/ip6/2002:a00:1::1", Scope.PRIVATE),
            ("/ip6/2002:808:808::1", Scope.PUBLIC),
            ("/ip6/2001:0:808:808::80ff:fffe", Scope.LOOPBACK),
            ("/ip6/2606:4700::5efe:10.0.0.1", Scope.PRIVATE),
        ):
            self.assertIs(Scope.of(Multiaddr(text)), scope, text)


class UnmappedTests(SynchronousTestCase):
    """
    IPv4 addresses that are written as IPv6.
    """

    def test_mapped(self) -> None:
        """
        They become IPv4, and keep what follows.
        """
        for text, expected in (
            ("/ip6/::ffff:192.0.2.1", "/ip4/192.0.2.1"),
            ("/ip6/::ffff:c000:201/tcp/1/ws", "/ip4/192.0.2.1/tcp/1/ws"),
            ("/ip6zone/eth0/ip6/::ffff:192.0.2.1/tcp/1", "/ip4/192.0.2.1/tcp/1"),
        ):
            self.assertEqual(str(unmapped(Multiaddr(text))), expected)

    def test_others(self) -> None:
        """
        Any other address is the same afterwards.
        """
        for text in (
            "/ip4/192.0.2.1/tcp/1",
            "/ip6/::1/tcp/1",
            "/ip6/::fffe:192.0.2.1/tcp/1",
            "/ip6/64:ff9b::192.0.2.1/tcp/1",
            "/ip6zone/eth0/ip6/fe80::1/tcp/1",
            "/dns/a/tcp/1/ip6/::ffff:192.0.2.1",
            "/memory/1",
        ):
            self.assertEqual(unmapped(Multiaddr(text)), Multiaddr(text))


class WildcardTests(SynchronousTestCase):
    """
    A wildcard stands for the addresses of the host.
    """

    def adapters(self) -> list[Adapter]:
        """
        The adapters of an ordinary host.
        """
        return [
            Adapter(
                "lo", "lo", [IP("127.0.0.1", 8, "lo"), IP(("::1", 0, 0), 128, "lo")]
            ),
            Adapter(
                "eth0",
                "eth0",
                [
                    IP("192.168.1.2", 24, "eth0"),
                    IP(("fd00::2", 0, 0), 64, "eth0"),
                    IP(("fe80::2", 0, 4), 64, "eth0"),
                ],
            ),
            Adapter("eth1", "eth1", [IP("192.168.1.2", 24, "eth1")]),
        ]

    def assertAddresses(self, text: str, expected: list[str]) -> None:
        """
        Assert what an address stands for.
        """
        found = interfaceAddresses(Multiaddr(text), self.adapters)
        self.assertEqual(list(map(str, found)), expected)

    def test_isWildcard(self) -> None:
        """
        Both families have one wildcard.
        """
        for text, expected in (
            ("/ip4/0.0.0.0/tcp/1", True),
            ("/ip6/::/tcp/1", True),
            ("/ip4/0.0.0.1/tcp/1", False),
            ("/ip6/::1/tcp/1", False),
            ("/ip6/::ffff:0.0.0.0/tcp/1", False),
            ("/ip6zone/eth0/ip6/::/tcp/1", False),
            ("/dns4/0.0.0.0/tcp/1", False),
        ):
            self.assertIs(isWildcard(Multiaddr(text)), expected, text)

    def test_ip4(self) -> None:
        """
        0.0.0.0 stands for every IPv4 address, once.
        """
        self.assertAddresses(
            "/ip4/0.0.0.0/tcp/4001/ws",
            ["/ip4/127.0.0.1/tcp/4001/ws", "/ip4/192.168.1.2/tcp/4001/ws"],
        )

    def test_ip6(self) -> None:
        """
        C{::} stands for every IPv6 address that means the same elsewhere.
        """
        self.assertAddresses(
            "/ip6/::/udp/4001/quic-v1",
            ["/ip6/::1/udp/4001/quic-v1", "/ip6/fd00::2/udp/4001/quic-v1"],
        )

    def test_only(self) -> None:
        """
        A wildcard may be all of an address.
        """
        self.assertAddresses("/ip4/0.0.0.0", ["/ip4/127.0.0.1", "/ip4/192.168.1.2"])

    def test_noWildcard(self) -> None:
        """
        Any other address stands for itself.
        """
        for text in ("/ip4/192.0.2.1/tcp/1", "/dns/a/tcp/1", "/unix/a"):
            self.assertAddresses(text, [text])

    def test_notListed(self) -> None:
        """
        Adapters that cannot be listed, for whatever reason, are an error of the
        system; any other address needs none.
        """
        for problem in (OSError(13, "denied"), AssertionError("no netmask")):

            def adapters(problem: Exception = problem) -> list[Adapter]:
                raise problem

            wildcard = Multiaddr("/ip4/0.0.0.0/tcp/1")
            error = self.assertRaises(OSError, interfaceAddresses, wildcard, adapters)
            self.assertIn(str(problem), str(error))
            other = Multiaddr("/ip4/192.0.2.1/tcp/1")
            self.assertEqual(interfaceAddresses(other, adapters), [other])

    def test_thisHost(self) -> None:
        """
        Without adapters of a test, those of the host are asked.
        """
        found = interfaceAddresses(Multiaddr("/ip4/0.0.0.0/tcp/1"))
        self.assertIn(Multiaddr("/ip4/127.0.0.1/tcp/1"), found)
