# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.autotls.names}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.autotls.names import PeerNames
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID

#: The example of the specification's vectors.
PEER = "12D3KooWATZi2wFwQxQ14Z3q24TDNWKap6f8W5ryLE6Da4RMfsxy"
LABEL = "k51qzi5uqu5dgf513xbrfjl4smgo2eh1x8p8y6grzsf1oz0reiy56p65tds3s6"
ZONE = f"{LABEL}.libp2p.direct"


class PeerNamesTests(SynchronousTestCase):
    """
    Names and addresses.
    """

    def setUp(self) -> None:
        """
        Make the names of a peer.
        """
        self.names = PeerNames(PeerID.of(PEER), "libp2p.direct")

    def test_wildcard(self) -> None:
        """
        The certificate is for all names of the peer.
        """
        self.assertEqual(self.names.wildcard, f"*.{ZONE}")

    def test_addresses(self) -> None:
        """
        The name of an IP address has hyphens, as p2p-forge writes it.
        """
        for host, label in (
            ("1.2.3.4", "1-2-3-4"),
            ("2001:db8::1", "2001-db8--1"),
            ("::1", "0--1"),
            ("2001:db8::", "2001-db8--0"),
            ("::", "0--0"),
        ):
            self.assertEqual(self.names.of(host), f"{label}.{ZONE}")

    def test_named(self) -> None:
        """
        All forms of a secure WebSocket become one; the name follows the address.
        """
        wanted = f"/ip4/1.2.3.4/tcp/4001/tls/sni/1-2-3-4.{ZONE}/ws"
        for kind in ("wss", "tls/ws", f"tls/sni/10-0-0-1.{ZONE}/ws"):
            address = Multiaddr(f"/ip4/1.2.3.4/tcp/4001/{kind}")
            self.assertTrue(self.names.needs(address))
            self.assertEqual(str(self.names.named(address)), wanted)
        longer = Multiaddr("/ip4/1.2.3.4/tcp/4001/tls/ws/http-path/a%2Fb")
        self.assertEqual(str(self.names.named(longer)), f"{wanted}/http-path/a%2Fb")

    def test_others(self) -> None:
        """
        Other addresses stay as they are.
        """
        for text in (
            "/ip4/1.2.3.4/tcp/4001",
            "/ip4/1.2.3.4/tcp/4001/ws",
            "/ip4/1.2.3.4/udp/4001/quic-v1",
            "/dns4/example.com/tcp/443/tls/ws",
            "/ip4/1.2.3.4/tcp/443/tls/sni/example.com/ws",
        ):
            self.assertFalse(self.names.needs(Multiaddr(text)), text)

    def test_domains(self) -> None:
        """
        A malformed domain is refused.
        """
        for domain in ("", "localhost", "Example.com", "a..b", "*.a.b", "a b.c"):
            self.assertRaises(ConfigurationError, PeerNames, PeerID.of(PEER), domain)
