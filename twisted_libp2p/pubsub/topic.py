# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A topic that this node has joined.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IProtocol

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.pubsub.receipts import Receipt
from twisted_libp2p.pubsub.rpc import MAX_TOPIC_NAME
from twisted_libp2p.pubsub.subscription import (
    BUFFER,
    Receive,
    SlowPolicy,
    Subscription,
)
from twisted_libp2p.pubsub.topicmessage import TopicMessage
from twisted_libp2p.pubsub.topictransport import TopicTransport

if TYPE_CHECKING:
    from twisted_libp2p.pubsub.link import Link
    from twisted_libp2p.pubsub.service import PubSub

__all__ = ["Topic", "topicName"]


def topicName(text: str) -> str:
    """
    Return a text as the name of a topic.

    @raise ConfigurationError: it is empty or too long, or it has no UTF-8, as the bytes
        of a command line may.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        size = 0
    if not 1 <= size <= MAX_TOPIC_NAME:
        raise ConfigurationError(
            f"a topic needs a name of 1 to {MAX_TOPIC_NAME} bytes of UTF-8, such as"
            " news"
        )
    return text


class Topic:
    """
    A topic, which C{node.pubsub.join} returns.

    @ivar name: its name.
    @ivar compared: whether a peer that computes other ids of its messages was logged.
    """

    def __init__(self, service: PubSub, name: str) -> None:
        self._service = service
        self._subscriptions: list[Subscription] = []
        self._held: list[Link] = []
        self._left = False
        self.name = name
        self.compared = False

    @property
    def peers(self) -> list[PeerID]:
        """
        The connected peers that have subscribed to it.
        """
        return self._service.peersOf(self.name)

    @property
    def mesh(self) -> list[PeerID]:
        """
        The peers that get every message of it at once.
        """
        return self._service.meshOf(self.name)

    def publish(
        self, data: bytes, *, ready: int = 1, alone: bool = False, wait: bool = True
    ) -> Deferred[Receipt]:
        """
        Publish a message.

        @param data: its content.
        @param ready: the number of subscribed peers to wait for.
        @param alone: whether a topic without peers is right: C{ready} is 0 then.
        @param wait: whether to wait while the queues to all peers are full.  It never
            waits for a subscriber of this node, which may be the caller.
        @return: fires with a L{Receipt} when it is queued for peers.  Fails with
            L{InvalidMessage<twisted_libp2p.errors.InvalidMessage>},
            L{MessageTooLarge<twisted_libp2p.errors.MessageTooLarge>},
            L{NoPeers<twisted_libp2p.errors.NoPeers>} if C{ready} is 0, or
            L{QueuesFull<twisted_libp2p.errors.QueuesFull>} if C{wait} is false.
            Cancelling it ends the wait.
        """
        return self._service.publish(
            self.name, data, ready=0 if alone else ready, alone=alone, wait=wait
        )

    def subscribe(
        self,
        receive: Receive | None = None,
        *,
        policy: SlowPolicy | str = SlowPolicy.WAIT,
        buffer: int = BUFFER,
    ) -> Subscription:
        """
        Receive the messages of the topic.

        @param receive: called with each L{TopicMessage}; the next one waits for the
            Deferred or coroutine that it may return.  None to iterate over the
            subscription.
        @param policy: what happens to messages that the subscriber is too slow for.
        @param buffer: how many messages may wait for it.
        @raise ConfigurationError: an argument has no usable value.
        """
        if self._left:
            raise ConfigurationError(f"the topic {self.name!r} was left: join it again")
        subscription = Subscription(
            self.name, self._ready, self._ended, SlowPolicy.of(policy), buffer, receive
        )
        self._subscriptions.append(subscription)
        return subscription

    def feed(
        self, receiver: IConsumer | IProtocol, *, policy: SlowPolicy | str = "wait"
    ) -> Subscription:
        """
        Give the data of all messages to a consumer, or to a protocol.  The transport of
        the protocol publishes each write as a message.
        """
        subscription = self.subscribe(policy=policy)
        if IConsumer.providedBy(receiver):
            subscription.feed(receiver)
        else:
            TopicTransport(self, subscription, receiver).connect()
        return subscription

    def leave(self) -> None:
        """
        Leave the topic, and end all its subscriptions.
        """
        if not self._left:
            self._service.leave(self.name)

    # For the service

    def end(self) -> None:
        """
        End all subscriptions: the topic was left.
        """
        self._left = True
        for each in list(self._subscriptions):
            each.cancel()

    def forget(self, link: Link) -> None:
        """
        Forget a sender that is gone.
        """
        if link in self._held:
            self._held.remove(link)

    @property
    def subscribed(self) -> bool:
        """
        Whether there is a subscriber.
        """
        return bool(self._subscriptions)

    @property
    def blocks(self) -> bool:
        """
        Whether a subscriber has no room, and wants nothing to be dropped.
        """
        return any(each.blocks for each in self._subscriptions)

    def deliver(self, message: TopicMessage, link: Link | None) -> None:
        """
        Give a message to all subscribers.

        @param link: the sender, from which nothing is read if a subscriber has no room.
        """
        for each in list(self._subscriptions):
            each.deliver(message)
        if link is not None and self.blocks and link not in self._held:
            self._held.append(link)
            link.hold(self)

    def _ready(self, _: Subscription) -> None:
        """
        Read from all senders again.
        """
        if not self.blocks:
            held, self._held = self._held, []
            for each in held:
                each.release(self)

    def _ended(self, subscription: Subscription) -> None:
        self._subscriptions.remove(subscription)
        self._ready(subscription)

    def setValidators(
        self, validators: Sequence[Callable[[TopicMessage], object]]
    ) -> None:
        """
        Replace the validators of the topic.
        """
        self._service.setValidators(self.name, validators)
