# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The two ends of an identify stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.errors import ErrorCode
from twisted_libp2p.interfaces import ISelfDelimiting
from twisted_libp2p.protocols.exchange import Receiver
from twisted_libp2p.protocols.identify.reader import Reader

if TYPE_CHECKING:
    from twisted_libp2p.protocols.identify.service import IdentifyService

__all__ = ["DescriptionReceiver", "DescriptionSender"]


@implementer(ISelfDelimiting)
class DescriptionSender(Protocol):
    """
    Writes our message and closes.
    """

    transport: Any

    def __init__(self, service: IdentifyService) -> None:
        self._service = service

    def connectionMade(self) -> None:
        self.transport.write(self._service.message(self.transport.connection))
        self.transport.loseConnection()


class DescriptionReceiver(Receiver):
    """
    Reads the messages of the peer up to the end of the stream.
    """

    _reader: Reader

    def __init__(self, service: IdentifyService, push: bool) -> None:
        """
        @param push: whether the peer sends them unasked.
        """
        super().__init__(service.deadlines, "identify")
        self._service = service
        self._push = push

    def connectionMade(self) -> None:
        connection = self.transport.connection
        if self._push and not self._service.mayPush(connection):
            self.transport.abortConnection(ErrorCode.RATE_LIMITED)
            return
        self._reader = self._service.reader(connection)
        super().connectionMade()

    def feed(self, data: bytes) -> None:
        """
        Read some bytes.
        """
        self._reader.feed(data)

    def ended(self, reason: Failure | None) -> None:
        """
        Report the messages, or why they are not complete.
        """
        connection = self.transport.connection
        if reason is None:
            self._service.received(connection, self._reader, self._push)
        elif not self._push:
            self._service.failed(connection, reason)
