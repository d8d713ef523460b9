# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A stream that leads to one result.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twisted_libp2p.errors import ErrorCode, ProtocolViolation
from twisted_libp2p.pacing import Deadlines
from twisted_libp2p.protocols.exchange import MessageReceiver

__all__ = ["ResultStream"]

R = TypeVar("R")


class ResultStream(MessageReceiver, Generic[R]):
    """
    A stream on which we ask, and that ends with the answer.

    @ivar result: fires with the answer; fails otherwise.  If it is cancelled, the
        stream is reset.
    """

    def __init__(self, deadlines: Deadlines, name: str, maximum: int) -> None:
        """
        Have no answer yet.

        @param deadlines: the time of the peer for everything.
        @param name: names the protocol in errors.
        @param maximum: maximum size of a message, in bytes.
        """
        super().__init__(deadlines, name, maximum)
        self.result: Deferred[R] = Deferred(lambda _: self._cancel())

    def succeed(self, answer: R) -> None:
        """
        Report the answer, and close.
        """
        self.end(None)
        self.transport.loseConnection()
        if not self.result.called:
            self.result.callback(answer)

    def ended(self, reason: Failure | None) -> None:
        """
        Report an error.
        """
        if reason is not None and not self.result.called:
            self.result.errback(reason)

    def failed(self, reason: Failure) -> None:
        """
        Report that the stream was not opened.
        """
        if not self.result.called:
            self.result.errback(reason)

    def readConnectionLost(self) -> None:
        """
        Report an end without an answer.
        """
        self.end(Failure(ProtocolViolation(self._name, "no answer")))
        self.transport.loseConnection()

    def _cancel(self) -> None:
        self.end(None)
        if self.transport is not None:
            self.transport.abortConnection(ErrorCode.NONE)
