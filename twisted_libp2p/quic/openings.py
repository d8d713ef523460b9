# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Streams that wait until the peer allows them.
"""

from __future__ import annotations

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from twisted_libp2p.errors import ErrorCode, LimitExceeded
from twisted_libp2p.muxer.table import StreamTable
from twisted_libp2p.muxer.turns import Turns
from twisted_libp2p.quic.below import Line
from twisted_libp2p.quic.stream import ROOM, QuicStream

__all__ = ["MAX_WAITING", "WAIT_TIMEOUT", "Openings"]

#: The most streams of a connection that wait.
MAX_WAITING = 64

#: Seconds for which a stream waits.
WAIT_TIMEOUT = 10.0


class Openings:
    """
    The streams of one session that wait for their numbers, the first one first.
    """

    # It does not know the session, which could not be freed at once then: see "No
    # reference cycles" in docs/internals.rst.

    __slots__ = ("_call", "_clock", "_line", "_table", "_turns", "_waiting")

    def __init__(
        self,
        clock: IReactorTime,
        line: Line,
        table: StreamTable[QuicStream],
        turns: Turns,
    ) -> None:
        self._clock = clock
        self._line = line
        self._table = table
        self._turns = turns
        # Made when a stream waits; with the time until which each does.
        self._waiting: dict[QuicStream, float] | None = None
        self._call: IDelayedCall | None = None

    @property
    def full(self) -> LimitExceeded | None:
        """
        The error for one more stream; None while more may wait.
        """
        count = len(self._waiting) if self._waiting else 0
        if count < MAX_WAITING:
            return None
        return LimitExceeded(
            "streams that wait for the peer", MAX_WAITING, count, "the peer's limit"
        )

    def open(self, stream: QuicStream) -> bool:
        """
        Give a stream its number, since it has something to send, or let it wait.

        @return: whether it has a number.
        """
        if not self._waiting:
            number = self._line.endpoint.open(self._line.handle)
            if number is not None:
                self._number(stream, number)
                return True
            self._waiting = {}
        if stream not in self._waiting:
            clock = self._clock
            self._waiting[stream] = clock.seconds() + WAIT_TIMEOUT
            if self._call is None:
                self._call = clock.callLater(WAIT_TIMEOUT, self._late)
        return False

    def _number(self, stream: QuicStream, number: int) -> None:
        stream.numbered(number)
        table = self._table.byKey
        if table.pop(stream.key, None) is stream:
            stream.key = number
            table[number] = stream

    def available(self) -> None:
        """
        Give waiting streams their numbers, as many as the peer allows.
        """
        line = self._line
        while self._waiting:
            number = line.endpoint.open(line.handle)
            if number is None:
                return
            stream = next(iter(self._waiting))
            self.forget(stream)
            self._number(stream, number)
            stream.sendWindow = ROOM
            if stream.unsentSize or stream.writeEnding:
                self._turns.ready(stream)

    def forget(self, stream: QuicStream) -> None:
        """
        Let a stream wait no longer.
        """
        if self._waiting:
            self._waiting.pop(stream, None)
            if not self._waiting:
                self.stop()

    def stop(self) -> None:
        """
        Let no stream wait.
        """
        self._waiting = None
        call, self._call = self._call, None
        if call is not None and call.active():
            call.cancel()

    def _late(self) -> None:
        """
        Reset the streams that have waited too long.
        """
        self._call = None
        clock = self._clock
        while self._waiting:
            stream, deadline = next(iter(self._waiting.items()))
            left = deadline - clock.seconds()
            if left > 0:
                self._call = clock.callLater(min(left, WAIT_TIMEOUT), self._late)
                return
            self.forget(stream)
            error = LimitExceeded(
                "streams that the peer allows", 0, 0, f"{WAIT_TIMEOUT:g} s of waiting"
            )
            stream.fail(Failure(error), ErrorCode.LIMIT_EXCEEDED)
