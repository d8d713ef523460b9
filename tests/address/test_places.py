# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.address.places}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.address.places import endOf


class EndTests(SynchronousTestCase):
    """
    The end of a transport over IP.
    """

    def test_end(self) -> None:
        """
        It is the IP address and the port at the beginning, without all that follows.
        """
        for end in (
            "/ip4/192.0.2.1/tcp/1",
            "/ip4/192.0.2.1/udp/1",
            "/ip6/2001:db8::1/tcp/65535",
            "/ip6/2001:db8::1/udp/1",
        ):
            for layers in ("", "/ws", "/quic-v1/webtransport"):
                found = endOf(Multiaddr(end + layers))
                self.assertEqual(found, Multiaddr(end), end + layers)

    def test_none(self) -> None:
        """
        Other addresses have none.
        """
        for text in (
            "/ip4/192.0.2.1",
            "/ip4/192.0.2.1/ws/tcp/1",
            "/dns4/a/tcp/1",
            "/ip6zone/eth0/ip6/fe80::1/tcp/1",
            "/unix/tmp%2Fsocket",
        ):
            self.assertIsNone(endOf(Multiaddr(text)), text)
