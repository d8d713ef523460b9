# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The engine of pubsub: it takes the actions of the router, and tells it what happens.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

from twisted_libp2p.address import Scope
from twisted_libp2p.events import ClosedConn
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import Direction, IHost
from twisted_libp2p.logger import Logger
from twisted_libp2p.pubsub.actions import (
    Action,
    Check,
    Deliver,
    Dial,
    Forward,
    Happening,
    Keep,
    Report,
    Send,
    Verdict,
    Withdraw,
)
from twisted_libp2p.pubsub.events import MessageDropped, SlowPeer
from twisted_libp2p.pubsub.flood import FloodRouter, TopicRules
from twisted_libp2p.pubsub.gossipsub import GossipRouter
from twisted_libp2p.pubsub.link import Link
from twisted_libp2p.pubsub.message import Message
from twisted_libp2p.pubsub.profile import PROTOCOLS, Profile
from twisted_libp2p.pubsub.publishing import Publisher
from twisted_libp2p.pubsub.receipts import Receipt
from twisted_libp2p.pubsub.recommended import Recommended
from twisted_libp2p.pubsub.reporting import eventOf
from twisted_libp2p.pubsub.rpc import RPC
from twisted_libp2p.pubsub.scores import Scores
from twisted_libp2p.pubsub.signing import verify
from twisted_libp2p.pubsub.storage import Storage
from twisted_libp2p.pubsub.topic import Topic
from twisted_libp2p.pubsub.topicmessage import TopicMessage
from twisted_libp2p.pubsub.trails import Trail, Trails
from twisted_libp2p.pubsub.validation import Validators

__all__ = ["MAX_PENDING", "Engine"]

#: How many messages of one peer may be validated at the same time before nothing
#: further is read from it; each 64 KiB of a message counts as one more.
MAX_PENDING: Final = 64


class Engine:
    """
    Joins the router with the streams to peers, the validators and the subscribers.

    @ivar protocols: the protocol ids.
    @ivar maximum: the size of the largest RPC in bytes.
    @ivar router: decides about everything.
    @ivar rules: the rules of topics that have none of their own.
    @ivar links: the connected peers that speak pubsub.
    @ivar topics: the topics that are joined, by name.
    @ivar trails: the courses of recent messages.
    @ivar validators: the validators of the topics.
    @ivar publisher: publishes messages.
    @ivar running: whether links are made.
    """

    _log = Logger()

    def __init__(
        self, host: IHost, profile: Profile, random: Random, direct: set[bytes]
    ) -> None:
        """
        Make the router, and everything around it.

        @param host: the node.
        @param profile: the settings of the network.
        @param random: selects the peers of meshes.
        @param direct: the ids of the peers that get every message.
        """
        self._host = host
        self._random = random
        self._direct = direct
        self._pending: dict[bytes, int] = {}
        self.protocols = profile.protocols
        self.maximum = profile.maximum
        self.rules = TopicRules(profile.policy, profile.messageID)
        self.links: dict[bytes, Link] = {}
        self.topics: dict[str, Topic] = {}
        self.trails = Trails()
        self.running = False
        self._warned = False
        self._recommended = Recommended(host)
        own, now = host.peerID.toBytes(), host.clock.seconds
        scores = Scores(profile.scores, now)
        thresholds, parameters = profile.thresholds, profile.parameters
        self._storage = storage = Storage.within(host.limits.system.memory)
        common = (own, now, random, parameters, scores, thresholds, storage)
        self.router: FloodRouter = (
            FloodRouter(*common)
            if profile.floods
            else GossipRouter(*common, self._recommended.record)
        )
        self.validators = Validators(host.clock)
        self.publisher = Publisher(
            host.identity,
            now,
            self.maximum,
            lambda message: self.validators.check(self._seenBy(message, own)),
            self.router.reachable,
            self._isFull,
            self._publish,
        )
        self._take: dict[type[Any], Callable[[Any], None]] = {
            Send: self._send,
            Forward: self._forward,
            Withdraw: self._withdraw,
            Check: self._check,
            Deliver: self._deliver,
            Dial: self._dial,
            Keep: self._keep,
            Report: self._report,
        }

    def start(self) -> None:
        """
        Make links from now on.
        """
        self.running = True
        self.publisher.stopped = False

    def stop(self) -> None:
        """
        End all links, and fail the publishers that wait.
        """
        self.running = False
        self._recommended.stop()
        self.publisher.stop()
        self.validators.stop()
        for link in list(self.links.values()):
            self._drop(link)

    # Peers

    def _now(self) -> float:
        return self._host.clock.seconds()

    def met(self, peer: PeerID) -> None:
        """
        Open our stream to a peer that has described itself, if it speaks pubsub.
        """
        if peer != self._host.peerID and not set(self.protocols).isdisjoint(
            self._host.peerstore.protocols(peer)
        ):
            link = self.linkTo(peer)
            if link is not None:
                link.open()

    def linkTo(self, peer: PeerID) -> Link | None:
        """
        Return the link to a peer; None if it is not connected.
        """
        key = peer.toBytes()
        link = self.links.get(key)
        if link is None and self.running:
            for connection in self._host.connections.to(peer):
                link = self.links[key] = Link(self, self._host, peer, self._random)
                host = connection.remoteAddress and connection.remoteAddress.host
                network = None
                if host and Scope.ofHost(host) is Scope.PUBLIC:
                    network = host if len(host) == 4 else host[:8]
                outbound = connection.direction is Direction.OUTBOUND
                direct = key in self._direct
                self.apply(self.router.peerUp(key, outbound, direct, network))
                break
        return link

    def closed(self, event: ClosedConn) -> None:
        """
        Open our stream on another connection of the peer.  If there is none, forget
        the peer, now or after its last RPCs.
        """
        link = self.links.get(event.peer.toBytes())
        if link is not None:
            if self._host.connections.to(event.peer):
                link.open()
            elif not link.reading:
                self._drop(link)

    def _drop(self, link: Link) -> None:
        # All of it before the application is called: what it asks then has to agree.
        actions = self.router.peerDown(link.key)
        self.links.pop(link.key, None)
        for topic in self.topics.values():
            topic.forget(link)
        link.stop()
        self.apply(actions)
        self.publisher.changed()

    def linkOpened(self, link: Link, protocolID: str) -> None:
        """
        Send the first RPC: our stream is open.
        """
        self.apply(self.router.negotiated(link.key, PROTOCOLS[protocolID]))
        self.publisher.changed()

    def linkClosed(self, link: Link) -> None:
        """
        Send nothing: our stream has ended.
        """
        self.apply(self.router.suspended(link.key))

    def linkSilenced(self, link: Link) -> None:
        """
        Forget what the peer has said: its stream has ended.  After its last connection
        forget the peer.
        """
        self.apply(self.router.silenced(link.key))
        if self.links.get(link.key) is link and not self._host.connections.to(
            link.peer
        ):
            self._drop(link)

    def linkReceived(self, link: Link, rpc: RPC) -> None:
        """
        Handle an RPC of the peer.
        """
        self.apply(self.router.received(link.key, rpc))
        if rpc.subscriptions:
            self.publisher.changed()

    def linkViolated(self, link: Link, reason: str) -> None:
        """
        Blame the peer, which has broken the protocol.
        """
        self.router.scores.misbehaved(link.key)
        self._host.events.publish(
            MessageDropped(time=self._now(), peer=link.peer, reason=reason)
        )

    def linkDrained(self, link: Link) -> None:
        """
        Let publishers go on, if the peer was too slow for them.
        """
        self.publisher.changed()

    def linkHeld(self, link: Link, on: bool) -> None:
        """
        Note whether we read from the peer.
        """
        self.router.paused(link.key, on)

    def beat(self) -> None:
        """
        Do the regular work of the router and the links.
        """
        self.apply(self.router.heartbeat())
        for link in list(self.links.values()):
            neighbour = self.router.neighbours.get(link.key)
            if neighbour is not None:
                link.charge(neighbour.memory)
            count = link.check()
            if count:
                self.router.scores.slowed(link.key)
                self._host.events.publish(
                    SlowPeer(time=self._now(), peer=link.peer, count=count)
                )
        if self.router.overflowed and not self._warned:
            self._warned = True
            self._log.warn(
                "there are more than {count} messages in the time for which they are"
                " known as seen: copies of the oldest are delivered again",
                count=self._storage.seen // 2,
            )
        # The limits of a peer may have room again without an end of its own messages.
        self.publisher.changed()

    # The actions of the router

    def apply(self, actions: list[Action]) -> None:
        """
        Take the actions of the router.
        """
        take = self._take
        for each in actions:
            take[type(each)](each)

    def _send(self, action: Send) -> None:
        link = self.links.get(action.peer)
        if link is not None:
            link.lanes.control(action.rpc)
            link.pump()

    def _forward(self, action: Forward, receipt: Receipt | None = None) -> None:
        link = self.links.get(action.peer)
        if link is not None:
            trail = self.trails.get(action.message.id)
            queued = link.lanes.message(action.message, receipt)
            if trail is not None:
                trail.forwarded += queued
                trail.refused += not queued
            link.pump()

    def _withdraw(self, action: Withdraw) -> None:
        link = self.links.get(action.peer)
        if link is not None:
            link.lanes.withdraw(action.ids)

    def _check(self, action: Check) -> None:
        """
        Verify the signature of a message, and ask its validators.
        """
        message, key = action.message, action.sender
        id = message.id
        sender = self.router.neighbours.get(key)
        if sender is not None and not self.router.heeds(sender):
            # The messages before it in the same RPC have cost the peer its score.
            self.router.forget(id)
            return
        link = self.links.get(key)
        trail = Trail(
            message.topic,
            len(message.data),
            "" if link is None else str(link.peer),
            self._now(),
        )
        self.trails.begin(id, trail)
        # The router has checked that it has one, if the topic demands it.
        if message.signature is not None:
            fault = verify(message)
            if fault is not None:
                trail.verdict = f"forged: {fault}"
                self.apply(self.router.verdict(id, Verdict.FORGED))
                self.apply([Report(Happening.DROPPED, key, message.topic, fault)])
                return
        self.apply(self.router.authentic(id))
        if not self.validators.has(message.topic):
            trail.verdict = Verdict.ACCEPTED.value
            self.apply(self.router.verdict(id, Verdict.ACCEPTED))
            return
        self._pending[key] = count = self._pending.get(key, 0) + _weight(message)
        self.validators.validate(
            self._seenBy(message, key),
            lambda verdict: self._decided(message, key, trail, verdict),
        )
        if (
            count >= MAX_PENDING
            and link is not None
            and self._pending.get(key, 0) >= count
        ):
            link.hold(self)

    def _decided(
        self, message: Message, key: bytes, trail: Trail, verdict: Verdict
    ) -> None:
        """
        Take the verdict of the validators.
        """
        trail.verdict = verdict.value
        self.apply(self.router.verdict(message.id, verdict))
        left = self._pending[key] - _weight(message)
        if left:
            self._pending[key] = left
        else:
            del self._pending[key]
        link = self.links.get(key)
        if link is not None:
            if left < MAX_PENDING // 2:
                link.release(self)
            if verdict in (Verdict.REJECTED, Verdict.THROTTLED):
                reason = f"the validation says: {verdict.value}"
                self.apply([Report(Happening.DROPPED, key, message.topic, reason)])

    def _seenBy(self, message: Message, key: bytes) -> TopicMessage:
        link = self.links.get(key)
        peer = self._host.peerID if link is None else link.peer
        return TopicMessage(message, peer, self._now(), link is None)

    def _deliver(self, action: Deliver) -> None:
        topic = self.topics.get(action.message.topic)
        if topic is not None and topic.subscribed:
            message = self._seenBy(action.message, action.sender)
            topic.deliver(message, self.links.get(action.sender))

    def _dial(self, action: Dial) -> None:
        link = self.links.get(action.by)
        if link is not None:
            self._recommended.dial(action.peer, action.record, link.peer)

    def _keep(self, action: Keep) -> None:
        peer = PeerID.fromBytes(action.peer)
        tag = f"pubsub:{action.topic}"
        if action.on:
            self._host.connections.protect(peer, tag, redial=False)
        else:
            self._host.connections.unprotect(peer, tag)

    def _report(self, action: Report) -> None:
        peer = PeerID.fromBytes(action.peer)
        topic = self.topics.get(action.topic)
        if action.what is Happening.OTHER_IDS and topic and not topic.compared:
            topic.compared = True
            self._log.warn(
                "{peer} computes other ids of the messages of {topic}: {reason}",
                peer=peer,
                topic=action.topic,
                reason=action.reason,
            )
        self._host.events.publish(
            eventOf(action.what, self._now(), peer, action.topic, action.reason)
        )

    # Publishing

    def _isFull(self, name: str, size: int) -> bool:
        """
        Return whether no queue to a peer of a topic has room for so many bytes.
        """
        full = False
        for key, each in self.router.neighbours.of(name).items():
            if each.version:
                full = not self.links[key].lanes.accepts(size)
                if not full:
                    break
        return full

    def _publish(self, message: Message, receipt: Receipt) -> None:
        """
        Queue a message for all its peers.
        """
        trail = Trail(message.topic, len(message.data), "", self._now())
        self.trails.begin(message.id, trail)
        for action in self.router.publish(message):
            if isinstance(action, Forward):
                self._forward(action, receipt)
            else:
                self.apply([action])


def _weight(message: Message) -> int:
    """
    Return how much a message counts while it is validated.
    """
    return 1 + (len(message.data) >> 16)
