# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The two ends of an identify stream.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.errors import ErrorCode, Libp2pError, UpgradeTimeout
from twisted_libp2p.protocols.identify.reader import Reader

if TYPE_CHECKING:
    from twisted_libp2p.protocols.identify.service import IdentifyService

__all__ = ["Receiver", "Sender", "StreamFactory"]

#: Seconds that a peer has to send its complete message.
TIMEOUT = 5.0


class Sender(Protocol):
    """
    Writes our message and closes.
    """

    transport: Any

    def __init__(self, service: IdentifyService) -> None:
        self._service = service

    def connectionMade(self) -> None:
        self.transport.write(self._service.message(self.transport.connection))
        self.transport.loseConnection()


@implementer(IHalfCloseableProtocol)
class Receiver(Protocol):
    """
    Reads the peer's message up to the end of the stream.
    """

    transport: Any

    def __init__(self, service: IdentifyService, push: bool) -> None:
        self._service = service
        self._push = push
        self._reader: Reader | None = None

    def connectionMade(self) -> None:
        connection = self.transport.connection
        if self._push and not self._service.mayPush(connection):
            self.transport.abortConnection(ErrorCode.RATE_LIMITED)
            return
        self._reader = Reader(connection.remoteKey, connection.remoteAddress)
        self._service.deadlines.begin(self)

    def dataReceived(self, data: bytes) -> None:
        if self._reader is not None:
            try:
                self._reader.feed(data)
            except Libp2pError:
                self._end(Failure())
                self.transport.abortConnection()

    def readConnectionLost(self) -> None:
        self._end(None)
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """
        Do nothing: only our own close leads here.
        """

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._end(reason)

    def timedOut(self) -> None:
        """
        Reset a stream whose message was not complete in time.
        """
        self._end(Failure(UpgradeTimeout("identify", TIMEOUT)))
        self.transport.abortConnection()

    def _end(self, reason: Failure | None) -> None:
        """
        Report once the message, or why there is none.
        """
        reader, self._reader = self._reader, None
        if reader is None:
            return
        self._service.deadlines.end(self)
        connection = self.transport.connection
        if reason is None:
            self._service.received(connection, reader, self._push)
        elif not self._push:
            self._service.failed(connection, reason)


class StreamFactory(Factory):
    """
    Builds a protocol by a function.
    """

    noisy = False

    def __init__(self, build: Callable[[], Protocol]) -> None:
        self._build = build

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return self._build()
