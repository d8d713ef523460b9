# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The stream that carries the exchange of hole punching.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.python.failure import Failure

from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.holepunch.exchange import DCUTR, MAX_MESSAGE, Answerer, Asker
from twisted_libp2p.pacing import Deadlines
from twisted_libp2p.protocols.exchange import MessageReceiver
from twisted_libp2p.wire.frames import delimit

__all__ = ["AnsweringStream", "AskingStream"]


class _Stream(MessageReceiver):
    """
    Handles messages as they come.
    """

    def __init__(self, deadlines: Deadlines, seconds: Callable[[], float]) -> None:
        """
        @param deadlines: the time for the exchange.
        @param seconds: returns the time.
        """
        super().__init__(deadlines, DCUTR, MAX_MESSAGE)
        self._seconds = seconds

    def feed(self, data: bytes) -> None:
        """
        Handle all messages that are complete.
        """
        for message in self.messages(data):
            self.heard(message)

    def heard(self, message: bytes) -> None:
        """
        Handle a message.
        """
        raise NotImplementedError


class AskingStream(_Stream):
    """
    The stream at the side that begins.
    """

    def __init__(
        self,
        asker: Asker,
        deadlines: Deadlines,
        seconds: Callable[[], float],
        done: Callable[[Failure | None], object],
    ) -> None:
        """
        @param done: called at the end, with the error if there was one.
        """
        super().__init__(deadlines, seconds)
        self._asker = asker
        self._done = done

    def connectionMade(self) -> None:
        """
        Begin.
        """
        super().connectionMade()
        self.transport.write(delimit(self._asker.start(self._seconds())))

    def heard(self, message: bytes) -> None:
        """
        Take the answer.
        """
        answer = self._asker.receive(message, self._seconds())
        self.transport.write(delimit(answer))
        self.end(None)
        self.transport.loseConnection()

    def ended(self, reason: Failure | None) -> None:
        """
        Report the end.
        """
        if reason is None and self._asker.addresses is None:
            reason = Failure(ProtocolViolation(DCUTR, "no answer"))
        self._done(reason)


class AnsweringStream(_Stream):
    """
    The stream at the side that has dialed through the relay.

    @ivar answerer: our side of the exchange; None if the peer must not ask.
    """

    answerer: Answerer | None = None

    def __init__(
        self,
        deadlines: Deadlines,
        seconds: Callable[[], float],
        begun: Callable[[AnsweringStream], Answerer | None],
        synchronized: Callable[[AnsweringStream], object],
        done: Callable[[AnsweringStream], object],
    ) -> None:
        """
        @param begun: called at the beginning; returns our side of the exchange, or
            None if the peer must not ask.
        @param synchronized: called when it is time to dial.
        @param done: called at the end.
        """
        super().__init__(deadlines, seconds)
        self._begun = begun
        self._synchronized = synchronized
        self._done = done

    def connectionMade(self) -> None:
        """
        Wait for the peer, unless it must not ask.
        """
        self.answerer = self._begun(self)
        if self.answerer is not None:
            super().connectionMade()
        else:
            self.transport.abortConnection()

    def heard(self, message: bytes) -> None:
        """
        Answer.
        """
        assert self.answerer is not None
        answer = self.answerer.receive(message, self._seconds())
        if answer is not None:
            self.transport.write(delimit(answer))
        else:
            self.end(None)
            self.transport.loseConnection()

    def ended(self, reason: Failure | None) -> None:
        """
        Report the end.
        """
        self._done(self)
        if self.answerer is not None and self.answerer.synchronized:
            self._synchronized(self)
