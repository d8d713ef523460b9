# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The weights by which peers are scored, and the scores below which they are served less.

See libp2p/specs, pubsub/gossipsub/gossipsub-v1.1.md, "Peer Scoring".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite

from twisted_libp2p.errors import ConfigurationError

__all__ = ["ScoreParameters", "Thresholds", "TopicScore", "decayFactor"]


def decayFactor(
    seconds: float, interval: float = 1.0, decayToZero: float = 0.01
) -> float:
    """
    Return the factor of a counter that is to be gone after a time.

    @param seconds: after which it has lost all but C{decayToZero}.
    @param interval: seconds between two decays.
    """
    return float(decayToZero ** (interval / seconds))


#: The factor of a counter that is gone after ten minutes.
_TEN_MINUTES = decayFactor(600)


def _check(
    weights: TopicScore | ScoreParameters,
    positive: tuple[str, ...],
    negative: tuple[str, ...],
) -> None:
    """
    Check the signs of weights, and that each factor is one.

    @raise ConfigurationError: one is wrong.
    """
    for name, value in asdict(weights).items():
        if not isinstance(value, int | float):
            continue
        right = isfinite(value)
        if name in positive:
            right, wanted = right and value >= 0, "0 or more"
        elif name in negative:
            right, wanted = right and value <= 0, "0 or less"
        elif "ecay" in name and not name.endswith("Interval"):
            right, wanted = 0 < value < 1, "between 0 and 1, such as 0.99"
        else:
            right, wanted = right and value >= 0, "0 or more"
        if not right:
            raise ConfigurationError(f"{name}={value}: it has to be {wanted}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicScore:
    """
    The weights of one topic.  By default only invalid messages count.

    @ivar weight: the weight of the topic.
    @ivar timeWeight: for each C{timeQuantum} seconds in the mesh, up to C{timeCap} of
        them (P1).
    @ivar firstWeight: for each message that the peer delivers first, of which
        C{firstCap} count (P2).
    @ivar deliveryWeight: for the square of the deliveries that a mesh peer is short of
        C{deliveryThreshold}, once it is a mesh peer for C{deliveryActivation} seconds;
        a copy within C{deliveryWindow} seconds of the first counts too (P3).
    @ivar failureWeight: for the square of what it was short of when it left (P3b).
    @ivar invalidWeight: for the square of the number of invalid messages (P4).
    @ivar timeQuantum: see C{timeWeight}.
    @ivar timeCap: see C{timeWeight}.
    @ivar firstDecay: the factor of the first deliveries in each interval.
    @ivar firstCap: see C{firstWeight}.
    @ivar deliveryDecay: the factor of the deliveries.
    @ivar deliveryCap: the most deliveries that count.
    @ivar deliveryThreshold: see C{deliveryWeight}.
    @ivar deliveryWindow: see C{deliveryWeight}.
    @ivar deliveryActivation: see C{deliveryWeight}.
    @ivar failureDecay: the factor of the failures.
    @ivar invalidDecay: the factor of the invalid messages.
    """

    weight: float = 1.0
    timeWeight: float = 0.0
    timeQuantum: float = 1.0
    timeCap: float = 3600.0
    firstWeight: float = 0.0
    firstDecay: float = 0.5
    firstCap: float = 2000.0
    deliveryWeight: float = 0.0
    deliveryDecay: float = 0.5
    deliveryCap: float = 100.0
    deliveryThreshold: float = 20.0
    deliveryWindow: float = 0.01
    deliveryActivation: float = 5.0
    failureWeight: float = 0.0
    failureDecay: float = 0.5
    invalidWeight: float = -10.0
    invalidDecay: float = _TEN_MINUTES

    def __post_init__(self) -> None:
        """
        Check the weights.

        @raise ConfigurationError: one has no usable value; the text says which would
            have one.
        """
        _check(
            self,
            positive=("weight", "timeWeight", "firstWeight"),
            negative=("deliveryWeight", "failureWeight", "invalidWeight"),
        )
        if self.timeQuantum <= 0:
            raise ConfigurationError("timeQuantum has to be more than 0 seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreParameters:
    """
    The weights of all topics together.

    @ivar topics: the weights of topics by name.
    @ivar default: the weights of all other topics.
    @ivar topicCap: the most that all topics together add; 0 for no bound.
    @ivar applicationWeight: of the number that the application gives a peer (P5).
    @ivar addressWeight: for the square of the peers over C{addressThreshold} with the
        same IPv4 address or IPv6 /64; private addresses do not count (P6).
    @ivar addressThreshold: see C{addressWeight}.
    @ivar behaviourWeight: for the square of the faults over C{behaviourThreshold} (P7).
    @ivar behaviourThreshold: see C{behaviourWeight}.
    @ivar behaviourDecay: the factor of the faults.
    @ivar slowWeight: for the messages that a peer has not read in time.
    @ivar slowThreshold: how many of them do not count.
    @ivar slowDecay: their factor.
    @ivar decayInterval: seconds between two decays.
    @ivar decayToZero: the value below which a counter becomes 0.
    @ivar retainTime: seconds for which the score of a disconnected peer is kept if it
        is not positive.
    """

    topics: Mapping[str, TopicScore] = field(default_factory=dict)
    default: TopicScore = TopicScore()
    topicCap: float = 0.0
    applicationWeight: float = 1.0
    addressWeight: float = -5.0
    addressThreshold: int = 10
    behaviourWeight: float = -10.0
    behaviourThreshold: float = 0.0
    behaviourDecay: float = 0.2
    slowWeight: float = 0.0
    slowThreshold: float = 0.0
    slowDecay: float = 0.2
    decayInterval: float = 1.0
    decayToZero: float = 0.01
    retainTime: float = 3600.0

    def __post_init__(self) -> None:
        """
        Check the weights.

        @raise ConfigurationError: one has no usable value; the text says which would
            have one.
        """
        _check(
            self,
            positive=("topicCap", "applicationWeight", "retainTime"),
            negative=("addressWeight", "behaviourWeight", "slowWeight"),
        )
        if self.decayInterval <= 0:
            raise ConfigurationError("decayInterval has to be more than 0 seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """
    The scores below which a peer is served less.

    @ivar gossip: below it, no gossip is sent to the peer or taken from it.
    @ivar publish: below it, own messages are not sent to the peer.
    @ivar graylist: below it, everything from the peer is ignored.
    @ivar acceptPX: from it on, the peers that the peer recommends are taken.
    @ivar opportunisticGraft: if the median of a mesh is below it, better peers are
        grafted.
    """

    gossip: float = -10.0
    publish: float = -50.0
    graylist: float = -80.0
    acceptPX: float = 10.0
    opportunisticGraft: float = 5.0

    def __post_init__(self) -> None:
        """
        Check the order of the thresholds.

        @raise ConfigurationError: they are in another order.
        """
        if not self.graylist <= self.publish <= self.gossip <= 0:
            raise ConfigurationError(
                "graylist <= publish <= gossip <= 0 has to hold, not"
                f" {self.graylist}, {self.publish}, {self.gossip}"
            )
        if self.acceptPX < 0 or self.opportunisticGraft < 0:
            raise ConfigurationError(
                "acceptPX and opportunisticGraft have to be 0 or more"
            )
