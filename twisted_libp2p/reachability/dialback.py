# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The two ends of the stream by which a server of AutoNAT v2 proves that it has reached a
client.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.interfaces import IConnection, ISelfDelimiting
from twisted_libp2p.pacing import Deadlines
from twisted_libp2p.protocols.exchange import MessageReceiver
from twisted_libp2p.reachability.messages import (
    DIAL_BACK,
    MAX_DIAL_BACK,
    dialBack,
    dialBackAnswer,
    nonceOf,
    statusOfDialBack,
)
from twisted_libp2p.reachability.resultstream import ResultStream
from twisted_libp2p.wire.frames import delimit

__all__ = ["DialedBack", "DialingBack"]


@implementer(ISelfDelimiting)
class DialedBack(MessageReceiver):
    """
    The end of the client: takes the number, and confirms it.
    """

    def __init__(
        self, deadlines: Deadlines, known: Callable[[int, IConnection], bool]
    ) -> None:
        """
        Wait for the number.

        @param deadlines: the time of the server for its message.
        @param known: called with the number and the connection on which it came;
            returns whether it was expected there.
        """
        super().__init__(deadlines, DIAL_BACK, MAX_DIAL_BACK)
        self._known = known

    def feed(self, data: bytes) -> None:
        """
        Take the number.

        @raise ProtocolViolation: nobody expects it.
        """
        for message in self.messages(data):
            if not self._known(nonceOf(message), self.transport.connection):
                raise ProtocolViolation(DIAL_BACK, "a number that nobody expects")
            self.transport.write(delimit(dialBackAnswer()))
            self.transport.loseConnection()
            self.end(None)
            return

    def ended(self, reason: Failure | None) -> None:
        """
        Do nothing: the number was reported when it came.
        """


class DialingBack(ResultStream[None]):
    """
    The end of the server: sends the number, and waits until it is confirmed.
    """

    def __init__(self, deadlines: Deadlines, nonce: int) -> None:
        """
        Prepare to send the number.

        @param deadlines: the time of the client for its answer.
        @param nonce: the number.
        """
        super().__init__(deadlines, DIAL_BACK, MAX_DIAL_BACK)
        self._nonce = nonce

    def connectionMade(self) -> None:
        """
        Send the number.
        """
        super().connectionMade()
        self.transport.write(delimit(dialBack(self._nonce)))

    def feed(self, data: bytes) -> None:
        """
        Take the answer.

        @raise ProtocolViolation: it is a refusal.
        """
        for message in self.messages(data):
            if statusOfDialBack(message):
                raise ProtocolViolation(DIAL_BACK, "the client does not know it")
            self.succeed(None)
            return
