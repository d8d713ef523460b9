# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What a peer has done in one topic.
"""

from __future__ import annotations

from collections.abc import Iterator

from twisted_libp2p.pubsub.scoreparameters import TopicScore

__all__ = ["TopicStats"]


class TopicStats:
    """
    The counters of one peer in one topic.

    @ivar grafted: when the peer has become a mesh peer; None outside of the mesh.
    """

    __slots__ = (
        "_active",
        "_deliveries",
        "_failures",
        "_first",
        "_invalid",
        "_meshTime",
        "_weights",
        "grafted",
    )

    def __init__(self, weights: TopicScore) -> None:
        self._weights = weights
        self.grafted: float | None = None
        self._meshTime = 0.0
        self._first = 0.0
        self._deliveries = 0.0
        self._active = False
        self._failures = 0.0
        self._invalid = 0.0

    @property
    def empty(self) -> bool:
        """
        Whether there is nothing to count.
        """
        return self.grafted is None and not (
            self._first or self._deliveries or self._failures or self._invalid
        )

    def graft(self, now: float) -> None:
        """
        Count the peer as a mesh peer.
        """
        self.grafted = now
        self._meshTime = 0.0
        self._active = False

    def prune(self) -> None:
        """
        Count the peer as a mesh peer no longer.
        """
        if self.grafted is not None:
            self._failures += self._deficit() ** 2
            self.grafted = None
            self._meshTime = 0.0
            self._active = False

    def left(self) -> None:
        """
        Note that the peer is disconnected: it has no credit when it returns.
        """
        self.prune()
        self._first = 0.0

    def first(self) -> None:
        """
        Count a message that the peer has delivered first.
        """
        self._first = min(self._first + 1, self._weights.firstCap)
        self.near()

    def near(self) -> None:
        """
        Count a message that the peer has delivered in time.
        """
        if self.grafted is not None:
            self._deliveries = min(self._deliveries + 1, self._weights.deliveryCap)

    def invalid(self) -> None:
        """
        Count an invalid message.
        """
        self._invalid += 1

    def decay(self, now: float, decayToZero: float) -> None:
        """
        Let all counters fall.
        """
        weights = self._weights

        def fallen(counter: float, factor: float) -> float:
            counter *= factor
            return counter if counter >= decayToZero else 0.0

        self._first = fallen(self._first, weights.firstDecay)
        self._deliveries = fallen(self._deliveries, weights.deliveryDecay)
        self._failures = fallen(self._failures, weights.failureDecay)
        self._invalid = fallen(self._invalid, weights.invalidDecay)
        if self.grafted is not None:
            self._meshTime = now - self.grafted
            if self._meshTime > weights.deliveryActivation:
                self._active = True

    def value(self) -> float:
        """
        Return the score of the topic.
        """
        return sum(value for _, _, value in self.parts())

    def parts(self) -> Iterator[tuple[str, float, float]]:
        """
        Go through the parts of the score that are not 0.

        @return: for each its meaning, its counter, and its value.
        """
        weights = self._weights
        if self.grafted is not None and weights.timeWeight:
            time = min(self._meshTime // weights.timeQuantum, weights.timeCap)
            if time:
                yield "time in the mesh", time, self._weighted(time, weights.timeWeight)
        if self._first and weights.firstWeight:
            value = self._weighted(self._first, weights.firstWeight)
            yield "first deliveries", self._first, value
        deficit = self._deficit()
        if deficit and weights.deliveryWeight:
            value = self._weighted(deficit**2, weights.deliveryWeight)
            yield "missing deliveries", deficit, value
        if self._failures and weights.failureWeight:
            value = self._weighted(self._failures, weights.failureWeight)
            yield "failures in the mesh", self._failures, value
        if self._invalid and weights.invalidWeight:
            value = self._weighted(self._invalid**2, weights.invalidWeight)
            yield "invalid messages", self._invalid, value

    def _weighted(self, counter: float, weight: float) -> float:
        return self._weights.weight * weight * counter

    def _deficit(self) -> float:
        """
        Return how many deliveries a mesh peer is short of.
        """
        if not self._active:
            return 0.0
        return max(0.0, self._weights.deliveryThreshold - self._deliveries)
