# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the filter of addresses that peers name.
"""

from __future__ import annotations

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.address.spellings import farIPv4, literals, names, nearIPv4
from tests.examples import drawn
from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.address.origin import spelledIP

PEER = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"


class OfTests(SynchronousTestCase):
    """
    Where a peer is decides what it may name.
    """

    def test_of(self) -> None:
        """
        A peer on this host, in our networks, and anywhere else.
        """
        for text, expected in (
            ("/ip4/127.0.0.1/tcp/1", Origin.HOST),
            ("/ip6/::1/tcp/1", Origin.HOST),
            ("/ip6/::ffff:127.0.0.1/tcp/1", Origin.HOST),
            ("/memory/1", Origin.HOST),
            ("/unix/a", Origin.HOST),
            ("/ip4/10.0.0.1/tcp/1", Origin.NETWORK),
            ("/ip4/169.254.1.1/tcp/1", Origin.NETWORK),
            ("/ip6zone/eth0/ip6/fe80::1/tcp/1", Origin.NETWORK),
            ("/ip6/fd00::1/tcp/1", Origin.NETWORK),
            ("/ip4/8.8.8.8/tcp/1", Origin.PUBLIC),
            ("/ip6/2606:4700::1111/tcp/1", Origin.PUBLIC),
            ("/dns4/localhost/tcp/1", Origin.PUBLIC),
            (f"/p2p/{PEER}", Origin.PUBLIC),
            (f"/ip4/127.0.0.1/tcp/1/p2p/{PEER}/p2p-circuit", Origin.PUBLIC),
        ):
            self.assertIs(Origin.of(Multiaddr(text)), expected, text)
        self.assertIs(Origin.of(None), Origin.PUBLIC)


class RefusalTests(SynchronousTestCase):
    """
    Which addresses each origin may name.
    """

    def assertLeast(self, text: str, least: Origin) -> None:
        """
        Assert which is the least origin that may name an address.
        """
        for origin in Origin:
            refusal = origin.refusal(Multiaddr(text))
            self.assertEqual(refusal is None, origin >= least, (text, origin))
            self.assertNotIn("\n", refusal or "")

    def test_least(self) -> None:
        """
        Public addresses and names may be named by all; private ones from within
        private networks, loopback by this host; what is no host by our user alone.
        """
        for text, least in (
            ("/ip4/8.8.8.8/tcp/1", Origin.PUBLIC),
            ("/ip6/2606:4700::1111/tcp/1", Origin.PUBLIC),
            ("/ip6/64:ff9b::8.8.8.8/tcp/1", Origin.PUBLIC),
            ("/ip6/2002:808:808::1/tcp/1", Origin.PUBLIC),
            ("/dns4/example.org/tcp/1", Origin.PUBLIC),
            ("/dnsaddr/example.org", Origin.PUBLIC),
            ("/dnsaddr/127.0.0.1", Origin.PUBLIC),
            (f"/p2p/{PEER}/p2p-circuit", Origin.PUBLIC),
            ("/ip4/10.0.0.1/tcp/1", Origin.NETWORK),
            ("/ip4/169.254.7.7/tcp/1", Origin.NETWORK),
            ("/ip4/240.0.0.1/tcp/1", Origin.NETWORK),
            ("/ip6/fec0::1/tcp/1", Origin.NETWORK),
            ("/ip6/fd00::1/tcp/1", Origin.NETWORK),
            ("/ip6/fe80::1/tcp/1", Origin.NETWORK),
            ("/ip6/4000::1/tcp/1", Origin.NETWORK),
            ("/dns/10.0.0.1/tcp/1", Origin.NETWORK),
            ("/ip4/127.0.0.1/tcp/1", Origin.HOST),
            ("/ip6/::1/tcp/1", Origin.HOST),
            ("/ip6/::127.0.0.1/tcp/1", Origin.HOST),
            ("/ip6zone/lo/ip6/::1/tcp/1", Origin.HOST),
            (f"/ip4/127.0.0.1/tcp/1/p2p/{PEER}/p2p-circuit", Origin.HOST),
            ("/dns/localhost/tcp/1", Origin.HOST),
            ("/dns4/LocalHost./tcp/1", Origin.HOST),
            ("/dns6/a.localhost/tcp/1", Origin.HOST),
            ("/dns4/127.1/tcp/1", Origin.HOST),
            ("/dns4/2130706433/tcp/1", Origin.HOST),
            ("/dns4/0x7f.0.0.1/tcp/1", Origin.HOST),
            ("/dns4/0177.0.0.1/tcp/1", Origin.HOST),
            ("/dns6/::1/tcp/1", Origin.HOST),
            ("/memory/1", Origin.HOST),
            ("/unix/a", Origin.HOST),
            ("/ip4/0.0.0.0/tcp/1", Origin.OWN),
            ("/ip4/0.1.2.3/tcp/1", Origin.OWN),
            ("/ip6/::/tcp/1", Origin.OWN),
            ("/ip6/::ffff:0.0.0.0/tcp/1", Origin.OWN),
            ("/ip6/64:ff9b::/tcp/1", Origin.OWN),
            ("/dns4/0/tcp/1", Origin.OWN),
            ("/ip4/224.0.0.1/tcp/1", Origin.OWN),
            ("/ip4/255.255.255.255/tcp/1", Origin.OWN),
            ("/ip6/ff02::1/tcp/1", Origin.OWN),
            ("/ip4/8.8.8.8/tcp/0", Origin.OWN),
            ("/ip4/8.8.8.8/udp/0/quic-v1", Origin.OWN),
            ("/ip6zone/lo/ip6/fe80::1/tcp/0", Origin.OWN),
            ("/dns4/example.org/tcp/0/ws", Origin.OWN),
            ("/ip4/169.254.169.254/tcp/80", Origin.OWN),
            ("/ip6/::ffff:169.254.169.254/tcp/80", Origin.OWN),
            ("/ip6/64:ff9b::169.254.169.254/tcp/80", Origin.OWN),
            ("/dns4/2852039166/tcp/80", Origin.OWN),
        ):
            self.assertLeast(text, least)

    @drawn(100, st.data())
    def test_spellings(self, data: st.DataObject) -> None:
        """
        However an address within is written, no peer outside may name it; and what
        leads outside is dialed.
        """
        near = data.draw(nearIPv4)
        literal = data.draw(literals(near))
        name = Multiaddr(f"/dns4/{data.draw(names(near))}")
        for address in (literal, name):
            full = address.encapsulate(Multiaddr("/tcp/4001"))
            self.assertIsNotNone(Origin.PUBLIC.refusal(full), (near, full))
        far = data.draw(farIPv4)
        for address in (
            Multiaddr(f"/ip4/{far}/tcp/1"),
            Multiaddr(f"/dns4/{data.draw(names(far))}/tcp/1"),
        ):
            self.assertIsNone(Origin.PUBLIC.refusal(address), (far, address))


class SpelledTests(SynchronousTestCase):
    """
    Names that are addresses.
    """

    def test_names(self) -> None:
        """
        Any other name spells none.
        """
        for name in ("example.org", "a_b", "127.1.example", "localhost.example", "x"):
            self.assertIsNone(spelledIP(name), name)
        for name in ("", ".", "…", "\u0661", "0x", "1.2.3.4.5", "99999999999"):
            self.assertIn(spelledIP(name), (None, b"\0\0\0\1"), name)
        self.assertEqual(spelledIP("8.8.8.8."), b"\x08\x08\x08\x08")
