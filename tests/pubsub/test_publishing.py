# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.pubsub.publishing}: many messages that wait, without a node.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import NodeStopping
from twisted_libp2p.identity import Identity
from twisted_libp2p.pubsub import SignaturePolicy, idOfContent
from twisted_libp2p.pubsub.actions import Verdict
from twisted_libp2p.pubsub.flood import TopicRules
from twisted_libp2p.pubsub.message import Message
from twisted_libp2p.pubsub.publishing import Publisher
from twisted_libp2p.pubsub.receipts import Receipt

RULES = TopicRules(SignaturePolicy.STRICT_NO_SIGN, idOfContent)


class WaitingTests(SynchronousTestCase):
    """
    A publisher with peers whose queues have room for a number of bytes.
    """

    def setUp(self) -> None:
        self.room = 0
        self.peers = 1
        self.asked = 0
        self.sent: list[bytes] = []
        self.publisher = Publisher(
            Identity.generate(),
            lambda: 0.0,
            1 << 20,
            lambda message: succeed(Verdict.ACCEPTED),
            lambda topic: self.peers,
            self.full,
            self.send,
        )

    def full(self, topic: str, size: int) -> bool:
        """
        Return whether a message has to wait.
        """
        self.asked += 1
        return size > self.room

    def send(self, message: Message, receipt: Receipt) -> None:
        """
        Take a message.
        """
        self.sent.append(message.data)
        self.room -= len(message.data)

    def publish(self, data: bytes, ready: int = 1) -> Deferred[Receipt]:
        """
        Publish a message, which may wait.
        """
        return self.publisher.publish("news", data, RULES, ready, False, True)

    def change(self, room: int) -> None:
        """
        Give the queues some room.
        """
        self.room = room
        self.publisher.changed()

    def test_many(self) -> None:
        """
        A change of anything costs nothing for each of the messages that still have to
        wait; they leave in their order.
        """
        messages = [b"%04d" % number for number in range(1000)]
        for each in messages:
            self.publish(each)
        self.asked = 0
        for _ in range(100):
            self.publisher.changed()
        self.assertEqual(self.asked, 100)
        while len(self.sent) < len(messages):
            self.change(40)
        self.assertEqual(self.sent, messages)
        self.assertLess(self.asked, 3500)

    def test_smaller(self) -> None:
        """
        A smaller message goes on if there is no room for larger ones before it.
        """
        for data in (bytes(100), bytes(90), b"small", bytes(80)):
            self.publish(data)
        self.change(10)
        self.assertEqual(self.sent, [b"small"])
        self.change(200)
        self.assertEqual([len(each) for each in self.sent], [5, 100, 90])

    def test_ready(self) -> None:
        """
        A message that waits for fewer peers goes on before others.
        """
        self.room = 100
        for data, ready in ((b"three", 3), (b"two", 2), (b"four", 4)):
            self.publish(data, ready)
        self.peers = 2
        self.publisher.changed()
        self.assertEqual(self.sent, [b"two"])
        self.peers = 4
        self.publisher.changed()
        self.assertEqual(self.sent, [b"two", b"three", b"four"])

    def wait(self, act: Callable[[list[Deferred[Any]]], object]) -> list[Any]:
        """
        Let four messages wait, and do something when the first one goes on.

        @return: the results of the others.
        """
        published: list[Deferred[Any]] = [
            self.publish(b"%d" % each) for each in (1, 2, 3, 4)
        ]
        published[0].addCallback(lambda _: act(published))
        self.change(1)
        results: list[Any] = []
        for each in published[1:]:
            each.addBoth(results.append)
        return results

    def test_cancelled(self) -> None:
        """
        A message that goes on may cancel others.
        """
        results = self.wait(lambda published: published[2].cancel())
        (cancelled,) = results
        cancelled.trap(CancelledError)
        self.change(10)
        self.assertEqual(self.sent, [b"1", b"2", b"4"])

    def test_nested(self) -> None:
        """
        A message that goes on may make room for all others.
        """
        self.wait(lambda _: self.change(10))
        self.assertEqual(self.sent, [b"1", b"2", b"3", b"4"])

    def test_stopped(self) -> None:
        """
        A message that goes on may stop the publisher, and cancel others meanwhile.
        """

        def stop(published: list[Deferred[Any]]) -> None:
            published[1].addErrback(lambda _: published[3].cancel())
            self.publisher.stop()

        results = self.wait(stop)
        self.assertEqual(self.sent, [b"1"])
        results[1].trap(NodeStopping)
        results[2].trap(CancelledError)
