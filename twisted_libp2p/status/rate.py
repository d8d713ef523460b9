# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
How often something happens.
"""

from __future__ import annotations

__all__ = ["SECONDS", "Rate"]

#: How many seconds are remembered.
SECONDS = 60


class Rate:
    """
    Counts by the second, for the last minute.  No timer is needed: seconds that
    have gone are cleared when somebody counts, or looks.

    @ivar total: how often it has happened in all.
    """

    __slots__ = ("_counts", "_latest", "total")

    def __init__(self) -> None:
        self.total = 0
        # One more than are told: the present second is not over.
        self._counts = [0] * (SECONDS + 1)
        self._latest = 0

    def count(self, now: float) -> None:
        """
        It has happened.

        @param now: in seconds.
        """
        self._advance(int(now))
        self.total += 1
        self._counts[self._latest % len(self._counts)] += 1

    def history(self, now: float) -> list[int]:
        """
        @return: how often it has happened in each of the last L{SECONDS} whole
            seconds, the oldest first.
        """
        self._advance(int(now))
        size = len(self._counts)
        return [self._counts[(self._latest + each) % size] for each in range(1, size)]

    def _advance(self, second: int) -> None:
        size = len(self._counts)
        for gone in range(max(self._latest + 1, second - size + 1), second + 1):
            self._counts[gone % size] = 0
        self._latest = max(self._latest, second)
