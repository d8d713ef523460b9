# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.testing.nodes}.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import DialToSelf
from twisted_libp2p.testing.nodes import MemoryNodes


class MemoryNodesTests(SynchronousTestCase):
    """
    Tests for L{MemoryNodes}.
    """

    def setUp(self) -> None:
        """
        Have no node yet.
        """
        self.nodes = MemoryNodes()

    def test_start(self) -> None:
        """
        Nodes are running, each at an address of its own unless it is to have
        none; they are made with whatever options are given.
        """
        first, second = self.nodes.start(), self.nodes.start(agent="test/1")
        silent = self.nodes.start(listen=())
        self.assertTrue(first.running)
        self.assertEqual(len(set(first.addresses + second.addresses)), 2)
        self.assertEqual(silent.addresses, [])
        told = self.nodes.result(silent.identify(second.addresses[0]))
        self.assertEqual(told.agent, "test/1")
        self.nodes.stop()
        self.assertFalse(first.running)

    def test_connect(self) -> None:
        """
        Both ends of a connection are given, in the order of the nodes.
        """
        dialer, listener = self.nodes.start(), self.nodes.start()
        near, far = self.nodes.connect(dialer, listener)
        self.assertEqual((near.localPeer, near.direction), (dialer.peerID, "outbound"))
        self.assertEqual((far.localPeer, far.direction), (listener.peerID, "inbound"))
        self.nodes.stop()

    def test_advance(self) -> None:
        """
        Timers run at their own times, those that they start included.
        """
        clock, times = self.nodes.clock, list[float]()

        def tick() -> None:
            times.append(clock.seconds())
            if len(times) < 5:
                clock.callLater(0.5, tick)

        tick()
        self.nodes.advance(1.75)
        self.assertEqual(times, [0.0, 0.5, 1.0, 1.5])
        self.assertEqual(clock.seconds(), 1.75)
        self.nodes.advance(0.25)
        self.assertEqual(times[-1], 2.0)

    def test_result(self) -> None:
        """
        A result is given, a failure raised, of Deferreds and coroutines.
        """
        node = self.nodes.start()
        with self.assertRaises(DialToSelf):
            self.nodes.result(node.connect(node.peerID))
        with self.assertRaises(DialToSelf):
            self.nodes.result(node.ping(node.peerID))
        other = self.nodes.start()
        connection = self.nodes.result(node.connect(other.addresses[0]))
        self.assertEqual(connection.remotePeer, other.peerID)
        self.nodes.stop()

    def test_noResult(self) -> None:
        """
        What needs time has no result.
        """
        with self.assertRaises(AssertionError):
            self.nodes.result(Deferred[None]())

    def test_left(self) -> None:
        """
        What is left in the reactor is told.
        """
        self.nodes.clock.callLater(1.0, lambda: None)
        with self.assertRaises(AssertionError):
            self.nodes.stop()
