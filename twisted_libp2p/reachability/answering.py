# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The stream on which a peer asks us to dial it, in AutoNAT v2.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.errors import ErrorCode, ProtocolViolation
from twisted_libp2p.interfaces import ISelfDelimiting
from twisted_libp2p.pacing import Deadlines
from twisted_libp2p.protocols.exchange import MessageReceiver
from twisted_libp2p.reachability.messages import (
    DIAL_REQUEST,
    MAX_MESSAGE,
    DialData,
    DialDataRequest,
    DialRequest,
    DialResponse,
    readAny,
)
from twisted_libp2p.wire.frames import delimit

__all__ = ["MIN_PIECE", "AnsweringStream"]

#: The fewest bytes in a piece of data, unless it is the last one: smaller ones cost us
#: more than the client.
MIN_PIECE: Final = 100


class _State(Enum):
    """
    The state of the stream.
    """

    #: The request is expected.
    ASKED = "asked"
    #: The demanded data is expected.
    PAYING = "paying"
    #: Nothing is expected any longer.
    DONE = "done"


@implementer(ISelfDelimiting)
class AnsweringStream(MessageReceiver):
    """
    Takes a request, and data if it is demanded, and sends the answer.
    """

    def __init__(
        self,
        deadlines: Deadlines,
        begun: Callable[[AnsweringStream], bool],
        asked: Callable[[AnsweringStream, DialRequest], Deferred[Any]],
        over: Callable[[AnsweringStream], object],
    ) -> None:
        """
        Wait for the request.

        @param deadlines: the time of the client for its messages.
        @param begun: called at the beginning; returns whether the request is read.
        @param asked: called with the request; returns the Deferred of the work on it,
            which is cancelled if the stream is lost.
        @param over: called at the end of a stream whose request was read.
        """
        super().__init__(deadlines, DIAL_REQUEST, MAX_MESSAGE)
        self._begun = begun
        self._asked = asked
        self._over: Callable[[AnsweringStream], object] | None = over
        self._state = _State.ASKED
        self._owed = 0
        self._payment: Deferred[None] | None = None
        self._work: Deferred[Any] | None = None

    def connectionMade(self) -> None:
        """
        Wait for the request, unless there are too many.
        """
        if self._begun(self):
            super().connectionMade()
        else:
            self._over = None

    def feed(self, data: bytes) -> None:
        """
        Handle the messages of the client.

        @raise ProtocolViolation: it breaks the protocol.
        """
        for message in self.messages(data):
            read = readAny(message)
            if self._state is _State.ASKED and isinstance(read, DialRequest):
                self._state = _State.DONE
                work = self._work = self._asked(self, read)
                work.addErrback(lambda _: None)
            elif self._state is _State.PAYING and isinstance(read, DialData):
                self._pay(read.size)
            else:
                raise ProtocolViolation(DIAL_REQUEST, "a message out of turn")

    def demand(self, index: int, size: int) -> Deferred[None]:
        """
        Demand data.

        @return: fires when all of it has come.
        """
        self._state = _State.PAYING
        self._owed = size
        payment = self._payment = Deferred()
        self.transport.write(delimit(DialDataRequest(index, size).toBytes()))
        return payment

    def _pay(self, size: int) -> None:
        """
        Count a piece of data.
        """
        if size < min(MIN_PIECE, self._owed):
            raise ProtocolViolation(DIAL_REQUEST, f"a piece of {size} bytes")
        self._owed -= size
        if self._owed <= 0:
            self._state = _State.DONE
            payment, self._payment = self._payment, None
            if payment is not None:
                payment.callback(None)

    def answer(self, response: DialResponse) -> None:
        """
        Send the answer, and close.
        """
        self._state = _State.DONE
        self.end(None)
        self.transport.write(delimit(response.toBytes()))
        self.transport.loseConnection()

    def ended(self, reason: Failure | None) -> None:
        """
        Give up the work if the client has failed.
        """
        if reason is not None:
            self._giveUp()

    def timedOut(self) -> None:
        """
        Reset a stream whose client is late.  A client has no more to send when its
        data is complete.
        """
        if self._state is not _State.DONE:
            super().timedOut()

    def readConnectionLost(self) -> None:
        """
        Go on with the answer if everything has come that was expected, and reset the
        stream otherwise.
        """
        if self._state is not _State.DONE:
            self.end(Failure(ProtocolViolation(DIAL_REQUEST, "not complete")))
            self.transport.abortConnection(ErrorCode.PROTOCOL_VIOLATION)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Give up the work.
        """
        super().connectionLost(reason)
        self._giveUp()
        over, self._over = self._over, None
        if over is not None:
            over(self)

    def _giveUp(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            work.cancel()
