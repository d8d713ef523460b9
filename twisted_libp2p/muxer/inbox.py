# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The receiving half of a stream: received bytes go to the protocol at once, or wait here
until it reads again.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.interfaces import IProtocol
from twisted.python.failure import Failure

from twisted_libp2p.muxer.outbox import Outbox
from twisted_libp2p.wire.pieces import MANY, SMALL, joinSmall

if TYPE_CHECKING:
    from twisted_libp2p.interfaces import IMuxedConnection
    from twisted_libp2p.muxer.table import StreamTable
    from twisted_libp2p.muxer.turns import Turns

__all__ = ["Inbox", "StreamSession"]


class StreamSession(Protocol):
    """
    The session, as its streams use it.

    @ivar connection: the owner of the session.
    @ivar turns: sends and notifies.
    @ivar table: gives a closed stream a deadline.
    """

    connection: IMuxedConnection
    turns: Turns
    table: StreamTable[Any]

    def reset(self, stream: Any, code: int) -> None:
        """
        Send a reset of a stream to the peer, and nothing else of it.
        """

    def delivered(self, stream: Any, size: int) -> None:
        """
        Note that bytes of a stream were handed to the application, or dropped.

        @param size: how many; negative if some were handed back.
        """

    def closed(self, stream: Any, reason: Failure) -> None:
        """
        Forget a stream: both its halves have ended, and its protocol was notified.
        """


class Inbox(Outbox):
    """
    The bytes of both halves of a stream.

    @ivar session: the session that the stream is part of.
    @ivar protocol: the protocol that receives.  May be replaced at any time; None
        after the end.
    @ivar negotiating: whether the application is connected although the peer has
        not confirmed its protocol.  Until it has, our half does not end, and received
        bytes are delivered even if the application is not reading.
    @ivar unreadSize: how many received bytes wait here for the application.
    """

    __slots__ = (
        "_negotiator",
        "_paused",
        "_reason",
        "_received",
        "negotiating",
        "protocol",
        "session",
        "unreadSize",
    )

    # All are set by the constructor of the stream, in one call.
    session: StreamSession
    protocol: IProtocol | None
    negotiating: bool
    unreadSize: int
    _negotiator: Any
    _received: deque[bytes] | None
    _paused: bool
    _reason: Failure | None

    # Calls of the application

    def pauseProducing(self) -> None:
        """
        Deliver nothing from now on.  The peer may fill its window.
        """
        if not self.state.left:
            self._paused = True

    def resumeProducing(self) -> None:
        """
        Deliver again, beginning with the bytes that came in the meantime.
        """
        if self._paused:
            self._paused = False
            if self._received or self.state.unread:
                self.session.turns.notify(self)

    def unread(self, data: bytes) -> None:
        """
        Take back bytes that were delivered to a protocol which has since been
        replaced: they are delivered again, before all others, as soon as
        C{protocol} wants to read.
        """
        if not data or self.state.left or self.state.settled:
            return
        if not (self._paused or self._received):
            # The caller is receiving.
            self.protocol.dataReceived(data)  # type: ignore[union-attr]
            return
        received = self._received
        if received is None:
            received = self._received = deque()
        if received and len(data) + len(received[0]) <= SMALL:
            received[0] = data + received[0]
        else:
            received.appendleft(data)
        self.unreadSize += len(data)
        self.session.delivered(self, -len(data))
        self.session.turns.notify(self)

    # Calls of the session

    def deliver(self, data: bytes) -> None:
        """
        Hand bytes of the peer to the protocol, now or when it reads again.
        """
        if (self._paused or self._received) and not self.negotiating:
            received = self._received
            if received is None:
                received = self._received = deque()
            received.append(data)
            if not len(received) % MANY:
                joinSmall(received)
            self.unreadSize += len(data)
            return
        if not self.state.discards:
            receiver = self._negotiator or self.protocol
            try:
                receiver.dataReceived(data)  # type: ignore[union-attr]
            except Exception:
                self.failed("dataReceived")
        self.session.delivered(self, len(data))

    # Within

    def _discard(self) -> None:
        """
        Drop the bytes that the application has not read.
        """
        if self._received:
            size = self.unreadSize
            self._received.clear()
            self.unreadSize = 0
            self.session.delivered(self, size)

    def failed(self, where: str) -> None:
        """
        Reset the stream, since its application has raised in this method.
        """
        raise NotImplementedError

    def _deliverReceived(self, received: deque[bytes]) -> None:
        """
        Hand received bytes to the application until it pauses, or loses the stream.
        """
        while received and not self._paused:
            if self._reason is not None and not self.state.unread:
                break
            data = received.popleft()
            self.unreadSize -= len(data)
            try:
                self.protocol.dataReceived(data)  # type: ignore[union-attr]
            except Exception:
                self.failed("dataReceived")
            self.session.delivered(self, len(data))
