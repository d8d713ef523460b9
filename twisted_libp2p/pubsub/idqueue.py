# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The ids of messages that wait to be written to a peer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["MAX_GOSSIP", "MAX_GOSSIP_SIZE", "IDQueue"]

#: Maximum number of ids of each kind of gossip that wait for one peer, and of their
#: bytes; the oldest are dropped.
MAX_GOSSIP: Final = 5000
MAX_GOSSIP_SIZE: Final = 1 << 19


class IDQueue:
    """
    The ids of one kind, each once.
    """

    __slots__ = ("_ids", "_size")

    def __init__(self) -> None:
        self._ids: dict[bytes, None] = {}
        self._size = 0

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, ids: Iterable[bytes]) -> None:
        """
        Add ids; the oldest are dropped if there are too many.
        """
        known = self._ids
        for each in ids:
            if each not in known:
                known[each] = None
                self._size += len(each)
        while len(known) > MAX_GOSSIP or self._size > MAX_GOSSIP_SIZE:
            oldest = next(iter(known))
            del known[oldest]
            self._size -= len(oldest)

    def take(self) -> list[bytes]:
        """
        Remove and return all ids.
        """
        ids = list(self._ids)
        self._ids, self._size = {}, 0
        return ids
