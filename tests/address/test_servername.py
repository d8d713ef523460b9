# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.address.servername}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.address.servername import withServerName


class NameTests(SynchronousTestCase):
    """
    The name of a resolved host stays in the address, where TLS needs it.
    """

    def named(self, rest: str) -> str:
        """
        Name a server in an address.
        """
        return str(withServerName(Multiaddr(rest), "example.com"))

    def test_webSockets(self) -> None:
        """
        Each form of a WebSocket over TLS gets the name, and keeps what follows.
        """
        for rest, wanted in (
            ("/tcp/443/wss", "/tcp/443/tls/sni/example.com/ws"),
            ("/tcp/443/tls/ws", "/tcp/443/tls/sni/example.com/ws"),
            ("/wss", "/tls/sni/example.com/ws"),
            (
                "/tcp/1/wss/http-path/a%2Fb",
                "/tcp/1/tls/sni/example.com/ws/http-path/a%2Fb",
            ),
        ):
            self.assertEqual(self.named(rest), wanted)

    def test_others(self) -> None:
        """
        All other addresses, and those that name a server, stay as they are.
        """
        for rest in (
            "/tcp/4001",
            "/tcp/80/ws",
            "/udp/4001/quic-v1",
            "/tcp/443/tls/sni/other.example/ws",
            "/tcp/443/tls",
        ):
            self.assertEqual(self.named(rest), rest)

    def test_tooLong(self) -> None:
        """
        A name that makes the address too long is left out.
        """
        rest = Multiaddr("/tcp/443/wss")
        self.assertEqual(withServerName(rest, "a" * 1020), rest)
