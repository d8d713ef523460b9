# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for subscribers that publish in their own topic, in
L{twisted_libp2p.pubsub.publishing}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.pubsub.test_service import PubSubTestCase
from twisted_libp2p.pubsub import TopicMessage


class AnsweringTests(PubSubTestCase):
    """
    A subscriber that answers each message before it takes the next one.
    """

    def answered(self, use: Any) -> None:
        """
        More messages than the subscriber has room for are all answered.

        @param use: called with the topic and the function that answers a message.
        """
        near, far = self.line(2)
        topic = self.nodes.result(far.pubsub.join("news"))

        async def answer(message: TopicMessage) -> None:
            if not message.local:
                # The others come in the meantime.
                await deferLater(self.nodes.clock, 0.1)
                await topic.publish(b"re: " + message.data)

        use(topic, answer)
        heard = self.hear(near, "news")
        self.nodes.advance(2.0)
        sent = [near.pubsub.publish("news", b"%d" % number) for number in range(10)]
        self.nodes.advance(5.0)
        self.assertTrue(all(each.called for each in sent))
        answers = [each.data for each in heard if not each.local]
        self.assertEqual(answers, [b"re: %d" % number for number in range(10)])

    def test_iterator(self) -> None:
        """
        It is a loop.
        """

        async def loop(topic: Any, answer: Any) -> None:
            async for message in topic.subscribe(buffer=2):
                await answer(message)

        self.answered(lambda *it: Deferred.fromCoroutine(loop(*it)))

    def test_receiver(self) -> None:
        """
        It is a function.
        """
        self.answered(lambda topic, answer: topic.subscribe(answer, buffer=2))
