# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A simulated network of one topic.
"""

from __future__ import annotations

from collections.abc import Set
from functools import partial
from hashlib import sha256
from math import inf

from twisted_libp2p.pubsub import SignaturePolicy
from twisted_libp2p.pubsub.actions import (
    Action,
    Check,
    Deliver,
    Forward,
    Send,
    Verdict,
    Withdraw,
)
from twisted_libp2p.pubsub.gossipsub import GossipRouter
from twisted_libp2p.pubsub.message import Message
from twisted_libp2p.pubsub.rpc import RPC
from twisted_libp2p.testing.topics.figures import (
    PublishedMessage,
    TopicFigures,
    figuresOf,
)
from twisted_libp2p.testing.topics.nodes import TOPIC, TopicNodes
from twisted_libp2p.testing.topics.sybil import Sybil
from twisted_libp2p.testing.topics.uplink import Link

__all__ = ["TopicNetwork"]


class TopicNetwork(TopicNodes):
    """
    Nodes that have joined one topic, publish messages, and pass them on.

    Nodes have numbers, from 0 on, in the order in which they were added.
    """

    def publish(self, number: int, data: bytes) -> None:
        """
        Let a node publish a message, whose data has to be new.

        @raise ValueError: the node is down, or the message has the id of another one.
        """
        router = self.routers[number]
        if router is None:
            raise ValueError(f"node {number} is down: choose one of network.honest")
        message = Message(TOPIC, data)
        if self.profile.policy is SignaturePolicy.STRICT_SIGN:
            message.source = self._keys[number]
            message.sequence = (len(self._messages) + 1).to_bytes(8, "big")
            message.signature = b"simulated"
        message.id = self.profile.messageID(message)
        if message.id in self._messages:
            raise ValueError(f"{data!r} was published before: the data has to be new")
        others = set(self._honest)
        others.discard(number)
        self._messages[message.id] = PublishedMessage(number, self.now, others)
        self._take(number, router.publish(message), True)

    def _take(self, number: int, actions: list[Action], own: bool = False) -> None:
        """
        Take the actions of a router.
        """
        router, links = self.routers[number], self._links[number]
        uplink = self._uplinks.get(number)
        for each in actions:
            if isinstance(each, Forward):
                link = links.get(each.peer)
                if link is None:
                    continue
                if uplink is not None:
                    uplink.message(link, each.message, own)
                else:
                    self._left(link, RPC(messages=[each.message]))
            elif isinstance(each, Send):
                link = links.get(each.peer)
                self._have += bool(each.rpc.have)
                self._want += bool(each.rpc.want)
                if link is None:
                    continue
                if uplink is not None:
                    uplink.control(link, each.rpc)
                else:
                    self._travel(link, each.rpc)
            elif isinstance(each, Check):
                assert isinstance(router, GossipRouter)
                self._check(number, router, each)
            elif isinstance(each, Deliver):
                self._messages[each.message.id].delivered(number, self.now)
            elif isinstance(each, Withdraw) and uplink is not None:
                link = links.get(each.peer)
                if link is not None:
                    uplink.withdraw(link, each.ids)

    def _left(self, link: Link, rpc: RPC) -> None:
        """
        Send an RPC that has left the queues of its node.
        """
        held = 0.0
        sender = self.routers[link.near]
        if isinstance(sender, Sybil):
            if sender.attacking and rpc.messages:
                held = sender.delay
        else:
            for message in rpc.messages:
                id = message.id or self.profile.messageID(message)
                self._messages[id].sent += 1
        self._travel(link, rpc, held)

    def _travel(self, link: Link, rpc: RPC, held: float = 0.0) -> None:
        """
        Let an RPC arrive after the delay of its link.

        @param held: the seconds for which the sender holds it back.
        """
        delay, timeline = link.delay, self._timeline
        if self._jitter:
            delay *= 1 + self._jitter * (2 * self._random.random() - 1)
            # As on any stream, no RPC overtakes another one.
            link.last = max(timeline.now + delay, link.last)
            delay = link.last - timeline.now
        timeline.after(held + delay, self._arrive, link, rpc)

    def _arrive(self, link: Link, rpc: RPC) -> None:
        if link.open:
            router = self.routers[link.far]
            assert router is not None
            actions = router.received(self._keys[link.near], rpc)
            self._take(link.far, actions)

    def _check(self, number: int, router: GossipRouter, check: Check) -> None:
        """
        Validate a message.
        """
        id = check.message.id
        self._take(number, router.authentic(id))
        if self._checks is None:
            self._take(number, router.verdict(id, Verdict.ACCEPTED))
        else:
            self._checks.validate(number, check, partial(self._decided, number, router))

    def _decided(
        self, number: int, router: GossipRouter, id: bytes, verdict: Verdict
    ) -> None:
        """
        Take the verdict of a validator.
        """
        if self.routers[number] is router:
            self._take(number, router.verdict(id, verdict))

    # Figures

    def degrees(self) -> list[int]:
        """
        Return the numbers of the mesh peers of the honest nodes.
        """
        return [len(self.meshOf(each)) for each in self._honest]

    def meshOf(self, number: int) -> list[int]:
        """
        Return the numbers of the mesh peers of an honest node.
        """
        router = self.routers[number]
        assert isinstance(router, GossipRouter)
        links = self._links[number]
        return [links[each].far for each in router.mesh.peers[TOPIC]]

    def scoreOf(self, one: int, other: int) -> float:
        """
        Return the score that one node gives another one.
        """
        router = self.routers[one]
        assert isinstance(router, GossipRouter)
        return router.scores.score(self._keys[other])

    def figures(
        self,
        since: float = 0.0,
        until: float = inf,
        *,
        authors: Set[int] | None = None,
        nodes: Set[int] | None = None,
    ) -> TopicFigures:
        """
        Return the figures of the messages that were published in a time.

        @param since: the beginning of the time.
        @param until: its end; what is published then no longer counts.
        @param authors: the nodes whose messages count; all by default.
        @param nodes: the nodes whose deliveries count; all honest ones by default.
        """
        chosen = [
            each
            for each in self._messages.values()
            if since <= each.at < until and (authors is None or each.author in authors)
        ]
        degrees = self.degrees()
        return figuresOf(
            chosen,
            nodes,
            sum(degrees) / len(degrees) if degrees else 0.0,
            self.captured(),
            (self._have, self._want),
        )

    def captured(self, nodes: Set[int] | None = None) -> float:
        """
        Return the share of the mesh peers of honest nodes that are sybils.

        @param nodes: the nodes that count; all by default.
        """
        honest = self._honest
        meshes = [
            self.meshOf(each) for each in honest if nodes is None or each in nodes
        ]
        hostile = sum(each not in honest for mesh in meshes for each in mesh)
        degree = sum(map(len, meshes))
        return hostile / degree if degree else 0.0

    def digest(self) -> str:
        """
        Return a hash of the course so far: all deliveries in their order, and the
        meshes.  Two runs that agree in it have run in the same way.
        """
        digest = sha256()
        for each in self._messages.values():
            digest.update(repr((each.author, each.at, each.latencies)).encode())
        for number in self._honest:
            digest.update(repr((number, self.meshOf(number))).encode())
        return digest.hexdigest()
