# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The events of pubsub.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted_libp2p.events import Event
from twisted_libp2p.identity import PeerID

__all__ = [
    "Grafted",
    "Joined",
    "Left",
    "MessageDropped",
    "OtherMessageIDs",
    "PeerSubscribed",
    "PeerUnsubscribed",
    "Pruned",
    "PubSubEvent",
    "SlowPeer",
]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PubSubEvent(Event):
    """
    The base class of all events of pubsub.

    @ivar topic: the topic; empty if the event belongs to none.
    """

    topic: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Joined(PubSubEvent):
    """
    This node has joined a topic.
    """


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Left(PubSubEvent):
    """
    This node has left a topic.
    """


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _PeerEvent(PubSubEvent):
    """
    The common attributes of the events of a peer.

    @ivar peer: the peer.
    """

    peer: PeerID


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PeerSubscribed(_PeerEvent):
    """
    A peer has subscribed to a topic.
    """


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PeerUnsubscribed(_PeerEvent):
    """
    A peer has left a topic.
    """


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Grafted(_PeerEvent):
    """
    A peer has become a mesh peer.
    """


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Pruned(_PeerEvent):
    """
    A peer is no longer a mesh peer.

    @ivar reason: why, in words.
    """

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class MessageDropped(_PeerEvent):
    """
    A message of a peer was dropped.

    @ivar reason: why, in words.
    """

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SlowPeer(_PeerEvent):
    """
    A peer reads so slowly that messages for it were dropped.

    @ivar count: how many, since the last event of the peer.
    """

    count: int


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OtherMessageIDs(_PeerEvent):
    """
    A peer names ids of messages of which none is ever ours: it computes them in another
    way, and gossip with it is useless.

    @ivar reason: the number of these ids, in words.
    """

    reason: str
