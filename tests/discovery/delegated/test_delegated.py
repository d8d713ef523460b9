# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.discovery.delegated.client} and
L{twisted_libp2p.discovery.delegated.server}, on real sockets.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.client import Agent, readBody
from twisted.web.http_headers import Headers
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site
from zope.interface.verify import verifyObject

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.discovery.delegated.client import DelegatedRouting
from twisted_libp2p.discovery.delegated.server import MAX_LOOKUPS, RoutingResource
from twisted_libp2p.errors import ConfigurationError, NotFound
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import IHostService, IPeerRouting
from twisted_libp2p.testing import HostDouble

PEER = Identity.generate().peerID
PUBLIC = Multiaddr("/ip4/8.8.8.8/tcp/1")
PRIVATE = Multiaddr("/ip4/10.0.0.1/tcp/1")


class URLTests(SynchronousTestCase):
    """
    The URL of a server.
    """

    def test_good(self) -> None:
        """
        Its place says what the server may name.
        """
        for url, origin in (
            ("https://delegated-ipfs.dev", Origin.PUBLIC),
            ("https://delegated-ipfs.dev/routing/v1/", Origin.PUBLIC),
            ("https://8.8.8.8", Origin.PUBLIC),
            ("http://127.0.0.1:8190", Origin.HOST),
            ("http://localhost:8190", Origin.HOST),
            ("http://10.0.0.1", Origin.NETWORK),
            ("http://[::1]:8190", Origin.HOST),
        ):
            routing = DelegatedRouting(url)
            self.assertEqual(routing.origin, origin, url)
            self.assertFalse(routing.url.endswith(("/", "v1")))
        verifyObject(IHostService, routing)
        verifyObject(IPeerRouting, routing)

    def test_bad(self) -> None:
        """
        Each mistake has one line.
        """
        for url in (
            "",
            "nowhere",
            "ftp://127.0.0.1",
            "http://example.com",
            "http://8.8.8.8",
            "https://",
            "http://127.0.0.1:port",
            "http://999.1.1.1",
            "https://exämple.com",
        ):
            error = self.assertRaises(ConfigurationError, DelegatedRouting, url)
            self.assertNotIn("\n", str(error))


class Page(Resource):
    """
    Answers what the test says.
    """

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.code = 200
        self.kind = b"application/json"
        self.body: bytes | None = b"{}"
        self.asked: list[bytes] = []
        self.location: bytes | None = None

    def render_GET(self, request: Any) -> Any:
        """
        Answer a request, or never.
        """
        self.asked.append(request.uri)
        request.setResponseCode(self.code)
        request.setHeader(b"Content-Type", self.kind)
        if self.location is not None:
            request.setHeader(b"Location", self.location)
        return NOT_DONE_YET if self.body is None else self.body


class ServedTestCase(TestCase):
    """
    A server on a socket.
    """

    timeout = 600

    async def serve(self, root: Resource) -> str:
        """
        Serve a site.

        @return: its URL.
        """
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        port: Any = await endpoint.listen(Site(root))
        self.addCleanup(port.stopListening)
        return f"http://127.0.0.1:{port.getHost().port}"

    def client(self, url: str) -> DelegatedRouting:
        """
        Make a routing that asks it.
        """
        host: Any = HostDouble()
        host.reactor = host.clock = reactor
        routing = DelegatedRouting(url)
        routing.attach(host)
        routing.startService()
        self.addCleanup(routing.stopService)
        return routing


class ClientTests(ServedTestCase):
    """
    Questions to a server.
    """

    async def ask(self, page: Page) -> Sequence[Multiaddr]:
        """
        Ask for a peer.
        """
        routing = self.client(await self.serve(page))
        return await routing.findPeer(PEER)

    def record(self, *addresses: str) -> dict[str, Any]:
        """
        Make a record.
        """
        return {"Schema": "peer", "ID": str(PEER), "Addrs": list(addresses)}

    async def test_peer(self) -> None:
        """
        A peer is found, in an object and in lines; records of other peers are ignored.
        """
        page = Page()
        other = {"Schema": "peer", "ID": str(Identity.generate().peerID)}
        record = self.record(str(PUBLIC), str(PRIVATE))
        page.body = json.dumps({"Peers": [other, record]}).encode()
        self.assertEqual(await self.ask(page), [PUBLIC, PRIVATE])
        self.assertEqual(
            page.asked, [f"/routing/v1/peers/{PEER.toCID('base36')}".encode()]
        )
        page.kind = b"application/x-ndjson"
        page.body = json.dumps(record).encode()
        self.assertEqual(await self.ask(page), [PUBLIC, PRIVATE])

    async def test_providers(self) -> None:
        """
        The providers of a key are found, with usable addresses.
        """
        page = Page()
        record = self.record(str(PUBLIC), "/ip4/0.0.0.0/tcp/1")
        page.body = json.dumps({"Providers": [record]}).encode()
        routing = self.client(await self.serve(page))
        found = await routing.findProviders(b"\x12\x20" + bytes(32))
        self.assertEqual(found, [(PEER, [PUBLIC])])
        self.assertTrue(page.asked[0].startswith(b"/routing/v1/providers/bafkreia"))

    async def test_nothing(self) -> None:
        """
        Nothing is an empty list, or the status 404 of older servers.
        """
        page = Page()
        self.assertEqual(await self.ask(page), [])
        page.code = 404
        page.body = b"<html>"
        self.assertEqual(await self.ask(page), [])

    async def test_hostile(self) -> None:
        """
        Other statuses, redirects, junk and endless answers are one error each, which
        names the server.
        """
        page = Page()
        for code, kind, body, reason in (
            (500, b"", b"x" * 100_000, "status 500"),
            (429, b"", b"", "status 429"),
            (302, b"", b"", "status 302"),
            (200, b"text/html", b"<html>", "not JSON"),
            (200, b"application/json", b" " * 1_100_000, "more than 1048576 bytes"),
            (200, b"application/x-ndjson", b" " * 70_000, "more than 65536 bytes"),
        ):
            page.code, page.kind, page.body = code, kind, body
            page.location = b"http://127.0.0.1:1/" if code == 302 else None
            try:
                await self.ask(page)
            except NotFound as error:
                self.assertIn(reason, str(error))
                self.assertIn("http://127.0.0.1:", str(error))
            else:
                self.fail(reason)

    async def test_cancelled(self) -> None:
        """
        A question that is no longer needed leaves nothing.
        """
        page = Page()
        page.body = None
        routing = self.client(await self.serve(page))
        asking = routing.findPeer(PEER)
        asking.cancel()
        with self.assertRaises(CancelledError):
            await asking

    async def test_unreachable(self) -> None:
        """
        A server that is not there is an error.
        """
        try:
            await self.client("http://127.0.0.1:1").findPeer(PEER)
        except NotFound as error:
            self.assertIn("http://127.0.0.1:1: ", str(error))
        else:
            self.fail("there is a server")


class ServerTests(ServedTestCase):
    """
    The resource.
    """

    def setUp(self) -> None:
        host: Any = HostDouble(addresses=[PUBLIC])
        host.clock = reactor
        self.host = host
        self.looked: list[PeerID] = []
        self.answer: Any = []
        root = Resource()
        root.putChild(b"routing", RoutingResource(host, self.find))
        self.root = root

    async def find(self, peer: PeerID) -> Sequence[Multiaddr]:
        """
        Look up a peer.
        """
        self.looked.append(peer)
        if isinstance(self.answer, Exception):
            raise self.answer
        found: Sequence[Multiaddr] = (
            await self.answer if isinstance(self.answer, Deferred) else self.answer
        )
        return found

    async def get(self, path: str, **headers: str) -> tuple[int, Any, bytes]:
        """
        Make a request.

        @return: the status, the headers and the body.
        """
        url = f"{await self.serve(self.root)}/routing/v1{path}"
        given = Headers({name: [value] for name, value in headers.items()})
        response = await Agent(reactor).request(b"GET", url.encode(), given)
        body = await readBody(response)
        self.assertEqual(self.host.clock, reactor)
        return response.code, response.headers, body

    async def test_known(self) -> None:
        """
        A known peer is found at once, at the addresses that public peers may name; our
        client reads the answer.
        """
        self.host.peerstore.addAddresses(PEER, [PUBLIC, PRIVATE])
        routing = self.client(await self.serve(self.root))
        self.assertEqual(await routing.findPeer(PEER), [PUBLIC])
        self.assertEqual(await routing.findPeer(self.host.peerID), [PUBLIC])
        self.assertEqual(self.looked, [])

    async def test_unknown(self) -> None:
        """
        Another one is looked up; nothing, and a failure, are an empty list.
        """
        self.answer = [PUBLIC.withPeer(PEER)]
        code, headers, body = await self.get(f"/peers/{PEER}")
        self.assertEqual(code, 200)
        (record,) = json.loads(body)["Peers"]
        self.assertEqual(record["Addrs"], [str(PUBLIC)])
        self.assertEqual(
            headers.getRawHeaders("Cache-Control"), ["public, max-age=300"]
        )
        self.answer = NotFound("it")
        _, headers, body = await self.get(f"/peers/{PEER.toCID('base36')}")
        self.assertEqual(json.loads(body), {"Peers": []})
        self.assertEqual(headers.getRawHeaders("Cache-Control"), ["public, max-age=15"])
        self.assertEqual(headers.getRawHeaders("Vary"), ["Accept"])
        self.assertEqual(self.looked, [PEER, PEER])

    async def test_lines(self) -> None:
        """
        A client that wants lines gets lines.
        """
        self.answer = [PUBLIC]
        _, headers, body = await self.get(
            f"/peers/{PEER}", Accept="application/x-ndjson"
        )
        kinds = headers.getRawHeaders("Content-Type")
        self.assertEqual(kinds, ["application/x-ndjson"])
        self.assertEqual(json.loads(body)["ID"], str(PEER))

    async def test_refused(self) -> None:
        """
        A wrong id, and another path, are refused.
        """
        for path, expected in (
            ("/peers/nobody", 400),
            ("/peers/" + "1" * 500, 400),
            ("/peers/%ff", 400),
            ("/providers/bafk", 404),
            ("/other", 404),
        ):
            code, _, _ = await self.get(path)
            self.assertEqual(code, expected, path)

    async def test_crowd(self) -> None:
        """
        The number of lookups is bounded; those whose client is gone end.
        """
        cancelled: list[object] = []
        done: Deferred[None] = Deferred()
        url = await self.serve(self.root)

        def find(peer: PeerID) -> Deferred[Any]:
            def cancel(lookup: object) -> None:
                cancelled.append(lookup)
                if len(cancelled) == MAX_LOOKUPS:
                    done.callback(None)

            return Deferred(cancel)

        async def findAll(peer: PeerID) -> Sequence[Multiaddr]:
            self.looked.append(peer)
            if len(self.looked) == MAX_LOOKUPS:
                full.callback(None)
            found: Sequence[Multiaddr] = await find(peer)
            return found

        full: Deferred[None] = Deferred()
        self.root.putChild(b"routing", RoutingResource(self.host, findAll))
        target = f"{url}/routing/v1/peers/{PEER}".encode()
        asking = [Agent(reactor).request(b"GET", target) for _ in range(MAX_LOOKUPS)]
        await full
        response = await Agent(reactor).request(b"GET", target)
        await readBody(response)
        self.assertEqual(response.code, 503)
        for each in asking:
            each.addErrback(lambda reason: None)
            each.cancel()
        await done
        self.assertEqual(len(cancelled), MAX_LOOKUPS)
