# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The router of floodsub: every message goes to every peer that subscribes to its topic.

It is also the base of L{gossipsub<twisted_libp2p.pubsub.gossipsub>}, which selects some
of these peers.  A router has no I/O: its methods return the L{actions
<twisted_libp2p.pubsub.actions>} that its owner has to take.  Nothing that a peer sends
makes it raise an error.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

from twisted_libp2p.pubsub.actions import (
    Action,
    Check,
    Deliver,
    Forward,
    Happening,
    Report,
    Send,
    Verdict,
)
from twisted_libp2p.pubsub.deliveries import DONE, STATES, Delivery, DeliveryState
from twisted_libp2p.pubsub.message import Message
from twisted_libp2p.pubsub.neighbours import Neighbour, Neighbours, Version
from twisted_libp2p.pubsub.parameters import Parameters
from twisted_libp2p.pubsub.rpc import MAX_ID_SIZE, RPC
from twisted_libp2p.pubsub.scoreparameters import Thresholds
from twisted_libp2p.pubsub.scores import Scores
from twisted_libp2p.pubsub.seen import Seen
from twisted_libp2p.pubsub.signing import (
    MessageID,
    SignaturePolicy,
    idOfAuthor,
    shapeFault,
)
from twisted_libp2p.pubsub.storage import STORAGE, Storage

__all__ = ["FloodRouter", "TopicRules"]


@dataclass(frozen=True, slots=True)
class TopicRules:
    """
    The rules of a topic, which all its peers have to share.

    @ivar policy: which messages are signed.
    @ivar messageID: returns the id of a message.
    """

    policy: SignaturePolicy = SignaturePolicy.STRICT_SIGN
    messageID: MessageID = idOfAuthor


class FloodRouter:
    """
    The router of a node.

    @ivar neighbours: the connected peers.
    @ivar scores: their scores.
    @ivar joined: the topics of this node, with their rules.
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
    ) -> None:
        """
        Begin without peers and topics.

        @param own: the peer id of this node in bytes.
        @param now: returns the time.
        @param random: selects peers.
        @param parameters: the numbers.
        @param scores: the scores of peers.
        @param thresholds: the scores below which peers are served less.
        @param storage: how much is stored of messages.
        """
        self._own = own
        self._now = now
        self._random = random
        self._parameters = parameters
        self._thresholds = thresholds
        self._actions: list[Action] = []
        self._seen: Seen[Delivery] = Seen(parameters.seenTime, now, storage.seen)
        # The valid messages whose further copies still count, and until when.
        self._counting: deque[tuple[float, bytes, Delivery]] = deque()
        self.neighbours = Neighbours()
        self.scores = scores
        self.joined: dict[str, TopicRules] = {}

    @property
    def seenCount(self) -> int:
        """
        The number of the messages that are known as seen.
        """
        return len(self._seen)

    @property
    def overflowed(self) -> bool:
        """
        Whether messages were forgotten as seen before their time, since there were too
        many.
        """
        return self._seen.overflowed

    @property
    def recentSize(self) -> int:
        """
        The memory of the recent messages in bytes: floodsub keeps none.
        """
        return 0

    def _take(self) -> list[Action]:
        actions, self._actions = self._actions, []
        return actions

    # Peers

    def peerUp(
        self,
        peer: bytes,
        outbound: bool = False,
        direct: bool = False,
        network: bytes | None = None,
    ) -> list[Action]:
        """
        Take a connected peer; again does nothing.

        @param outbound: whether our side has opened the connection.
        @param direct: whether it gets every message.
        @param network: its address, as for L{Scores.connected}.
        """
        if self.neighbours.get(peer) is None:
            self.neighbours.add(Neighbour(peer, outbound, direct))
            self.scores.connected(peer, network)
        return self._take()

    def negotiated(self, peer: bytes, version: Version) -> list[Action]:
        """
        Begin to send to a peer: our stream has a protocol.
        """
        neighbour = self.neighbours.get(peer)
        if neighbour is not None:
            self.neighbours.speaks(neighbour, version)
            hello = RPC([(topic, True) for topic in self.joined])
            self._greet(neighbour, hello)
            if hello.subscriptions or hello.extensions is not None:
                self._actions.append(Send(peer, hello))
        return self._take()

    def suspended(self, peer: bytes) -> list[Action]:
        """
        Send no longer to a peer: our stream has ended.
        """
        neighbour = self.neighbours.get(peer)
        if neighbour is not None:
            self._detach(neighbour)
            self.neighbours.speaks(neighbour, Version.NONE)
        return self._take()

    def silenced(self, peer: bytes) -> list[Action]:
        """
        Forget the topics of a peer: its stream has ended.
        """
        neighbour = self.neighbours.get(peer)
        if neighbour is not None:
            for topic in list(neighbour.topics):
                self._subscription(neighbour, topic, False)
            neighbour.extensions = None
        return self._take()

    def paused(self, peer: bytes, on: bool) -> None:
        """
        Note whether our side does not read from a peer.
        """
        neighbour = self.neighbours.get(peer)
        if neighbour is not None:
            neighbour.paused = on

    def peerDown(self, peer: bytes) -> list[Action]:
        """
        Forget a peer that has disconnected.
        """
        neighbour = self.neighbours.get(peer)
        if neighbour is not None:
            self._detach(neighbour)
            self.neighbours.remove(neighbour)
            self.scores.disconnected(peer)
        return self._take()

    # Topics

    def join(self, topic: str, rules: TopicRules) -> list[Action]:
        """
        Join a topic.
        """
        if topic not in self.joined:
            self.joined[topic] = rules
            self._announce(topic, True)
            self._enter(topic)
        return self._take()

    def leave(self, topic: str) -> list[Action]:
        """
        Leave a topic.
        """
        if self.joined.pop(topic, None) is not None:
            self._announce(topic, False)
            self._exit(topic)
        return self._take()

    def _announce(self, topic: str, on: bool) -> None:
        for each in self.neighbours:
            if each.version:
                self._actions.append(Send(each.key, RPC([(topic, on)])))

    def reachable(self, topic: str) -> int:
        """
        Return the number of subscribed peers that may get messages of our own.
        """
        return sum(map(self._serves, self.neighbours.of(topic).values()))

    def _serves(self, neighbour: Neighbour) -> bool:
        """
        Return whether a peer may get messages of our own.
        """
        return bool(neighbour.version)

    def recipients(self, topic: str) -> list[Neighbour]:
        """
        Return the peers to which a message of our own goes.
        """
        return [each for each in self.neighbours.of(topic).values() if each.version]

    def _passing(self, topic: str) -> Iterable[Neighbour]:
        """
        Return the peers to which the message of another peer goes.
        """
        return self.neighbours.of(topic).values()

    # Messages

    def publish(self, message: Message) -> list[Action]:
        """
        Publish a message of our own, which has its id.
        """
        if message.id not in self._seen:
            self._seen.put(message.id, DONE[DeliveryState.VALID])
            self._keep(message)
            for each in self.recipients(message.topic):
                if each.wants(message.id):
                    self._actions.append(Forward(each.key, message))
            if message.topic in self.joined:
                self._actions.append(Deliver(message, self._own))
        return self._take()

    def received(self, peer: bytes, rpc: RPC) -> list[Action]:
        """
        Handle an RPC of a peer.
        """
        sender = self.neighbours.get(peer)
        if sender is not None:
            # Of several subscriptions of one topic the last counts.
            for topic, on in dict(rpc.subscriptions).items():
                self._subscription(sender, topic, on)
            if self.heeds(sender):
                for message in rpc.messages:
                    self._message(sender, message)
                self._control(sender, rpc)
        return self._take()

    def heeds(self, sender: Neighbour) -> bool:
        """
        Return whether the messages of a peer are not ignored.
        """
        return (
            sender.direct or self.scores.score(sender.key) >= self._thresholds.graylist
        )

    def _subscription(self, neighbour: Neighbour, topic: str, on: bool) -> None:
        if on:
            if self.neighbours.subscribe(neighbour, topic):
                self._report(Happening.SUBSCRIBED, neighbour, topic)
                self._subscribed(neighbour, topic)
        elif self.neighbours.unsubscribe(neighbour, topic):
            self._unsubscribed(neighbour, topic)
            self._report(Happening.UNSUBSCRIBED, neighbour, topic)

    def _report(
        self, what: Happening, peer: Neighbour, topic: str, reason: str = ""
    ) -> None:
        self._actions.append(Report(what, peer.key, topic, reason))

    def _message(self, sender: Neighbour, message: Message) -> None:
        """
        Handle a copy of a message: only the first one is checked.
        """
        topic = message.topic
        rules = self.joined.get(topic)
        if rules is None:
            return
        fault = shapeFault(message, rules.policy)
        if fault is None and message.source == self._own:
            fault = "it claims to be ours"
        if fault is None:
            try:
                message.id = rules.messageID(message)
            except Exception as error:
                fault = f"it has no id: {error}"
            else:
                if len(message.id) > MAX_ID_SIZE:
                    fault = f"its id has more than {MAX_ID_SIZE} bytes"
        if fault is not None:
            self.scores.invalid(topic, sender.key)
            self._report(Happening.DROPPED, sender, topic, fault)
            return
        delivery = self._seen.get(message.id)
        if delivery is not None:
            self._duplicate(delivery, sender, topic)
            return
        self._seen.put(message.id, Delivery(DeliveryState.PENDING, sender.key, message))
        self._actions.append(Check(message, sender.key))

    def _duplicate(self, delivery: Delivery, sender: Neighbour, topic: str) -> None:
        key = sender.key
        if delivery.state is DeliveryState.INVALID:
            self.scores.invalid(topic, key)
        elif delivery.state is DeliveryState.PENDING or delivery.sender:
            valid = delivery.state is DeliveryState.VALID
            window = self.scores.weightsOf(topic).deliveryWindow
            if valid and self._now() - delivery.at > window:
                return
            others = delivery.others
            if others is None:
                others = delivery.others = set()
            if key in others or key == delivery.sender:
                return
            others.add(key)
            if valid:
                self.scores.near(topic, key)

    def authentic(self, id: bytes) -> list[Action]:
        """
        Note that the signature of a message is right, or that it needs none.
        """
        # A forged copy keeps nobody's promise.
        self._arrived(id)
        delivery = self._seen.get(id)
        if delivery is not None and delivery.message is not None:
            self._discourage(delivery.message, delivery.sender)
        return self._take()

    def forget(self, id: bytes) -> None:
        """
        Ignore a message that was to be checked: another peer may send it again.
        """
        self._seen.remove(id)

    def verdict(self, id: bytes, verdict: Verdict) -> list[Action]:
        """
        Take the result of the validation of a message.
        """
        delivery = self._seen.get(id)
        if delivery is None or delivery.message is None:
            return self._take()
        message, sender = delivery.message, delivery.sender
        others = delivery.others or set()
        topic = message.topic
        delivery.message = None
        if verdict is Verdict.FORGED:
            self._seen.remove(id)
            self.scores.invalid(topic, sender)
            return self._take()
        self._seen.put(id, DONE[STATES[verdict]])
        if verdict is Verdict.REJECTED:
            for key in (sender, *sorted(others)):
                self.scores.invalid(topic, key)
        elif verdict is Verdict.ACCEPTED:
            self._accepted(delivery, message, sender, others)
        return self._take()

    def _accepted(
        self, delivery: Delivery, message: Message, sender: bytes, others: set[bytes]
    ) -> None:
        """
        Deliver a valid message, and pass it on.
        """
        topic = message.topic
        self.scores.first(topic, sender)
        weights = self.scores.weightsOf(topic)
        if weights.deliveryWeight:
            delivery.state, delivery.at = DeliveryState.VALID, self._now()
            self._seen.put(message.id, delivery)
            until = delivery.at + weights.deliveryWindow
            self._counting.append((until, message.id, delivery))
            for key in sorted(others):
                self.scores.near(topic, key)
        if topic not in self.joined:
            return
        self._keep(message)
        self._actions.append(Deliver(message, sender))
        for each in self._passing(topic):
            key = each.key
            if (
                each.version
                and key != sender
                and key != message.source
                and key not in others
                and each.wants(message.id)
            ):
                self._actions.append(Forward(key, message))

    def heartbeat(self) -> list[Action]:
        """
        Do the regular work.
        """
        now, counting = self._now(), self._counting
        while counting and counting[0][0] < now:
            _, id, delivery = counting.popleft()
            if self._seen.get(id) is delivery:
                self._seen.put(id, DONE[DeliveryState.VALID])
        self._seen.expire()
        self.scores.decay()
        return self._take()

    # The part of gossipsub

    def _greet(self, neighbour: Neighbour, hello: RPC) -> None:
        """
        Complete the first RPC for a peer.
        """

    def _detach(self, neighbour: Neighbour) -> None:
        """
        Forget a peer to which nothing can be sent.
        """

    def _enter(self, topic: str) -> None:
        """
        Make the mesh of a topic.
        """

    def _exit(self, topic: str) -> None:
        """
        End the mesh of a topic.
        """

    def _subscribed(self, neighbour: Neighbour, topic: str) -> None:
        """
        Consider a new peer of a topic.
        """

    def _unsubscribed(self, neighbour: Neighbour, topic: str) -> None:
        """
        Forget a peer that has left a topic.
        """

    def _control(self, sender: Neighbour, rpc: RPC) -> None:
        """
        Handle the control of a peer.
        """

    def _keep(self, message: Message) -> None:
        """
        Keep a message for peers that ask for it.
        """

    def _arrived(self, id: bytes) -> None:
        """
        Note that a message is here, and need not be asked for.
        """

    def _discourage(self, message: Message, sender: bytes) -> None:
        """
        Tell the mesh that a message need not be sent to us.
        """
