# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Requests of HTTPS to the authority and to the broker: bounded in bytes and time, and
without redirects.
"""

from __future__ import annotations

import os
from io import BytesIO
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.web.client import (
    URI,
    Agent,
    FileBodyProducer,
    HTTPConnectionPool,
    ResponseFailed,
)
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IAgentEndpointFactory
from zope.interface import implementer

from twisted_libp2p import __version__
from twisted_libp2p.autotls.abrupt import AbruptEndpoint
from twisted_libp2p.autotls.messages import MAX_ANSWER, Answer
from twisted_libp2p.errors import NoCertificate
from twisted_libp2p.pacing import addTimeout
from twisted_libp2p.protocols.httpbody import readSome
from twisted_libp2p.transport.websocket.trust import NamedServer, Trust
from twisted_libp2p.web.guard import GuardedEndpoint

__all__ = ["REQUEST_TIME", "Client", "makeAgent"]

#: Seconds for one request and its answer.  The broker dials this node in that time.
REQUEST_TIME: Final = 60.0


@implementer(IAgentEndpointFactory)
class _Endpoints:
    """
    Gives the agent its endpoints.
    """

    def __init__(self, reactor: Any, trust: Trust) -> None:
        self._reactor = reactor
        self._trust = trust

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """
        Return the endpoint of a URL.
        """
        host = uri.host.decode("ascii")
        server = NamedServer(self._trust, host)
        endpoint = HostnameEndpoint(self._reactor, host, uri.port)
        return GuardedEndpoint(AbruptEndpoint(wrapClientTLS(server, endpoint)))


def makeAgent(reactor: Any, roots: str | os.PathLike[str] | None) -> IAgent:
    """
    Make the agent of the requests.

    @param roots: a PEM file of the authorities whose servers are believed; those of the
        system by default.
    """
    # An idle connection would outlive the node.
    pool = HTTPConnectionPool(reactor, persistent=False)
    agent: IAgent = Agent.usingEndpointFactory(
        reactor, _Endpoints(reactor, Trust(roots)), pool
    )
    return agent


def _reason(error: BaseException) -> str:
    """
    Return the reason of a failed request.
    """
    if isinstance(error, ResponseFailed) and error.reasons[0].value is not None:
        error = error.reasons[0].value
    return str(error) or type(error).__name__


class Client:
    """
    Sends requests.
    """

    def __init__(self, clock: Any, agent: IAgent) -> None:
        """
        @param clock: runs the deadlines.
        @param agent: makes the requests, and follows no redirect.
        """
        self._clock = clock
        self._agent = agent

    async def send(
        self, method: bytes, url: str, body: bytes | None, kind: str
    ) -> Answer:
        """
        Send a request.

        @param kind: the type of the body.
        @raise NoCertificate: the answer is missing, too large or too late.
        """
        asking = Deferred.fromCoroutine(self._ask(method, url, body, kind))
        try:
            return await addTimeout(asking, REQUEST_TIME, self._clock)
        except CancelledError:
            raise
        except Exception as error:
            # Any error of names, of sockets, of TLS, of HTTP, or of time.
            raise NoCertificate(f"no answer of {url}: {_reason(error)}") from None

    async def _ask(
        self, method: bytes, url: str, body: bytes | None, kind: str
    ) -> Answer:
        headers = Headers({"User-Agent": [f"twisted_libp2p/{__version__}"]})
        producer = None
        if body is not None:
            headers.addRawHeader("Content-Type", kind)
            producer = FileBodyProducer(BytesIO(body))
        response = await self._agent.request(
            method, url.encode("ascii"), headers, producer
        )
        found = {
            name.decode("latin-1").lower(): values[-1].decode("latin-1")
            for name, values in response.headers.getAllRawHeaders()
        }
        return Answer(response.code, found, await readSome(response, MAX_ANSWER))
