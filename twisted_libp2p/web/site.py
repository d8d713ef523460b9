# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The server of C{/http/1.1}: one request on a stream, whose peer is known.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.web.http import HTTPChannel
from twisted.web.resource import IResource
from twisted.web.server import Request, Site
from zope.interface import implementer

from twisted_libp2p.address import PeerAddress

__all__ = ["MAX_BODY", "MAX_FORM", "PeerRequest", "PeerSite"]

#: Maximum size of the body of a request, in bytes.
MAX_BODY: Final = 16 << 20

#: Maximum size of a form whose fields are parsed, in bytes.  Twisted needs 10 s for 16
#: MiB, in which nothing else runs.
MAX_FORM: Final = 64 * 1024

#: Seconds without a byte after which a stream is closed.
IDLE_TIME: Final = 60.0


class PeerRequest(Request):
    """
    A request of a peer.
    """

    _size = 0
    site: PeerSite
    channel: Any

    def getPeer(self) -> PeerAddress:
        """
        Return the address of the peer; its C{peerID} is proven.

        @raise InvalidInput: the request came without libp2p, and has proven no peer id.
        """
        return PeerAddress.of(self.getClientAddress())

    def gotLength(self, length: int | None) -> None:
        """
        Refuse a body that is announced to be too long.
        """
        if length is not None and length > self.channel.factory.maxBody:
            self._refuse()
            return
        super().gotLength(length)

    def handleContentChunk(self, data: bytes) -> None:
        """
        Store a part of the body, unless it is too long.
        """
        self._size += len(data)
        if self._size > self.channel.factory.maxBody:
            self._refuse()
            return
        super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """
        Answer the request.  A large form is left to the resource, in C{content}.
        """
        if self._size > MAX_FORM:
            self._parsePOSTFormSubmission = False
        super().requestReceived(command, path, version)

    def _refuse(self) -> None:
        channel = self.channel
        channel.transport.write(
            b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n"
            b"Connection: close\r\n\r\n"
        )
        channel.loseConnection()


@implementer(IHalfCloseableProtocol)
class _Channel(HTTPChannel):
    """
    A stream, which has one request.
    """

    def readConnectionLost(self) -> None:
        """
        Answer a request after which the client has ended its half, as go-libp2p 0.48
        does; close a stream without a request.
        """
        if not self.requests:
            self.loseConnection()

    def writeConnectionLost(self) -> None:
        """
        Do nothing: the response has ended.
        """

    def checkPersistence(self, request: Any, version: bytes) -> bool:
        """
        Close after the response, and announce it.
        """
        if version == b"HTTP/1.1":
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
        return False


class PeerSite(Site):
    """
    Serves a resource on streams.

    @ivar maxBody: the maximum size of the body of a request, in bytes.
    """

    # Without the wrapper that negotiates HTTP/2 over TLS.
    protocol = _Channel  # type: ignore[assignment]
    requestFactory = PeerRequest

    def __init__(
        self, resource: IResource, reactor: Any, maxBody: int = MAX_BODY
    ) -> None:
        """
        @param reactor: runs the timers.
        """
        super().__init__(resource, timeout=IDLE_TIME, reactor=reactor)
        self.maxBody = maxBody
