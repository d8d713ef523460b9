# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The router of gossipsub, versions 1.0 to 1.3.

Messages travel at once along a mesh of a few peers for each topic; gossip repairs the
losses of the mesh; scores keep peers out of the mesh that do not serve it.

See libp2p/specs, pubsub/gossipsub.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Final

from twisted_libp2p.pubsub.actions import Action, Send
from twisted_libp2p.pubsub.flood import FloodRouter
from twisted_libp2p.pubsub.gossip import Gossip
from twisted_libp2p.pubsub.mesh import Mesh, Records
from twisted_libp2p.pubsub.message import Message
from twisted_libp2p.pubsub.neighbours import Neighbour, Version
from twisted_libp2p.pubsub.parameters import Parameters
from twisted_libp2p.pubsub.rpc import RPC
from twisted_libp2p.pubsub.scoreparameters import Thresholds
from twisted_libp2p.pubsub.scores import Scores
from twisted_libp2p.pubsub.storage import STORAGE, Storage

__all__ = ["GossipRouter"]

#: The faults that a second announcement of extensions counts, as in go-libp2p-pubsub.
_EXTENSIONS_TWICE: Final = 10.0


class _Fanout:
    """
    The peers of a topic to which we publish without having joined.
    """

    __slots__ = ("peers", "until")

    def __init__(self) -> None:
        self.peers: dict[bytes, Neighbour] = {}
        self.until = 0.0


class GossipRouter(FloodRouter):
    """
    The router of a node that speaks gossipsub.

    @ivar mesh: its meshes.
    @ivar gossip: what is said about messages.
    """

    def __init__(
        self,
        own: bytes,
        now: Callable[[], float],
        random: Random,
        parameters: Parameters,
        scores: Scores,
        thresholds: Thresholds,
        storage: Storage = STORAGE,
        records: Records = lambda peer: b"",
    ) -> None:
        """
        @param records: returns the signed records of peers, for peer exchange.
        """
        super().__init__(own, now, random, parameters, scores, thresholds, storage)
        self.gossip = Gossip(
            self.neighbours,
            self._seen,
            now,
            random,
            parameters,
            scores,
            thresholds,
            storage,
        )
        self.mesh = Mesh(
            self.neighbours,
            now,
            random,
            parameters,
            scores,
            thresholds,
            records,
            self.gossip.history.recent,
        )
        self._fanouts: dict[str, _Fanout] = {}

    @property
    def recentSize(self) -> int:
        """
        The memory of the recent messages in bytes.
        """
        return self.gossip.history.size

    def _take(self) -> list[Action]:
        actions, self._actions = self._actions, []
        if self.mesh.actions:
            actions += self.mesh.take()
        if self.gossip.actions:
            actions += self.gossip.take()
        return actions

    # Who gets a message

    def _serves(self, neighbour: Neighbour) -> bool:
        return super()._serves(neighbour) and (
            neighbour.direct
            or self.scores.score(neighbour.key) >= self._thresholds.publish
        )

    def recipients(self, topic: str) -> list[Neighbour]:
        """
        Return the peers to which a message of our own goes.
        """
        flood = self._parameters.floodPublish
        chosen = {
            each.key: each
            for each in self.neighbours.of(topic).values()
            if (flood or not each.meshes) and self._serves(each)
        }
        mesh = self.mesh.peers.get(topic)
        if mesh is not None:
            chosen.update(mesh)
            if not flood:
                self._complete(topic, chosen)
        elif not flood:
            chosen.update(self._fanoutOf(topic))
        return list(chosen.values())

    def _complete(self, topic: str, chosen: dict[bytes, Neighbour]) -> None:
        """
        Add random peers of a topic, if its mesh is small.
        """
        missing = self._parameters.degree - len(chosen)
        if missing > 0:
            chosen.update(self._some(topic, missing, chosen))

    def _some(
        self, topic: str, count: int, besides: dict[bytes, Neighbour]
    ) -> dict[bytes, Neighbour]:
        """
        Select random peers of a topic that may get messages of our own.
        """
        candidates = [
            each
            for each in self.neighbours.of(topic).values()
            if each.meshes
            and each.key not in besides
            and self.scores.score(each.key) >= self._thresholds.publish
        ]
        found = self._random.sample(candidates, min(count, len(candidates)))
        return {each.key: each for each in found}

    def _fanoutOf(self, topic: str) -> dict[bytes, Neighbour]:
        fanout = self._fanouts.setdefault(topic, _Fanout())
        fanout.until = self._now() + self._parameters.fanoutTime
        missing = self._parameters.degree - len(fanout.peers)
        if missing > 0:
            fanout.peers.update(self._some(topic, missing, fanout.peers))
        return fanout.peers

    def _passing(self, topic: str) -> Iterable[Neighbour]:
        mesh = self.mesh.peers.get(topic, {})
        yield from mesh.values()
        yield from self._outside(topic)

    def _outside(self, topic: str) -> Iterator[Neighbour]:
        """
        Go through the peers of a topic that are in no mesh, and get all messages.
        """
        for each in self.neighbours.apart.values():
            if topic in each.topics and (
                each.direct or self.scores.score(each.key) >= self._thresholds.publish
            ):
                yield each

    # The steps of the base

    def _greet(self, neighbour: Neighbour, hello: RPC) -> None:
        if neighbour.version >= Version.GOSSIPSUB_1_3:
            tested = self._parameters.testExtension
            hello.extensions = frozenset(["test"] if tested else [])
        for topic in neighbour.topics:
            self.mesh.subscribed(neighbour, topic)

    def _detach(self, neighbour: Neighbour) -> None:
        for topic in list(self.mesh.peers):
            self.mesh.remove(neighbour, topic, "disconnected")
        for fanout in self._fanouts.values():
            fanout.peers.pop(neighbour.key, None)
        self.gossip.promises.forgive(neighbour.key)

    def _enter(self, topic: str) -> None:
        fanout = self._fanouts.pop(topic, None)
        self.mesh.enter(topic, [] if fanout is None else fanout.peers.values())

    def _exit(self, topic: str) -> None:
        self.mesh.exit(topic)

    def _subscribed(self, neighbour: Neighbour, topic: str) -> None:
        self.mesh.subscribed(neighbour, topic)

    def _unsubscribed(self, neighbour: Neighbour, topic: str) -> None:
        self.mesh.remove(neighbour, topic, "unsubscribed")
        fanout = self._fanouts.get(topic)
        if fanout is not None:
            fanout.peers.pop(neighbour.key, None)

    def _control(self, sender: Neighbour, rpc: RPC) -> None:
        if rpc.extensions is not None:
            self._extensions(sender, rpc.extensions)
        if rpc.have:
            self.gossip.have(sender, rpc.have, self.joined)
        if rpc.want:
            self.gossip.want(sender, rpc.want)
        if rpc.graft:
            self.mesh.grafted(sender, rpc.graft)
        if rpc.prune:
            self.mesh.pruned(sender, rpc.prune)
        if rpc.unwanted:
            self.gossip.unwanted(sender, rpc.unwanted)

    def _extensions(self, sender: Neighbour, announced: frozenset[str]) -> None:
        if sender.extensions is not None:
            self.scores.misbehaved(sender.key, _EXTENSIONS_TWICE)
            return
        sender.extensions = announced
        if (
            self._parameters.testExtension
            and "test" in announced
            and sender.version >= Version.GOSSIPSUB_1_3
        ):
            self._actions.append(Send(sender.key, RPC(testExtension=True)))

    def _keep(self, message: Message) -> None:
        self.gossip.history.put(message)

    def _arrived(self, id: bytes) -> None:
        self.gossip.promises.kept(id)

    def _discourage(self, message: Message, sender: bytes) -> None:
        mesh = self.mesh.peers.get(message.topic)
        if mesh:
            self.gossip.discourage(message, sender, mesh)

    def heartbeat(self) -> list[Action]:
        """
        Count faults, bring the meshes into their bounds, and gossip.
        """
        # Faults weigh at least until the next heartbeat: scores fall before.
        actions = super().heartbeat()
        self.gossip.heartbeat()
        self.mesh.heartbeat()
        for topic, mesh in self.mesh.peers.items():
            self.gossip.emit(topic, mesh)
        self._heartbeatFanouts()
        self.gossip.history.shift()
        return [*actions, *self._take()]

    def _heartbeatFanouts(self) -> None:
        now, publish = self._now(), self._thresholds.publish
        for topic, fanout in list(self._fanouts.items()):
            if fanout.until <= now:
                del self._fanouts[topic]
                continue
            for key in list(fanout.peers):
                if self.scores.score(key) < publish:
                    del fanout.peers[key]
            missing = self._parameters.degree - len(fanout.peers)
            if missing > 0:
                fanout.peers.update(self._some(topic, missing, fanout.peers))
            self.gossip.emit(topic, fanout.peers)
