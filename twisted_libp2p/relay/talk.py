# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
One message on a stream, after which the stream belongs to another protocol.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IProtocol
from twisted.python.failure import Failure

from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.pacing import Deadlines
from twisted_libp2p.protocols.exchange import MessageReceiver
from twisted_libp2p.relay.messages import MAX_MESSAGE
from twisted_libp2p.wire.frames import delimit

__all__ = ["Talk"]


class Talk(MessageReceiver):
    """
    Sends a message if our side begins, receives one, and then waits to be answered or
    to hand over its stream.

    @ivar lost: called when the stream is lost after the message and before the
        handover.
    """

    lost: Callable[[], object] | None = None

    def __init__(
        self,
        deadlines: Deadlines,
        name: str,
        heard: Callable[[Talk, bytes], object],
        failed: Callable[[Failure], object],
        first: bytes | None = None,
    ) -> None:
        """
        @param deadlines: the time for the message of the peer.
        @param name: names the protocol in errors.
        @param heard: called with this object and the message, once.
        @param failed: called with the error instead, if there is no message.
        @param first: the message that our side begins with.
        """
        super().__init__(deadlines, name, MAX_MESSAGE)
        self._heard = heard
        self._failed = failed
        self._first = first
        self._message: bytes | None = None

    def connectionMade(self) -> None:
        """
        Start the deadline, and begin.
        """
        super().connectionMade()
        if self._first is not None:
            self.transport.write(delimit(self._first))

    def feed(self, data: bytes) -> None:
        """
        Read, up to the end of the message.
        """
        self._message = next(self.messages(data), None)
        if self._message is not None:
            self.transport.pauseProducing()
            self.end(None)

    def ended(self, reason: Failure | None) -> None:
        """
        Report the message, or the error.
        """
        if reason is None and self._message is None:
            violation = ProtocolViolation(self._name, "the stream ended too early")
            reason = Failure(violation)
        if reason is not None:
            self._failed(reason)
        elif self._message is not None:
            self._heard(self, self._message)

    def readConnectionLost(self) -> None:
        """
        Go on after a message: the peer may end its half after it, as rust-libp2p does.
        """
        if self._message is None:
            super().readConnectionLost()

    def connectionLost(self, reason: Failure | None = None) -> None:
        """
        Report that the stream was lost, whether before the message or after it.
        """
        super().connectionLost(reason or Failure(ProtocolViolation(self._name, "lost")))
        lost, self.lost = self.lost, None
        if self._message is not None and lost is not None:
            lost()

    def answer(self, message: bytes) -> None:
        """
        Send a message; the stream stays open.
        """
        self.transport.write(delimit(message))

    def close(self, message: bytes) -> None:
        """
        Send a last message, and close.
        """
        self.answer(message)
        self.transport.loseConnection()

    def give(self, protocol: IProtocol) -> bytes:
        """
        Hand the stream over, paused.

        @return: the bytes after the message, for C{stream.unread}.
        """
        self.lost = None
        stream = self.transport
        stream.switchProtocol(self, protocol)
        protocol.makeConnection(stream)
        return self._frames.trailingData
