# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The messages that were seen, so that none is handled twice.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Final, Generic, TypeVar

from twisted_libp2p.pubsub.storage import MAX_SEEN

__all__ = ["MAX_STORED_ID", "Seen"]

#: Size of an id in bytes above which its hash is stored instead, so that ids of 1 KiB
#: take no more memory than others.
MAX_STORED_ID: Final = 64

V = TypeVar("V")


class Seen(Generic[V]):
    """
    The facts about messages by id, for a time.

    There are two generations: a message is forgotten after one to two times the time,
    and nothing is done for each of them.

    @ivar overflowed: whether messages were forgotten before their time, because there
        were too many.
    """

    __slots__ = ("_maximum", "_new", "_now", "_old", "_since", "_ttl", "overflowed")

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
        self.overflowed = False

    def get(self, id: bytes) -> V | None:
        """
        Return the facts about a message; None if it was not seen.
        """
        if len(id) > MAX_STORED_ID:
            id = sha256(id).digest()
        found = self._new.get(id)
        return self._old.get(id) if found is None else found

    def __len__(self) -> int:
        return len(self._new) + len(self._old)

    def __contains__(self, id: bytes) -> bool:
        if len(id) > MAX_STORED_ID:
            id = sha256(id).digest()
        return id in self._new or id in self._old

    def put(self, id: bytes, value: V) -> None:
        """
        Store the facts about a message.
        """
        if len(id) > MAX_STORED_ID:
            id = sha256(id).digest()
        if id in self._old:
            self._old[id] = value
            return
        if len(self._new) >= self._maximum and id not in self._new:
            self.overflowed = self.overflowed or bool(self._old)
            self._turn()
        self._new[id] = value

    def remove(self, id: bytes) -> None:
        """
        Forget a message.
        """
        if len(id) > MAX_STORED_ID:
            id = sha256(id).digest()
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
