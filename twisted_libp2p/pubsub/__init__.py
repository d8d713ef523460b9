# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Publish and subscribe: messages of a topic reach all its peers (floodsub, gossipsub).
"""

from twisted_libp2p.pubsub.actions import Validation
from twisted_libp2p.pubsub.networks import ethereum, filecoin
from twisted_libp2p.pubsub.parameters import Parameters
from twisted_libp2p.pubsub.profile import FLOODSUB, Profile
from twisted_libp2p.pubsub.receipts import Receipt
from twisted_libp2p.pubsub.replays import ReplayCheck
from twisted_libp2p.pubsub.scoreparameters import (
    ScoreParameters,
    Thresholds,
    TopicScore,
    decayFactor,
)
from twisted_libp2p.pubsub.service import PubSub
from twisted_libp2p.pubsub.signing import SignaturePolicy, idOfAuthor, idOfContent
from twisted_libp2p.pubsub.subscription import SlowPolicy, Subscription
from twisted_libp2p.pubsub.topic import Topic, topicName
from twisted_libp2p.pubsub.topiclog import TopicLog
from twisted_libp2p.pubsub.topicmessage import TopicMessage

__all__ = [
    "FLOODSUB",
    "Parameters",
    "Profile",
    "PubSub",
    "Receipt",
    "ReplayCheck",
    "ScoreParameters",
    "SignaturePolicy",
    "SlowPolicy",
    "Subscription",
    "Thresholds",
    "Topic",
    "TopicLog",
    "TopicMessage",
    "TopicScore",
    "Validation",
    "decayFactor",
    "ethereum",
    "filecoin",
    "idOfAuthor",
    "idOfContent",
    "topicName",
]
