# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.pubsub.subscription}, L{twisted_libp2p.pubsub.receipts} and
L{twisted_libp2p.pubsub.topictransport}, without a node.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.identity import Identity
from twisted_libp2p.pubsub.faultlog import FAULTS
from twisted_libp2p.pubsub.message import Message
from twisted_libp2p.pubsub.receipts import Receipt
from twisted_libp2p.pubsub.subscription import MAX_OVERFLOW, SlowPolicy, Subscription
from twisted_libp2p.pubsub.topicmessage import TopicMessage

PEER = Identity.generate().peerID


def note(data: bytes) -> TopicMessage:
    """
    Return a message.
    """
    return TopicMessage(Message("news", data), PEER, 0.0, False)


class SubscriptionTests(SynchronousTestCase):
    """
    A subscription.
    """

    def subscribe(
        self, receive: Any = None, policy: SlowPolicy = SlowPolicy.WAIT
    ) -> Subscription:
        """
        Return a subscription.
        """
        return Subscription("news", lambda _: None, lambda _: None, policy, 64, receive)

    def test_faults(self) -> None:
        """
        A receiver that fails on each message is logged a few times, and gets all of
        them.
        """
        heard: list[bytes] = []

        def receive(message: TopicMessage) -> None:
            heard.append(message.data)
            raise ValueError

        subscription = self.subscribe(receive)
        for _ in range(50):
            subscription.deliver(note(b"x"))
        self.assertEqual(len(heard), 50)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), FAULTS)

    def test_many(self) -> None:
        """
        Any number of messages may wait for a receiver whose coroutines end at once.
        """
        first: Deferred[None] = Deferred()
        heard: list[bytes] = []

        async def receive(message: TopicMessage) -> None:
            heard.append(message.data)
            if len(heard) == 1:
                await first

        subscription = self.subscribe(receive)
        sent = [b"%d" % number for number in range(5000)]
        for each in sent:
            subscription.deliver(note(each))
        first.callback(None)
        self.assertEqual(heard, sent)

    def test_overflow(self) -> None:
        """
        If many peers send their last messages before they have to wait, the surplus is
        dropped.
        """
        subscription = self.subscribe()
        for _ in range(20):
            subscription.deliver(note(bytes(1 << 20)))
        self.assertEqual(len(subscription), MAX_OVERFLOW >> 20)
        self.assertEqual(subscription.dropped, 20 - len(subscription))

    def test_cancelled(self) -> None:
        """
        A subscription that has ended takes no further message.
        """
        subscription = self.subscribe()
        subscription.cancel()
        subscription.deliver(note(b"late"))
        self.assertEqual(len(subscription), 0)

    def test_cancelOther(self) -> None:
        """
        At the end a waiting caller may cancel the wait of another.
        """
        subscription = self.subscribe()
        first, second = subscription.next(), subscription.next()
        first.addBoth(lambda _: second.cancel())
        subscription.cancel()
        self.assertTrue(first.called)
        self.failureResultOf(second, CancelledError)


class ReceiptTests(SynchronousTestCase):
    """
    The receipt of a message.
    """

    def test_cancelOther(self) -> None:
        """
        When the message has left, a waiting caller may cancel the wait of another.
        """
        receipt = Receipt(b"id")
        receipt.queued()
        first, second = receipt.sent, receipt.sent
        first.addBoth(lambda _: second.cancel())
        receipt.left(True)
        self.assertTrue(first.called)
        self.failureResultOf(second, CancelledError)
