# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The messages that peers have promised: they said that they have them, and were asked.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Promises"]


class Promises:
    """
    The promised messages, with the peers that promised each, and until when.
    """

    __slots__ = ("_made", "_now", "_seconds")

    def __init__(self, seconds: float, now: Callable[[], float]) -> None:
        """
        Begin without promises.

        @param seconds: the time in which a promise is to be kept.
        @param now: returns the time.
        """
        self._seconds = seconds
        self._now = now
        self._made: dict[bytes, dict[bytes, float]] = {}

    def add(self, id: bytes, peer: bytes) -> None:
        """
        Note that a peer was asked for a message.
        """
        self._made.setdefault(id, {}).setdefault(peer, self._now() + self._seconds)

    def kept(self, id: bytes) -> None:
        """
        Note that a message has come, from whichever peer.
        """
        self._made.pop(id, None)

    def forgive(self, peer: bytes) -> None:
        """
        Forget the promises of a peer that is gone, or from which we do not read.
        """
        for id, peers in list(self._made.items()):
            if peers.pop(peer, None) is not None and not peers:
                del self._made[id]

    def broken(self) -> dict[bytes, int]:
        """
        Forget the promises that were not kept in time.

        @return: for each peer, how many it has not kept.
        """
        now = self._now()
        found: dict[bytes, int] = {}
        for id, peers in list(self._made.items()):
            for peer, until in list(peers.items()):
                if until <= now:
                    del peers[peer]
                    found[peer] = found.get(peer, 0) + 1
            if not peers:
                del self._made[id]
        return found
