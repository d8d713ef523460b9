# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The gossip of gossipsub: peers outside of the mesh hear which messages there are, and
ask for those that they lack.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from random import Random
from typing import Final

from twisted_libp2p.pubsub.actions import (
    Action,
    Forward,
    Happening,
    Report,
    Send,
    Withdraw,
)
from twisted_libp2p.pubsub.deliveries import Delivery
from twisted_libp2p.pubsub.history import History
from twisted_libp2p.pubsub.message import Message
from twisted_libp2p.pubsub.neighbours import Neighbour, Neighbours, Version
from twisted_libp2p.pubsub.parameters import Parameters
from twisted_libp2p.pubsub.promises import Promises
from twisted_libp2p.pubsub.rpc import RPC
from twisted_libp2p.pubsub.scoreparameters import Thresholds
from twisted_libp2p.pubsub.scores import Scores
from twisted_libp2p.pubsub.seen import Seen
from twisted_libp2p.pubsub.storage import Storage

__all__ = ["Gossip"]

#: After how many ids, none of which was ever ours, a peer is reported: it computes the
#: ids of messages in another way.
_OTHER_IDS: Final = 256

#: A smaller message counts as so many bytes when a peer asks for it, so that the number
#: of answers is bounded too.
_LEAST_ANSWER: Final = 3 << 10


class Gossip:
    """
    What is said about messages.

    @ivar history: the recent messages.
    @ivar promises: the messages that peers were asked for.
    @ivar actions: the actions that are due, which L{take} returns.
    """

    def __init__(
        self,
        neighbours: Neighbours,
        seen: Seen[Delivery],
        now: Callable[[], float],
        random: Random,
        parameters: Parameters,
        scores: Scores,
        thresholds: Thresholds,
        storage: Storage,
    ) -> None:
        self._neighbours = neighbours
        self._seen = seen
        self._random = random
        self._parameters = parameters
        self._scores = scores
        self._thresholds = thresholds
        self._ticks = 0
        self.actions: list[Action] = []
        self.history = History(
            parameters.historyLength, parameters.historyGossip, storage.history
        )
        self.promises = Promises(parameters.promiseTime, now)

    def take(self) -> list[Action]:
        """
        Return the actions that are due.
        """
        actions, self.actions = self.actions, []
        return actions

    # What peers say

    def have(
        self,
        neighbour: Neighbour,
        lists: list[tuple[str, list[bytes]]],
        joined: Container[str],
    ) -> None:
        """
        Ask a peer for messages that it has, and that we lack.
        """
        parameters, key = self._parameters, neighbour.key
        if self._scores.score(key) < self._thresholds.gossip:
            return
        neighbour.haveRPCs += 1
        room = parameters.haveIDs - neighbour.asked
        if neighbour.haveRPCs > parameters.haveRPCs or room <= 0:
            return
        lacking: dict[bytes, None] = {}
        topics = [(topic, ids) for topic, ids in lists if topic in joined]
        for topic, ids in topics:
            fresh = [each for each in ids if each not in self._seen]
            lacking.update(dict.fromkeys(fresh))
            self._compare(neighbour, topic, len(ids), len(fresh))
        wanted = list(lacking)
        self._random.shuffle(wanted)
        del wanted[room:]
        if wanted:
            neighbour.asked += len(wanted)
            self.promises.add(wanted[0], key)
            self.actions.append(Send(key, RPC(want=wanted)))

    def _compare(self, neighbour: Neighbour, topic: str, all: int, fresh: int) -> None:
        """
        Report a peer, once, whose ids are never ours.
        """
        if neighbour.matched:
            return
        neighbour.matched = fresh < all
        neighbour.unmatched += fresh
        if not neighbour.matched and neighbour.unmatched >= _OTHER_IDS:
            neighbour.matched = True
            self.actions.append(
                Report(
                    Happening.OTHER_IDS,
                    neighbour.key,
                    topic,
                    f"none of {neighbour.unmatched} ids of messages is known here",
                )
            )

    def want(self, neighbour: Neighbour, ids: list[bytes]) -> None:
        """
        Send a peer the messages that it asks for.
        """
        parameters, key = self._parameters, neighbour.key
        if self._scores.score(key) < self._thresholds.gossip:
            return
        for id in ids:
            if neighbour.answered > parameters.answerBytes:
                return
            message, count = self.history.requested(id, key)
            if (
                message is not None
                and count <= parameters.answers
                and neighbour.wants(id)
            ):
                neighbour.answered += max(len(message.data), _LEAST_ANSWER)
                self.actions.append(Forward(key, message))

    def unwanted(self, neighbour: Neighbour, ids: list[bytes]) -> None:
        """
        Note the messages that a peer does not want.
        """
        parameters = self._parameters
        neighbour.unwantedRPCs += 1
        if neighbour.unwantedRPCs > parameters.unwantedRPCs:
            return
        known = neighbour.unwanted
        until = self._ticks + parameters.unwantedTime
        ids = ids[: max(0, parameters.unwantedIDs - len(known))]
        known.update((hash(each), until) for each in ids)
        if ids:
            self.actions.append(Withdraw(neighbour.key, ids))

    # What we say

    def discourage(
        self, message: Message, sender: bytes, mesh: dict[bytes, Neighbour]
    ) -> None:
        """
        Tell mesh peers that a large message has come, so that they need not send it.
        """
        if len(message.data) < self._parameters.unwantedSize:
            return
        for each in mesh.values():
            if each.version >= Version.GOSSIPSUB_1_2 and each.key != sender:
                self.actions.append(Send(each.key, RPC(unwanted=[message.id])))

    def heartbeat(self) -> None:
        """
        Count afresh, and blame peers for the messages that they have not sent.
        """
        self._ticks += 1
        for each in self._neighbours:
            each.haveRPCs = each.asked = each.answered = each.unwantedRPCs = 0
            if each.unwanted:
                each.unwanted = {
                    id: until
                    for id, until in each.unwanted.items()
                    if until > self._ticks
                }
            if each.paused:
                self.promises.forgive(each.key)
        for key, count in self.promises.broken().items():
            self._scores.misbehaved(key, count)

    def emit(self, topic: str, besides: Container[bytes]) -> None:
        """
        Notify some peers of the recent messages of a topic.

        @param besides: the peers that get the messages anyway.
        """
        ids = self.history.recent(topic)
        if not ids:
            return
        parameters = self._parameters
        candidates = [
            each.key
            for each in self._neighbours.of(topic).values()
            if each.meshes
            and each.key not in besides
            and self._scores.score(each.key) >= self._thresholds.gossip
        ]
        count = max(
            parameters.degreeLazy, int(parameters.gossipFactor * len(candidates))
        )
        most = parameters.haveIDs
        for key in self._random.sample(candidates, min(count, len(candidates))):
            own = ids if len(ids) <= most else self._random.sample(ids, most)
            self.actions.append(Send(key, RPC(have=[(topic, own)])))
