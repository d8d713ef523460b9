# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.tools.topics}: the programs.
"""

from __future__ import annotations

import json

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.processes import ProgramTestCase
from tests.test_main import MODULE
from twisted_libp2p.errors import NoPeers
from twisted_libp2p.pubsub import PubSub
from twisted_libp2p.testing import MemoryNodes
from twisted_libp2p.tools.topics import publishOne


class TopicTests(ProgramTestCase):
    """
    A program that subscribes, and others that publish.
    """

    async def test_topic(self) -> None:
        """
        Each line of one program is a line of the other.
        """
        subscriber = self.start(
            *MODULE, "subscribe", "news", "--listen", "/ip4/127.0.0.1/tcp/0",
            "--json", "--count", "3",
        )  # fmt: skip
        address = await subscriber.says(r"listening on (/ip4\S+)")
        publisher = self.start(*MODULE, "publish", "news", "--bootstrap", address)
        publisher.transport.write(b"one\ntw\xc3\xb6\n\xff")
        publisher.transport.closeStdin()
        self.assertEqual(await publisher.ends(), 0, publisher.err)
        self.assertEqual(await subscriber.ends(), 0, subscriber.err)
        got = [json.loads(line) for line in subscriber.out.splitlines()]
        self.assertEqual([each.get("text") for each in got], ["one", "twö", None])
        self.assertEqual(got[2]["base64"], "/w==")
        self.assertEqual(got[0]["source"], got[2]["source"])


class WaitTests(SynchronousTestCase):
    """
    A publisher without subscribers.
    """

    def test_alone(self) -> None:
        """
        It fails after the time that the user gives.
        """
        nodes = MemoryNodes()
        self.addCleanup(nodes.stop)
        node = nodes.start(services=[PubSub()])
        options = {"topic": "news", "timeout": 30.0}
        publishing = Deferred.fromCoroutine(
            publishOne(nodes.clock, options, node, b"x")
        )
        nodes.advance(29.0)
        self.assertNoResult(publishing)
        nodes.advance(1.0)
        failure = self.failureResultOf(publishing, NoPeers)
        self.assertIn("of 0 peers that speak pubsub none", str(failure.value))
