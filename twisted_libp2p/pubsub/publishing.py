# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Publishing: a message is made, signed and validated, and waits until peers take it.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from twisted_libp2p.errors import (
    InvalidMessage,
    MessageTooLarge,
    NodeStopping,
    NoPeers,
    QueuesFull,
)
from twisted_libp2p.identity import Identity
from twisted_libp2p.pubsub.actions import Verdict
from twisted_libp2p.pubsub.flood import TopicRules
from twisted_libp2p.pubsub.message import Message
from twisted_libp2p.pubsub.receipts import Receipt
from twisted_libp2p.pubsub.signing import Sequence, SignaturePolicy, sign

__all__ = ["Publisher"]


class Publisher:
    """
    Publishes the messages of a node.
    """

    def __init__(
        self,
        identity: Identity,
        now: Callable[[], float],
        maximum: int,
        validate: Callable[[Message], Deferred[Verdict]],
        peers: Callable[[str], int],
        full: Callable[[str, int], bool],
        send: Callable[[Message, Receipt], None],
    ) -> None:
        """
        Begin with a sequence number of the present.

        @param identity: signs the messages.
        @param now: returns the seconds since the epoch.
        @param maximum: the size of the largest RPC in bytes.
        @param validate: asks the validators of the topic.
        @param peers: returns the number of peers of a topic that would get messages.
        @param full: returns whether no queue to a peer of a topic has room for so many
            bytes.
        @param send: queues a message for all its peers.
        """
        self._identity = identity
        self._own = identity.peerID.toBytes()
        self._maximum = maximum
        self._validate = validate
        self._peers = peers
        self._full = full
        self._send = send
        self._sequence = Sequence(now)
        self._waiting: list[Deferred[None]] = []
        self.stopped = False

    def publish(
        self,
        topic: str,
        data: bytes,
        rules: TopicRules,
        ready: int,
        alone: bool,
        wait: bool,
    ) -> Deferred[Receipt]:
        """
        Publish a message, as L{Topic.publish<twisted_libp2p.pubsub.topic.Topic>} says.
        """
        return Deferred.fromCoroutine(
            self._publish(topic, bytes(data), rules, ready, alone, wait)
        )

    async def _publish(
        self,
        topic: str,
        data: bytes,
        rules: TopicRules,
        ready: int,
        alone: bool,
        wait: bool,
    ) -> Receipt:
        message = self._make(topic, data, rules)
        verdict = await self._validate(message)
        if verdict is not Verdict.ACCEPTED:
            raise InvalidMessage(topic, f"the validator says: {verdict.value}")
        while (peers := self._peers(topic)) < ready:
            await self._changed()
        if not (peers or alone):
            raise NoPeers(topic, "no connected peer has subscribed: wait with ready=1")
        while self._full(topic, len(data)):
            if not wait:
                raise QueuesFull(topic, "the queues or limits of all peers are full")
            await self._changed()
        receipt = Receipt(message.id)
        self._send(message, receipt)
        return receipt

    def _make(self, topic: str, data: bytes, rules: TopicRules) -> Message:
        message = Message(topic, data)
        if rules.policy is SignaturePolicy.STRICT_SIGN:
            message.source = self._own
            message.sequence = self._sequence.next()
            sign(self._identity, message)
        message.id = rules.messageID(message)
        size = len(message.entry())
        if size > self._maximum:
            raise MessageTooLarge(
                topic, f"{size} bytes are over the limit of {self._maximum}"
            )
        return message

    def _changed(self) -> Deferred[None]:
        """
        Wait until peers or queues have changed.
        """
        if self.stopped:
            raise NodeStopping
        waiting: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        return waiting

    def changed(self) -> None:
        """
        Let the waiting messages try again: peers have come, or queues have room.
        """
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)

    def stop(self) -> None:
        """
        Fail the waiting messages.
        """
        self.stopped = True
        self.changed()
