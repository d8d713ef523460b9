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

#: Returns whether a message of a topic has to wait, by a number: its size in bytes, or
#: the peers that it waits for.  If one has to wait, one with a larger number has to.
Blocks = Callable[[str, int], bool]


class _Waiting:
    """
    A message that waits.
    """

    __slots__ = ("blocks", "number", "over", "topic")

    def __init__(
        self,
        blocks: Blocks,
        topic: str,
        number: int,
        cancelled: Callable[[_Waiting], None],
    ) -> None:
        self.blocks = blocks
        self.topic = topic
        self.number = number
        self.over: Deferred[None] = Deferred(lambda _: cancelled(self))


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
        full: Blocks,
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
        self._waiting: dict[_Waiting, None] = {}
        self._trying = self._again = False
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
        await self._until(self._lonely, topic, ready)
        if not (alone or self._peers(topic)):
            raise NoPeers(topic, "no connected peer has subscribed: wait with ready=1")
        if not wait and self._full(topic, len(data)):
            raise QueuesFull(topic, "the queues or limits of all peers are full")
        await self._until(self._full, topic, len(data))
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

    def _lonely(self, topic: str, ready: int) -> bool:
        """
        Return whether a topic has fewer peers than a message waits for.
        """
        return self._peers(topic) < ready

    async def _until(self, blocks: Blocks, topic: str, number: int) -> None:
        """
        Wait until a message need not wait.
        """
        while blocks(topic, number):
            if self.stopped:
                raise NodeStopping
            waiting = _Waiting(blocks, topic, number, self._waiting.__delitem__)
            self._waiting[waiting] = None
            await waiting.over

    def changed(self) -> None:
        """
        Let the waiting messages try again: peers have come, or queues have room.
        """
        self._again = True
        if self._trying:
            return
        self._trying = True
        try:
            # A message that goes on may be the cause of a change.
            while self._again:
                self._again = False
                self._try()
        finally:
            self._trying = False

    def _try(self) -> None:
        """
        Let each message go on that need not wait.  After one that has to wait only
        smaller ones are looked at: there may be thousands, and a peer may cause many
        changes.
        """
        refused: dict[tuple[Blocks, str], int] = {}
        for each in list(self._waiting):
            reason = each.blocks, each.topic
            least = refused.get(reason)
            # One that has gone on may have ended the wait of others.
            if each.over.called or (least is not None and each.number >= least):
                continue
            if each.blocks(each.topic, each.number):
                refused[reason] = each.number
            else:
                self._end(each)

    def _end(self, waiting: _Waiting) -> None:
        del self._waiting[waiting]
        waiting.over.callback(None)

    def stop(self) -> None:
        """
        Fail the waiting messages.
        """
        self.stopped = True
        while self._waiting:
            self._end(next(iter(self._waiting)))
