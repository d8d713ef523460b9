# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.web.auth.agent}.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, succeed
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import FileBodyProducer
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent
from zope.interface import implementer

from tests.vectors import vectorIdentity
from twisted_libp2p.errors import HandshakeFailed, PeerMismatch
from twisted_libp2p.web.auth.agent import MAX_TOKENS, PeerIDAgent
from twisted_libp2p.web.auth.server import TOKEN_TIME, Authenticator, Verdict

URL = b"https://example.com:8443/a"


class Response:
    """
    A response, as much of it as the agent uses.

    @ivar dropped: whether its body was taken by the agent.
    """

    def __init__(self, code: int, headers: dict[str, str]) -> None:
        self.code = code
        self.headers = Headers({name: [value] for name, value in headers.items()})
        self.dropped = False

    def deliverBody(self, protocol: Any) -> None:
        """
        Deliver a body that has no end.
        """
        transport = StringTransport()
        protocol.makeConnection(transport)
        protocol.dataReceived(b"x")
        self.dropped = transport.disconnecting


class Sent(NamedTuple):
    """
    A request.
    """

    method: bytes
    uri: bytes
    headers: Headers
    body: Any


@implementer(IAgent)
class Server:
    """
    Answers requests as a server does.

    @ivar sent: the requests.
    @ivar responses: their responses.
    @ivar mute: whether the server answers no challenge.
    @ivar waiting: the responses that the test sends; None if the server does.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.sent: list[Sent] = []
        self.responses: list[Response] = []
        self.mute = False
        self.waiting: list[Any] | None = None
        self.authenticator = Authenticator(vectorIdentity(1), lambda: self.now)

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: Any = None,
    ) -> Deferred[Any]:
        """
        Answer.
        """
        assert headers is not None
        self.sent.append(Sent(method, uri, headers, bodyProducer))
        (authorization,) = headers.getRawHeaders("Authorization", [""])
        verdict = self.authenticator.answer(authorization, "example.com")
        if self.mute and "challenge-server" in authorization and not verdict.peer:
            verdict = self.authenticator.answer("", "example.com")
        response = Response(verdict.status, verdict.headers)
        self.responses.append(response)
        if self.waiting is not None:
            later: Deferred[Any] = Deferred()
            self.waiting.append((later, response))
            return later
        return succeed(response)

    @property
    def methods(self) -> list[bytes]:
        """
        The methods of the requests so far.
        """
        return [each.method for each in self.sent]


class PeerIDAgentTests(SynchronousTestCase):
    """
    Requests.
    """

    def setUp(self) -> None:
        """
        Make a server and an agent.
        """
        self.server = Server()
        self.agent = PeerIDAgent(self.server, vectorIdentity(2))

    def request(self, method: bytes = b"GET", body: Any = None) -> Any:
        """
        Send a request.
        """
        headers = Headers({"Accept": ["x"]})
        response = self.successResultOf(self.agent.request(method, URL, headers, body))
        self.assertEqual(list(headers.getAllRawHeaders()), [(b"Accept", [b"x"])])
        return response

    def test_handshake(self) -> None:
        """
        The first request takes a handshake, and the next ones its token.
        """
        self.assertIsNone(self.agent.peerOf(URL))
        response = self.request()
        self.assertEqual((response.code, response.dropped), (200, False))
        self.assertTrue(self.server.responses[0].dropped)
        self.assertEqual(self.server.methods, [b"GET"] * 2)
        self.assertEqual(self.agent.peerOf(URL), vectorIdentity(1).peerID)
        self.assertIsNone(self.agent.peerOf(b"https://example.com/"))
        self.request()
        self.assertEqual(self.server.methods, [b"GET"] * 3)
        for each in self.server.sent:
            self.assertEqual(each.headers.getRawHeaders("Host"), ["example.com"])
            self.assertEqual(each.headers.getRawHeaders("Accept"), ["x"])

    def test_body(self) -> None:
        """
        A body is sent once, to a proven server.
        """
        for mute, methods in (
            (False, [b"HEAD", b"POST"]),
            (True, [b"HEAD", b"HEAD", b"POST"]),
        ):
            self.setUp()
            self.server.mute = mute
            body = FileBodyProducer(BytesIO(b"x"))
            self.assertEqual(self.request(b"POST", body).code, 200)
            self.assertEqual(self.server.methods, methods)
            bodies = [each.body for each in self.server.sent]
            self.assertEqual(bodies, [None] * (len(methods) - 1) + [body])
            dropped = [each.dropped for each in self.server.responses]
            self.assertEqual(dropped, [True] * (len(methods) - 1) + [False])

    def test_expired(self) -> None:
        """
        An expired token is followed by a handshake; a request that has a body fails
        first, and can be repeated.
        """
        self.request()
        self.server.now += TOKEN_TIME + 1
        self.assertEqual(self.request().code, 200)
        self.server.now += TOKEN_TIME + 1
        body = FileBodyProducer(BytesIO(b"x"))
        failing = self.agent.request(b"POST", URL, None, body)
        failure = self.failureResultOf(failing, HandshakeFailed)
        self.assertIn("try again", str(failure.value))
        self.assertEqual(self.request(b"POST", body).code, 200)

    def test_expiredTogether(self) -> None:
        """
        Two requests may meet the same expired token.
        """
        self.request()
        self.server.now += TOKEN_TIME + 1
        self.server.waiting = []
        requesting = [self.agent.request(b"GET", URL) for _ in range(2)]
        for deferred, response in self.server.waiting:
            deferred.callback(response)
        for each in requesting:
            self.assertEqual(self.successResultOf(each).code, 200)

    def test_refused(self) -> None:
        """
        A server that does not shake hands, another peer, and a server without TLS are
        errors.
        """
        agent = PeerIDAgent(self.server, vectorIdentity(2), vectorIdentity(2).peerID)
        self.failureResultOf(agent.request(b"GET", URL), PeerMismatch)
        self.assertTrue(self.server.responses[-1].dropped)
        self.server.authenticator.answer = (  # type: ignore[method-assign]
            lambda authorization, hostname: Verdict(None, 200, {})
        )
        self.failureResultOf(self.agent.request(b"GET", URL), HandshakeFailed)
        requesting = self.agent.request(b"GET", b"http://example.com/")
        self.failureResultOf(requesting, HandshakeFailed)

    def test_tokens(self) -> None:
        """
        Of many servers the latest tokens are kept.
        """
        urls = [b"https://example.com:%d/" % port for port in range(1, MAX_TOKENS + 2)]
        for url in urls:
            self.successResultOf(self.agent.request(b"GET", url))
        self.assertIsNone(self.agent.peerOf(urls[0]))
        self.assertIsNotNone(self.agent.peerOf(urls[1]))
