# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A lane: a bounded number of jobs run at once, and a bounded number wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.python.failure import Failure

__all__ = ["Lane"]

T = TypeVar("T")


class _Job(Generic[T]):
    """
    A job that waits or runs.

    @ivar begin: begins the job.
    @ivar cancellable: whether the job can be given up while it runs.
    @ivar running: fires when the job has ended; None as long as it waits.
    @ivar result: fires for the caller with the result of the job.
    """

    __slots__ = ("begin", "cancellable", "result", "running")

    def __init__(self, begin: Callable[[], Deferred[T]], cancellable: bool) -> None:
        self.begin = begin
        self.cancellable = cancellable
        self.running: Deferred[None] | None = None
        self.result: Deferred[T] = Deferred(self._cancelled)

    @property
    def wanted(self) -> bool:
        """
        Whether the caller has not cancelled it.
        """
        return not self.result.called

    def _cancelled(self, _: Deferred[T]) -> None:
        if self.running is not None and self.cancellable:
            self.running.cancel()


class Lane(Generic[T]):
    """
    Runs jobs in the order in which they came.
    """

    def __init__(self, width: int, room: float, full: Callable[[], Exception]) -> None:
        """
        @param width: how many jobs run at once.
        @param room: how many more may wait; C{inf} for any number.
        @param full: makes the error of a job for which there is no room.
        """
        self._width = width
        self._room = room
        self._full = full
        self._running = 0
        self._waiting: deque[_Job[T]] = deque()

    def run(
        self, begin: Callable[[], Deferred[T]], cancellable: bool = True
    ) -> Deferred[T]:
        """
        Run a job as soon as it is its turn.

        @param begin: begins the job.
        @param cancellable: whether the job can be given up while it runs.  If it
            cannot, it keeps its place until it has ended by itself.
        @return: fires with the result of the job.  A job that is cancelled before
            its turn never begins.
        """
        if self._running >= self._width and len(self._waiting) >= self._room:
            # Those that were cancelled take no place.
            self._waiting = deque(each for each in self._waiting if each.wanted)
            if len(self._waiting) >= self._room:
                return fail(self._full())
        job = _Job(begin, cancellable)
        self._waiting.append(job)
        self._advance()
        return job.result

    def _advance(self) -> None:
        while self._waiting and self._running < self._width:
            job = self._waiting.popleft()
            if job.wanted:
                self._running += 1
                job.running = maybeDeferred(job.begin).addBoth(self._ended, job)

    def _ended(self, value: T | Failure, job: _Job[T]) -> None:
        self._running -= 1
        # Nobody waits for a job that was cancelled.
        if job.wanted:
            if isinstance(value, Failure):
                job.result.errback(value)
            else:
                job.result.callback(value)
        self._advance()
