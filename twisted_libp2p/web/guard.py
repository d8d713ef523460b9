# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A bound on the head of a response.  Twisted's client keeps any number of headers.
"""

from __future__ import annotations

import re
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

#: Maximum size of the head of the first response on a stream, in bytes, together with
#: the heads of the interim responses before it.
MAX_HEAD: Final = 64 * 1024

# A line may end without a carriage return.
_END = re.compile(rb"\r\n\r\n|\n\n")

# The beginning of a response after which no other one follows.
_FINAL = re.compile(rb"[^ \r\n]{1,32} [2-9][0-9]{2}[ \r\n]")


class _Guard(Protocol):
    """
    Passes bytes on to the client, unless the head of the response is too long.

    @ivar inner: the client.
    """

    transport: Any

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self._room = MAX_HEAD
        # The head so far; None after the end of the last one.
        self._head: bytearray | None = bytearray()
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
        if self._head is not None and self._reason is None:
            self._count(self._head, data)
        if self._reason is None:
            self.inner.dataReceived(data)

    def _count(self, head: bytearray, data: bytes) -> None:
        """
        Count bytes of heads: Twisted's client skips any number of interim responses.
        """
        start = max(0, len(head) - 3)
        head += data
        while (end := _END.search(head, start)) is not None:
            if _FINAL.match(head) is not None:
                self._head = None
                return
            del head[: end.end()]
            start = 0
        self._room -= len(data)
        if self._room < 0:
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
