# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Pubsub as a service of a node: C{node.add(PubSub())}.

The router decides; the service has the streams, the time, and what users hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import NamedTuple

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import LoopingCall
from zope.interface import implementer

from twisted_libp2p.connection.building import StreamFactory
from twisted_libp2p.errors import ConfigurationError, NodeStopping
from twisted_libp2p.events import ClosedConn, Identified, ProtocolsChanged
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    IDrainable,
    IHost,
    IHostService,
    IRegistration,
    ISubscription,
)
from twisted_libp2p.printable import printable
from twisted_libp2p.pubsub.engine import Engine
from twisted_libp2p.pubsub.events import Joined, Left
from twisted_libp2p.pubsub.flood import TopicRules
from twisted_libp2p.pubsub.gossipsub import GossipRouter
from twisted_libp2p.pubsub.profile import Profile
from twisted_libp2p.pubsub.receipts import Receipt
from twisted_libp2p.pubsub.reporting import scoreText
from twisted_libp2p.pubsub.scoreparameters import TopicScore
from twisted_libp2p.pubsub.signing import MessageID, SignaturePolicy
from twisted_libp2p.pubsub.streams import InboundStream
from twisted_libp2p.pubsub.topic import Topic, topicName
from twisted_libp2p.pubsub.validation import Validator

__all__ = ["PubSub", "PubSubUsage"]


class PubSubUsage(NamedTuple):
    """
    The use of memory by topics.

    @ivar peers: the number of the connected peers that speak pubsub.
    @ivar queued: the bytes of the messages that wait for peers.
    @ivar history: the bytes of the recent messages, for peers that ask for them.
    @ivar seen: the number of the messages that are known as seen.
    @ivar validating: the number of the messages that are validated.
    """

    peers: int
    queued: int
    history: int
    seen: int
    validating: int


@implementer(IDrainable, IHostService)
class PubSub(Service):
    """
    Publishes and subscribes: C{topic = await node.pubsub.join("news")}.

    @ivar profile: the settings of the network.
    """

    name = "pubsub"

    def __init__(
        self,
        profile: Profile | None = None,
        *,
        direct: Iterable[PeerID | str] = (),
        random: Random | None = None,
    ) -> None:
        """
        Make the service, which C{node.add} attaches to a node.

        @param profile: the settings of the network; by default those of a network of
            its own, in which messages are signed.
        @param direct: peers that get every message, which are dialed again whenever
            they are not connected; they have to name this node as well.
        @param random: selects the peers of meshes.
        """
        self.profile = profile or Profile()
        self._direct = [PeerID.of(each) for each in direct]
        self._random = random or Random()
        self._subscriptions: list[ISubscription] = []
        self._registration: IRegistration | None = None
        self._heart: LoopingCall | None = None
        self._first: IDelayedCall | None = None

    def attach(self, host: IHost) -> None:
        """
        Take the node, and register the protocols.
        """
        self._host = host
        direct = {each.toBytes() for each in self._direct}
        self._engine = Engine(host, self.profile, self._random, direct)
        self._register()

    def _register(self) -> None:
        engine = self._engine
        self._registration = self._host.registry.register(
            self.profile.protocols,
            StreamFactory(lambda: InboundStream(engine.linkTo, engine.maximum)),
        )

    def startService(self) -> None:
        """
        Open streams to the peers that speak pubsub, and begin the heartbeat.
        """
        super().startService()
        host, engine = self._host, self._engine
        engine.start()
        if self._registration is None:
            self._register()
        self._subscriptions = [
            host.events.subscribe(Identified, lambda event: engine.met(event.peer)),
            host.events.subscribe(
                ProtocolsChanged, lambda event: engine.met(event.peer)
            ),
            host.events.subscribe(ClosedConn, engine.closed),
        ]
        for each in host.connections:
            engine.met(each.remotePeer)
        for peer in self._direct:
            host.connections.protect(peer, "pubsub", redial=True)
        heart = self._heart = LoopingCall(engine.beat)
        heart.clock = host.clock
        parameters = self.profile.parameters
        wait = parameters.firstHeartbeat * (1 + self._random.random())
        self._first = host.clock.callLater(wait, heart.start, parameters.heartbeat)

    def drain(self) -> None:
        """
        Leave all topics, and end the streams: they would keep the connections.
        """
        self.stopService()

    def stopService(self) -> None:
        """
        Leave all topics, and end the streams.
        """
        super().stopService()
        for name in list(self._engine.topics):
            self.leave(name)
        for subscription in self._subscriptions:
            subscription.cancel()
        self._subscriptions = []
        if self._registration is not None:
            self._registration.cancel()
            self._registration = None
        for peer in self._direct:
            self._host.connections.unprotect(peer, "pubsub")
        if self._first is not None and self._first.active():
            self._first.cancel()
        if self._heart is not None and self._heart.running:
            self._heart.stop()
        self._engine.stop()

    # What users do

    def join(
        self,
        name: str,
        validator: Validator | Sequence[Validator] = (),
        *,
        policy: SignaturePolicy | None = None,
        messageID: MessageID | None = None,
        score: TopicScore | None = None,
    ) -> Deferred[Topic]:
        """
        Join a topic; a topic that is joined already is returned again.

        @param name: its name.
        @param validator: decides about each message, or several that all have to accept
            it; it returns a L{Validation<twisted_libp2p.pubsub.actions.Validation>}, or
            a coroutine or Deferred of one.
        @param policy: which messages are signed, if not as in the whole network.
        @param messageID: returns the id of a message, if not as in the whole network.
        @param score: the weights of the topic.
        @return: fires with the L{Topic}.
        @raise ConfigurationError: an argument has no usable value, or the topic was
            joined with other ones.
        """
        topicName(name)
        if not self.running:
            raise NodeStopping
        validators = (validator,) if callable(validator) else tuple(validator)
        rules = TopicRules(
            policy or self._engine.rules.policy,
            messageID or self._engine.rules.messageID,
        )
        topic = self._engine.topics.get(name)
        if topic is not None:
            if validators or rules != self._engine.router.joined[name]:
                raise ConfigurationError(
                    f"the topic {name!r} is joined already: leave it first to change"
                    " its rules"
                )
            return succeed(topic)
        topic = self._engine.topics[name] = Topic(self, name)
        self._engine.validators.set(name, validators)
        if score is not None:
            self._engine.router.scores.weigh(name, score)
        self._host.events.publish(Joined(time=self._host.clock.seconds(), topic=name))
        # A subscriber of the event may have left it at once.
        if self._engine.topics.get(name) is topic:
            self._engine.apply(self._engine.router.join(name, rules))
        return succeed(topic)

    def leave(self, name: str) -> None:
        """
        Leave a topic.
        """
        topic = self._engine.topics.pop(name, None)
        if topic is not None:
            self._engine.validators.set(name, ())
            self._engine.apply(self._engine.router.leave(name))
            self._host.events.publish(Left(time=self._host.clock.seconds(), topic=name))
            topic.end()

    def publish(
        self,
        name: str,
        data: bytes,
        *,
        ready: int = 1,
        alone: bool = False,
        wait: bool = True,
    ) -> Deferred[Receipt]:
        """
        Publish a message in a topic, which need not be joined; as
        L{Topic.publish<twisted_libp2p.pubsub.topic.Topic>}.
        """
        rules = self._engine.router.joined.get(name, self._engine.rules)
        return self._engine.publisher.publish(name, data, rules, ready, alone, wait)

    def setValidators(self, name: str, validators: Sequence[Validator]) -> None:
        """
        Replace the validators of a topic.
        """
        self._engine.validators.set(name, validators)

    @property
    def usage(self) -> PubSubUsage:
        """
        The memory and the peers in use.
        """
        engine = self._engine
        return PubSubUsage(
            peers=len(engine.links),
            queued=sum(each.lanes.size for each in engine.links.values()),
            history=engine.router.recentSize,
            seen=engine.router.seenCount,
            validating=sum(engine.validators.running.values()),
        )

    @property
    def topics(self) -> list[Topic]:
        """
        The topics that are joined.
        """
        return list(self._engine.topics.values())

    @property
    def peers(self) -> list[PeerID]:
        """
        The connected peers that speak pubsub.
        """
        return [each.peer for each in self._engine.links.values()]

    def peersOf(self, name: str) -> list[PeerID]:
        """
        Return the connected peers that have subscribed to a topic.
        """
        return [
            self._engine.links[key].peer
            for key in self._engine.router.neighbours.of(name)
        ]

    def meshOf(self, name: str) -> list[PeerID]:
        """
        Return the peers of the mesh of a topic.
        """
        if not isinstance(self._engine.router, GossipRouter):
            return self.peersOf(name)
        return [
            self._engine.links[key].peer
            for key in self._engine.router.mesh.peers.get(name, ())
        ]

    def score(self, peer: PeerID | str) -> float:
        """
        Return the score of a peer; 0 if nothing is known about it.
        """
        return self._engine.router.scores.score(PeerID.of(peer).toBytes())

    def judge(self, peer: PeerID | str, value: float) -> None:
        """
        Add to the score of a connected peer; again replaces the number.
        """
        self._engine.router.scores.judge(PeerID.of(peer).toBytes(), value)

    def explain(self, subject: PeerID | str | bytes) -> str:
        """
        Explain a peer, or a message, in some lines.

        @param subject: a peer id, or the id of a message in bytes.
        """
        if isinstance(subject, bytes):
            trail = self._engine.trails.get(subject)
            return "no such message is known" if trail is None else str(trail)
        peer = PeerID.of(subject)
        key = peer.toBytes()
        scores = self._engine.router.scores
        lines = scoreText(scores.score(key), scores.explain(key))
        link, neighbour = (
            self._engine.links.get(key),
            self._engine.router.neighbours.get(key),
        )
        if link is None or neighbour is None:
            return "\n".join([f"{peer}: not connected, or without pubsub", *lines])
        topics = ", ".join(map(printable, sorted(neighbour.topics))) or "none"
        meshes = [name for name in self._engine.topics if peer in self.meshOf(name)]
        lines += [f"topics: {topics}", f"mesh peer in: {', '.join(meshes) or 'none'}"]
        return "\n".join([f"{peer}: {link.explain()}", *lines])
