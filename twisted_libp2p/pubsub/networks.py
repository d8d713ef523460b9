# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The parameters of two large networks.

They are the numbers that a network has agreed on, or that its main implementation uses;
the topics, their weights and their validators are those of an application.
"""

from __future__ import annotations

from twisted_libp2p.pubsub.parameters import Parameters
from twisted_libp2p.pubsub.profile import Profile
from twisted_libp2p.pubsub.scoreparameters import (
    ScoreParameters,
    Thresholds,
    decayFactor,
)
from twisted_libp2p.pubsub.signing import MessageID, SignaturePolicy

__all__ = ["ethereum", "filecoin"]


def ethereum(messageID: MessageID) -> Profile:
    """
    Return the settings of the consensus layer of Ethereum (phase0 and later), whose
    messages have no authors.

    @param messageID: returns the id of a message: the first 20 bytes of a hash that
        needs snappy, which this package does not bring.
    """
    return Profile(
        policy=SignaturePolicy.STRICT_NO_SIGN,
        messageID=messageID,
        parameters=Parameters(
            degree=8,
            degreeLow=6,
            degreeHigh=12,
            degreeLazy=6,
            heartbeat=0.7,
            historyLength=6,
            historyGossip=3,
            # Two epochs.
            seenTime=768.0,
        ),
        thresholds=Thresholds(
            gossip=-4000.0,
            publish=-8000.0,
            graylist=-16000.0,
            acceptPX=100.0,
            opportunisticGraft=5.0,
        ),
    )


def filecoin(messageID: MessageID) -> Profile:
    """
    Return the settings of Filecoin, as Lotus has them.

    @param messageID: returns the id of a message: the 32 bytes of a BLAKE2b hash of its
        data.
    """
    return Profile(
        messageID=messageID,
        parameters=Parameters(
            degree=8,
            degreeLow=6,
            degreeHigh=12,
            degreeScore=6,
            degreeOut=3,
            degreeLazy=12,
            gossipFactor=0.1,
            historyLength=10,
            promiseTime=5.0,
            peerExchange=True,
        ),
        scores=ScoreParameters(
            addressWeight=-100.0,
            addressThreshold=5,
            behaviourWeight=-10.0,
            behaviourThreshold=6.0,
            behaviourDecay=decayFactor(3600),
            retainTime=6 * 3600.0,
        ),
        thresholds=Thresholds(
            gossip=-500.0,
            publish=-1000.0,
            graylist=-2500.0,
            acceptPX=1000.0,
            opportunisticGraft=3.5,
        ),
    )
