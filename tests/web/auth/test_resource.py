# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.web.auth.resource}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Site

from tests.vectors import vectorIdentity
from twisted_libp2p.address import PeerAddress
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.web.auth.client import ClientHandshake, Step
from twisted_libp2p.web.auth.resource import PeerIDResource


class Who(Resource):
    """
    Answers with the path, and the peer.
    """

    isLeaf = True

    def render_GET(self, request: Any) -> bytes:
        """
        Answer.
        """
        return b"/".join(request.postpath) + f" {PeerAddress.of(request)}".encode()


class PeerIDResourceTests(SynchronousTestCase):
    """
    Requests to a site.
    """

    def setUp(self) -> None:
        """
        Serve a resource.
        """
        self.serve(behindProxy=True)

    def serve(self, **options: Any) -> None:
        """
        Serve a resource, with options.
        """
        clock = Clock()
        guarded = PeerIDResource(
            Who(), vectorIdentity(1), ["Example.com"], clock, **options
        )
        self.site = Site(guarded, reactor=clock)

    def ask(
        self, authorization: str, path: str = "/a/b", host: str = "example.com:8443"
    ) -> tuple[int, dict[str, str], str]:
        """
        Send a request.

        @return: the status, the headers, and the body of the response.
        """
        address = IPv4Address("TCP", "127.0.0.1", 1)
        protocol: Any = self.site.buildProtocol(address)
        transport = StringTransport(peerAddress=address)
        protocol.makeConnection(transport)
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close"]
        if authorization:
            lines.append(f"Authorization: {authorization}")
        protocol.dataReceived("\r\n".join([*lines, "", ""]).encode())
        head, _, body = transport.value().decode().partition("\r\n\r\n")
        status, *fields = head.split("\r\n")
        pairs = [line.partition(": ") for line in fields]
        return (
            int(status.split()[1]),
            {name: value for name, _, value in pairs},
            body.split("\r\n")[1] if body.startswith("2") else body,
        )

    def test_proven(self) -> None:
        """
        A client that has proven its peer id is served, with it; also later, with the
        token alone.
        """
        client = ClientHandshake(vectorIdentity(2), "example.com")
        status, headers, body = self.ask(client.authorization)
        self.assertEqual((status, body), (401, ""))
        client.receive(_named(headers))
        peer = vectorIdentity(2).peerID
        status, headers, body = self.ask(client.authorization)
        self.assertEqual(status, 200)
        self.assertIn(f"a/b /p2p/{peer}", body)
        client.receive(_named(headers))
        self.assertIs(client.step, Step.DONE)
        for path, text in (("/", f" /p2p/{peer}"), ("/a", f"a /p2p/{peer}")):
            status, _, body = self.ask(client.authorization, path)
            self.assertEqual(status, 200)
            self.assertIn(text, body)

    def test_unproven(self) -> None:
        """
        Nobody else gets anything.
        """
        for authorization, status in (
            ("", 401),
            ("Basic eA==", 401),
            ('libp2p-PeerID bearer="AAAA"', 401),
            ('libp2p-PeerID bearer="!"', 400),
        ):
            found, headers, body = self.ask(authorization)
            self.assertEqual((found, body), (status, ""))
            self.assertEqual("WWW-Authenticate" in _named(headers), status == 401)

    def test_elsewhere(self) -> None:
        """
        Another name of the server, and a server without TLS, are refused.
        """
        self.assertEqual(self.ask("", host="example.org")[0], 400)
        self.serve()
        self.assertEqual(self.ask("")[0], 400)

    def test_names(self) -> None:
        """
        The server has to know its name; its children are elsewhere.
        """
        self.assertRaises(
            ConfigurationError, PeerIDResource, Who(), vectorIdentity(1), [], Clock()
        )
        guarded = PeerIDResource(Who(), vectorIdentity(1), ["a"], Clock())
        self.assertRaises(NotImplementedError, guarded.putChild, b"a", Who())


def _named(headers: dict[str, str]) -> dict[str, str]:
    """
    Return headers under the names of the specification.
    """
    names = ("WWW-Authenticate", "Authentication-Info")
    lower = {name.lower(): value for name, value in headers.items()}
    return {name: lower[name.lower()] for name in names if name.lower() in lower}
