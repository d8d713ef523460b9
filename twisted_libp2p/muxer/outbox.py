# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The sending half of a stream: written bytes wait here until the session takes them.

Bytes are never copied on their way: C{write} keeps the pieces that it gets, and the
session moves them to its batch.  A producer is paused while more than L{HIGH_WATER}
bytes wait, and resumed by the session when L{LOW_WATER} or fewer are left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from enum import IntEnum
from typing import Any

from twisted_libp2p.muxer.state import Receiving, StreamState
from twisted_libp2p.wire.pieces import MANY, joinSmall

__all__ = ["ABSENT", "HIGH_WATER", "LOW_WATER", "Demand", "Outbox"]

#: A producer is paused when more bytes than this wait in its stream.
HIGH_WATER = 64 * 1024

#: A paused producer is resumed when this many bytes or fewer are left.
LOW_WATER = 16 * 1024


class Demand(IntEnum):
    """
    The state of the producer.
    """

    #: No producer is registered.
    ABSENT = 0
    #: A push producer writes as it likes.
    FLOWING = 1
    #: A push producer was paused.
    PAUSED = 2
    #: A pull producer is asked for each piece.
    PULLED = 3


ABSENT, _FLOWING, _PAUSED, _PULLED = Demand
_KEPT = Receiving.KEPT


class Outbox:
    """
    The sending half of a stream; the base class of
    L{Stream<twisted_libp2p.muxer.stream.Stream>}, so that a stream is one object.

    @ivar state: the state of both halves.
    @ivar unsentSize: how many written bytes wait here.
    @ivar sendWindow: how many bytes the peer is ready to take.
    @ivar queued: whether the stream is in the send queue of its session.
    """

    __slots__ = (
        "_demand",
        "_offset",
        "_pieces",
        "_producer",
        "queued",
        "sendWindow",
        "state",
        "unsentSize",
    )

    # All are set by the constructor of the stream, in one call.
    state: StreamState
    unsentSize: int
    sendWindow: int
    queued: bool
    _pieces: list[bytes] | deque[bytes] | None
    _offset: int
    _producer: Any
    _demand: Demand

    # Calls of the application

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """
        Send these bytes, as soon as the peer and the transport take them.

        After C{loseConnection} or C{loseWriteConnection} only a registered producer
        may still write; other bytes are dropped.
        """
        if type(data) is not bytes:
            data = _copy(data)
        state = self.state
        if state.shut and (state.sent or self._producer is None):
            return
        size = len(data)
        if size:
            pieces = self._pieces
            if pieces is None:
                self._pieces = [data]
            else:
                pieces.append(data)
                if not len(pieces) % MANY:
                    joinSmall(pieces)
            self.unsentSize = size = self.unsentSize + size
            # A stream that waits for its turn need not report every small write.
            if not self.queued or size > LOW_WATER:
                self._written()

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """
        Send these pieces one after the other.
        """
        state = self.state
        if state.shut and (state.sent or self._producer is None):
            return
        pieces = [data if type(data) is bytes else _copy(data) for data in iovec]
        size = sum(map(len, pieces))
        if size:
            if self._pieces is None:
                self._pieces = []
            before = len(self._pieces)
            self._pieces.extend(piece for piece in pieces if piece)
            if before // MANY != len(self._pieces) // MANY:
                joinSmall(self._pieces, MANY + len(pieces))
            self.unsentSize += size
            self._written()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """
        Let a producer write: a push producer is paused while more than
        L{HIGH_WATER} bytes wait here, a pull producer is asked whenever no
        more than L{LOW_WATER} do.

        @raise RuntimeError: another producer is registered.
        """
        if self._producer is not None:
            raise RuntimeError(
                f"cannot register {producer!r}: {self._producer!r} is registered"
            )
        state = self.state
        # Nothing leaves any longer, but the producer may be the transport into which
        # the application reads the rest: it is stopped when all is read.
        kept = state.receiving is _KEPT
        if state.sent and not kept:
            producer.stopProducing()
            return
        self._producer = producer
        if not streaming:
            self._demand = _PULLED
            if not kept:
                producer.resumeProducing()
        elif kept or self.unsentSize > HIGH_WATER:
            self._demand = _PAUSED
            producer.pauseProducing()
        else:
            self._demand = _FLOWING

    def unregisterProducer(self) -> None:
        """
        Forget the producer; an end that was waiting for it may leave.
        """
        self._producer = None
        self._demand = ABSENT
        if self.state.shut:
            self._drain()

    # Calls of the session

    @property
    def wantsMore(self) -> bool:
        """
        Whether a producer should be asked for more.
        """
        return self._demand > _FLOWING and self.unsentSize <= LOW_WATER

    def take(self, size: int, batch: list[bytes | memoryview]) -> None:
        """
        Move the oldest unsent bytes to a batch.  They are not copied, since the
        batch is joined.

        @param size: how many; at most C{unsentSize}.
        """
        if size == self.unsentSize and not self._offset:
            batch += self._pieces or ()
            self._pieces = None
            self.unsentSize = 0
        else:
            self._takePart(size, batch)
        if self.state.left and self._producer is None:
            self._linger()

    def _takePart(self, size: int, batch: list[bytes | memoryview]) -> None:
        """
        Move bytes to a batch, and cut the last piece if it is too long.
        """
        pieces = self._pieces
        if not isinstance(pieces, deque):
            # Many pieces may be left, and a list would move all of them each time.
            pieces = self._pieces = deque(pieces or ())
        offset = self._offset
        self.unsentSize -= size
        while size:
            piece = pieces[0]
            left = len(piece) - offset
            if left <= size:
                batch.append(memoryview(piece)[offset:] if offset else piece)
                pieces.popleft()
                offset = 0
                size -= left
            else:
                batch.append(memoryview(piece)[offset : offset + size])
                offset += size
                size = 0
        self._offset = offset
        if not pieces:
            self._pieces = None

    # Within

    def _dropUnsent(self) -> None:
        """
        Drop all bytes that have not left.
        """
        self._pieces = None
        self._offset = 0
        self.unsentSize = 0

    def _pauseProducer(self) -> None:
        """
        Pause a push producer that is writing.
        """
        if self._demand is _FLOWING:
            self._demand = _PAUSED
            self._producer.pauseProducing()

    def _resumeProducer(self) -> None:
        """
        Ask the producer for more.
        """
        if self._demand is _PAUSED:
            self._demand = _FLOWING
        self._producer.resumeProducing()

    # The stream's part

    def deliverPending(self) -> None:
        """
        Notify the application of all events that it does not know.
        """
        raise NotImplementedError

    def _written(self) -> None:
        """
        Note that there is more to send.
        """
        raise NotImplementedError

    def _drain(self) -> None:
        """
        Send the end of our half as soon as that can be done.
        """
        raise NotImplementedError

    def _linger(self) -> None:
        """
        Give the peer time, since it is taking the rest.
        """
        raise NotImplementedError


def _copy(data: bytes | bytearray | memoryview) -> bytes:
    """
    Return a copy that nobody can change.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"a stream takes bytes, not {type(data).__name__}")
    return bytes(data)
