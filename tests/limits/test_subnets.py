# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the networks that connections come from.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError, LimitExceeded
from twisted_libp2p.limits.subnets import (
    EXEMPT,
    MAX_REMEMBERED,
    SUBNETS,
    SubnetLimit,
    Subnets,
    hostOf,
    parseNetwork,
)


class SubnetsTests(SynchronousTestCase):
    """
    Connections are counted by network.
    """

    def setUp(self) -> None:
        """
        Have the defaults.
        """
        self.clock = Clock()
        self.subnets = Subnets(SUBNETS, EXEMPT, self.clock.seconds)

    def enter(self, address: str) -> None:
        """
        Come from an address, if it is allowed.
        """
        subnets = self.subnets.of(Multiaddr(address))
        self.subnets.check(subnets)
        self.subnets.enter(subnets)

    def leave(self, address: str) -> None:
        """
        End a connection from an address.
        """
        self.subnets.leave(self.subnets.of(Multiaddr(address)))

    def visit(self, address: str) -> None:
        """
        Come, and go at once.
        """
        self.enter(address)
        self.leave(address)

    def test_address(self) -> None:
        """
        The ninth connection from an IPv4 address is refused, whatever its port;
        the error names the network and the option.  Its neighbour gets in.
        """
        for port in range(8):
            self.enter(f"/ip4/192.0.2.1/tcp/{1000 + port}")
        error = self.assertRaises(LimitExceeded, self.enter, "/ip4/192.0.2.1/tcp/1")
        self.assertEqual(
            str(error),
            "inbound connections from 192.0.2.1/32: 8 of 8 in use;"
            " the limit is set by Limits.subnets",
        )
        self.enter("/ip4/192.0.2.2/tcp/1")

    def test_site(self) -> None:
        """
        All IPv6 addresses of a site, a /56, count together.
        """
        for number in range(8):
            self.enter(f"/ip6/2001:db8:0:{number}::1/tcp/1")
        error = self.assertRaises(
            LimitExceeded, self.enter, "/ip6/2001:db8:0:ff::1/tcp/1"
        )
        self.assertEqual(error.scope, "inbound connections from 2001:db8::/56")
        self.enter("/ip6/2001:db8:0:100::1/tcp/1")

    def test_provider(self) -> None:
        """
        All sites of a /48 count together as well, up to 64.
        """
        for number in range(64):
            self.enter(f"/ip6/2001:db8:0:{number << 8:x}::1/tcp/1")
        error = self.assertRaises(
            LimitExceeded, self.enter, "/ip6/2001:db8:0:ff00::1/tcp/1"
        )
        self.assertEqual(error.limit, 64)
        self.enter("/ip6/2001:db8:1::1/tcp/1")

    def test_mapped(self) -> None:
        """
        An IPv4 address is one, in whatever form it comes.
        """
        for _ in range(8):
            self.enter("/ip6/::ffff:192.0.2.1/tcp/1")
        self.assertRaises(LimitExceeded, self.enter, "/ip4/192.0.2.1/tcp/1")

    def test_loopback(self) -> None:
        """
        Loopback is not counted.
        """
        for address in ("/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1"):
            self.assertEqual(self.subnets.of(Multiaddr(address)), [])

    def test_mappedNetwork(self) -> None:
        """
        An IPv4 address that is mapped into IPv6 is counted, and exempt, as IPv4.
        """
        self.assertEqual(
            self.subnets.of(Multiaddr("/ip6/::ffff:192.0.2.1/tcp/1")),
            self.subnets.of(Multiaddr("/ip4/192.0.2.1/tcp/1")),
        )
        mapped = Multiaddr("/ip6/::ffff:127.0.0.1/tcp/1")
        self.assertEqual(self.subnets.of(mapped), [])
        self.assertEqual(
            parseNetwork("::ffff:10.0.0.0/104"), parseNetwork("10.0.0.0/8")
        )

    def test_noAddress(self) -> None:
        """
        What has no IP address, or not its own, is not counted.
        """
        self.assertEqual(self.subnets.of(None), [])
        for address in (
            "/memory/1",
            "/dns4/example.com/tcp/1",
            "/ip4/192.0.2.1/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"
            "/p2p-circuit",
        ):
            self.assertEqual(self.subnets.of(Multiaddr(address)), [], address)

    def test_zone(self) -> None:
        """
        A zone in front of an address does not hide it.
        """
        self.assertEqual(
            hostOf(Multiaddr("/ip6zone/eth0/ip6/fe80::1/tcp/1")), (6, 0xFE80 << 112 | 1)
        )

    def test_leave(self) -> None:
        """
        When all have left nothing is remembered.
        """
        for _ in range(2):
            self.enter("/ip6/2001:db8::1/tcp/1")
        subnets = self.subnets.of(Multiaddr("/ip6/2001:db8::1/tcp/1"))
        self.subnets.leave(subnets)
        self.assertEqual(list(self.subnets.counts.values()), [1, 1])
        self.subnets.leave(subnets)
        self.assertEqual(self.subnets.counts, {})

    def test_fast(self) -> None:
        """
        Attack 14: sixteen connections may come from an address at once, even if
        none lasts, and then one in five seconds.
        """
        for _ in range(16):
            self.visit("/ip4/192.0.2.1/tcp/1")
        error = self.assertRaises(LimitExceeded, self.visit, "/ip4/192.0.2.1/tcp/1")
        self.assertEqual(error.scope, "recent inbound connections from 192.0.2.1/32")
        self.assertEqual(error.limit, 16)
        self.visit("/ip4/192.0.2.2/tcp/1")
        self.clock.advance(5)
        self.visit("/ip4/192.0.2.1/tcp/1")
        self.assertRaises(LimitExceeded, self.visit, "/ip4/192.0.2.1/tcp/1")

    def test_fastSites(self) -> None:
        """
        The sites of a /48 have eighty of them together, and one in two seconds.
        """
        for number in range(80):
            self.visit(f"/ip6/2001:db8:0:{number << 8:x}::1/tcp/1")
        error = self.assertRaises(
            LimitExceeded, self.visit, "/ip6/2001:db8:0:ff00::1/tcp/1"
        )
        self.assertEqual(error.limit, 80)
        self.clock.advance(2)
        self.visit("/ip6/2001:db8:0:ff00::1/tcp/1")

    def test_refusedIsFree(self) -> None:
        """
        Who is refused for having too many does not lose what he may do later.
        """
        for _ in range(8):
            self.enter("/ip4/192.0.2.1/tcp/1")
        for _ in range(100):
            self.assertRaises(LimitExceeded, self.enter, "/ip4/192.0.2.1/tcp/1")
        for _ in range(8):
            self.leave("/ip4/192.0.2.1/tcp/1")
        for _ in range(8):
            self.visit("/ip4/192.0.2.1/tcp/1")

    def test_forgotten(self) -> None:
        """
        Who has not come for long is forgotten, and so is who came first when
        many come.
        """
        self.visit("/ip4/192.0.2.1/tcp/1")
        self.clock.advance(5.1)
        self.visit("/ip4/192.0.2.2/tcp/1")
        self.assertEqual(len(self.subnets._allowances), 1)
        for number in range(MAX_REMEMBERED + 10):
            self.visit(f"/ip4/10.0.{number >> 8}.{number & 255}/tcp/1")
        self.assertEqual(len(self.subnets._allowances), MAX_REMEMBERED)

    def test_options(self) -> None:
        """
        Other networks may be counted, and others be exempt; how fast connections
        come does not matter unless that is said.
        """
        self.subnets = Subnets(
            [SubnetLimit(4, 24, 1)], ["10.0.0.0/8"], self.clock.seconds
        )
        self.enter("/ip4/192.0.2.1/tcp/1")
        self.assertRaises(LimitExceeded, self.enter, "/ip4/192.0.2.200/tcp/1")
        for _ in range(2):
            self.enter("/ip4/10.9.8.7/tcp/1")
            self.enter("/ip6/2001:db8::1/tcp/1")
        for _ in range(1000):
            self.leave("/ip4/192.0.2.1/tcp/1")
            self.enter("/ip4/192.0.2.1/tcp/1")

    def test_impossible(self) -> None:
        """
        A rate at which nobody could come is an error of the configuration, and
        not one of the first who comes.
        """
        for limit in (SubnetLimit(4, 32, 8, 0), SubnetLimit(4, 32, 8, 16, 0.0)):
            error = self.assertRaises(
                ConfigurationError, Subnets, [limit], EXEMPT, self.clock.seconds
            )
            self.assertIn("/32", str(error))

    def test_parse(self) -> None:
        """
        A network is read from text; a host is one of one address; anything else
        is an error of the configuration.
        """
        self.assertEqual(parseNetwork("192.0.2.0/24"), (4, 24, 0xC00002))
        self.assertEqual(parseNetwork("::1"), (6, 128, 1))
        for text in ("192.0.2.1/24", "a.b", ""):
            self.assertRaises(ConfigurationError, parseNetwork, text)
