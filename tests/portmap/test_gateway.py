# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.portmap.gateway} and L{twisted_libp2p.portmap.ports}.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import ifaddr
from twisted.trial.unittest import SynchronousTestCase

from tests.portmap.gateways import GATEWAY
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.portmap.gateway import defaultGateway, defaultRoutes
from twisted_libp2p.portmap.lease import Gateway, IPProtocol, Lease, Port
from twisted_libp2p.portmap.ports import MAX_PORTS, publicAddresses, wantedPorts

ROUTES = """\
Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
tun0 00000000 00000000 0001 0 0 0 00000000 0 0 0
eth0 0000010A 00000000 0001 0 0 0 00FFFFFF 0 0 0
wlan0 00000000 0100020A 0003 0 0 600 00000000 0 0 0
eth0 00000000 0100010A 0003 0 0 100 00000000 0 0 0
down 00000000 0100030A 0002 0 0 1 00000000 0 0 0
broken
"""


def adapters(*addresses: str) -> list[ifaddr.Adapter]:
    """
    Return one adapter for each address and length of its network.
    """
    found = []
    for each in addresses:
        host, _, prefix = each.partition("/")
        ip = ifaddr.IP(host, int(prefix), "x")
        found.append(ifaddr.Adapter("x", "x", [ip]))
    return found


class GatewayTests(SynchronousTestCase):
    """
    The gateway of this host.
    """

    def write(self, text: str) -> str:
        """
        Write a table of routes.
        """
        path = Path(self.mktemp())
        path.write_text(text)
        return str(path)

    def test_routes(self) -> None:
        """
        The default routes that are up and lead to a gateway, by their metric.
        """
        self.assertEqual(
            list(defaultRoutes(ROUTES)),
            [IPv4Address("10.1.0.1"), IPv4Address("10.2.0.1")],
        )
        self.assertEqual(list(defaultRoutes("")), [])

    def test_found(self) -> None:
        """
        The first gateway in a network of ours, with our address there.
        """
        path = self.write(ROUTES)
        both = adapters("127.0.0.1/8", "10.2.0.7/24", "10.1.0.2/24")
        self.assertEqual(defaultGateway(path, lambda: both), GATEWAY)
        one = adapters("127.0.0.1/8", "10.2.0.7/24")
        self.assertEqual(
            defaultGateway(path, lambda: one),
            Gateway(IPv4Address("10.2.0.1"), IPv4Address("10.2.0.7")),
        )
        none = adapters("127.0.0.1/8", "192.168.1.7/24")
        self.assertIsNone(defaultGateway(path, lambda: none))
        self.assertIsNone(defaultGateway(self.write("Iface\n"), lambda: both))

    def test_noTable(self) -> None:
        """
        Without a table of routes the first address of a private network is taken.
        """
        path = self.mktemp()
        mixed = adapters(
            "8.8.8.8/24", "192.168.1.7/32", "192.168.1.1/24", "10.1.0.2/24"
        )
        self.assertEqual(defaultGateway(path, lambda: mixed), GATEWAY)
        self.assertIsNone(defaultGateway(path, lambda: adapters("8.8.8.8/24")))

    def test_here(self) -> None:
        """
        The tables of this machine can be read.
        """
        found = defaultGateway()
        self.assertTrue(found is None or found.address != found.local)


class PortsTests(SynchronousTestCase):
    """
    The ports to map, and the addresses of their mappings.
    """

    BOUND = tuple(
        map(
            Multiaddr,
            (
                "/ip4/127.0.0.1/tcp/4001",
                "/ip4/10.1.0.2/tcp/4001",
                "/ip4/10.1.0.2/tcp/4001/ws",
                "/ip4/10.1.0.2/udp/4001/quic-v1",
                "/ip4/10.9.0.2/tcp/4002",
                "/ip6/::1/tcp/4001",
                "/unix/%2Ftmp%2Fs",
            ),
        )
    )
    TCP = Port(IPProtocol.TCP, 4001)
    UDP = Port(IPProtocol.UDP, 4001)

    def test_wanted(self) -> None:
        """
        The ports in the network of the gateway are mapped, each once.
        """
        self.assertEqual(wantedPorts(self.BOUND, GATEWAY), [self.TCP, self.UDP])
        many = [Multiaddr(f"/ip4/10.1.0.2/tcp/{each}") for each in range(1, 100)]
        self.assertEqual(len(wantedPorts(many, GATEWAY)), MAX_PORTS)

    def test_public(self) -> None:
        """
        The rest of each address stays.
        """
        lease = Lease(IPv4Address("45.45.0.1"), 5001, 60)
        self.assertEqual(
            list(map(str, publicAddresses(self.BOUND, GATEWAY, self.TCP, lease))),
            ["/ip4/45.45.0.1/tcp/5001", "/ip4/45.45.0.1/tcp/5001/ws"],
        )
        self.assertEqual(
            list(map(str, publicAddresses(self.BOUND, GATEWAY, self.UDP, lease))),
            ["/ip4/45.45.0.1/udp/5001/quic-v1"],
        )
