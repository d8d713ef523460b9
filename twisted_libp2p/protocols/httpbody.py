# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Short bodies of responses of HTTP, and bodies that are not read.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IResponse

from twisted_libp2p.errors import ProtocolViolation

__all__ = ["discard", "readSome"]


def _leave(transport: Any) -> None:
    """
    Close the connection of a response.

    The first call would wait, over TLS, for the end of the server, which may send bytes
    for ever instead.  The second one closes the connection below, after the bytes that
    are on their way.
    """
    transport.loseConnection()
    transport.stopProducing()


class _Some(Protocol):
    """
    Collects a body of a bounded size.  C{readBody} of Twisted would leave the
    connection open when it is cancelled.
    """

    transport: Any

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._data = b""
        self.whole: Deferred[bytes] = Deferred(self._cancelled)

    def dataReceived(self, data: bytes) -> None:
        """
        Keep bytes, unless there are too many.
        """
        if self.whole.called:
            return
        self._data += data
        if len(self._data) > self._maximum:
            self._end(Failure(ProtocolViolation("HTTP", f"over {self._maximum} bytes")))
            _leave(self.transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Report the body.
        """
        done = reason.check(ResponseDone, PotentialDataLoss)
        self._end(self._data if done else reason)

    def _end(self, result: bytes | Failure) -> None:
        if not self.whole.called:
            self.whole.callback(result)

    def _cancelled(self, whole: Deferred[bytes]) -> None:
        _leave(self.transport)


def readSome(response: IResponse, maximum: int) -> Deferred[bytes]:
    """
    Read the body of a response.

    @param maximum: its maximum size, in bytes.
    @return: fails with L{ProtocolViolation} if it is longer.
    """
    reading = _Some(maximum)
    response.deliverBody(reading)
    return reading.whole


class _Ignored(Protocol):
    """
    Drops a body.
    """

    transport: Any

    def connectionMade(self) -> None:
        """
        Read nothing, and close the connection unless the body has ended: a server may
        never send it.
        """
        _leave(self.transport)


def discard(response: IResponse) -> None:
    """
    End a response whose body is of no interest.
    """
    response.deliverBody(_Ignored())
