# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The topics of the attacked node: what can be asked about them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet import reactor
from twisted.internet.task import deferLater

from twisted_libp2p.identity import PeerID
from twisted_libp2p.node import Node
from twisted_libp2p.pubsub import (
    Parameters,
    Profile,
    PubSub,
    ReplayCheck,
    ScoreParameters,
    SignaturePolicy,
    TopicMessage,
    Validation,
    idOfContent,
)

__all__ = ["KINDS", "Topics"]

loop: Any = reactor

#: The settings of a node: the usual ones; faults that count for an hour, so that a row
#: can ask for a score whenever it likes; the same, of a node that lets in any number of
#: peers of one address; peer exchange; a short memory; and messages without authors.
KINDS: Final = {
    "usual": Profile(),
    "unforgiving": Profile(scores=ScoreParameters(decayInterval=3600.0)),
    "open": Profile(scores=ScoreParameters(decayInterval=3600.0)),
    "exchanging": Profile(parameters=Parameters(peerExchange=True)),
    "forgetful": Profile(parameters=Parameters(seenTime=0.2, heartbeat=0.1)),
    "unsigned": Profile(policy=SignaturePolicy.STRICT_NO_SIGN, messageID=idOfContent),
}


async def _slowly(message: TopicMessage) -> Validation:
    """
    Take a second for a message.
    """
    await deferLater(loop, 1.0)
    return Validation.ACCEPT


def _reads(link: Any) -> bool:
    """
    Return whether a peer has RPCs that wait for the next turn of the reactor.
    """
    return link._inbound is not None and link._inbound._rest is not None


class Topics:
    """
    The topics C{news}, and C{slow} whose messages take a second each.

    @ivar commands: the questions.
    """

    def __init__(self, node: Node, kind: str | None) -> None:
        """
        Add the service to a node.

        @param kind: the settings, one of L{KINDS}; None for a node without topics.
        """
        self._kind = kind
        self._heard = 0
        self._pubsub = PubSub(KINDS[kind or "usual"])
        if kind is not None:
            node.add(self._pubsub)
        self.commands: list[Callable[..., Any]] = [
            self.member,
            self.judge,
            self.publish,
        ]

    async def start(self) -> None:
        """
        Join the topics.
        """
        if self._kind is not None:
            checks = [ReplayCheck()] if self._kind == "forgetful" else []
            (await self._pubsub.join("news", checks)).subscribe(self._hear)
            await self._pubsub.join("slow", _slowly)

    def _hear(self, message: TopicMessage) -> None:
        self._heard += not message.local

    def state(self) -> dict[str, Any]:
        """
        Return the number of the messages of others, the largest number of topics of one
        peer, and whether some RPCs wait for the next turn of the reactor.
        """
        return {
            "heard": self._heard,
            "topics": self._most(),
            "reading": self._kind is not None and any(map(_reads, self._links())),
        }

    def _links(self) -> list[Any]:
        return list(self._pubsub._engine.links.values())

    def _most(self) -> int:
        if self._kind is None:
            return 0
        texts = [self._pubsub.explain(each) for each in self._pubsub.peers]
        lines = [each for text in texts for each in text.splitlines()]
        listed = [each for each in lines if each.startswith("topics: ")]
        return max((each.count(", ") + 1 for each in listed), default=0)

    async def member(self, peer: str) -> dict[str, Any]:
        """
        Return the score of a peer, and whether it is in the mesh.
        """
        member = PeerID.fromText(peer)
        mesh = self._pubsub.meshOf("news")
        return {
            "score": self._pubsub.score(member),
            "mesh": len(mesh),
            "in": member in mesh,
        }

    async def judge(self, peer: str, value: str) -> dict[str, Any]:
        """
        Add to the score of a peer.
        """
        self._pubsub.judge(PeerID.fromText(peer), float(value))
        return {}

    async def publish(self, count: str, size: str) -> dict[str, Any]:
        """
        Publish messages, no faster than a peer reads them.
        """
        for _ in range(int(count)):
            await deferLater(loop, 0.01)
            await self._pubsub.publish("news", bytes(int(size)))
        return {}
