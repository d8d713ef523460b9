# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The rate of events.
"""

from __future__ import annotations

__all__ = ["SECONDS", "Rate"]

#: Number of seconds whose counts are kept.
SECONDS = 60


class Rate:
    """
    Counts events by the second, for the last minute.  No timer is needed: old counts
    are cleared at the next count or look.

    @ivar total: number of events in all.
    """

    __slots__ = ("_ahead", "_counts", "_latest", "total")

    def __init__(self) -> None:
        self.total = 0
        # One more than are returned: the present second is not over.
        self._counts = [0] * (SECONDS + 1)
        self._latest = 0
        # How far the seconds of the counts are ahead of the clock.
        self._ahead = 0

    def count(self, now: float) -> None:
        """
        Count one event.

        @param now: the time in seconds.
        """
        self._advance(int(now))
        self.total += 1
        self._counts[self._latest % len(self._counts)] += 1

    def history(self, now: float) -> list[int]:
        """
        Return the number of events in each of the last L{SECONDS} whole seconds, the
        oldest first.
        """
        self._advance(int(now))
        size = len(self._counts)
        return [self._counts[(self._latest + each) % size] for each in range(1, size)]

    def _advance(self, second: int) -> None:
        # A clock that is set back goes on from there, and the counts have to go on too.
        self._ahead = max(self._ahead, self._latest - second)
        second += self._ahead
        size = len(self._counts)
        for gone in range(max(self._latest + 1, second - size + 1), second + 1):
            self._counts[gone % size] = 0
        self._latest = second
