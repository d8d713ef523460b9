# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The simulated nodes of a topic, their connections, and their time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from random import Random
from typing import Final

from twisted_libp2p.identity import PeerID
from twisted_libp2p.pubsub import Profile
from twisted_libp2p.pubsub.actions import Action
from twisted_libp2p.pubsub.flood import TopicRules
from twisted_libp2p.pubsub.gossipsub import GossipRouter
from twisted_libp2p.pubsub.neighbours import Version
from twisted_libp2p.pubsub.rpc import RPC
from twisted_libp2p.pubsub.scores import Scores
from twisted_libp2p.pubsub.validation import Validator
from twisted_libp2p.testing.topics.figures import PublishedMessage
from twisted_libp2p.testing.topics.sybil import Sybil
from twisted_libp2p.testing.topics.timeline import Timeline
from twisted_libp2p.testing.topics.uplink import Link, Uplink
from twisted_libp2p.testing.topics.validating import SimulatedValidation

__all__ = ["TOPIC", "TopicNodes"]

#: The topic that all nodes join.
TOPIC: Final = "news"

_NEWEST: Final = Version.GOSSIPSUB_1_3


class TopicNodes(ABC):
    """
    Nodes that have joined one topic, each connected with some others.

    Nodes have numbers, from 0 on, in the order in which they were added.

    @ivar profile: the settings of the nodes.
    @ivar routers: the routers of the nodes, and the sybils; None for a node that is
        down.
    """

    def __init__(
        self,
        count: int,
        *,
        dials: int = 10,
        profile: Profile | None = None,
        validator: Callable[[int], Validator] | None = None,
        validationTime: float = 0.0,
        latency: tuple[float, float] = (0.01, 0.15),
        jitter: float = 0.0,
        seed: int = 1,
    ) -> None:
        """
        Connect the nodes, and let them join.

        @param count: the number of nodes.
        @param dials: the number of random nodes with which each connects.
        @param profile: the settings of all nodes.  Messages are not really signed.
        @param validator: returns the validator of a node by its number.  It has to
            return a C{Validation} at once, and not a Deferred that waits.
        @param validationTime: the seconds that a validation takes.
        @param latency: the least and the greatest delay of a connection in seconds.
        @param jitter: the share by which the delay of each RPC varies, up and down.
        @param seed: the beginning of everything random.
        """
        self.profile = profile or Profile()
        self.routers: list[GossipRouter | Sybil | None] = []
        self._random = Random(seed)
        self._dials = dials
        self._latency = latency
        self._jitter = jitter
        self._timeline = Timeline()
        self._checks = (
            SimulatedValidation(self._timeline, validator, validationTime)
            if validator is not None or validationTime
            else None
        )
        self._keys: list[bytes] = []
        self._links: list[dict[bytes, Link]] = []
        self._uplinks: dict[int, Uplink] = {}
        self._honest: dict[int, None] = {}
        self._messages: dict[bytes, PublishedMessage] = {}
        self._have = self._want = 0
        self._rules = TopicRules(self.profile.policy, self.profile.messageID)
        for _ in range(count):
            self._start(self._place(), False)
        for number in range(count):
            self.dial(number, dials)
        for number in range(count):
            self._join(number)

    # Nodes that come and go

    def add(self, targets: Iterable[int] | None = None) -> int:
        """
        Add a node, which joins the topic.

        @param targets: the nodes with which it connects; random ones by default.
        @return: its number.
        """
        number = self._place()
        self._start(number)
        if targets is None:
            self.dial(number, self._dials)
        else:
            for each in targets:
                self.connect(number, each)
        return number

    def addSybil(
        self,
        targets: Iterable[int],
        *,
        drop: float = 1.0,
        censored: Iterable[int] = (),
        delay: float = 0.0,
        attacking: bool = True,
    ) -> int:
        """
        Add a L{Sybil}.

        @param targets: the nodes with which it connects.
        @param drop: see L{Sybil}.
        @param censored: the numbers of the nodes whose messages it does not pass on.
        @param delay: see L{Sybil}.
        @param attacking: see L{Sybil}.
        @return: its number.
        """
        number = self._place()
        sybil = self.routers[number] = Sybil(
            TOPIC,
            self._timeline.time,
            Random(self._random.random()),
            drop=drop,
            censored={self._keys[each] for each in censored},
            delay=delay,
            attacking=attacking,
            regraft=float(self.profile.parameters.pruneBackoff),
        )
        self._heartbeats(number, sybil)
        for each in targets:
            self.connect(number, each)
        return number

    def crash(self, number: int) -> None:
        """
        Let a node go down.  The nodes that had dialed it dial others in its place.
        """
        callers = [
            link.far
            for link in self._links[number].values()
            if not link.outbound and link.far in self._honest
        ]
        self.disconnect(number)
        self.routers[number] = None
        self._honest.pop(number, None)
        for message in self._messages.values():
            message.waiting.discard(number)
        for caller in callers:
            self.dial(caller, 1)

    def restart(self, number: int) -> None:
        """
        Let a node that was down come back: it has forgotten everything, and dials
        random nodes.
        """
        self._start(number)
        self.dial(number, self._dials)

    def churn(self, interval: float, away: float) -> None:
        """
        Let a random node go down again and again.

        @param interval: seconds between two crashes.
        @param away: seconds until such a node comes back.
        """

        def next() -> None:
            if len(self._honest) > 1:
                number = self._random.choice(list(self._honest))
                self.crash(number)
                self._timeline.after(away, self.restart, number)
            self._timeline.after(interval, next)

        self._timeline.after(interval, next)

    def slow(self, number: int, rate: float) -> None:
        """
        Give a node an uplink on which its RPCs wait for each other, as encoded bytes.

        @param rate: bytes in a second.
        """
        self._uplinks[number] = Uplink(rate, self._timeline, self._left)

    @property
    def honest(self) -> list[int]:
        """
        The numbers of the nodes that are up, and no sybils.
        """
        return list(self._honest)

    def peerID(self, number: int) -> PeerID:
        """
        Return the peer id of a node, as its messages and validators show it.
        """
        return PeerID.fromBytes(self._keys[number])

    def _place(self) -> int:
        number = len(self.routers)
        self.routers.append(None)
        # The shortest peer id that can be read.
        self._keys.append(b"\0\4" + number.to_bytes(4, "big"))
        self._links.append({})
        return number

    def _start(self, number: int, joins: bool = True) -> None:
        """
        Start an honest node.
        """
        profile = self.profile
        router = self.routers[number] = GossipRouter(
            self._keys[number],
            self._timeline.time,
            Random(self._random.random()),
            profile.parameters,
            Scores(profile.scores, self._timeline.time),
            profile.thresholds,
        )
        self._honest[number] = None
        if self._checks is not None:
            self._checks.begin(number, TOPIC)
        self._heartbeats(number, router)
        if joins:
            self._join(number)

    def _join(self, number: int) -> None:
        router = self.routers[number]
        assert isinstance(router, GossipRouter)
        self._take(number, router.join(TOPIC, self._rules))

    # Connections

    def connect(self, one: int, other: int, delay: float | None = None) -> None:
        """
        Connect two nodes, unless they are connected.

        @param one: the node that dials.
        @param delay: the seconds that an RPC takes; random ones by default.
        """
        if one == other or self._keys[other] in self._links[one]:
            return
        if delay is None:
            delay = self._random.uniform(*self._latency)
        for near, far, outbound in ((one, other, True), (other, one, False)):
            key = self._keys[far]
            self._links[near][key] = Link(near, far, delay, outbound)
        for near, far, outbound in ((one, other, True), (other, one, False)):
            router = self.routers[near]
            if isinstance(router, GossipRouter):
                key = self._keys[far]
                self._take(near, router.peerUp(key, outbound))
                self._take(near, router.negotiated(key, _NEWEST))

    def disconnect(self, number: int) -> None:
        """
        Cut a node off: all its connections end.
        """
        for link in list(self._links[number].values()):
            for near, far in ((link.near, link.far), (link.far, link.near)):
                key = self._keys[far]
                gone = self._links[near].pop(key)
                gone.open = False
                if near in self._uplinks:
                    self._uplinks[near].close(gone)
                router = self.routers[near]
                if router is not None:
                    self._take(near, router.peerDown(key))

    def dial(self, number: int, count: int) -> None:
        """
        Connect a node with random honest ones with which it is not connected.
        """
        honest, known = list(self._honest), self._links[number]
        some = self._random.sample(honest, min(count + len(known) + 1, len(honest)))
        fresh = [
            each for each in some if each != number and self._keys[each] not in known
        ]
        for each in fresh[:count]:
            self.connect(number, each)

    # Time

    @property
    def now(self) -> float:
        """
        The seconds since the start.
        """
        return self._timeline.now

    def run(self, seconds: float) -> None:
        """
        Let time pass.
        """
        self._timeline.run(seconds)

    def _heartbeats(self, number: int, router: GossipRouter | Sybil) -> None:
        interval = self.profile.parameters.heartbeat

        def beat() -> None:
            # A node that was down has a new router.
            if self.routers[number] is router:
                self._take(number, router.heartbeat())
                self._timeline.after(interval, beat)

        self._timeline.after(self._random.random() * interval, beat)

    # What a network does with its nodes

    @abstractmethod
    def _take(self, number: int, actions: list[Action], own: bool = False) -> None:
        """
        Take the actions of a router.

        @param own: whether they are those of a message that the node publishes.
        """

    @abstractmethod
    def _left(self, link: Link, rpc: RPC) -> None:
        """
        Send an RPC that has left the queues of its node.
        """
