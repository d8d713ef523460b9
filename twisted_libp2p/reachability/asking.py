# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The stream on which we ask a server of AutoNAT v2 to dial us.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.pacing import Deadlines
from twisted_libp2p.reachability.messages import (
    DIAL_REQUEST,
    MAX_MESSAGE,
    DialData,
    DialDataRequest,
    DialRequest,
    DialResponse,
    Status,
    readAny,
)
from twisted_libp2p.reachability.resultstream import ResultStream
from twisted_libp2p.wire.frames import delimit

__all__ = ["MAX_DATA", "PIECE", "AskingStream"]

#: The most bytes that are sent because a server demands them, as in go-libp2p.
MAX_DATA: Final = 100_000

#: Size of their pieces, in bytes: the largest that a server has to take.
PIECE: Final = 4096


class AskingStream(ResultStream[DialResponse]):
    """
    Sends a request, pays for it, and takes the answer.
    """

    def __init__(
        self,
        deadlines: Deadlines,
        request: DialRequest,
        mayPay: Callable[[], bool],
    ) -> None:
        """
        Prepare to ask.

        @param deadlines: the time of the server, for everything.
        @param request: the question.
        @param mayPay: returns whether this server is sent the data that it demands.
        """
        super().__init__(deadlines, DIAL_REQUEST, MAX_MESSAGE)
        self._request = request
        self._mayPay = mayPay
        self._paid = False

    def connectionMade(self) -> None:
        """
        Ask.
        """
        super().connectionMade()
        self.transport.write(delimit(self._request.toBytes()))

    def feed(self, data: bytes) -> None:
        """
        Handle the messages of the server.

        @raise ProtocolViolation: it breaks the protocol, or demands too much.
        """
        for message in self.messages(data):
            read = readAny(message)
            if isinstance(read, DialDataRequest):
                self._pay(read)
            elif isinstance(read, DialResponse):
                if read.status == Status.OK:
                    self._checkIndex(read.index)
                self.succeed(read)
                return
            else:
                raise ProtocolViolation(DIAL_REQUEST, "a message of a client")

    def _checkIndex(self, index: int) -> None:
        count = len(self._request.addresses)
        if index >= count:
            raise ProtocolViolation(
                DIAL_REQUEST, f"address {index} of {count} was dialed"
            )

    def _pay(self, demand: DialDataRequest) -> None:
        """
        Send the demanded data.
        """
        self._checkIndex(demand.index)
        if self._paid or demand.size > MAX_DATA or not self._mayPay():
            raise ProtocolViolation(
                DIAL_REQUEST, f"{demand.size} bytes are demanded once more, or too many"
            )
        self._paid = True
        whole, rest = divmod(demand.size, PIECE)
        piece = delimit(DialData(PIECE).toBytes())
        last = delimit(DialData(rest).toBytes()) if rest else b""
        self.transport.write(piece * whole + last)
