# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the choice of a transport.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.connection.choice import TransportChoice, literal
from twisted_libp2p.transport import MemoryNetwork, MemoryTransport, TCPTransport


class ProxyTransport(MemoryTransport):
    """
    A transport that dials names alone, as one does that asks a proxy.
    """

    def canDial(self, address: Multiaddr) -> bool:
        """
        Dial names.
        """
        return address.names == ("dns4", "tcp")


class ChoiceTests(SynchronousTestCase):
    """
    The first transport that dials an address is chosen.
    """

    def setUp(self) -> None:
        """
        Have several transports.
        """
        network = MemoryNetwork(Clock())
        self.tcp: Any = TCPTransport(Clock())
        self.memory: Any = MemoryTransport(network)
        self.proxy: Any = ProxyTransport(network)

    def find(self, text: str, *transports: Any, origin: Origin = Origin.OWN) -> Any:
        """
        Choose among transports.
        """
        return TransportChoice(transports).find(Multiaddr(text), origin)

    def test_first(self) -> None:
        """
        Each address has its transport, or none.
        """
        both = (self.tcp, self.memory)
        self.assertIs(self.find("/ip4/192.0.2.1/tcp/1", *both), self.tcp)
        self.assertIs(self.find("/memory/1", *both), self.memory)
        self.assertIsNone(self.find("/ip4/192.0.2.1/udp/1", *both))

    def test_names(self) -> None:
        """
        A name is resolved here for a transport that dials IP addresses.
        """
        address = Multiaddr("/dns4/a.example/tcp/1")
        choice = TransportChoice((self.proxy, self.tcp))
        self.assertIs(choice.find(address, Origin.OWN), self.tcp)
        self.assertTrue(choice.resolves(address, self.tcp))
        self.assertFalse(choice.resolves(address, self.proxy))
        self.assertFalse(choice.resolves(Multiaddr("/memory/1"), self.memory))

    def test_proxy(self) -> None:
        """
        A transport that dials names alone gets those of our own user only: the address
        to which it connects cannot be judged.
        """
        text = "/dns4/a.example/tcp/1"
        self.assertIs(self.find(text, self.proxy), self.proxy)
        self.assertIsNone(self.find(text, self.proxy, origin=Origin.PUBLIC))

    def test_dials(self) -> None:
        """
        A C{/dnsaddr} can be dialed in any case.
        """
        choice = TransportChoice((self.memory,))
        self.assertTrue(choice.dials(Multiaddr("/dnsaddr/a.example")))
        self.assertFalse(choice.dials(Multiaddr("/ip4/192.0.2.1/tcp/1")))

    def test_literal(self) -> None:
        """
        IP addresses of both families, with and without a zone, become multiaddrs.
        """
        for host, text in (
            ("192.0.2.1", "/ip4/192.0.2.1"),
            ("2001:db8::1", "/ip6/2001:db8::1"),
            ("fe80::1%eth0", "/ip6zone/eth0/ip6/fe80::1"),
        ):
            self.assertEqual(str(literal(host)), text)
