# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Something that is given up when its time is over.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from twisted.internet.defer import CancelledError, Deferred

from twisted_libp2p.errors import UpgradeTimeout
from twisted_libp2p.negotiation import Deadlines

__all__ = ["Limited"]

T = TypeVar("T")


class Limited(Generic[T]):
    """
    A coroutine that runs, and has the time of all others of its kind.
    """

    def __init__(
        self, coroutine: Coroutine[Deferred[Any], Any, T], deadlines: Deadlines
    ) -> None:
        """
        @param coroutine: it starts at once.
        @param deadlines: how long it may take.
        """
        self._deadlines = deadlines
        self._late = False
        deadlines.begin(self)
        self._running: Deferred[T] = Deferred.fromCoroutine(coroutine)

    async def within(self, what: str) -> T:
        """
        Wait for what comes of it.

        @param what: what has taken too long, for the error.
        @raise UpgradeTimeout: its time was over.
        """
        try:
            return await self._running
        except CancelledError:
            if self._late:
                raise UpgradeTimeout(what, self._deadlines.seconds) from None
            raise
        finally:
            self._deadlines.end(self)

    def timedOut(self) -> None:
        """
        Give it up.
        """
        self._late = True
        self._running.cancel()
