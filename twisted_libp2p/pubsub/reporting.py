# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The reports of a router as events of the node, and as text.
"""

from __future__ import annotations

from twisted_libp2p.identity import PeerID
from twisted_libp2p.pubsub.actions import Happening
from twisted_libp2p.pubsub.events import (
    Grafted,
    MessageDropped,
    OtherMessageIDs,
    PeerSubscribed,
    PeerUnsubscribed,
    Pruned,
    PubSubEvent,
)
from twisted_libp2p.pubsub.scores import Part

__all__ = ["eventOf", "scoreText"]


def eventOf(
    what: Happening, time: float, peer: PeerID, topic: str, reason: str
) -> PubSubEvent:
    """
    Return the event for a report.
    """
    if what is Happening.SUBSCRIBED:
        return PeerSubscribed(time=time, peer=peer, topic=topic)
    if what is Happening.UNSUBSCRIBED:
        return PeerUnsubscribed(time=time, peer=peer, topic=topic)
    if what is Happening.GRAFTED:
        return Grafted(time=time, peer=peer, topic=topic)
    if what is Happening.PRUNED:
        return Pruned(time=time, peer=peer, topic=topic, reason=reason)
    if what is Happening.OTHER_IDS:
        return OtherMessageIDs(time=time, peer=peer, topic=topic, reason=reason)
    return MessageDropped(time=time, peer=peer, topic=topic, reason=reason)


def scoreText(score: float, parts: list[Part]) -> list[str]:
    """
    Return lines that explain a score.
    """
    lines = [f"score {score:.2f}"]
    for each in parts:
        place = f" in {each.topic!r}" if each.topic else ""
        lines.append(
            f"  {each.value:+.2f} for {each.name}{place}: {each.counter:.2f} counted"
        )
    return lines
