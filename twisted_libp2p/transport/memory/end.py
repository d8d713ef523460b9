# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
One end of a connection in memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable
from typing import Any, Self

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IProtocol,
    IPushProducer,
    ITransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.interfaces import IFlushable
from twisted_libp2p.pacing import stateAfter
from twisted_libp2p.pacing.below import Switchable
from twisted_libp2p.transport.memory.life import LIFE, Life

__all__ = ["HIGH_WATER", "MemoryEnd"]

#: More undelivered bytes than this, in one direction, pause the sender; and no read is
#: larger.
HIGH_WATER = 64 * 1024

_LEAVING = frozenset((Life.CLOSING, Life.ABORTED, Life.CLOSED))


@implementer(ITransport, IConsumer, IPushProducer, IFlushable)
class MemoryEnd(Switchable, ABC):
    """
    One end of a connection in memory.  It behaves as Twisted's sockets do: it pauses a
    producer when it is full, delivers nothing while the reader is paused, and closes
    when all written bytes are delivered.

    A subclass decides when the written bytes are delivered.

    @cvar capacity: more undelivered bytes than this make the transport full.
    @ivar other: the other end.
    @ivar protocol: the protocol of this end; None after the connection.
    @ivar waiting: the number of written bytes that have not been delivered.
    @ivar stalled: whether written bytes do not arrive, as in a dead network.
    @ivar life: the state of this end.
    """

    capacity = HIGH_WATER
    other: Self

    def __init__(
        self, host: IAddress, protocol: IProtocol | None = None, delay: float = 0.0
    ) -> None:
        """
        @param host: the address of this end.
        @param protocol: the protocol of this end.
        @param delay: seconds that bytes, and the close, are on their way.
        """
        self.protocol: Any = protocol
        self.waiting = 0
        self.stalled = False
        self.life = Life.OPEN
        self._host = host
        self._delay = delay
        # Written bytes, and when each piece of them arrives.
        self._written: deque[tuple[float, bytes]] = deque()
        self._endsAt = 0.0
        self._reading = True
        self._producer: Any = None
        self._streaming = False
        self._producerPaused = False

    @property
    def disconnecting(self) -> bool:
        """
        Whether our side has begun to close.
        """
        return self.life in _LEAVING

    @property
    def disconnected(self) -> bool:
        """
        Whether the connection is over.
        """
        return self.life >= Life.LOST

    @property
    def silent(self) -> bool:
        """
        Whether nothing more is delivered, in either direction.
        """
        return self.life >= Life.CUT

    def _move(self, event: str) -> bool:
        """
        Go to the state after an event.

        @return: False if the event changes nothing.
        """
        before, self.life = self.life, stateAfter(LIFE, self.life, event)
        return self.life is not before

    # For subclasses

    @abstractmethod
    def _now(self) -> float:
        """
        Return the time, in seconds.
        """

    @abstractmethod
    def _schedule(self) -> None:
        """
        Prepare a delivery: there are written bytes, or there is a close.
        """

    @abstractmethod
    def _cut(self) -> None:
        """
        Let L{lose} be called on both ends, after an abort of this one.
        """

    def _split(self, data: bytes) -> Iterable[bytes]:
        """
        Cut bytes into the reads of the other end.
        """
        return (data,)

    # ITransport

    def write(self, data: bytes) -> None:
        """
        Let these bytes wait for a delivery.

        @raise TypeError: they are not C{bytes}; sockets do not take others.
        """
        if not isinstance(data, bytes):
            raise TypeError(f"a transport takes bytes, not {type(data).__name__}")
        # A close waits for the last bytes of a producer.
        closing = self.disconnecting and self._producer is None
        if data and not (closing or self.silent):
            self._accept(data)

    def _accept(self, data: bytes) -> None:
        """
        Store written bytes.
        """
        self._written.append((self._now() + self._delay, data))
        self.waiting += len(data)
        if self.waiting > self.capacity:
            self._pauseProducer()
        self._schedule()

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """
        Let these bytes wait for a delivery.

        @raise TypeError: some of them are not C{bytes}.
        """
        self.write(b"".join(iovec))

    def loseConnection(self) -> None:
        """
        Close when all written bytes are delivered and no producer is registered.
        """
        if self._move("close"):
            self._endsAt = self._now() + self._delay
            self._schedule()

    def abortConnection(self) -> None:
        """
        Drop the written bytes and close at once.
        """
        if self._move("abort"):
            # Neither end delivers anything more, not even a close in good order.
            self.other._move("cut")
            self._written.clear()
            self.waiting = 0
            self._cut()

    def getPeer(self) -> IAddress:
        """
        Return the address of the other end.
        """
        return self.other.getHost()

    def getHost(self) -> IAddress:
        """
        Return the address of this end.
        """
        return self._host

    # IFlushable

    writeNow = write

    def flush(self) -> None:
        """
        Do nothing: the written bytes wait for a delivery.
        """

    # IConsumer

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """
        Pause this producer when the transport is full.
        """
        if self._producer is not None:
            raise RuntimeError("a producer is registered already")
        if self.disconnected:
            producer.stopProducing()
            return
        self._producer = producer
        self._streaming = streaming
        # A pull producer counts as paused: it is asked whenever all is delivered.
        self._producerPaused = not streaming
        if not streaming:
            producer.resumeProducing()

    def unregisterProducer(self) -> None:
        """
        Forget the producer; a close waits for it no longer.
        """
        self._producer = None
        self._schedule()

    def _pauseProducer(self) -> None:
        if self._producer is not None and not self._producerPaused:
            self._producerPaused = True
            self._producer.pauseProducing()

    def _resumeProducer(self) -> None:
        if self._producer is not None and self._producerPaused:
            self._producerPaused = not self._streaming
            self._producer.resumeProducing()

    # IPushProducer: the received bytes

    def pauseProducing(self) -> None:
        """
        Deliver nothing to the protocol of this end.
        """
        self._reading = False

    def resumeProducing(self) -> None:
        """
        Deliver to the protocol of this end again.
        """
        if not self._reading:
            self._reading = True
            self.other._schedule()

    def stopProducing(self) -> None:
        """
        Close.
        """
        self.loseConnection()

    # Delivery

    def _deliver(self, size: int) -> int:
        """
        Deliver written bytes whose time has come, while the other end reads.

        @param size: the maximum number of bytes.
        @return: the number of delivered bytes.
        """
        data, due = self._take(size)
        if not data:
            return 0
        other = self.other
        delivered = 0
        for piece in self._split(data):
            if not other._reading or other.disconnected or self.silent:
                break
            delivered += len(piece)
            self.waiting -= len(piece)
            other.protocol.dataReceived(piece)
        if delivered < len(data) and not self.silent:
            self._written.appendleft((due, data[delivered:]))
        return delivered

    def _take(self, size: int) -> tuple[bytes, float]:
        """
        Take written bytes whose time has come.

        @param size: the maximum number of bytes.
        @return: the bytes, and the time of the last ones.
        """
        now, due = self._now(), 0.0
        pieces: list[bytes] = []
        if not self.other._reading or self.other.disconnected:
            return b"", due
        while self._written and size > 0 and self._written[0][0] <= now:
            due, piece = self._written.popleft()
            if len(piece) > size:
                self._written.appendleft((due, piece[size:]))
                piece = piece[:size]
            size -= len(piece)
            pieces.append(piece)
        return b"".join(pieces), due

    def _settle(self, moved: bool) -> bool:
        """
        Resume the producer, or close, if all bytes are delivered.

        @param moved: whether some of them were just delivered.
        @return: whether the connection is over.
        """
        if self._written or self.silent:
            return False
        if moved:
            self._resumeProducer()
        if self._closes():
            self.lose(ConnectionDone())
            self.other.lose(ConnectionDone())
            return True
        return False

    def _closes(self) -> bool:
        """
        Decide whether a close is due.
        """
        if self.life is not Life.CLOSING or self._written or self._producer is not None:
            return False
        return self._endsAt <= self._now()

    def lose(self, error: Exception) -> None:
        """
        Report the end of the connection to the protocol of this end, once.
        """
        if not self._move("lose"):
            return
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            protocol.connectionLost(Failure(error))
