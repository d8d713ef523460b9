# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.transport.proxies}.
"""

from __future__ import annotations

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import ITrustedProxies
from twisted_libp2p.transport.proxies import TrustedProxies, tcpAddress

PROXY = IPv4Address("TCP", "10.0.0.1", 1)
CLIENT = IPv4Address("TCP", "192.0.2.1", 0)


class ProxiesTests(SynchronousTestCase):
    """
    Trusted networks, and the clients that they state.
    """

    def setUp(self) -> None:
        self.proxies = TrustedProxies(["10.0.0.0/8", "2001:db8::/32", "192.0.2.77"])

    def test_trusts(self) -> None:
        """
        A proxy is trusted for its network alone, also as an IPv4 peer of a socket of
        IPv6.
        """
        verifyObject(ITrustedProxies, self.proxies)
        for address, trusted in (
            (PROXY, True),
            (CLIENT, False),
            (IPv4Address("TCP", "192.0.2.77", 1), True),
            (IPv6Address("TCP", "2001:db8::7", 1), True),
            (IPv6Address("TCP", "2001:db9::7", 1), False),
            (IPv6Address("TCP", "::ffff:10.1.2.3", 1), True),
            (IPv6Address("TCP", "fe80::1%eth0", 1), False),
            (UNIXAddress(b"/10.0.0.1"), False),
            (None, False),
        ):
            self.assertIs(self.proxies.trusts(address), trusted, address)
        self.assertFalse(TrustedProxies().trusts(PROXY))
        self.assertTrue(TrustedProxies("10.0.0.1").trusts(PROXY))

    def test_wrong(self) -> None:
        """
        A text that names no network is refused with one line.
        """
        for text in ("proxy.example", "10.0.0.0/40", ""):
            error = self.assertRaises(ConfigurationError, TrustedProxies, [text])
            self.assertEqual(str(error), f"{text!r} is no network, as 10.0.0.0/8 is")
        error = self.assertRaises(ConfigurationError, TrustedProxies, ["10.0.0.1/8"])
        self.assertEqual(
            str(error),
            "'10.0.0.1/8' is an address in a network: the network is 10.0.0.0/8",
        )

    def test_client(self) -> None:
        """
        The last address that no trusted proxy has is the client's; what the client has
        put before it is not believed.
        """
        for headers, host, port in (
            (["192.0.2.1"], "192.0.2.1", 0),
            (["192.0.2.1:4711"], "192.0.2.1", 4711),
            (["[2001:db9::1]:4711"], "2001:db9::1", 4711),
            (["2001:db9::1"], "2001:db9::1", 0),
            (["203.0.113.9, 192.0.2.1"], "192.0.2.1", 0),
            (["203.0.113.9", "192.0.2.1"], "192.0.2.1", 0),
            (["10.9.9.9, 192.0.2.1"], "192.0.2.1", 0),
            (["203.0.113.9, 192.0.2.1, 10.0.0.2, 2001:db8::1"], "192.0.2.1", 0),
            (["10.0.0.3, 10.0.0.2"], "10.0.0.3", 0),
            (["192.0.2.1, unknown"], "10.0.0.1", 1),
            (["192.0.2.1, fe80::1%/a"], "10.0.0.1", 1),
            (["192.0.2.1, 192.0.2.2:x"], "10.0.0.1", 1),
            (["192.0.2.1:99999"], "10.0.0.1", 1),
            (["192.0.2.1, "], "10.0.0.1", 1),
            ([""], "10.0.0.1", 1),
            ([], "10.0.0.1", 1),
        ):
            self.assertEqual(
                self.proxies.client(PROXY, headers), tcpAddress(host, port), headers
            )

    def test_stranger(self) -> None:
        """
        Other peers are not believed at all.
        """
        self.assertEqual(self.proxies.client(CLIENT, ["203.0.113.9"]), CLIENT)
