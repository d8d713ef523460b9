# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A race: attempts that start one after another, until one of them succeeds.

See RFC 8305, section 5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from itertools import count
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

__all__ = ["Race"]

T = TypeVar("T")

#: Begins an attempt.  Its Deferred fires with the result, or with None if the attempt
#: has failed; to cancel it is to give it up.
Attempt = Callable[[], Deferred[T | None]]

#: Attempts, and for each the seconds that the attempts before it have.
Entrants = Iterable[tuple[float, Attempt[T]]]

# The time of its start, its place among the attempts of that time, and the attempt.
_Entrant = tuple[float, int, Attempt[T]]


class Race(Generic[T]):
    """
    Starts each attempt when the attempts before it have had their time, or as soon as
    one of them has failed.  The first success ends all others.

    @ivar result: fires with the result of the first success; with None when all
        attempts have failed.  To cancel it is to give all of them up.
    """

    def __init__(self, clock: IReactorTime, width: int) -> None:
        """
        Begin with no attempts.

        @param clock: runs the timers.
        @param width: the most attempts that run at once.
        """
        self.result: Deferred[T | None] = Deferred(lambda _: self._stop())
        self._clock = clock
        self._width = width
        self._running: dict[Deferred[T | None], None] = {}
        self._queue: list[_Entrant[T]] = []
        self._reserve: list[tuple[float, Attempt[T]]] = []
        self._last: list[tuple[float, Attempt[T]]] = []
        self._count = count()
        # The part of the queue's time that is over.  It stands still while the running
        # attempts have their time, and jumps when one of them fails: so no clock has
        # to be read, which might be set in the meantime.
        self._position = 0.0
        self._timer: IDelayedCall | None = None
        self._awaited: _Entrant[T] | None = None
        self._advancing = False
        self._over = False

    def enter(
        self,
        entrants: Entrants[T],
        reserve: Entrants[T] = (),
        last: Entrants[T] = (),
    ) -> None:
        """
        Add attempts.

        @param entrants: the attempts, and for each the seconds from now at
            which it starts at the latest, if there is room.
        @param reserve: the attempts that start only when all others have failed, with
            the seconds from then.
        @param last: the attempts that start only when the reserve has failed too.
        """
        if self._over:
            return
        for delay, attempt in entrants:
            entrant = (self._position + delay, next(self._count), attempt)
            heappush(self._queue, entrant)
        self._reserve += reserve
        self._last += last
        self._advance()

    def _advance(self, next: bool = False) -> None:
        """
        Start the attempts whose time has come.

        @param next: whether to start the next attempt in any case.
        """
        if next and self._queue:
            self._position = max(self._position, self._queue[0][0])
        if self._advancing or self._over:
            # An attempt may fail in the call that starts it: this is a loop, and no
            # recursion.
            return
        self._advancing = True
        while not self._over:
            if not self._queue and not self._running:
                self._callReserve()
            if not self._queue or len(self._running) >= self._width:
                self._await(None)
                break
            head = self._queue[0]
            if head[0] > self._position and self._running:
                self._await(head)
                break
            self._position = max(self._position, head[0])
            self._start(heappop(self._queue)[2])
        self._advancing = False
        if not self._over and not self._running and not self._queue:
            self._over = True
            self.result.callback(None)

    def _callReserve(self) -> None:
        """
        Enter the attempts that were kept for the case that all others fail.
        """
        reserve, self._reserve = self._reserve, []
        if not reserve:
            reserve, self._last = self._last, []
        self.enter(reserve)

    def _await(self, head: _Entrant[T] | None) -> None:
        """
        Set the timer for the next attempt.

        @param head: the next attempt; None to set no timer.
        """
        if head is self._awaited:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._awaited = head
        if head is not None:
            self._timer = self._clock.callLater(head[0] - self._position, self._due)

    def _due(self) -> None:
        self._timer = self._awaited = None
        self._advance(next=True)

    def _start(self, attempt: Attempt[T]) -> None:
        running = attempt()
        self._running[running] = None
        running.addBoth(self._ended, running)
        if self._over and running in self._running:
            # A gater or a transport has cancelled the race as the attempt began.
            del self._running[running]
            running.cancel()

    def _ended(self, value: T | Failure | None, running: Deferred[T | None]) -> None:
        """
        Record the outcome of an attempt.
        """
        self._running.pop(running, None)
        if self._over:
            return
        if isinstance(value, Failure):
            self._stop()
            self.result.errback(value)
        elif value is None:
            self._advance(next=True)
        else:
            self._stop()
            self.result.callback(value)

    def _stop(self) -> None:
        """
        Give up all attempts, those that run and those that wait.
        """
        self._over = True
        self._queue.clear()
        self._reserve.clear()
        self._last.clear()
        self._await(None)
        running, self._running = self._running, {}
        for each in running:
            each.cancel()
