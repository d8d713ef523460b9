# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The records of this node, stored again before others drop them.

All records that are due are stored in one round.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_libp2p.dht.keyspace import placeOf

__all__ = ["INTERVAL", "RETRY", "Republishing"]

#: Seconds after which a record is stored again.
INTERVAL: Final = 22 * 3600.0

#: Seconds after which a failed attempt is repeated.
RETRY: Final = 300.0

#: Seconds between two looks for records that are due.
LOOK: Final = 60.0

#: Stores the records of the keys that are due.  It gets all keys and their places, in
#: the order of the places, too, and a function to call with each stored key.
Round = Callable[
    [list[bytes], Sequence[tuple[int, bytes]], Callable[[bytes], None]], Deferred[None]
]


class Republishing:
    """
    Stores records again.

    @ivar keys: all keys and their places, in the order of the places.
    """

    def __init__(self, clock: IReactorTime, publish: Round) -> None:
        """
        Begin without a record.

        @param clock: the time and the timer.
        @param publish: stores records; fires when it has tried all.
        """
        self._clock = clock
        self._publish = publish
        self._due: dict[bytes, float] = {}
        self.keys: list[tuple[int, bytes]] = []
        self._round: Deferred[None] | None = None
        self._timer: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._due)

    def add(self, key: bytes) -> None:
        """
        Store a record again, from now on; it has just been stored.
        """
        if key not in self._due:
            insort(self.keys, (placeOf(key), key))
        self._due[key] = self._clock.seconds() + INTERVAL
        if self._timer is None:
            self._timer = self._clock.callLater(LOOK, self._look)

    def remove(self, key: bytes) -> None:
        """
        Store a record no more.
        """
        if self._due.pop(key, None) is not None:
            del self.keys[bisect_left(self.keys, (placeOf(key), key))]

    def stored(self, key: bytes) -> None:
        """
        Record that a record has just been stored.
        """
        if key in self._due:
            self._due[key] = self._clock.seconds() + INTERVAL

    def stop(self) -> None:
        """
        Stop; the records are kept for the next start.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._round is not None:
            self._round.cancel()

    def start(self) -> None:
        """
        Go on after a stop.
        """
        if self._due and self._timer is None:
            self._timer = self._clock.callLater(LOOK, self._look)

    def _look(self) -> None:
        """
        Store the records that are due, unless others are still being stored.
        """
        self._timer = self._clock.callLater(LOOK, self._look)
        now = self._clock.seconds()
        due = [key for key, when in self._due.items() if when <= now]
        if not due or self._round is not None:
            return
        for key in due:
            self._due[key] = now + RETRY
        running = self._publish(due, self.keys, self.stored)
        running.addErrback(lambda _: None)
        self._round = running
        running.addBoth(self._ended)

    def _ended(self, _: object) -> None:
        self._round = None
