# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.web.agent} and L{twisted_libp2p.web.service}: two nodes in
memory.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Cooperator
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import FileBodyProducer, HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from tests.protocols.connected import ConnectedTestCase
from tests.tunnel.test_opening import WaitingHost
from twisted_libp2p.address import PeerAddress
from twisted_libp2p.errors import (
    ConfigurationError,
    InvalidInput,
    ProtocolViolation,
    StreamReset,
)
from twisted_libp2p.testing.muxer import Collector, HalfCloseCollector
from twisted_libp2p.web import Agent, WebService
from twisted_libp2p.web.protocols import HTTP_ID, MAX_PROTOCOLS
from twisted_libp2p.web.site import MAX_FORM


class Answer(Resource):
    """
    Answers with a description of the request.
    """

    isLeaf = True

    def __init__(self, name: str = "") -> None:
        super().__init__()
        self.name = name

    def render_GET(self, request: Any) -> bytes:
        """
        Describe the path, and the peer.
        """
        path = b"/".join(request.postpath).decode()
        host = request.getHeader("Host")
        return f"{self.name} {path} {request.getPeer().peerID} {host}".encode()

    def render_POST(self, request: Any) -> bytes:
        """
        Return the body.
        """
        return bytes(request.content.read())


class Moved(Resource):
    """
    Redirects.
    """

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        """
        Redirect to another path.
        """
        request.redirect(b"there")
        return b""


class Late(Resource):
    """
    Answers when the test does.
    """

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []

    def render_GET(self, request: Request) -> int:
        """
        Keep the request.
        """
        self.requests.append(request)
        return NOT_DONE_YET


class Plain(Resource):
    """
    Answers with given bytes.
    """

    isLeaf = True

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.data = data

    def render_GET(self, request: Request) -> bytes:
        """
        Return them.
        """
        return self.data


class Fields(Resource):
    """
    Records the fields and the bodies of forms.
    """

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[Any, bytes]] = []

    def render_POST(self, request: Any) -> bytes:
        """
        Record them.
        """
        self.seen.append((request.args, request.content.read()))
        return b""


class Endless(Protocol):
    """
    A server that announces a body with an error, and never sends it.
    """

    transport: Any

    def connectionMade(self) -> None:
        """
        Send the head.
        """
        self.transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\n")


class _Body(Protocol):
    def __init__(self) -> None:
        self.data = b""
        self.ended = False

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended = True


class WebTestCase(ConnectedTestCase):
    """
    The client has an agent.
    """

    def setUp(self) -> None:
        """
        Make the agent.
        """
        super().setUp()
        self.agent = Agent(self.client)

    def uri(self, path: str = "/") -> bytes:
        """
        Return the URI of a resource of the server.
        """
        return f"libp2p://{self.server.peerID}{path}".encode()

    def result(self, requesting: Deferred[IResponse]) -> tuple[Any, bytes]:
        """
        Return a response, and its body.
        """
        response = self.nodes.result(requesting)
        body = _Body()
        response.deliverBody(body)
        self.nodes.settle()
        self.assertTrue(body.ended)
        return response, body.data

    def get(self, path: str) -> tuple[Any, bytes]:
        """
        Request a resource of the server.
        """
        return self.result(self.agent.request(b"GET", self.uri(path)))


class WebTests(WebTestCase):
    """
    The server has resources.
    """

    def setUp(self) -> None:
        """
        Serve them.
        """
        super().setUp()
        self.web = WebService(Answer("rest"))
        self.web.mount("/app/1.0.0", Answer("app"))
        self.web.mount("/inner/1.0.0", Answer("inner"), "/app/1.0.0/inner")
        self.web.mount("/moved", Moved())
        self.server.add(self.web)

    def test_paths(self) -> None:
        """
        The longest path decides; the request has the proven peer.
        """
        ids = f"{self.client.peerID} {self.server.peerID}"
        for path, text in (
            ("/", "rest "),
            ("/a/b?c", "rest a/b"),
            ("/app", "rest app"),
            ("/app/1.0.0", "app "),
            ("/app/1.0.0/x/y", "app x/y"),
            ("/app/1.0.0/inner/x", "inner x"),
        ):
            response, body = self.get(path)
            self.assertEqual(response.code, 200)
            self.assertEqual(body.decode(), f"{text} {ids}")

    def test_one(self) -> None:
        """
        Each request has a stream of its own, which is closed after it.
        """
        for _ in range(3):
            self.get("/")
        self.assertEqual(len(self.client.connections.to(self.server.peerID)), 1)
        self.assertEqual([each.protocolID for each in self.connection.streams], [])

    def test_announced(self) -> None:
        """
        The server announces that it closes, to clients that do not ask for it, too.
        """
        caller = self.open(HTTP_ID, Collector())
        caller.stream.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        self.nodes.settle()
        received = bytes(caller.data)
        self.assertEqual(received.count(b"HTTP/1.1 200 OK"), 1)
        self.assertIn(b"Connection: close\r\n", received)

    def test_halfClosed(self) -> None:
        """
        A client that has ended its half gets its response, even a late one.
        """
        late = Late()
        self.web.mount("/late", late)
        caller = self.open(HTTP_ID, HalfCloseCollector())
        caller.stream.write(b"GET /late HTTP/1.1\r\nHost: a\r\n\r\n")
        caller.stream.loseWriteConnection()
        self.nodes.settle()
        (request,) = late.requests
        request.write(b"done")
        request.finish()
        self.nodes.settle()
        self.assertIn(b"done", bytes(caller.data))
        idle = self.open(HTTP_ID, HalfCloseCollector())
        idle.stream.loseWriteConnection()
        self.nodes.settle()
        self.assertEqual(len(idle.reasons), 1)

    def test_pool(self) -> None:
        """
        A pool keeps the stream of a server that does.
        """
        self.server.registry._exact[HTTP_ID].cancel()
        site = Site(Plain(b"kept"), reactor=self.server.clock)
        self.server.registry.register(HTTP_ID, site)
        pool = HTTPConnectionPool(self.client.clock)
        self.agent = Agent(self.client, pool)
        for _ in range(3):
            self.assertEqual(self.get("/")[1], b"kept")
        ids = [each.protocolID for each in self.connection.streams]
        self.assertEqual(ids, [HTTP_ID])
        self.nodes.result(pool.closeCachedConnections())

    def test_post(self) -> None:
        """
        A body reaches the server, and a header of the caller is kept.
        """
        cooperator = Cooperator(
            scheduler=lambda call: self.nodes.clock.callLater(0, call)
        )
        producer = FileBodyProducer(BytesIO(b"x" * 100_000), cooperator)
        headers = Headers({b"Host": [b"home"]})
        requesting = self.agent.request(b"POST", self.uri(), headers, producer)
        self.nodes.advance(1.0)
        _, body = self.result(requesting)
        self.assertEqual(body, b"x" * 100_000)
        self.assertEqual(headers.getRawHeaders(b"Host"), [b"home"])

    def test_multiaddr(self) -> None:
        """
        A URI may have the address of the peer.
        """
        stranger = self.nodes.start()
        uri = f"multiaddr:{self.server.addresses[0]}/http-path/app%2F1.0.0%2Fz"
        requesting = Agent(stranger).request(b"GET", uri.encode())
        _, body = self.result(requesting)
        self.assertTrue(body.startswith(b"app z "))

    def test_redirect(self) -> None:
        """
        The place of a redirect is a URI to request.
        """
        response, _ = self.get("/moved/here")
        self.assertEqual(response.code, 302)
        self.assertEqual(
            response.headers.getRawHeaders("Location"),
            [self.uri("/moved/there").decode()],
        )

    def test_protocols(self) -> None:
        """
        The peer names its protocols, and their paths.
        """
        asking = Deferred.fromCoroutine(self.agent.protocols(self.server.peerID))
        self.assertEqual(self.nodes.result(asking), self.web.tree.paths)
        asked = self.agent.uriOf(str(self.server.peerID), "/inner/1.0.0", "/q")
        self.assertEqual(
            self.nodes.result(Deferred.fromCoroutine(asked)),
            self.uri("/app/1.0.0/inner/q"),
        )
        asked = self.agent.uriOf(self.server.peerID, "/inner/1.0.0")
        self.assertEqual(
            self.nodes.result(Deferred.fromCoroutine(asked)),
            self.uri("/app/1.0.0/inner/"),
        )
        failing = Deferred.fromCoroutine(self.agent.uriOf(self.server.peerID, "/no"))
        self.nodes.settle()
        error = self.failureResultOf(failing, ProtocolViolation)
        self.assertIn("/no is not served", str(error.value))

    def test_taken(self) -> None:
        """
        A path has one protocol, a protocol one path.
        """
        for arguments in (
            ("/app/1.0.0", Answer(), "/other"),
            ("/other", Answer(), "/app/1.0.0/"),
            ("/other", Answer(), "/.well-known/libp2p/protocols"),
            ("/other", Answer(), "other"),
            ("/other", Answer(), "/\xe9"),
        ):
            self.assertRaises(ConfigurationError, self.web.mount, *arguments)

    def test_uri(self) -> None:
        """
        Another URI fails.
        """
        for uri in (b"http://localhost/", b"libp2p://" + b"1" * 9000):
            requesting = self.agent.request(b"GET", uri)
            self.failureResultOf(requesting, InvalidInput)


class RelayedTests(SynchronousTestCase):
    """
    A peer that is reached through a relay.
    """

    def test_wait(self) -> None:
        """
        Only the first request waits for a direct connection.
        """
        host = WaitingHost()
        relayed = host.meet(serves=[HTTP_ID])
        relayed.limited = True
        agent = Agent(host)
        uri = f"libp2p://{relayed.remotePeer}/".encode()
        first = agent.request(b"GET", uri)
        self.assertEqual(len(relayed.opened), 0)
        ((waiting, _),) = host.waits
        waiting.callback(None)
        self.assertEqual(len(relayed.opened), 1)
        second = agent.request(b"GET", uri)
        self.assertEqual(len(relayed.opened), 2)
        for each in (first, second):
            each.addErrback(lambda _: None).cancel()
        self.assertEqual(len(host.waits), 1)


class LimitTests(WebTestCase):
    """
    What a stranger sends.
    """

    def raw(self, data: bytes, **options: Any) -> Collector:
        """
        Send bytes to a server with small limits.
        """
        self.server.add(WebService(Answer(), maxBody=10, **options))
        caller = self.open(HTTP_ID, Collector())
        caller.stream.write(data)
        self.nodes.settle()
        return caller

    def test_announced(self) -> None:
        """
        A body that is announced to be too long is refused.
        """
        caller = self.raw(b"POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n" + bytes(11))
        self.assertTrue(bytes(caller.data).startswith(b"HTTP/1.1 413 "))
        self.assertEqual(bytes(caller.data).count(b"HTTP/1.1"), 1)

    def test_chunked(self) -> None:
        """
        So is a longer body of unknown length.
        """
        head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        caller = self.raw(head + b"6\r\nabcdef\r\n" * 2 + b"0\r\n\r\n")
        self.assertTrue(bytes(caller.data).startswith(b"HTTP/1.1 413 "))
        self.assertEqual(bytes(caller.data).count(b"HTTP/1.1"), 1)

    def test_form(self) -> None:
        """
        The fields of a large form are not parsed.
        """
        fields = Fields()
        self.server.add(WebService(fields))
        for body, args in (
            (b"a=" + b"b" * (MAX_FORM - 2), {b"a": [b"b" * (MAX_FORM - 2)]}),
            (b"a=" + b"b" * (MAX_FORM - 1), {}),
        ):
            caller = self.open(HTTP_ID, Collector())
            kind = b"Content-Type: application/x-www-form-urlencoded\r\n"
            size = b"Content-Length: %d\r\n\r\n" % len(body)
            caller.stream.write(b"POST / HTTP/1.1\r\n" + kind + size + body)
            self.nodes.settle()
            self.assertTrue(bytes(caller.data).startswith(b"HTTP/1.1 200 "))
            self.assertEqual(fields.seen.pop(), (args, body))

    def test_idle(self) -> None:
        """
        A stream without a request is closed in time.
        """
        caller = self.raw(b"GET / HT")
        self.nodes.advance(120.0)
        self.assertEqual(len(caller.reasons), 1)

    def test_allowed(self) -> None:
        """
        Only listed peers are served.
        """
        self.server.add(WebService(Answer(), allow=[]))
        requesting = self.agent.request(b"GET", self.uri())
        self.nodes.settle()
        self.failureResultOf(requesting).trap(StreamReset)

    def test_longList(self) -> None:
        """
        A long list of protocols is not read to its end.
        """
        site = Site(Plain(b" " * (MAX_PROTOCOLS + 1)), reactor=self.server.clock)
        self.server.registry.register(HTTP_ID, site)
        asking = Deferred.fromCoroutine(self.agent.protocols(self.server.peerID))
        self.nodes.settle()
        error = self.failureResultOf(asking, ProtocolViolation)
        self.assertIn(f"over {MAX_PROTOCOLS} bytes", str(error.value))

    def test_unwritable(self) -> None:
        """
        A path that no URI has is an error of the peer.
        """
        listed = b'{"/app/1.0.0": {"path": "/\\ud800"}}'
        site = Site(Plain(listed), reactor=self.server.clock)
        self.server.registry.register(HTTP_ID, site)
        asked = self.agent.uriOf(self.server.peerID, "/app/1.0.0")
        asking = Deferred.fromCoroutine(asked)
        self.nodes.settle()
        error = self.failureResultOf(asking, ProtocolViolation)
        self.assertIn("the path of /app/1.0.0 is not ASCII", str(error.value))

    def test_noList(self) -> None:
        """
        An answer without a list is not read, and its stream ends.
        """
        self.server.serve(HTTP_ID, Endless)
        asking = Deferred.fromCoroutine(self.agent.protocols(self.server.peerID))
        self.nodes.settle()
        error = self.failureResultOf(asking, ProtocolViolation)
        self.assertIn("status 404", str(error.value))
        self.assertEqual([each.protocolID for each in self.connection.streams], [])

    def test_segments(self) -> None:
        """
        Of a path of many segments, only as many as a mounted path has are compared.
        """
        compared: list[int] = []

        class Mounted(dict[tuple[bytes, ...], Any]):
            def get(self, key: tuple[bytes, ...], default: Any = None) -> Any:
                compared.append(len(key))
                return super().get(key, default)

        web = WebService(Answer())
        web.mount("/app/1.0.0", Answer())
        web.tree._mounted = Mounted(web.tree._mounted)
        self.server.add(web)
        self.assertEqual(self.get("/" * 2000)[0].code, 200)
        self.assertEqual(compared, [3, 2, 1, 0])

    def test_elsewhere(self) -> None:
        """
        A request that came without libp2p has no peer.
        """
        self.assertRaises(InvalidInput, PeerAddress.of, "127.0.0.1")
