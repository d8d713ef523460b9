# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of what slow peers, slow subscribers and full limits cost.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from twisted.internet.protocol import Protocol

from tests.pubsub.test_link import LinkTestCase, PlayedPeer
from tests.pubsub.test_service import UNSIGNED
from twisted_libp2p.errors import QueuesFull
from twisted_libp2p.limits import Limits
from twisted_libp2p.node import Node
from twisted_libp2p.pubsub import PubSub
from twisted_libp2p.pubsub.lanes import CHARGED_STEP, MAX_QUEUED, OWN_TIME
from twisted_libp2p.pubsub.message import Message
from twisted_libp2p.pubsub.rpc import RPC
from twisted_libp2p.testing import MemoryNodes

#: The messages of a test, and their size.
COUNT: Final = 60
SIZE: Final = 60_000


class SlowPeerTests(LinkTestCase):
    """
    A node that passes messages on to readers, and to a peer that is slow.
    """

    def deliver(self, reads: bool, rest: float) -> list[list[float]]:
        """
        Let an author publish, and return the times of the deliveries to each reader.

        @param reads: whether the peer reads at all.
        @param rest: seconds that it rests after each read.
        """
        self.nodes = MemoryNodes(delay=0.02)
        author, middle, *readers = (self.start(UNSIGNED) for _ in range(4))
        peer = self.play()
        peer.reads, peer.rest = reads, rest
        times: list[list[float]] = []
        for each in (middle, *readers):
            self.subscribe(each, times)
        for each in (author, *readers, peer.node):
            self.nodes.connect(each, middle)
        self.say(peer, middle, RPC([("news", True)]))
        self.nodes.advance(2.0)
        most = 0
        for number in range(COUNT):
            author.pubsub.publish("news", number.to_bytes(2, "big") * (SIZE // 2))
            self.nodes.advance(0.05)
            most = max(most, self.link(middle, peer).lanes.size)
        self.assertLessEqual(most, MAX_QUEUED + SIZE + 1000)
        # Some have to wait for a slow peer, or it would show nothing.
        self.assertEqual(most > 0, not reads or rest > 0)
        self.nodes.advance(2.0)
        self.assertEqual(self.link(middle, peer).lanes.size, 0)
        charged = middle.connections.limiter.peers[peer.node.peerID].memory
        self.assertEqual(charged, 0)
        self.nodes.stop()
        return times

    def subscribe(self, node: Node, times: list[list[float]]) -> None:
        """
        Note the times of the deliveries to a node.
        """
        own: list[float] = []
        times.append(own)
        topic = self.successResultOf(node.pubsub.join("news"))
        topic.subscribe(lambda _: own.append(round(self.nodes.clock.seconds(), 6)))

    def test_others(self) -> None:
        """
        Readers get each message at the same time as beside a peer that is fast, and the
        messages for the slow one take a bounded memory, which is given back.
        """
        usual = self.deliver(reads=True, rest=0.0)
        self.assertEqual([len(each) for each in usual], [COUNT] * 3)
        self.assertEqual(self.deliver(reads=True, rest=0.5), usual)
        self.assertEqual(self.deliver(reads=False, rest=0.0), usual)


class WaitingTests(LinkTestCase):
    """
    Publishers that have to wait.
    """

    def unread(self, **options: Any) -> tuple[Node, PlayedPeer]:
        """
        Start a node beside a subscriber that reads nothing.
        """
        node = self.nodes.start(services=[PubSub(UNSIGNED)], **options)
        peer = self.play()
        peer.reads = False
        self.nodes.connect(peer.node, node)
        self.say(peer, node, RPC([("news", True)]))
        return node, peer

    def fill(self, node: Node) -> list[Any]:
        """
        Publish more than may wait.
        """
        published = [
            node.pubsub.publish("news", bytes([number]) * SIZE)
            for number in range(COUNT)
        ]
        self.nodes.settle()
        return published

    def test_subscriber(self) -> None:
        """
        A subscriber that waits stops the peer that publishes: nothing is read from it,
        until the subscriber takes messages.  Messages that wait for too long are lost.
        """
        near, far = self.line(2, UNSIGNED)
        topic = self.nodes.result(far.pubsub.join("news"))
        subscription = topic.subscribe(buffer=4)
        self.nodes.advance(2.0)
        published = self.fill(near)
        self.assertIn("we do not read", far.pubsub.explain(near.peerID))
        self.assertIn("unread for", near.pubsub.explain(far.peerID))
        self.assertEqual(len(subscription), 4)
        self.assertFalse(published[-1].called)
        self.nodes.advance(OWN_TIME + 1)
        self.assertEqual(len(subscription), 4)
        heard = []
        while len(subscription):
            heard.append(self.nodes.result(subscription.next()).data[0])
        self.assertEqual(heard[:4], list(range(4)))
        self.assertEqual(heard, sorted(heard))
        self.assertLess(len(heard), COUNT)
        self.assertNotIn("we do not read", far.pubsub.explain(near.peerID))
        self.assertTrue(all(each.called for each in published))

    def test_protocol(self) -> None:
        """
        A protocol that answers each message gets no more of them while an answer waits,
        and those that wait when the node stops are not logged.
        """
        node, peer = self.unread()
        asked: list[bytes] = []

        class Answerer(Protocol):
            def dataReceived(self, data: bytes) -> None:
                assert self.transport is not None
                if not data.startswith(b"answer"):
                    asked.append(data)
                    self.transport.write(b"answer" + data)

        self.nodes.result(node.pubsub.join("news")).feed(Answerer())
        for number in range(COUNT):
            data = number.to_bytes(2, "big") * (SIZE // 2)
            self.say(peer, node, RPC(messages=[Message("news", data)]))
        size = self.link(node, peer).lanes.size
        self.assertLessEqual(size, MAX_QUEUED + SIZE + 1000)
        self.assertLess(len(asked), COUNT)
        self.assertEqual(len(node.pubsub._engine.publisher._waiting), 1)
        self.nodes.result(node.stopService())
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_limits(self) -> None:
        """
        A publisher waits while the limits of its only peer are full, and may fail
        instead.
        """
        usual = Limits.scaled(16, 64 << 20)
        peer = usual.peer._replace(memory=3 * CHARGED_STEP)
        node, other = self.unread(limits=replace(usual, peer=peer))
        published = self.fill(node)
        lanes = self.link(node, other).lanes
        self.assertLessEqual(lanes.size, 4 * CHARGED_STEP)
        self.assertEqual(lanes.dropped, 0)
        self.assertFalse(published[-1].called)
        refused = node.pubsub.publish("news", bytes(SIZE), wait=False)
        self.failureResultOf(refused, QueuesFull)
        self.nodes.result(node.pubsub.publish("news", b"small"))
        (first, *_) = published
        self.nodes.advance(10 * OWN_TIME)
        self.assertTrue(all(each.called for each in published))
        self.assertEqual(self.successResultOf(first).peers, 1)

    def test_memoryOfOthers(self) -> None:
        """
        A publisher also goes on when the memory of the node was taken by others, and
        has room again.
        """
        node, _ = self.unread()
        system = node.connections.limiter.system
        taken = system.limits.memory - system.memory
        system.hold(taken)
        large = node.pubsub.publish("news", bytes(300_000))
        self.nodes.settle()
        self.assertNoResult(large)
        self.nodes.advance(2 * OWN_TIME)
        self.assertNoResult(large)
        # The first bytes that wait are free.
        self.nodes.result(node.pubsub.publish("news", b"small"))
        system.hold(-taken)
        self.nodes.advance(1.5)
        self.assertEqual(self.successResultOf(large).peers, 1)
