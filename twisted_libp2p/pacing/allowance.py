# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
How often a peer may do what costs us something.
"""

from __future__ import annotations

__all__ = ["Allowance"]


class Allowance:
    """
    So many times at once, and once more after each interval.

    @ivar burst: how many times at once.
    """

    __slots__ = ("_at", "_credit", "_interval", "burst")

    def __init__(self, burst: int, interval: float, now: float) -> None:
        """
        @param burst: how many times at once.
        @param interval: seconds.
        @param now: the time.
        """
        self.burst = burst
        self._interval = interval
        self._credit = float(burst)
        self._at = now

    def left(self, now: float) -> float:
        """
        @return: how many times at once by now; part of one is none.
        """
        earned = max(0.0, now - self._at) / self._interval
        self._credit = min(float(self.burst), self._credit + earned)
        self._at = now
        return self._credit

    def whole(self, now: float) -> bool:
        """
        @return: whether nothing is missing, as if it were new.
        """
        return self.left(now) >= self.burst

    def take(self, now: float) -> bool:
        """
        Do it once more.

        @return: whether that is allowed.
        """
        if self.left(now) < 1.0:
            return False
        self._credit -= 1.0
        return True
