# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.pubsub.topiclog}.
"""

from __future__ import annotations

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.pubsub import PubSub
from twisted_libp2p.pubsub.topiclog import TopicLog
from twisted_libp2p.testing import MemoryNodes


class TopicLogTests(SynchronousTestCase):
    """
    A node that joins topics by its options.
    """

    def test_logged(self) -> None:
        """
        Each message is a line, without a character that a terminal would obey.
        """
        nodes = MemoryNodes()
        self.addCleanup(nodes.stop)
        service = PubSub()
        logging = nodes.start(services=[service, TopicLog(service, ["news", "other"])])
        other = nodes.start(services=[PubSub()])
        nodes.connect(other, logging)
        with capturedLogs() as events:
            nodes.result(other.pubsub.publish("news", b"a\x1b[31m\xff"))
            nodes.advance(1.0)
        self.assertIn(
            f"news: 7 bytes of {other.peerID}: a\\x1b[31m\\xff",
            [formatEvent(each) for each in events],
        )
        self.assertEqual(
            [each.name for each in logging.pubsub.topics], ["news", "other"]
        )
