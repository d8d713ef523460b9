# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The records of this node, stored again before others drop them.

Keys are taken in the order of their places, a few at a time, so that a node with many
keys has an even load.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_libp2p.dht.keyspace import placeOf

__all__ = ["INTERVAL", "RETRY", "Republishing"]

#: Seconds after which a record is stored again.
INTERVAL: Final = 22 * 3600.0

#: Seconds after which a failed attempt is repeated.
RETRY: Final = 300.0

#: Seconds between two looks for records that are due, and the most records of one look.
LOOK: Final = 60.0
AT_ONCE: Final = 16


class Republishing:
    """
    Stores records again.
    """

    def __init__(
        self, clock: IReactorTime, publish: Callable[[bytes], Deferred[Any]]
    ) -> None:
        """
        Begin without a record.

        @param clock: the time and the timer.
        @param publish: stores the record of a key.
        """
        self._clock = clock
        self._publish = publish
        self._due: dict[bytes, float] = {}
        self._running: dict[bytes, Deferred[Any]] = {}
        self._timer: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._due)

    def add(self, key: bytes) -> None:
        """
        Store a record again, from now on; it has just been stored.
        """
        self._due[key] = self._clock.seconds() + INTERVAL
        if self._timer is None:
            self._timer = self._clock.callLater(LOOK, self._look)

    def remove(self, key: bytes) -> None:
        """
        Store a record no more.
        """
        self._due.pop(key, None)

    def stop(self) -> None:
        """
        Stop; the records are kept for the next start.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for each in list(self._running.values()):
            each.cancel()

    def start(self) -> None:
        """
        Go on after a stop.
        """
        if self._due and self._timer is None:
            self._timer = self._clock.callLater(LOOK, self._look)

    def _look(self) -> None:
        """
        Store the records that are due.
        """
        self._timer = self._clock.callLater(LOOK, self._look)
        now = self._clock.seconds()
        due = [key for key, when in self._due.items() if when <= now]
        due.sort(key=placeOf)
        for key in due[: AT_ONCE - len(self._running)]:
            self._due[key] = now + RETRY
            running = self._publish(key)
            running.addCallbacks(self._stored, lambda _: None, callbackArgs=(key,))
            if not running.called:
                self._running[key] = running
            running.addBoth(self._ended, key)

    def _stored(self, _: object, key: bytes) -> None:
        if key in self._due:
            self._due[key] = self._clock.seconds() + INTERVAL

    def _ended(self, _: object, key: bytes) -> None:
        self._running.pop(key, None)
