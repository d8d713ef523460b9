# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A bound on the head of a response.  Twisted's client keeps any number of headers.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.errors import ProtocolViolation

__all__ = ["MAX_HEAD", "GuardedEndpoint"]

#: Maximum size of the head of the first response on a stream, in bytes.
MAX_HEAD: Final = 64 * 1024

# A line may end without a carriage return.
_ENDS: Final = (b"\r\n\r\n", b"\n\n")


class _Guard(Protocol):
    """
    Passes bytes on to the client, unless the head of the response is too long.

    @ivar inner: the client.
    """

    transport: Any

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self._room = MAX_HEAD
        # The last bytes of the head so far; None after its end.
        self._tail: bytes | None = b""
        self._reason: Failure | None = None

    def connectionMade(self) -> None:
        """
        Connect the client.
        """
        self.inner.makeConnection(self.transport)

    def dataReceived(self, data: bytes) -> None:
        """
        Pass bytes on.
        """
        if self._tail is not None:
            self._count(data)
        if self._reason is None:
            self.inner.dataReceived(data)

    def _count(self, data: bytes) -> None:
        """
        Count bytes of the head.
        """
        assert self._tail is not None
        seen = self._tail + data
        if any(end in seen for end in _ENDS):
            self._tail = None
            return
        self._tail = seen[-3:]
        self._room -= len(data)
        if self._room < 0 and self._reason is None:
            self._reason = Failure(
                ProtocolViolation("HTTP", f"a head of over {MAX_HEAD} bytes")
            )
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Report the end.
        """
        self.inner.connectionLost(self._reason or reason)


class _GuardFactory(Factory):
    """
    Builds guards.
    """

    noisy = False

    def __init__(self, factory: IProtocolFactory) -> None:
        self._factory = factory

    def buildProtocol(self, addr: Any) -> _Guard:
        """
        Build one around a client.
        """
        return _Guard(self._factory.buildProtocol(addr))


@implementer(IStreamClientEndpoint)
class GuardedEndpoint:
    """
    Connects clients of HTTP, with guards.
    """

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        """
        @param endpoint: opens the streams.
        """
        self._endpoint = endpoint

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect, and return the client.
        """
        connecting: Deferred[Any] = self._endpoint.connect(
            _GuardFactory(protocolFactory)
        )
        return connecting.addCallback(lambda guard: guard.inner)
