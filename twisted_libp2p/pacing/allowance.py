# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Limits the rate at which a peer may cause costs.
"""

from __future__ import annotations

__all__ = ["Allowance"]


class Allowance:
    """
    Allows a number of actions at once, and one more after each interval.

    @ivar burst: the number of actions at once.
    """

    __slots__ = ("_at", "_credit", "_interval", "burst")

    def __init__(self, burst: int, interval: float, now: float) -> None:
        """
        @param burst: the number of actions at once.
        @param interval: seconds.
        @param now: the time.
        """
        self.burst = burst
        self._interval = interval
        self._credit = float(burst)
        self._at = now

    def left(self, now: float) -> float:
        """
        Return how many actions are allowed now; only whole ones count.
        """
        earned = max(0.0, now - self._at) / self._interval
        self._credit = min(float(self.burst), self._credit + earned)
        self._at = now
        return self._credit

    def whole(self, now: float) -> bool:
        """
        Return whether the whole burst is allowed, as at the beginning.
        """
        return self.left(now) >= self.burst

    def take(self, now: float) -> bool:
        """
        Use one action.

        @return: whether it is allowed.
        """
        if self.left(now) < 1.0:
            return False
        self._credit -= 1.0
        return True
