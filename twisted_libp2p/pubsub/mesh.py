# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The meshes of gossipsub: for each topic the few peers that get every message at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

from twisted_libp2p.pubsub.actions import Action, Dial, Happening, Keep, Report, Send
from twisted_libp2p.pubsub.backoffs import Backoffs
from twisted_libp2p.pubsub.neighbours import Neighbour, Neighbours, Version
from twisted_libp2p.pubsub.parameters import Parameters
from twisted_libp2p.pubsub.rpc import RPC, Prune, PxPeer
from twisted_libp2p.pubsub.scoreparameters import Thresholds
from twisted_libp2p.pubsub.scores import Scores

__all__ = ["Mesh", "Records"]

#: Returns the signed record of a peer, by its id in bytes; empty without one.
Records = Callable[[bytes], bytes]

#: Returns the ids of the recent messages of a topic, the newest first.
Recent = Callable[[str], list[bytes]]


class Mesh:
    """
    The meshes of all topics of a node.

    @ivar peers: for each joined topic its mesh peers.
    @ivar backoffs: the links that are not to be made.
    @ivar actions: the actions that are due, which L{take} returns.
    """

    def __init__(
        self,
        neighbours: Neighbours,
        now: Callable[[], float],
        random: Random,
        parameters: Parameters,
        scores: Scores,
        thresholds: Thresholds,
        records: Records,
        recent: Recent,
    ) -> None:
        """
        Begin without a mesh.

        @param recent: returns the ids of the recent messages of a topic.
        """
        self._neighbours = neighbours
        self._now = now
        self._random = random
        self._parameters = parameters
        self._scores = scores
        self._thresholds = thresholds
        self._records = records
        self._recent = recent
        self._ticks = 0
        self.actions: list[Action] = []
        self.peers: dict[str, dict[bytes, Neighbour]] = {}
        self.backoffs = Backoffs(now)

    def take(self) -> list[Action]:
        """
        Return the actions that are due.
        """
        actions, self.actions = self.actions, []
        return actions

    # Our own decisions

    def enter(self, topic: str, first: Iterable[Neighbour]) -> None:
        """
        Make the mesh of a topic.

        @param first: peers that are preferred.
        """
        mesh = self.peers[topic] = {}
        for each in first:
            if len(mesh) < self._parameters.degree and self._fits(each, topic, mesh):
                self._graft(topic, each)
        self._fill(topic, self._parameters.degree - len(mesh))

    def exit(self, topic: str) -> None:
        """
        End the mesh of a topic.
        """
        for each in list(self.peers.get(topic, {}).values()):
            self.prune(topic, each, "we leave", leaving=True)
        self.peers.pop(topic, None)

    def subscribed(self, neighbour: Neighbour, topic: str) -> None:
        """
        Graft a new peer of a topic at once, if the mesh needs it.
        """
        mesh = self.peers.get(topic)
        if (
            mesh is not None
            and len(mesh) < self._parameters.degreeLow
            and self._fits(neighbour, topic, mesh)
        ):
            self._graft(topic, neighbour)

    def remove(self, neighbour: Neighbour, topic: str, reason: str) -> None:
        """
        Remove a peer from a mesh, if it is in it.
        """
        mesh = self.peers.get(topic)
        if mesh is not None and mesh.pop(neighbour.key, None) is not None:
            key = neighbour.key
            self._scores.prune(topic, key)
            self.actions.append(Keep(key, topic, False))
            self.actions.append(Report(Happening.PRUNED, key, topic, reason))

    def prune(
        self,
        topic: str,
        neighbour: Neighbour,
        reason: str,
        exchange: bool = True,
        leaving: bool = False,
    ) -> None:
        """
        Remove a peer from a mesh, if it is in it, and say so to the peer.

        @param exchange: whether to recommend other peers.
        @param leaving: whether it is because we leave the topic.
        """
        parameters = self._parameters
        self.remove(neighbour, topic, reason)
        seconds = parameters.unsubscribeBackoff if leaving else parameters.pruneBackoff
        self.backoffs.add(topic, neighbour.key, seconds)
        notice = Prune(topic)
        if neighbour.version >= Version.GOSSIPSUB_1_1:
            peers: tuple[PxPeer, ...] = ()
            if exchange and parameters.peerExchange:
                peers = self._recommended(topic, neighbour)
            notice = Prune(topic, seconds, peers)
        self.actions.append(Send(neighbour.key, RPC(prune=[notice])))

    def _recommended(self, topic: str, pruned: Neighbour) -> tuple[PxPeer, ...]:
        others = [
            each.key
            for each in self._neighbours.of(topic).values()
            if each is not pruned and self._scores.score(each.key) >= 0
        ]
        count = min(len(others), self._parameters.exchangedPeers)
        return tuple(
            PxPeer(key, self._records(key))
            for key in self._random.sample(others, count)
        )

    def _graft(self, topic: str, neighbour: Neighbour) -> None:
        self._add(topic, neighbour)
        self.actions.append(Send(neighbour.key, RPC(graft=[topic])))

    def _add(self, topic: str, neighbour: Neighbour) -> None:
        """
        Make a peer a mesh peer.  It hears once more which messages there are: no gossip
        goes to mesh peers, and these messages were sent to others before.
        """
        key = neighbour.key
        ids = self._recent(topic)[: self._parameters.haveIDs]
        if ids:
            self.actions.append(Send(key, RPC(have=[(topic, ids)])))
        self.peers[topic][key] = neighbour
        self._scores.graft(topic, key)
        self.actions.append(Keep(key, topic, True))
        self.actions.append(Report(Happening.GRAFTED, key, topic))

    # The decisions of peers

    def grafted(self, neighbour: Neighbour, topics: Iterable[str]) -> None:
        """
        Handle the wish of a peer to be a mesh peer.  A topic that is not ours has no
        answer: that would show which ones we have; repetitions have none either, nor
        has a peer to which we speak floodsub: it gets every message anyway.
        """
        if neighbour.version is Version.FLOODSUB:
            return
        for topic in dict.fromkeys(topics):
            mesh = self.peers.get(topic)
            if mesh is None or neighbour.key in mesh:
                continue
            refusal, exchange = self._refusal(neighbour, topic, mesh)
            if refusal is None:
                self._neighbours.subscribe(neighbour, topic)
                self._add(topic, neighbour)
            else:
                self.prune(topic, neighbour, refusal, exchange)

    def _refusal(
        self, neighbour: Neighbour, topic: str, mesh: dict[bytes, Neighbour]
    ) -> tuple[str | None, bool]:
        """
        Return why a peer is not grafted, and whether others are recommended to it.
        """
        key = neighbour.key
        if neighbour.direct:
            return "a direct peer", False
        until = self.backoffs.until(topic, key)
        if until is not None:
            parameters = self._parameters
            flood = until - parameters.pruneBackoff + parameters.graftFloodTime
            self._scores.misbehaved(key, 2.0 if self._now() < flood else 1.0)
            return "grafted too early", False
        if self._scores.score(key) < 0:
            return "a negative score", False
        if len(mesh) >= self._parameters.degreeHigh and not neighbour.outbound:
            return "the mesh is full", True
        return None, False

    def pruned(self, neighbour: Neighbour, prunes: Iterable[Prune]) -> None:
        """
        Handle the end of links that a peer has ended.  Of several for one topic the
        last counts.
        """
        for each in {each.topic: each for each in prunes}.values():
            if each.topic not in self.peers:
                continue
            self.remove(neighbour, each.topic, "pruned by the peer")
            backoff = each.backoff or self._parameters.pruneBackoff
            self.backoffs.add(each.topic, neighbour.key, backoff)
            if (
                each.peers
                and self._parameters.peerExchange
                and self._scores.score(neighbour.key) >= self._thresholds.acceptPX
            ):
                count = min(len(each.peers), self._parameters.exchangedPeers)
                for other in self._random.sample(each.peers, count):
                    self.actions.append(Dial(other.peer, other.record, neighbour.key))

    # The heartbeat

    def heartbeat(self) -> None:
        """
        Bring the degrees of all meshes into their bounds.
        """
        self._ticks += 1
        self.backoffs.sweep()
        for topic in list(self.peers):
            self._maintain(topic)

    def _maintain(self, topic: str) -> None:
        parameters, score = self._parameters, self._scores.score
        mesh = self.peers[topic]
        for each in list(mesh.values()):
            if score(each.key) < 0:
                self.prune(topic, each, "a negative score", exchange=False)
        if len(mesh) < parameters.degreeLow:
            self._fill(topic, parameters.degree - len(mesh))
        full = len(mesh) >= parameters.degreeHigh
        if len(mesh) > parameters.degreeHigh or (full and self._lacking(mesh) > 0):
            # A mesh of just this size takes nobody in.  It may stay so, but not if
            # only peers that have dialed us are in it: these may all be sybils.
            self._thin(topic, mesh)
        if len(mesh) >= parameters.degreeLow:
            lacking = self._lacking(mesh)
            if lacking > 0:
                self._fill(topic, lacking, lambda each: each.outbound)
            self._mix(topic, mesh)
        ticks = parameters.opportunisticTicks
        if ticks and self._ticks % ticks == 0 and len(mesh) > 1:
            self._improve(topic, mesh)

    def _mix(self, topic: str, mesh: dict[bytes, Neighbour]) -> None:
        """
        Graft one of the newest third of the peers of a topic, if the mesh has none of
        them: it was made before they came.  When many nodes start together, near peers
        come first, and meshes of these alone would be islands.
        """
        if len(mesh) > self._parameters.degree:
            return
        others = list(self._neighbours.of(topic))
        newest = set(others[len(others) * 2 // 3 :])
        if newest.isdisjoint(mesh):
            self._fill(topic, 1, lambda each: each.key in newest)

    def _improve(self, topic: str, mesh: dict[bytes, Neighbour]) -> None:
        """
        Graft better peers, if the mesh has few good ones.
        """
        score = self._scores.score
        ranked = sorted(score(each) for each in mesh)
        median = ranked[len(ranked) // 2]
        if median < self._thresholds.opportunisticGraft:
            self._fill(
                topic,
                self._parameters.opportunisticPeers,
                lambda each: score(each.key) > median,
            )

    def _lacking(self, mesh: dict[bytes, Neighbour]) -> int:
        """
        Return how many peers that we have dialed a mesh is short of.
        """
        outbound = sum(each.outbound for each in mesh.values())
        return self._parameters.degreeOut - outbound

    def _fill(
        self,
        topic: str,
        count: int,
        wanted: Callable[[Neighbour], bool] = lambda each: True,
    ) -> None:
        """
        Graft random peers.

        @param count: how many.
        @param wanted: returns whether a peer may be one of them.
        """
        mesh = self.peers[topic]
        candidates = [
            each
            for each in self._neighbours.of(topic).values()
            if self._fits(each, topic, mesh) and wanted(each)
        ]
        for each in self._random.sample(
            candidates, max(0, min(count, len(candidates)))
        ):
            self._graft(topic, each)

    def _fits(
        self, neighbour: Neighbour, topic: str, mesh: dict[bytes, Neighbour]
    ) -> bool:
        key = neighbour.key
        return (
            neighbour.meshes
            and key not in mesh
            and self.backoffs.until(topic, key) is None
            and self._scores.score(key) >= 0
        )

    def _thin(self, topic: str, mesh: dict[bytes, Neighbour]) -> None:
        """
        Prune a mesh that is too large: the best peers stay, and enough of those that we
        have dialed.
        """
        parameters = self._parameters
        ranked = list(mesh.values())
        self._random.shuffle(ranked)
        ranked.sort(key=lambda each: self._scores.score(each.key), reverse=True)
        rest = ranked[parameters.degreeScore :]
        self._random.shuffle(rest)
        ranked[parameters.degreeScore :] = rest
        kept, others = ranked[: parameters.degree], ranked[parameters.degree :]
        missing = min(parameters.degreeOut, parameters.degree) - sum(
            each.outbound for each in kept
        )
        for each in [each for each in others if each.outbound][: max(0, missing)]:
            # The last inbound one of the kept makes room.
            place = next(
                index
                for index in reversed(range(len(kept)))
                if not kept[index].outbound
            )
            others.remove(each)
            others.append(kept[place])
            kept[place] = each
        for each in others:
            self.prune(topic, each, "the mesh is too large")
