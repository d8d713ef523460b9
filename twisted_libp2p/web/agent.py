# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The client: HTTP requests to peers.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.web import client
from twisted.web.client import URI, HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import (
    IAgent,
    IAgentEndpointFactory,
    IBodyProducer,
    IResponse,
)
from zope.interface import implementer

from twisted_libp2p.errors import InvalidInput, ProtocolViolation
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IHost
from twisted_libp2p.pacing import addTimeout
from twisted_libp2p.protocols.httpbody import discard, readSome
from twisted_libp2p.tunnel.opening import PeerEndpoint
from twisted_libp2p.web.guard import GuardedEndpoint
from twisted_libp2p.web.places import WebPlace
from twisted_libp2p.web.protocols import (
    HTTP_ID,
    MAX_PROTOCOLS,
    PROTOCOLS_PATH,
    parseProtocols,
)

__all__ = ["Agent"]

#: Seconds for the list of the protocols of a peer.
PROTOCOLS_TIME: Final = 30.0

#: Number of peers whose endpoints are kept.
MAX_PEERS: Final = 64

_MAX_URI: Final = 8192


@implementer(IAgentEndpointFactory)
class _PeerEndpoints:
    """
    Opens the streams of requests.
    """

    def __init__(self, host: IHost) -> None:
        self._host = host
        # An endpoint knows whether its peer is reached through a relay alone.
        self._endpoint = lru_cache(MAX_PEERS)(self._endpointOf)

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """
        Return the endpoint of a URI, whose host is a peer id; the same one each time.
        """
        return self._endpoint(uri.host)

    def _endpointOf(self, host: bytes) -> GuardedEndpoint:
        peer = PeerID.fromText(host.decode())
        return GuardedEndpoint(PeerEndpoint(self._host, peer, HTTP_ID))


@implementer(IAgent)
class Agent:
    """
    Requests resources of peers, as Twisted's C{Agent} requests those of hosts::

        response = await Agent(node).request(b"GET", b"libp2p://12D3KooW.../path")

    Each request has a stream of its own, on the connection that the node has with the
    peer.  A pool with C{persistent=True} keeps streams for further requests, if the
    server does.
    """

    def __init__(
        self, host: IHost | Any, pool: HTTPConnectionPool | None = None
    ) -> None:
        """
        @param host: the node.
        @param pool: keeps streams; None for a stream per request.
        """
        self._host = host
        self._agent: Any = client.Agent.usingEndpointFactory(
            host.reactor, _PeerEndpoints(host), pool
        )

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """
        Send a request.

        @param uri: C{libp2p://PEER/path}, or C{multiaddr:} with an address that has a
            peer id and may end in C{/http-path/}.
        @return: fires with the response.  Fails with
            L{InvalidInput<twisted_libp2p.errors.InvalidInput>} for another URI, as
            C{node.openStream} does, and as C{request} of Twisted's C{Agent}.
        """
        try:
            if len(uri) > _MAX_URI:
                raise InvalidInput(f"a URI of over {_MAX_URI} bytes")
            place = WebPlace.parse(uri.decode("ascii", "replace"))
        except InvalidInput:
            return fail()
        if place.address is not None:
            self._host.peerstore.addAddresses(place.peer, [place.address])
        headers = Headers() if headers is None else headers.copy()
        if not headers.hasHeader(b"Host"):
            headers.setRawHeaders(b"Host", [str(place.peer).encode()])
        target = f"libp2p://{place.peer}{place.path}".encode()
        requesting: Deferred[IResponse] = self._agent.request(
            method, target, headers, bodyProducer
        )
        return requesting.addCallback(_locate, place)

    async def protocols(self, peer: PeerID | str) -> dict[str, str]:
        """
        Ask a peer for its application protocols over HTTP.

        @return: the path of each protocol.
        @raise ProtocolViolation: the answer is malformed, or too long.
        """
        asking = Deferred.fromCoroutine(self._protocols(PeerID.of(peer)))
        return await addTimeout(asking, PROTOCOLS_TIME, self._host.clock)

    async def _protocols(self, peer: PeerID) -> dict[str, str]:
        uri = f"libp2p://{peer}{PROTOCOLS_PATH}".encode()
        accepted = Headers({b"Accept": [b"application/json"]})
        response = await self.request(b"GET", uri, accepted)
        if response.code != 200:
            discard(response)
            raise ProtocolViolation(
                "HTTP", f"no list of protocols: status {response.code}"
            )
        return parseProtocols(await readSome(response, MAX_PROTOCOLS))

    async def uriOf(self, peer: PeerID | str, protocol: str, path: str = "") -> bytes:
        """
        Return the URI of a resource of an application protocol, after asking the peer
        where it serves the protocol.

        @param path: the path of the resource below that of the protocol; empty for the
            very path that the peer has named: js-libp2p serves no other one.
        @raise ProtocolViolation: as L{protocols} does; or the protocol is not served,
            or has a path that no URI has.
        """
        served = await self.protocols(peer)
        if protocol not in served:
            known = ", ".join(sorted(served)) or "nothing"
            raise ProtocolViolation(
                "HTTP", f"{protocol} is not served; served is {known}"
            )
        where = served[protocol]
        if not where.isascii():
            raise ProtocolViolation("HTTP", f"the path of {protocol} is not ASCII")
        if path:
            where = where.rstrip("/") + "/" + path.removeprefix("/")
        return f"libp2p://{PeerID.of(peer)}{where}".encode()


def _locate(response: Any, place: WebPlace) -> Any:
    """
    Make the place of a redirect absolute, so that it can be requested next.
    """
    found = response.headers.getRawHeaders(b"Location")
    if found and 300 <= response.code < 400:
        where = place.resolve(found[0].decode("latin-1")).encode("latin-1")
        response.headers.setRawHeaders(b"Location", [where])
    return response
