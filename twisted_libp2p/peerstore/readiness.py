# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Waiting for a store to have loaded.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed

__all__ = ["Readiness"]


class Readiness:
    """
    Whether something has loaded, and those who wait for it.
    """

    def __init__(self) -> None:
        """
        Begin before the result is known.
        """
        self._result: Exception | bool = False
        self._waiting: list[Deferred[None]] = []

    @property
    def ready(self) -> bool:
        """
        Whether it has loaded.
        """
        return self._result is True

    def wait(self) -> Deferred[None]:
        """
        Return a Deferred that fires when it has loaded, or fails when it cannot.
        """
        if isinstance(self._result, Exception):
            return fail(self._result)
        if self._result:
            return succeed(None)
        waiting: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        return waiting

    def succeed(self) -> None:
        """
        Record that it has loaded.
        """
        self._result = True
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)

    def fail(self, error: Exception) -> None:
        """
        Record why it cannot load; it may succeed later.
        """
        self._result = error
        self._end(error)

    def begin(self, error: Exception) -> None:
        """
        Begin again.

        @param error: the reason for which the waiting callers get no result.
        """
        self._result = False
        self._end(error)

    def _end(self, error: Exception) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.errback(error)
