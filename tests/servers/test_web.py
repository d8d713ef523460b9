# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
twisted.web over a stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import Portal
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.python.threadpool import ThreadPool
from twisted.spread.pb import PBClientFactory, PBServerFactory
from twisted.web import websocket
from twisted.web.client import Agent, readBody
from twisted.web.distrib import ResourcePublisher, ResourceSubscription
from twisted.web.guard import DigestCredentialFactory, HTTPAuthSessionWrapper
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from twisted.web.proxy import ReverseProxyResource
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request, Site
from twisted.web.static import Data, File
from twisted.web.twcgi import CGIScript
from twisted.web.vhost import NameVirtualHost, VHostMonsterResource
from twisted.web.wsgi import WSGIResource
from twisted.web.xmlrpc import XMLRPC, Proxy
from zope.interface import implementer

from tests.servers.served import ServedTestCase


@implementer(IAgentEndpointFactory)
class Endpoints:
    """
    Sends all requests of an agent to one endpoint.
    """

    def __init__(self, endpoint: Any) -> None:
        self._endpoint = endpoint

    def endpointForURI(self, uri: Any) -> Any:
        """
        Return the endpoint.
        """
        return self._endpoint


class Who(Resource):
    """
    Answers with the client's host.
    """

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        """
        Answer.
        """
        address: Any = request.getClientAddress()
        return f"{address.host} {address.port}".encode()


def page(resource: IResource) -> Resource:
    """
    Make a resource the first page of a site.
    """
    root = Resource()
    root.putChild(b"", resource)
    return root


class Calculator(XMLRPC):
    """
    Adds.
    """

    def xmlrpc_add(self, first: int, second: int) -> int:
        """
        Add.
        """
        return first + second


class WebTests(ServedTestCase):
    """
    Each resource that Twisted's web server has.
    """

    async def site(self, resource: IResource) -> Path:
        """
        Serve a resource.

        @return: the access log.
        """
        log = Path(self.mktemp())
        await self.serve(Site(resource, logPath=str(log).encode()))
        return log

    async def ask(
        self,
        path: str = "/",
        host: str = "example.com",
        headers: dict[str, list[str]] | None = None,
    ) -> tuple[int, bytes, Any]:
        """
        Ask for a page.

        @return: the status, the body and the headers.
        """
        agent = Agent.usingEndpointFactory(reactor, Endpoints(self.endpoint()))
        response: Any = await agent.request(
            b"GET", f"http://{host}{path}".encode(), Headers(headers or {})
        )
        return response.code, await readBody(response), response.headers

    async def test_file(self) -> None:
        """
        A folder of files; the access log shows the peer.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        content = bytes(range(256)) * 4096
        (folder / "file").write_bytes(content)
        log = await self.site(File(str(folder)))
        status, body, _ = await self.ask("/file")
        self.assertEqual((status, body), (200, content))
        self.assertEqual((await self.ask("/none"))[0], 404)
        found, missing = log.read_text().splitlines()
        self.assertTrue(found.startswith(f'"{self.guest}" - - '), found)
        self.assertIn("GET /file HTTP/1.1", found)
        self.assertTrue(missing.startswith(f'"{self.guest}" - - '), missing)

    async def test_resource(self) -> None:
        """
        A page of an application is told the peer, and links to itself.
        """

        class Links(Who):
            """
            Answers with its URL.
            """

            def render_GET(self, request: Request) -> bytes:
                """
                Answer.
                """
                url: bytes = request.prePathURL()
                host: bytes = request.getRequestHostname()
                return url + b" " + host

        root = Resource()
        root.putChild(b"who", Who())
        root.putChild(b"links", Links())
        await self.site(root)
        self.assertEqual((await self.ask("/who"))[1].split()[0], self.guest.encode())
        _, body, _ = await self.ask("/links")
        self.assertEqual(body.split()[1], b"example.com")

    async def test_cgi(self) -> None:
        """
        A program that is run for each request.
        """
        script = Path(self.mktemp()).resolve()
        script.write_text(
            '#!/bin/sh\nprintf "Content-Type: text/plain\\n\\n$REMOTE_ADDR"\n'
        )
        script.chmod(0o755)
        await self.site(page(CGIScript(str(script))))
        self.assertEqual((await self.ask())[:2], (200, self.guest.encode()))

    async def test_wsgi(self) -> None:
        """
        An application of WSGI, in a thread.
        """

        def application(
            environ: dict[str, Any], start: Callable[..., Any]
        ) -> Iterable[bytes]:
            """
            Answer with the client's host.
            """
            start("200 OK", [("Content-Type", "text/plain")])
            return [environ["REMOTE_ADDR"].encode(), environ["REMOTE_PORT"].encode()]

        pool = ThreadPool(0, 1)
        pool.start()
        self.addCleanup(pool.stop)
        await self.site(WSGIResource(reactor, pool, application))
        status, body, _ = await self.ask()
        self.assertEqual(status, 200)
        self.assertTrue(body.startswith(self.guest.encode()), body)

    async def test_proxy(self) -> None:
        """
        A server behind the server.
        """
        port = self.listenFactory(Site(page(Data(b"behind", "text/plain"))))
        await self.site(ReverseProxyResource("127.0.0.1", port, b""))
        self.assertEqual((await self.ask())[:2], (200, b"behind"))

    async def test_distributed(self) -> None:
        """
        A page that another process of the server renders, for which it is told
        the peer.
        """
        await self.serve(PBServerFactory(ResourcePublisher(Site(Who()))), "/pages/1")
        factory = PBClientFactory()
        await self.connectFactory(factory, "/pages/1")
        subscription = ResourceSubscription("unused", 0)
        subscription.connected(await factory.getRootObject())
        await self.site(subscription)
        status, body, _ = await self.ask()
        self.assertEqual(status, 200)
        self.assertEqual(body.split()[0], self.guest.encode())

    async def test_virtualHosts(self) -> None:
        """
        Hosts by name, and one that another server in front names.
        """
        hosts = NameVirtualHost()
        root = page(Data(b"first", "text/plain"))
        root.putChild(b"front", VHostMonsterResource())
        hosts.addHost(b"first.example", root)
        hosts.addHost(b"second.example", page(Data(b"second", "text/plain")))
        await self.site(hosts)
        self.assertEqual((await self.ask(host="first.example"))[1], b"first")
        self.assertEqual((await self.ask(host="second.example"))[1], b"second")
        self.assertEqual(
            (await self.ask("/front/http/first.example/", "first.example"))[1], b"first"
        )

    async def test_digest(self) -> None:
        """
        A challenge is made for the host of the peer.
        """
        checker = InMemoryUsernamePasswordDatabaseDontUse(ada=b"sesame")
        guarded = HTTPAuthSessionWrapper(
            Portal(None, [checker]),  # type: ignore[arg-type]
            [DigestCredentialFactory(b"md5", b"example")],
        )
        await self.site(guarded)
        status, _, headers = await self.ask()
        self.assertEqual(status, 401)
        (challenge,) = headers.getRawHeaders("WWW-Authenticate")
        self.assertTrue(challenge.startswith("digest "), challenge)

    async def test_xmlRPC(self) -> None:
        """
        A function is called, by Twisted's own client.
        """
        await self.site(Calculator())
        proxy = Proxy(b"http://example.com/", reactor=self)
        result: Any = await proxy.callRemote("add", 2, 3)
        self.assertEqual(result, 5)

    def connectTCP(self, host: str, port: int, factory: Any, **options: Any) -> None:
        """
        Be the reactor of a client that takes no endpoint.
        """
        Deferred.fromCoroutine(self.connectFactory(factory))

    async def test_websocket(self) -> None:
        """
        Messages in both directions, by Twisted's own client.
        """

        class Echo:
            """
            Sends back each message.
            """

            def negotiationFinished(self) -> None:
                """
                Nothing to do.
                """

            def connectionLost(self, reason: object) -> None:
                """
                Nothing to do.
                """

            def negotiationStarted(self, transport: Any) -> None:
                """
                Keep the transport.
                """
                self.transport = transport
                self.received: Deferred[str] = Deferred()

            def textMessageReceived(self, message: str) -> None:
                """
                Send it back.
                """
                self.transport.sendTextMessage(message.upper())

        class Caller(Echo):
            """
            Keeps the message.
            """

            def textMessageReceived(self, message: str) -> None:
                """
                Keep it.
                """
                self.received.callback(message)

        class EchoFactory(websocket.WebSocketServerFactory):  # type: ignore[type-arg]
            """
            Builds the server.
            """

            def buildProtocol(self, request: Any) -> Echo:
                """
                Build it.
                """
                return Echo()

        class CallerFactory(websocket.WebSocketClientFactory):  # type: ignore[type-arg]
            """
            Builds the client.
            """

            def buildProtocol(self, uri: str) -> Caller:
                """
                Build it.
                """
                return Caller()

        await self.site(page(websocket.WebSocketResource(EchoFactory())))
        endpoint = websocket.WebSocketClientEndpoint(
            Endpoints(self.endpoint()), "ws://example.com/"
        )
        caller: Any = await endpoint.connect(CallerFactory())
        caller.transport.sendTextMessage("hello")
        self.assertEqual(await caller.received, "HELLO")
        caller.transport.loseConnection()
