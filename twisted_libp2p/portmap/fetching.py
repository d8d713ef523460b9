# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
HTTP requests to the gateway: bounded in bytes and time, without a name to resolve and
without a redirect.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory
from twisted.web.client import URI, Agent, FileBodyProducer
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from twisted_libp2p.errors import NoGateway
from twisted_libp2p.pacing.deadline import addTimeout
from twisted_libp2p.pacing.layer import Layer
from twisted_libp2p.portmap.soap import MAX_DOCUMENT, NAME
from twisted_libp2p.protocols.httpbody import readSome

__all__ = ["MAX_ANSWER", "TIME", "Fetcher"]

#: Seconds for one request and its answer.
TIME: Final = 5.0

#: Maximum size of an answer, its head included, in bytes.
MAX_ANSWER: Final = MAX_DOCUMENT + 8 * 1024


class _Bounded(Layer):
    """
    A connection that ends when it has received too much.
    """

    _received = 0

    def dataReceived(self, data: bytes) -> None:
        """
        Pass on the bytes, and count them.
        """
        self._received += len(data)
        if self._received > MAX_ANSWER:
            self.abortConnection()
        else:
            super().dataReceived(data)


@implementer(IStreamClientEndpoint)
class _Endpoint:
    """
    Connects to an address, by bounded connections.
    """

    def __init__(self, reactor: Any, host: str, port: int) -> None:
        self._endpoint = TCP4ClientEndpoint(reactor, host, port, timeout=TIME)

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect.
        """

        class Bounding(Factory):
            noisy = False

            def buildProtocol(self, addr: Any) -> _Bounded:
                return _Bounded(self, protocolFactory.buildProtocol(addr))

        connecting: Deferred[Any] = self._endpoint.connect(Bounding())
        return connecting.addCallback(lambda layer: layer.wrappedProtocol)


@implementer(IAgentEndpointFactory)
class _Endpoints:
    """
    Gives the agent its endpoints.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def endpointForURI(self, uri: URI) -> _Endpoint:
        """
        Return the endpoint of a URL whose host is an IPv4 address.
        """
        return _Endpoint(self._reactor, uri.host.decode("ascii"), uri.port)


class Fetcher:
    """
    Sends requests whose URLs L{twisted_libp2p.portmap.ssdp.onlyAt} has checked.
    """

    def __init__(self, reactor: Any) -> None:
        """
        @param reactor: connects, and has the time.
        """
        self._clock = reactor
        self._agent = Agent.usingEndpointFactory(reactor, _Endpoints(reactor))

    async def get(self, url: str) -> bytes:
        """
        Fetch a document.

        @raise NoGateway: there is none, or it is too large or too late.
        """
        code, body = await self._fetch(b"GET", url, {}, None)
        if code != 200:
            raise NoGateway(f"{NAME}: {url} answers with {code}")
        return body

    async def post(self, url: str, action: str, body: bytes) -> tuple[int, bytes]:
        """
        Send a request of SOAP.

        @param action: the service and the action, for the head.
        @return: the status, which is 500 with an error of SOAP, and the document.
        @raise NoGateway: there is no answer, or it is too large or too late.
        """
        headers = {
            b"Content-Type": [b'text/xml; charset="utf-8"'],
            b"SOAPAction": [f'"{action}"'.encode()],
        }
        return await self._fetch(b"POST", url, headers, body)

    async def _fetch(
        self,
        method: bytes,
        url: str,
        headers: dict[bytes, list[bytes]],
        body: bytes | None,
    ) -> tuple[int, bytes]:
        talking = Deferred.fromCoroutine(self._talk(method, url, headers, body))
        try:
            return await addTimeout(talking, TIME, self._clock)
        except CancelledError:
            raise
        except Exception as error:
            # Any error of sockets, of HTTP, or of time.
            reason = str(error) or type(error).__name__
            raise NoGateway(f"{NAME}: {url} does not answer: {reason}") from None

    async def _talk(
        self,
        method: bytes,
        url: str,
        headers: dict[bytes, list[bytes]],
        body: bytes | None,
    ) -> tuple[int, bytes]:
        producer = None if body is None else FileBodyProducer(BytesIO(body))
        response = await self._agent.request(
            method, url.encode("ascii"), Headers(headers), producer
        )
        return response.code, await readSome(response, MAX_ANSWER)
