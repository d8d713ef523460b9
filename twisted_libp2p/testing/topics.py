# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Many routers of gossipsub in one process and in virtual time, to try parameters before a
network uses them::

    network = TopicNetwork(1000, seed=1)
    network.run(10)
    network.publish(0, b"hello")
    network.run(5)
    print(network.figures())

Everything random comes from the seed, and so a network runs in the same way each time.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from twisted_libp2p.pubsub.actions import (
    Action,
    Check,
    Deliver,
    Forward,
    Send,
    Verdict,
)
from twisted_libp2p.pubsub.flood import TopicRules
from twisted_libp2p.pubsub.gossipsub import GossipRouter
from twisted_libp2p.pubsub.message import Message
from twisted_libp2p.pubsub.neighbours import Version
from twisted_libp2p.pubsub.parameters import Parameters
from twisted_libp2p.pubsub.rpc import RPC
from twisted_libp2p.pubsub.scoreparameters import ScoreParameters, Thresholds
from twisted_libp2p.pubsub.scores import Scores
from twisted_libp2p.pubsub.signing import SignaturePolicy, idOfContent

__all__ = ["TOPIC", "TopicFigures", "TopicNetwork"]

#: The topic that all nodes join.
TOPIC = "news"

_RULES = TopicRules(SignaturePolicy.STRICT_NO_SIGN, idOfContent)


@dataclass(frozen=True, slots=True)
class TopicFigures:
    """
    The figures of a network.

    @ivar published: the number of messages.
    @ivar delivered: the share of the honest nodes that have got a message, on average.
    @ivar copies: how often a message was sent for each delivery.
    @ivar have: the number of RPCs with IHAVE.
    @ivar want: the number of RPCs with IWANT.
    @ivar degree: the average number of mesh peers.
    @ivar latencies: the seconds between the publication and each delivery, sorted.
    """

    published: int
    delivered: float
    copies: float
    have: int
    want: int
    degree: float
    latencies: Sequence[float]

    def percentile(self, share: float) -> float:
        """
        Return the latency, in seconds, that a share of the deliveries does not exceed;
        0 without a delivery.
        """
        if not self.latencies:
            return 0.0
        last = len(self.latencies) - 1
        return self.latencies[min(last, int(share * len(self.latencies)))]


class TopicNetwork:
    """
    Nodes that have joined one topic, each connected with some others.

    @ivar now: the seconds since the start.
    @ivar routers: the routers of the nodes.
    @ivar mute: the numbers of the nodes that take messages and pass none on: sybils.
        Nodes may be added and removed at any time.
    @ivar received: how many messages of others each node has got since L{begin}.
    """

    def __init__(
        self,
        count: int,
        *,
        dials: int = 10,
        parameters: Parameters | None = None,
        scores: ScoreParameters | None = None,
        thresholds: Thresholds | None = None,
        latency: tuple[float, float] = (0.01, 0.15),
        mute: int = 0,
        seed: int = 1,
    ) -> None:
        """
        Connect the nodes, and let them join.

        @param count: the number of nodes.
        @param dials: the number of random nodes with which each connects.
        @param parameters: the numbers of the mesh.
        @param scores: the weights of scores.
        @param thresholds: the scores below which peers are served less.
        @param latency: the least and the greatest delay of a connection in seconds.
        @param mute: how many of the nodes, the last ones, pass nothing on.
        @param seed: the beginning of everything random.
        """
        self.now = 0.0
        self._random = Random(seed)
        self._parameters = parameters or Parameters()
        self._latency = latency
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._delays: dict[tuple[int, int], float] = {}
        self._published: dict[bytes, tuple[int, float]] = {}
        self._delivered: list[float] = []
        self._sent = self._have = self._want = 0
        self.mute = set(range(count - mute, count))
        self.received = [0] * count
        weights, limits = scores or ScoreParameters(), thresholds or Thresholds()
        self.routers = [
            GossipRouter(
                self._key(number),
                self._time,
                Random(self._random.random()),
                self._parameters,
                Scores(weights, self._time),
                limits,
            )
            for number in range(count)
        ]
        for number in range(count):
            others = self._random.sample(range(count), min(dials + 1, count))
            for other in [each for each in others if each != number][:dials]:
                self.connect(number, other)
        for number, router in enumerate(self.routers):
            self._take(number, router.join(TOPIC, _RULES))
            beginning = self._random.random() * self._parameters.heartbeat
            self._after(beginning, partial(self._beat, number))

    @staticmethod
    def _key(number: int) -> bytes:
        return number.to_bytes(4, "big")

    def _time(self) -> float:
        return self.now

    def _after(self, seconds: float, call: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._events, (self.now + seconds, self._number, call))

    def connect(self, one: int, other: int) -> None:
        """
        Connect two nodes, unless they are connected.

        @param one: the node that dials.
        """
        if (one, other) in self._delays:
            return
        delay = self._random.uniform(*self._latency)
        for near, far, outbound in ((one, other, True), (other, one, False)):
            self._delays[near, far] = delay
            router = self.routers[near]
            self._take(near, router.peerUp(self._key(far), outbound))
            newest = Version.GOSSIPSUB_1_3
            self._take(near, router.negotiated(self._key(far), newest))

    def disconnect(self, number: int) -> None:
        """
        Cut a node off: all its connections end.
        """
        for one, other in [each for each in self._delays if each[0] == number]:
            for near, far in ((one, other), (other, one)):
                del self._delays[near, far]
                self._take(near, self.routers[near].peerDown(self._key(far)))

    def publish(self, number: int, data: bytes) -> None:
        """
        Let a node publish a message, whose data has to be new.
        """
        message = Message(TOPIC, data)
        message.id = idOfContent(message)
        self._published[message.id] = (number, self.now)
        self._take(number, self.routers[number].publish(message), True)

    def begin(self) -> None:
        """
        Begin the figures again, with the messages that are published from now on.
        """
        self._published.clear()
        self._delivered.clear()
        self._sent = self._have = self._want = 0
        self.received = [0] * len(self.routers)

    def run(self, seconds: float) -> None:
        """
        Let time pass.
        """
        end = self.now + seconds
        while self._events and self._events[0][0] <= end:
            self.now, _, call = heapq.heappop(self._events)
            call()
        self.now = end

    def _beat(self, number: int) -> None:
        self._take(number, self.routers[number].heartbeat())
        self._after(self._parameters.heartbeat, partial(self._beat, number))

    def _take(self, number: int, actions: list[Action], own: bool = False) -> None:
        """
        Take the actions of a router.
        """
        router = self.routers[number]
        mute = number in self.mute and not own
        for each in actions:
            if isinstance(each, Forward):
                if not mute:
                    self._sent += 1
                    self._send(number, each.peer, RPC(messages=[each.message]))
            elif isinstance(each, Send):
                self._have += bool(each.rpc.have)
                self._want += bool(each.rpc.want)
                if not (mute and each.rpc.have):
                    self._send(number, each.peer, each.rpc)
            elif isinstance(each, Check):
                id = each.message.id
                self._take(number, router.authentic(id))
                self._take(number, router.verdict(id, Verdict.ACCEPTED))
            elif isinstance(each, Deliver):
                self._delivers(number, each.message.id)

    def _delivers(self, number: int, id: bytes) -> None:
        """
        Note a delivery, unless the message was published before L{begin}.
        """
        author, at = self._published.get(id, (number, 0.0))
        if number not in self.mute and number != author:
            self.received[number] += 1
            self._delivered.append(self.now - at)

    def _send(self, number: int, peer: bytes, rpc: RPC) -> None:
        other = int.from_bytes(peer, "big")
        delay = self._delays.get((number, other))
        if delay is not None:
            self._after(delay, partial(self._arrive, number, other, rpc))

    def _arrive(self, number: int, other: int, rpc: RPC) -> None:
        if (number, other) in self._delays:
            received = self.routers[other].received(self._key(number), rpc)
            self._take(other, received)

    def degrees(self) -> list[int]:
        """
        Return the number of the mesh peers of each node.
        """
        return [len(each.mesh.peers[TOPIC]) for each in self.routers]

    def figures(self) -> TopicFigures:
        """
        Return the figures of everything that was published so far.
        """
        authors = [author for author, _ in self._published.values()]
        honest = len(self.routers) - len(self.mute)
        wanted = sum(honest - (each not in self.mute) for each in authors)
        delivered = len(self._delivered)
        return TopicFigures(
            len(authors),
            delivered / wanted if wanted else 1.0,
            self._sent / delivered if delivered else 0.0,
            self._have,
            self._want,
            sum(self.degrees()) / len(self.routers),
            sorted(self._delivered),
        )
