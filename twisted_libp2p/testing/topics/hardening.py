# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The settings of gossipsub-hardening, at any rate of messages.

See libp2p/gossipsub-hardening, scripts/configs.
"""

from __future__ import annotations

from typing import Final

from twisted_libp2p.pubsub import (
    Parameters,
    Profile,
    ScoreParameters,
    Thresholds,
    TopicScore,
)
from twisted_libp2p.testing.topics.nodes import TOPIC

__all__ = ["hardening"]

#: The messages of a second in gossipsub-hardening.
_PUBLISHED_RATE: Final = 120.0


def hardening(rate: float, scored: bool = True) -> Profile:
    """
    Return the profile of gossipsub-hardening.

    Its weights are for 120 messages a second.  With fewer of them the counters count
    fewer, and the weights of what they count are greater by as much: a peer gets the
    same score for the same share of the messages.

    @param rate: messages in a second.
    @param scored: whether peers are scored at all.
    """
    share = rate / _PUBLISHED_RATE
    parameters = Parameters(
        degree=8, degreeLow=6, degreeHigh=12, degreeScore=6, degreeLazy=12
    )
    if not scored:
        nothing = ScoreParameters(
            default=TopicScore(invalidWeight=0.0),
            addressWeight=0.0,
            behaviourWeight=0.0,
        )
        return Profile(parameters=parameters, scores=nothing)
    weights = TopicScore(
        weight=0.25,
        timeWeight=0.0027,
        firstWeight=0.664 / share,
        firstDecay=0.9916,
        firstCap=1500.0 * share,
        deliveryWeight=-0.25 / share**2,
        deliveryDecay=0.997,
        deliveryCap=400.0 * share,
        deliveryThreshold=10.0 * share,
        deliveryWindow=0.005,
        deliveryActivation=60.0,
        failureWeight=-0.25 / share**2,
        failureDecay=0.997,
        invalidWeight=-99.0,
        invalidDecay=0.9994,
    )
    return Profile(
        parameters=parameters,
        scores=ScoreParameters(topics={TOPIC: weights}, retainTime=30.0),
        thresholds=Thresholds(
            gossip=-4000.0,
            publish=-5000.0,
            graylist=-10000.0,
            acceptPX=0.0,
            opportunisticGraft=0.0,
        ),
    )
