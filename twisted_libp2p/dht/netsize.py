# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The size of the network, estimated from the distances of the nearest peers of lookups.

Places are spread evenly, so the peer of rank i lies at about i / (N + 1) of the whole
space from any target, if the network has N peers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import exp, lgamma, log
from typing import Final

from twisted_libp2p.dht.keyspace import BITS

__all__ = ["SPACE", "NetworkSize", "chanceOf", "meanOf"]

#: Seconds for which a lookup counts.
MAX_AGE: Final = 7200.0

#: The most lookups that count.
MAX_LOOKUPS: Final = 150

#: The fewest lookups for an estimate.
MIN_LOOKUPS: Final = 5

#: The probability below which the nearest peers are closer together than by chance.
_CHANCE: Final = 1e-6

#: The number of places.
SPACE: Final = float(1 << BITS)


class NetworkSize:
    """
    An estimate of the number of servers in the network.
    """

    def __init__(self, k: int = 20) -> None:
        """
        Begin without an estimate.

        @param k: the number of nearest peers of a complete lookup.
        """
        self._k = k
        # The time of each lookup, and the sums of its ranks by distances.
        self._lookups: deque[tuple[float, float]] = deque(maxlen=MAX_LOOKUPS)

    def observe(self, target: int, places: Sequence[int], now: float) -> None:
        """
        Take the result of a complete lookup into account.

        @param places: the places of the nearest peers that answered, nearest first;
            fewer than k are ignored.
        """
        if len(places) < self._k:
            return
        moment = sum(
            rank * ((place ^ target) / SPACE) for rank, place in enumerate(places, 1)
        )
        self._lookups.append((now, moment))

    def estimate(self, now: float) -> float | None:
        """
        Return the number of servers; None if too few lookups are known.
        """
        while self._lookups and self._lookups[0][0] < now - MAX_AGE:
            self._lookups.popleft()
        if len(self._lookups) < MIN_LOOKUPS:
            return None
        # The regression of distances by ranks, through the origin.
        k = self._k
        squares = k * (k + 1) * (2 * k + 1) / 6
        mean = sum(moment for _, moment in self._lookups) / len(self._lookups)
        return max(squares / mean - 1, 0.0) if mean else None

    def tooDense(self, target: int, places: Sequence[int], now: float) -> bool:
        """
        Check whether the nearest peers are closer to a target than they would be by
        chance: someone may have made their ids for it.

        @param places: the places of the nearest peers, nearest first.
        """
        size = self.estimate(now)
        if size is None or not places:
            return False
        return any(
            chanceOf(rank, size * ((place ^ target) / SPACE)) < _CHANCE
            for rank, place in enumerate(places, 1)
            if rank >= self._k // 4
        )


def chanceOf(count: int, mean: float) -> float:
    """
    Return the probability that a Poisson process has at least this many events.

    @param mean: the expected number of events.
    """
    if mean <= 0.0:
        return float(count <= 0)
    logarithm = log(mean)
    fewer = sum(
        exp(number * logarithm - mean - lgamma(number + 1)) for number in range(count)
    )
    return max(1.0 - fewer, 0.0)


def meanOf(count: int, chance: float) -> float:
    """
    Return the expected number of events with which a Poisson process has at least some
    number of events with a given probability; the inverse of L{chanceOf}.
    """
    low, high = 0.0, 2.0 * count + 50.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        if chanceOf(count, middle) < chance:
            low = middle
        else:
            high = middle
    return high
