# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.tunnel.prefaces}.
"""

from __future__ import annotations

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.vectors import vector
from twisted_libp2p.address import PeerAddress
from twisted_libp2p.errors import ConfigurationError, ProtocolViolation
from twisted_libp2p.transport.proxyheader import readProxyHeader
from twisted_libp2p.tunnel.head import MAX_HEAD
from twisted_libp2p.tunnel.prefaces import (
    PEER_FIELD,
    HttpPreface,
    ProxyPreface,
    naming,
)

PEER = vector("key.test_identity_01")["peer_id"]


class ProxyTests(SynchronousTestCase):
    """
    The PROXY protocol.
    """

    def header(self, address: str | None) -> tuple[bytes, tuple[str, int] | None]:
        """
        Return the header for a peer, and the client that it states.
        """
        preface = ProxyPreface(PeerAddress(PEER, address))
        self.assertTrue(preface.done)
        self.assertEqual(preface.receive(b"data"), b"data")
        header = preface.start()
        read = readProxyHeader(header + b"data")
        assert read is not None
        self.assertEqual(read.size, len(header))
        return header, read.client

    def test_header(self) -> None:
        """
        It has the address of the peer if that is known, and always its id.
        """
        relay = f"/ip4/192.0.2.9/tcp/1/p2p/{PEER}/p2p-circuit"
        for address, client in (
            ("/ip4/192.0.2.1/tcp/4001", ("192.0.2.1", 4001)),
            ("/ip6/2001:db8::1/udp/4001/quic-v1", ("2001:db8::1", 4001)),
            (relay, None),
            (None, None),
        ):
            header, stated = self.header(address)
            self.assertEqual(stated, client)
            field = bytes((PEER_FIELD, 0, len(PEER))) + PEER.encode()
            self.assertTrue(header.endswith(field))


class HttpTests(SynchronousTestCase):
    """
    The header of HTTP.
    """

    def changed(self, head: bytes, body: bytes = b"") -> bytes:
        """
        Return a request as the server gets it.
        """
        return HttpPreface(PeerAddress(PEER)).receive(head + b"\r\n\r\n" + body)

    def test_added(self) -> None:
        """
        The server gets the peer id, and is asked to close after the answer.
        """
        self.assertEqual(
            self.changed(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive", b"x"),
            b"GET / HTTP/1.1\r\nConnection: close\r\nX-Libp2p-Peer: "
            + PEER.encode()
            + b"\r\nHost: a\r\n\r\nx",
        )

    def test_upgrade(self) -> None:
        """
        A WebSocket is still asked for.
        """
        changed = self.changed(b"GET / HTTP/1.1\r\nUpgrade: websocket")
        self.assertIn(b"Connection: close, Upgrade\r\n", changed)

    def test_otherUpgrade(self) -> None:
        """
        No other protocol is asked for: requests of HTTP/2 would follow, whose headers
        are not seen.
        """
        for value in (b"h2c", b"h2c, websocket", b"websocket, h2c", b""):
            changed = self.changed(b"GET / HTTP/1.1\r\nUpgrade: " + value)
            self.assertNotIn(b"pgrade", changed)
            self.assertIn(b"\r\nConnection: close\r\n", changed)

    def test_forged(self) -> None:
        """
        The header of a peer is removed, in each spelling that a server may take for it.
        """
        for name in (
            b"X-Libp2p-Peer",
            b"x-libp2p-PEER",
            b"X_Libp2p_Peer",
            b"X.Libp2p!Peer",
        ):
            changed = self.changed(b"GET / HTTP/1.1\r\n" + name + b": forged")
            self.assertNotIn(b"forged", changed)

    def test_smuggled(self) -> None:
        """
        No line hides another one.
        """
        for line in (
            b"A: b\nX-Libp2p-Peer: forged",
            b"A: b\rX-Libp2p-Peer: forged",
            b"X-Libp2p-Peer : forged",
            b" X-Libp2p-Peer: forged",
            b"A: b\0",
            b"X-Libp2p-Peer\t: forged",
            b"X Libp2p Peer: forged",
            b"\xff: b",
            b"nothing",
        ):
            self.assertRaises(
                ProtocolViolation, self.changed, b"GET / HTTP/1.1\r\n" + line
            )
        for request in (
            b"GET /\nA: b HTTP/1.1",
            # Servers skip an empty line, and take the next one for the request.
            b"",
            b"\r\nGET / HTTP/1.1",
            # Requests without headers, and with headers in frames.
            b"GET /",
            b"PRI * HTTP/2.0",
        ):
            self.assertRaises(ProtocolViolation, self.changed, request)

    def test_endless(self) -> None:
        """
        A head is bounded.
        """
        preface = HttpPreface(PeerAddress(PEER))
        self.assertEqual(preface.receive(b"G" * MAX_HEAD), b"")
        self.assertRaises(ProtocolViolation, preface.receive, b"G")

    @drawn(30, st.lists(st.integers(1, 40)))
    def test_pieces(self, sizes: list[int]) -> None:
        """
        The request may come in any pieces.
        """
        head, body = b"POST / HTTP/1.1\r\nX-Libp2p-Peer: no\r\nA: b", b"body" * 9
        whole = head + b"\r\n\r\n" + body
        preface = HttpPreface(PeerAddress(PEER))
        found, rest = preface.start(), whole
        for size in [*sizes, len(whole)]:
            piece, rest = rest[:size], rest[size:]
            found += piece if preface.done else preface.receive(piece)
        self.assertEqual(found, self.changed(head, body))


class NamingTests(SynchronousTestCase):
    """
    The ways by their names.
    """

    def test_names(self) -> None:
        """
        Another name is answered with these.
        """
        self.assertIs(naming("proxy"), ProxyPreface)
        self.assertIs(naming("http"), HttpPreface)
        error = self.assertRaises(ConfigurationError, naming, "smtp")
        self.assertIn("choose from proxy, http", str(error))
