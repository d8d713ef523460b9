# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The streams of one connection that wait to be opened, because the muxer has as many
streams as it may have.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_libp2p.errors import LimitExceeded
from twisted_libp2p.pacing import Deadline

__all__ = ["MAX_WAITING", "WAIT", "StreamQueue"]

#: How many streams of one connection may wait to be opened.
MAX_WAITING = 1024

#: Seconds that each of them waits.
WAIT = 10.0

T = TypeVar("T")


class StreamQueue(Generic[T]):
    """
    A bounded queue whose entries begin in their order, when streams have ended, and
    fail after L{WAIT} seconds.
    """

    def __init__(
        self,
        clock: IReactorTime,
        begin: Callable[[T], bool],
        fail: Callable[[T, Exception], None],
        emptied: Callable[[StreamQueue[T]], None],
    ) -> None:
        """
        Make an empty queue.

        @param clock: runs the timers.
        @param begin: begins an entry; returns False if there is still no place.
        @param fail: called with an entry that has waited for too long, and its error.
        @param emptied: called with the queue when nothing waits any longer.
        """
        self._clock = clock
        self._begin = begin
        self._fail = fail
        self._emptied = emptied
        self._entries: OrderedDict[T, tuple[float, LimitExceeded]] = OrderedDict()
        self._turn: IDelayedCall | None = None
        self._timer: Deadline | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: T, error: LimitExceeded) -> None:
        """
        Let an entry wait.

        @param error: the error to fail it with.
        @raise LimitExceeded: too many wait already.
        """
        count = len(self._entries)
        if count >= MAX_WAITING:
            raise LimitExceeded(
                "streams that wait to be opened on a connection",
                MAX_WAITING,
                count,
                error.option,
            )
        self._entries[entry] = (self._clock.seconds() + WAIT, error)
        if self._timer is None:
            self._timer = Deadline(self._clock, WAIT, self._expire)

    def remove(self, entry: T) -> None:
        """
        Forget an entry that nobody waits for.
        """
        if self._entries.pop(entry, None) is not None:
            self._rest()

    def freed(self) -> None:
        """
        Begin the next entries, in the next turn of the reactor: a stream has ended.
        """
        if self._turn is None and self._entries:
            self._turn = self._clock.callLater(0, self._next)

    def fail(self, error: Exception) -> None:
        """
        Fail all entries.
        """
        entries, self._entries = self._entries, OrderedDict()
        self._rest()
        for entry in entries:
            self._fail(entry, error)

    def _next(self) -> None:
        self._turn = None
        while self._entries:
            entry, waiting = self._entries.popitem(last=False)
            if not self._begin(entry):
                self._entries[entry] = waiting
                self._entries.move_to_end(entry, last=False)
                break
        self._rest()

    def _expire(self) -> None:
        """
        Fail the entries that have waited for too long.  Entries for which there is a
        place by now begin before.
        """
        self._timer = None
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.cancel()
            self._next()
        now = self._clock.seconds()
        while self._entries:
            entry, (deadline, error) = next(iter(self._entries.items()))
            if deadline > now:
                if self._timer is not None:
                    # The application of a failed entry has added another entry.
                    self._timer.cancel()
                left = min(deadline - now, WAIT)
                self._timer = Deadline(self._clock, left, self._expire)
                break
            del self._entries[entry]
            self._fail(entry, error)
        self._rest()

    def _rest(self) -> None:
        """
        Stop the timers when nothing waits.
        """
        if self._entries:
            return
        for call in (self._turn, self._timer):
            if call is not None and call.active():
                call.cancel()
        self._turn = self._timer = None
        self._emptied(self)
