# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The times until which links of a mesh are not made again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

__all__ = ["MAX_BACKOFF", "MAX_BACKOFFS", "Backoffs"]

#: Maximum number of seconds for which a peer may keep us off.
MAX_BACKOFF: Final = 3600

#: Maximum number of peers of one topic that are kept off; the oldest are forgotten.
MAX_BACKOFFS: Final = 4096


class Backoffs:
    """
    For each topic, the peers that are not to be grafted, and until when.
    """

    __slots__ = ("_now", "_until")

    def __init__(self, now: Callable[[], float]) -> None:
        """
        Begin without backoffs.

        @param now: returns the time.
        """
        self._now = now
        self._until: dict[str, dict[bytes, float]] = {}

    def add(self, topic: str, peer: bytes, seconds: float) -> None:
        """
        Keep a link from being made; a longer time that is known already stays.
        """
        until = self._now() + min(seconds, MAX_BACKOFF)
        peers = self._until.setdefault(topic, {})
        peers[peer] = max(until, peers.get(peer, until))
        if len(peers) > MAX_BACKOFFS:
            del peers[next(iter(peers))]

    def until(self, topic: str, peer: bytes) -> float | None:
        """
        Return the time until which a link is not to be made; None if it may be made.
        """
        found = self._until.get(topic, {}).get(peer)
        return None if found is None or found <= self._now() else found

    def sweep(self) -> None:
        """
        Forget the times that are over.
        """
        now = self._now()
        for topic, peers in list(self._until.items()):
            left = {peer: until for peer, until in peers.items() if until > now}
            if left:
                self._until[topic] = left
            else:
                del self._until[topic]

    def __len__(self) -> int:
        return sum(map(len, self._until.values()))
