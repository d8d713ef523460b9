# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for the memory of L{twisted_libp2p.pubsub.lanes}, and how it is shown.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.pubsub.test_link import LinkTestCase
from tests.pubsub.test_router import note
from twisted_libp2p.pubsub.lanes import CHARGED_STEP, MAX_QUEUED, OWN_TIME, Lanes
from twisted_libp2p.pubsub.receipts import Receipt
from twisted_libp2p.pubsub.rpc import RPC


class ChargeTests(SynchronousTestCase):
    """
    The queue to a peer, and the limits of the peer.
    """

    def setUp(self) -> None:
        self.charged = 0
        self.room = MAX_QUEUED
        self.lanes = Lanes(lambda: 0.0)
        self.lanes.account = self

    def has(self, size: int) -> bool:
        """
        Return whether there is room for bytes.
        """
        return self.charged + size <= self.room

    def charge(self, size: int) -> None:
        """
        Charge bytes.
        """
        self.charged += size

    def fill(self, count: int, size: int = 30_000) -> int:
        """
        Queue messages, and return how many had room.
        """
        return sum(
            self.lanes.message(note(b"%d " % number + bytes(size)))
            for number in range(count)
        )

    def test_small(self) -> None:
        """
        Nothing is charged while little waits.
        """
        self.fill(2)
        self.assertEqual(self.charged, 0)
        self.lanes.next()
        self.assertEqual(self.charged, 0)

    def test_steps(self) -> None:
        """
        Everything beyond the first step is charged, and given back when it has left.
        """
        self.fill(20)
        self.assertLessEqual(self.lanes.size - CHARGED_STEP, self.charged)
        self.assertLess(self.charged, self.lanes.size)
        while self.lanes.next():
            self.assertLessEqual(self.lanes.size - CHARGED_STEP, self.charged)
            self.assertLess(self.charged, self.lanes.size + 2 * CHARGED_STEP)
        self.lanes.clear()
        self.assertEqual(self.charged, 0)

    def test_full(self) -> None:
        """
        Beyond the limits of the peer messages have no room, and are counted.
        """
        self.room = 2 * CHARGED_STEP
        taken = self.fill(20)
        self.assertEqual(taken, 3 * CHARGED_STEP // 30_500)
        self.assertEqual(self.lanes.dropped, 20 - taken)
        self.assertFalse(self.lanes.message(note(bytes(200_000)), Receipt(b"id")))

    def test_large(self) -> None:
        """
        A single message is charged at once, and given back.
        """
        self.lanes.message(note(bytes(900_000)))
        self.assertGreater(self.charged, 800_000)
        self.lanes.clear()
        self.assertEqual(self.charged, 0)


class LimitTests(LinkTestCase):
    """
    A node, and a peer that does not read.
    """

    def test_counted(self) -> None:
        """
        The bytes that wait for it count as memory of the node until they are
        dropped, or its stream has ended.
        """
        node, peer = self.start(), self.play()
        peer.reads = False
        self.nodes.connect(peer.node, node)
        self.say(peer, node, RPC([("news", True)]))
        system = node.connections.limiter.system
        before = system.memory
        for _ in range(2):
            for number in range(60):
                node.pubsub.publish("news", bytes([number]) * 60000)
            self.nodes.settle()
            lanes = self.link(node, peer).lanes
            held = system.memory - before
            self.assertLess(abs(held - lanes.size), 2 * CHARGED_STEP)
            self.assertGreater(held, MAX_QUEUED // 2)
            self.assertEqual(node.pubsub.usage.queued, lanes.size)
            self.nodes.advance(5 * OWN_TIME)
        self.assertEqual(system.memory, before)
