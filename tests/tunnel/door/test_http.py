# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.tunnel.door.http}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.tunnel.door.http import HttpRequest
from twisted_libp2p.tunnel.door.request import Refusal, Refused, Wanted
from twisted_libp2p.tunnel.head import MAX_HEAD


class HttpRequestTests(SynchronousTestCase):
    """
    The requests of a program.
    """

    def read(self, data: bytes, size: int = 1) -> HttpRequest:
        """
        Read a request, some bytes at a time.
        """
        request = HttpRequest()
        for start in range(0, len(data), size):
            self.assertEqual(request.receive(data[start : start + size]), b"")
        return request

    def test_connect(self) -> None:
        """
        C{CONNECT} names the place; later bytes are for the peer.
        """
        head = b"CONNECT home.p2p:22 HTTP/1.1\r\nHost: home.p2p:22\r\n\r\n"
        self.assertEqual(self.read(head).wanted, Wanted("home.p2p", 22))
        request = self.read(head + b"SSH-2.0", 1000)
        self.assertEqual(request.trailing, b"SSH-2.0")
        self.assertEqual(request.accept(), b"HTTP/1.1 200 Connected\r\n\r\n")

    def test_url(self) -> None:
        """
        A request for a URL is passed on with its path, and without the headers for a
        proxy.
        """
        request = self.read(
            b"POST http://home.p2p/a?b HTTP/1.1\r\n"
            b"Host: else.p2p\r\nAccept: */*\r\nContent-Length: 4\r\n"
            b"Proxy-Connection: Keep-Alive\r\nProxy-Authorization: Basic eA==\r\n"
            b"Connection: x-hop, keep-alive\r\nX-Hop: 1\r\nUpgrade: h2c\r\n\r\nbody",
            1000,
        )
        self.assertEqual(request.wanted, Wanted("home.p2p", 80))
        self.assertEqual(
            request.trailing,
            b"POST /a?b HTTP/1.1\r\nHost: home.p2p\r\nConnection: close\r\n"
            b"Accept: */*\r\nContent-Length: 4\r\n\r\nbody",
        )
        self.assertEqual(request.accept(), b"")

    def test_paths(self) -> None:
        """
        A URL may have a port, and lack a path.
        """
        for url, wanted, begin in (
            (b"http://a.p2p", Wanted("a.p2p", 80), b"GET / HTTP/1.0\r\nHost: a.p2p\r"),
            (b"HTTP://a:81?x", Wanted("a", 81), b"GET /?x HTTP/1.0\r\nHost: a:81\r"),
        ):
            request = self.read(b"GET " + url + b" HTTP/1.0\r\n\r\n")
            self.assertEqual(request.wanted, wanted)
            self.assertTrue(request.trailing.startswith(begin), request.trailing)

    def test_refused(self) -> None:
        """
        Other requests are refused with an answer for the user.
        """
        for data in (
            b"\x00",
            b"\x04\x01",
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
            b"GET https://home.p2p/ HTTP/1.1\r\n\r\n",
            b"GET http://me@home.p2p/ HTTP/1.1\r\n\r\n",
            b"CONNECT home.p2p HTTP/1.1\r\n\r\n",
            b"CONNECT home.p2p:0 HTTP/1.1\r\n\r\n",
            b"CONNECT home.p2p:65536 HTTP/1.1\r\n\r\n",
            b"CONNECT [::1]:80 HTTP/1.1\r\n\r\n",
            b"nonsense\r\n\r\n",
            b"G" * (MAX_HEAD + 1),
        ):
            request = HttpRequest()
            error = self.assertRaises(Refused, request.receive, data)
            self.assertIs(error.kind, Refusal.MALFORMED)
            head, _, body = request.refuse(error).partition(b"\r\n\r\n")
            self.assertTrue(head.startswith(b"HTTP/1.1 400 Bad Request\r\n"))
            self.assertIn(b"Content-Length: %d" % len(body), head)
            self.assertEqual(body, f"{error}\n".encode())
