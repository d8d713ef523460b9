# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The scores of peers: how much of the work of the mesh each of them does, or spoils.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from twisted_libp2p.pubsub.scoreparameters import ScoreParameters, TopicScore
from twisted_libp2p.pubsub.topicstats import TopicStats

__all__ = ["MAX_RETAINED", "Part", "Scores"]

#: Maximum number of disconnected peers whose scores are kept; those nearest to 0 are
#: dropped.
MAX_RETAINED: Final = 4096


@dataclass(frozen=True, slots=True)
class Part:
    """
    One part of a score.

    @ivar name: its meaning.
    @ivar topic: the topic; empty if it belongs to none.
    @ivar counter: what was counted.
    @ivar value: its share of the score.
    """

    name: str
    topic: str
    counter: float
    value: float


class _Stats:
    """
    What a peer has done.
    """

    __slots__ = (
        "application",
        "behaviour",
        "cached",
        "network",
        "slow",
        "topics",
        "until",
    )

    def __init__(self) -> None:
        self.topics: dict[str, TopicStats] = {}
        self.behaviour = 0.0
        self.slow = 0.0
        self.application = 0.0
        self.network: bytes | None = None
        self.until: float | None = None
        self.cached: float | None = None


class Scores:
    """
    The scores of connected peers, and for some time of those that were not good.
    """

    def __init__(self, weights: ScoreParameters, now: Callable[[], float]) -> None:
        """
        @param weights: the weights of everything that is counted.
        @param now: returns the time.
        """
        self._weights = weights
        self._now = now
        self._topics: dict[str, TopicScore] = dict(weights.topics)
        self._peers: dict[bytes, _Stats] = {}
        self._networks: dict[bytes, set[bytes]] = {}
        self._decayAt = now() + weights.decayInterval
        self._retained = 0

    def weigh(self, topic: str, weights: TopicScore) -> None:
        """
        Set the weights of a topic, for the peers that are not counted in it so far.
        """
        self._topics[topic] = weights

    def weightsOf(self, topic: str) -> TopicScore:
        """
        Return the weights of a topic.
        """
        return self._topics.get(topic, self._weights.default)

    # What happens

    def connected(self, peer: bytes, network: bytes | None) -> None:
        """
        Count a peer; a known peer has its old counters.

        @param network: its IPv4 address, or IPv6 /64; None if it does not count.
        """
        stats = self._peers.get(peer)
        if stats is None:
            stats = self._peers[peer] = _Stats()
        elif stats.until is not None:
            stats.until = None
            self._retained -= 1
        stats.network = network
        if network is not None:
            self._networks.setdefault(network, set()).add(peer)
            self._stale(network)

    def disconnected(self, peer: bytes) -> None:
        """
        Forget a peer with a positive score, and keep the counters of any other.
        """
        stats = self._peers.get(peer)
        if stats is None or stats.until is not None:
            return
        if stats.network is not None:
            others = self._networks[stats.network]
            others.discard(peer)
            self._stale(stats.network)
            if not others:
                del self._networks[stats.network]
            stats.network = None
        if self.score(peer) > 0:
            del self._peers[peer]
            return
        for topic in stats.topics.values():
            topic.left()
        stats.cached = None
        if self.score(peer) == 0 and not stats.behaviour:
            del self._peers[peer]
            return
        stats.until = self._now() + self._weights.retainTime
        self._retained += 1
        if self._retained > MAX_RETAINED:
            self._dropMildest()

    def _dropMildest(self) -> None:
        gone = [peer for peer, stats in self._peers.items() if stats.until is not None]
        gone.sort(key=self.score, reverse=True)
        for peer in gone[: MAX_RETAINED // 8]:
            del self._peers[peer]
            self._retained -= 1

    def graft(self, topic: str, peer: bytes) -> None:
        """
        Note that a peer has become a mesh peer.
        """
        stats = self._of(topic, peer)
        if stats is not None:
            stats.graft(self._now())

    def prune(self, topic: str, peer: bytes) -> None:
        """
        Note that it is one no longer.
        """
        stats = self._of(topic, peer)
        if stats is not None:
            stats.prune()

    def first(self, topic: str, peer: bytes) -> None:
        """
        Note that a peer was the first to deliver a message.
        """
        weights = self.weightsOf(topic)
        if weights.firstWeight or weights.deliveryWeight:
            stats = self._of(topic, peer)
            if stats is not None:
                stats.first()

    def near(self, topic: str, peer: bytes) -> None:
        """
        Note that a peer has delivered a message soon after the first one.
        """
        if self.weightsOf(topic).deliveryWeight:
            stats = self._of(topic, peer)
            if stats is not None:
                stats.near()

    def invalid(self, topic: str, peer: bytes) -> None:
        """
        Note that a peer has delivered an invalid message.
        """
        stats = self._of(topic, peer)
        if stats is not None:
            stats.invalid()

    def misbehaved(self, peer: bytes, count: float = 1.0) -> None:
        """
        Note faults of a peer.
        """
        stats = self._peers.get(peer)
        if stats is not None:
            stats.behaviour += count
            stats.cached = None

    def slowed(self, peer: bytes) -> None:
        """
        Note that a message for a peer had to be dropped.
        """
        stats = self._peers.get(peer)
        if stats is not None and self._weights.slowWeight:
            stats.slow += 1
            stats.cached = None

    def judge(self, peer: bytes, value: float) -> None:
        """
        Set the number that the application gives a peer.
        """
        stats = self._peers.get(peer)
        if stats is not None:
            stats.application = value
            stats.cached = None

    def _of(self, topic: str, peer: bytes) -> TopicStats | None:
        stats = self._peers.get(peer)
        if stats is None:
            return None
        stats.cached = None
        found = stats.topics.get(topic)
        if found is None:
            found = stats.topics[topic] = TopicStats(self.weightsOf(topic))
        return found

    def _stale(self, network: bytes) -> None:
        for peer in self._networks[network]:
            self._peers[peer].cached = None

    # What it comes to

    def score(self, peer: bytes) -> float:
        """
        Return the score of a peer; 0 if nothing is known.
        """
        stats = self._peers.get(peer)
        if stats is None:
            return 0.0
        cached = stats.cached
        return self._sum(stats) if cached is None else cached

    def _sum(self, stats: _Stats) -> float:
        """
        Compute a score, and keep it until something of it changes.
        """
        topics = sum(each.value() for each in stats.topics.values())
        cap = self._weights.topicCap
        if cap:
            topics = min(topics, cap)
        stats.cached = topics + sum(each.value for each in self._general(stats))
        return stats.cached

    def explain(self, peer: bytes) -> list[Part]:
        """
        Return the parts of the score of a peer.
        """
        stats = self._peers.get(peer)
        if stats is None:
            return []
        topics = [
            Part(name, topic, counter, value)
            for topic, each in stats.topics.items()
            for name, counter, value in each.parts()
        ]
        total = sum(each.value for each in topics)
        if 0 < self._weights.topicCap < total:
            cut = self._weights.topicCap - total
            topics.append(Part("over the cap of topics", "", total, cut))
        return [*topics, *self._general(stats)]

    def _general(self, stats: _Stats) -> Iterator[Part]:
        """
        Go through the parts that belong to no topic.
        """
        weights = self._weights
        if stats.application:
            value = weights.applicationWeight * stats.application
            yield Part("the application", "", stats.application, value)
        if stats.network is not None:
            surplus = len(self._networks[stats.network]) - weights.addressThreshold
            if surplus > 0:
                value = weights.addressWeight * surplus**2
                yield Part("peers with its address", "", surplus, value)
        faults = stats.behaviour - weights.behaviourThreshold
        if faults > 0:
            value = weights.behaviourWeight * faults**2
            yield Part("faults", "", faults, value)
        slow = stats.slow - weights.slowThreshold
        if slow > 0 and weights.slowWeight:
            yield Part("unread messages", "", slow, weights.slowWeight * slow)

    def decay(self) -> None:
        """
        Let all counters fall, if it is time; this is called regularly.
        """
        now, weights = self._now(), self._weights
        if now < self._decayAt:
            return
        self._decayAt = max(self._decayAt + weights.decayInterval, now)
        for peer, stats in list(self._peers.items()):
            if stats.until is None:
                if stats.topics or stats.behaviour or stats.slow:
                    self._decayPeer(stats, now)
            elif stats.until <= now:
                del self._peers[peer]
                self._retained -= 1

    def _decayPeer(self, stats: _Stats, now: float) -> None:
        zero = self._weights.decayToZero
        if stats.behaviour:
            stats.behaviour *= self._weights.behaviourDecay
            if stats.behaviour < zero:
                stats.behaviour = 0.0
        if stats.slow:
            stats.slow *= self._weights.slowDecay
            if stats.slow < zero:
                stats.slow = 0.0
        for topic, each in list(stats.topics.items()):
            each.decay(now, zero)
            if each.empty:
                del stats.topics[topic]
        stats.cached = None
