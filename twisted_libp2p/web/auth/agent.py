# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The client: requests to servers that prove their peer ids, and that our own is proven
to.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

from twisted.internet.defer import Deferred
from twisted.web.client import URI
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from twisted_libp2p.errors import HandshakeFailed
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.protocols.httpbody import discard
from twisted_libp2p.web.auth.client import ClientHandshake, Step
from twisted_libp2p.web.auth.parameters import SCHEME

__all__ = ["MAX_TOKENS", "PeerIDAgent"]

#: Number of servers whose tokens are kept.
MAX_TOKENS: Final = 256

_HEADERS: Final = ("WWW-Authenticate", "Authentication-Info")

# Requests that change nothing may be sent before the server is proven.
_SAFE: Final = (b"GET", b"HEAD")


class _Token(NamedTuple):
    """
    A token of a server, and its peer id.
    """

    authorization: str
    peer: PeerID


@implementer(IAgent)
class PeerIDAgent:
    """
    Proves our peer id to servers over TLS, and has them prove theirs::

        agent = PeerIDAgent(Agent(reactor), identity)
        response = await agent.request(b"GET", b"https://example.com/")
        agent.peerOf(b"https://example.com/")
    """

    def __init__(
        self, agent: IAgent, identity: Identity, expected: PeerID | str | None = None
    ) -> None:
        """
        @param agent: sends the requests.
        @param identity: our key.
        @param expected: the only acceptable peer id of a server; None for any.
        """
        self._agent = agent
        self._identity = identity
        self._expected = None if expected is None else PeerID.of(expected)
        self._tokens: OrderedDict[bytes, _Token] = OrderedDict()

    def peerOf(self, uri: bytes) -> PeerID | None:
        """
        Return the proven peer id of a server; None if there was no handshake with it,
        or its token has expired.
        """
        token = self._tokens.get(_originOf(URI.fromBytes(uri)))
        return None if token is None else token.peer

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """
        Send a request, after a handshake unless the server has given us a token.  The
        body is sent only to a proven server.

        @param uri: a URI of C{https:}.
        @return: fires with the response.  Fails with L{HandshakeFailed}, also if a
            request with a body met an expired token: it can be repeated; and as
            C{request} of the given agent does.
        """
        return Deferred.fromCoroutine(
            self._request(method, uri, headers or Headers(), bodyProducer)
        )

    async def _request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers,
        body: IBodyProducer | None,
    ) -> IResponse:
        parsed = URI.fromBytes(uri)
        if parsed.scheme != b"https":
            raise HandshakeFailed(SCHEME, "it is for https: only")
        origin = _originOf(parsed)
        token = self._tokens.get(origin)
        if token is not None:
            self._tokens.move_to_end(origin)
            sent = _with(headers, parsed, token.authorization)
            response = await self._agent.request(method, uri, sent, body)
            if response.code != 401:
                return response
            # Another request may have met it too, and have got the next one.
            if self._tokens.get(origin) is token:
                del self._tokens[origin]
            discard(response)
            if body is not None:
                raise HandshakeFailed(SCHEME, "the token has expired: try again")
        return await self._shakeHands(method, uri, headers, body)

    async def _shakeHands(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers,
        body: IBodyProducer | None,
    ) -> IResponse:
        """
        Shake hands, and send the request in its course.
        """
        parsed = URI.fromBytes(uri)
        hostname = parsed.host.decode("ascii")
        handshake = ClientHandshake(self._identity, hostname, self._expected)
        safe = method in _SAFE and body is None
        while True:
            done = handshake.step is Step.DONE
            final = handshake.provesServer
            sent = _with(headers, parsed, handshake.authorization)
            response = await self._agent.request(
                method if final or safe else b"HEAD", uri, sent, body if final else None
            )
            if not done:
                try:
                    handshake.receive(_namesOf(response))
                except HandshakeFailed:
                    discard(response)
                    raise
            if handshake.step is Step.DONE:
                assert handshake.peer is not None
                self._keep(
                    _originOf(parsed), _Token(handshake.authorization, handshake.peer)
                )
                if final or safe:
                    return response
            discard(response)

    def _keep(self, origin: bytes, token: _Token) -> None:
        """
        Keep the token of a server, in place of the one that was used longest ago.
        """
        self._tokens[origin] = token
        if len(self._tokens) > MAX_TOKENS:
            self._tokens.popitem(last=False)


def _originOf(uri: URI) -> bytes:
    """
    Return the server of a URI.
    """
    return b"%s:%d" % (uri.host.lower(), uri.port)


def _namesOf(response: IResponse) -> dict[str, str]:
    """
    Return the headers of a response that belong to the handshake.
    """
    found = {name: response.headers.getRawHeaders(name) for name in _HEADERS}
    return {name: ", ".join(values) for name, values in found.items() if values}


def _with(headers: Headers, uri: URI, authorization: str) -> Headers:
    """
    Return the headers of a request with those of the handshake.
    """
    sent = headers.copy()
    sent.setRawHeaders("Authorization", [authorization])
    # go-libp2p 0.48 compares it with the name in the TLS handshake, which has no port.
    if not sent.hasHeader("Host"):
        sent.setRawHeaders("Host", [uri.host])
    return sent
