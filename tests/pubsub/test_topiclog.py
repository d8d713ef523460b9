# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.pubsub.topiclog}.
"""

from __future__ import annotations

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.printable import MAX_TEXT
from twisted_libp2p.pubsub import PubSub
from twisted_libp2p.pubsub.topiclog import TopicLog
from twisted_libp2p.testing import MemoryNodes


class TopicLogTests(SynchronousTestCase):
    """
    A node that joins topics by its options.
    """

    def test_logged(self) -> None:
        """
        Each message is a line of bounded length, without a character that a terminal
        would obey.
        """
        nodes = MemoryNodes()
        self.addCleanup(nodes.stop)
        service = PubSub()
        logging = nodes.start(services=[service, TopicLog(service, ["news", "other"])])
        other = nodes.start(services=[PubSub()])
        nodes.connect(other, logging)
        with capturedLogs() as events:
            nodes.result(other.pubsub.publish("news", b"a\x1b[31m\xff"))
            nodes.result(other.pubsub.publish("news", b"\xf0\x9f\x98\x80" * 5000))
            nodes.advance(1.0)
        lines = [formatEvent(each) for each in events]
        self.assertIn(f"news: 7 bytes of {other.peerID}: a\\x1b[31m\\xff", lines)
        shown = "\U0001f600" * (MAX_TEXT - 1) + "\N{HORIZONTAL ELLIPSIS}"
        self.assertIn(f"news: 20000 bytes of {other.peerID}: {shown}", lines)
        (source,) = {each["source"] for each in events if "source" in each}
        self.assertEqual(source, str(other.peerID))
        self.assertEqual(
            [each.name for each in logging.pubsub.topics], ["news", "other"]
        )
