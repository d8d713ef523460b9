# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The messages that were seen, so that none is handled twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

__all__ = ["MAX_SEEN", "Seen"]

#: Maximum number of messages that are known as seen; the oldest half is forgotten.
MAX_SEEN: Final = 1 << 18

V = TypeVar("V")


class Seen(Generic[V]):
    """
    The facts about messages by id, for a time.

    There are two generations: a message is forgotten after one to two times the time,
    and nothing is done for each of them.
    """

    __slots__ = ("_maximum", "_new", "_now", "_old", "_since", "_ttl")

    def __init__(
        self, ttl: float, now: Callable[[], float], maximum: int = MAX_SEEN
    ) -> None:
        """
        Begin empty.

        @param ttl: seconds for which a message is known at least, unless there are too
            many.
        @param now: returns the time.
        @param maximum: the largest number of messages.
        """
        self._ttl = ttl
        self._now = now
        self._maximum = maximum // 2
        self._new: dict[bytes, V] = {}
        self._old: dict[bytes, V] = {}
        self._since = now()

    def get(self, id: bytes) -> V | None:
        """
        Return the facts about a message; None if it was not seen.
        """
        found = self._new.get(id)
        return self._old.get(id) if found is None else found

    def __len__(self) -> int:
        return len(self._new) + len(self._old)

    def __contains__(self, id: object) -> bool:
        return id in self._new or id in self._old

    def put(self, id: bytes, value: V) -> None:
        """
        Store the facts about a message.
        """
        if id in self._old:
            self._old[id] = value
            return
        if len(self._new) >= self._maximum:
            self._turn()
        self._new[id] = value

    def remove(self, id: bytes) -> None:
        """
        Forget a message.
        """
        self._new.pop(id, None)
        self._old.pop(id, None)

    def expire(self) -> None:
        """
        Forget the messages whose time is over; this is called regularly.
        """
        if self._now() - self._since >= self._ttl:
            self._turn()

    def _turn(self) -> None:
        self._old, self._new = self._new, {}
        self._since = self._now()
