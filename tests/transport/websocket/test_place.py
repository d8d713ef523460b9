# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.transport.websocket.place}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.transport.websocket.place import Place


class PlaceTests(SynchronousTestCase):
    """
    The multiaddrs of WebSockets.
    """

    def test_forms(self) -> None:
        """
        Each form is read: the port below, the kind, TLS, the name, the port, the path.
        """
        for text, below, kind, secure, host, port, path in (
            ("/ip4/192.0.2.1/tcp/1/ws", "/ip4/192.0.2.1/tcp/1", "/ws", False,
             "192.0.2.1", 1, None),
            ("/ip6/2001:db8::1/tcp/1/wss", "/ip6/2001:db8::1/tcp/1", "/wss", True,
             "2001:db8::1", 1, None),
            ("/dns/example.com/tcp/1/tls/ws", "/dns/example.com/tcp/1", "/tls/ws", True,
             "example.com", 1, None),
            ("/ip4/192.0.2.1/tcp/1/tls/sni/a.b/ws", "/ip4/192.0.2.1/tcp/1",
             "/tls/sni/a.b/ws", True, "a.b", 1, None),
            ("/dns4/a.b/wss", "/dns4/a.b/tcp/443", "/wss", True, "a.b", 443, None),
            ("/dns6/a.b/ws", "/dns6/a.b/tcp/80", "/ws", False, "a.b", 80, None),
            ("/ip6zone/eth0/ip6/fe80::1/tcp/1/ws", "/ip6zone/eth0/ip6/fe80::1/tcp/1",
             "/ws", False, "fe80::1", 1, None),
            ("/dns/a.b/wss/http-path/path%2Fto%20a%3Fb", "/dns/a.b/tcp/443",
             "/wss/http-path/path%2Fto%20a%3Fb", True, "a.b", 443, "/path/to%20a%3Fb"),
            ("/dns/a.b/tcp/1/ws/http-path/%2Fa", "/dns/a.b/tcp/1",
             "/ws/http-path/%2Fa", False, "a.b", 1, "/a"),
        ):  # fmt: skip
            self.assertEqual(
                Place.of(Multiaddr(text)),
                Place(Multiaddr(below), Multiaddr(kind), secure, host, port, path),
                text,
            )

    def test_others(self) -> None:
        """
        Other addresses are none of a WebSocket.
        """
        for text in (
            "/ip4/192.0.2.1/tcp/1",
            "/ip4/192.0.2.1/tcp/1/tls",
            "/ip4/192.0.2.1/udp/1/ws",
            "/ip4/192.0.2.1/tcp/1/ws/p2p-circuit",
            "/ip4/192.0.2.1/tcp/1/sni/a/ws",
            "/ip4/192.0.2.1/tcp/1/ws/ws",
            "/memory/1/ws",
            "/ws",
        ):
            self.assertIsNone(Place.of(Multiaddr(text)), text)
