# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.testing.nodes}.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.error import ConnectionAborted
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connmanager import OpenGater
from twisted_libp2p.errors import ConfigurationError, DialFailed, DialToSelf
from twisted_libp2p.events import PeerDisconnected
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import DialOptions, Ending, Source
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.transport import MemoryNetwork, MemoryTransport


class Dials(OpenGater):
    """
    Notes when a peer is dialed, as soon as it has a clock.
    """

    clock: Clock | None = None

    def __init__(self) -> None:
        self.times: list[float] = []

    def beforeDial(self, peer: PeerID | None, address: Multiaddr) -> str | None:
        """
        Note the time, and let it be dialed.
        """
        if self.clock is not None:
            self.times.append(self.clock.seconds())
        return None


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

    def test_delay(self) -> None:
        """
        Over a network with a delay nodes connect, identify each other, and stop;
        the time that passes is that of their bytes.
        """
        for delay in (0.01, 0.5):
            nodes = MemoryNodes(delay=delay)
            dialer, listener = nodes.start(agent="test/1"), nodes.start(agent="test/2")
            near, far = nodes.connect(dialer, listener)
            self.assertGreaterEqual(nodes.clock.seconds(), 4 * delay)
            self.assertLess(nodes.clock.seconds(), 20 * delay)
            self.assertIs(nodes.result(dialer.connect(listener.peerID)), near)
            self.assertEqual(far.remotePeer, dialer.peerID)
            for node, peer, agent in (
                (dialer, listener, "test/2"),
                (listener, dialer, "test/1"),
            ):
                told = nodes.result(node.identify(peer.peerID))
                self.assertEqual(told.agent, agent)
            nodes.stop()

    def test_delayedAbort(self) -> None:
        """
        The news of an abort is on its way when the nodes are stopped, and is
        nothing that they have left.
        """
        nodes = MemoryNodes(delay=0.01)
        dialer, listener = nodes.start(), nodes.start()
        near, _ = nodes.connect(dialer, listener)
        near.abort(Failure(ConnectionAborted()))
        nodes.stop()

    def test_delayedDial(self) -> None:
        """
        Nodes stop in the middle of a dial, an upgrade and identify alike.
        """
        for passed in range(16):
            nodes = MemoryNodes(delay=0.01)
            dialer, listener = nodes.start(), nodes.start()
            results: list[Any] = []
            dialer.connect(listener.addresses[0]).addBoth(results.append)
            nodes.advance(passed * 0.005)
            nodes.stop()
            self.assertEqual(len(results), 1)

    def test_delayedNever(self) -> None:
        """
        No delay makes a result of what has none, nor hides what was left.
        """
        nodes = MemoryNodes(delay=0.01)
        with self.assertRaises(AssertionError):
            nodes.result(Deferred[None]())
        late: Deferred[None] = Deferred()
        nodes.clock.callLater(60.0, late.callback, None)
        with self.assertRaises(AssertionError):
            nodes.result(late)
        with self.assertRaises(AssertionError):
            nodes.stop()

    def redials(self, **options: Any) -> list[float]:
        """
        Measure when a protected peer is dialed that is gone for good: the times
        between the first dials.
        """
        nodes, gater = MemoryNodes(), Dials()
        keeper, peer = nodes.start(gater=gater, **options), nodes.start()
        near, _ = nodes.connect(keeper, peer)
        keeper.connections.protect(peer.peerID, "test")
        (address,) = peer.addresses
        nodes.result(peer.stopListeningOn("/memory/0"))
        keeper.peerstore.addAddresses(
            peer.peerID, [address.withoutPeer()], source=Source.CONFIGURED
        )
        gater.clock = nodes.clock
        near.abort(Failure(ConnectionAborted()))
        nodes.advance(600.0)
        nodes.stop()
        return [after - before for before, after in pairwise(gater.times)][:5]

    def test_random(self) -> None:
        """
        Reconnecting takes the time that is expected, with every run; another
        source of numbers makes it another time.
        """
        longest = self.redials()
        self.assertEqual(len(longest), 5)
        self.assertEqual(longest, self.redials())
        self.assertEqual(longest, self.redials(random=lambda: 0.0))
        for most, least in zip(longest, self.redials(random=lambda: 1.0), strict=True):
            self.assertAlmostEqual(least, most / 2, places=6)

    def test_crash(self) -> None:
        """
        The peers of a crashed node see that it was lost, not that it left; it can be
        started again.
        """
        for delay in (0.0, 0.05):
            nodes = MemoryNodes(delay)
            one, other = nodes.start(), nodes.start()
            nodes.connect(one, other)
            gone = one.events.next(PeerDisconnected)
            nodes.crash(other)
            nodes.advance(2 * delay)
            self.assertEqual(self.successResultOf(gone).ending, Ending.LOST)
            self.assertFalse(other.running)
            other.startService()
            nodes.settle()
            nodes.connect(one, other)
            nodes.stop()


class PartitionTests(SynchronousTestCase):
    """
    Nodes whose network is cut between them.
    """

    def start(self, delay: float = 0.0, **options: Any) -> None:
        """
        Start two nodes and connect them.
        """
        self.nodes = MemoryNodes(delay)
        self.addCleanup(self.nodes.stop)
        self.one, self.other = self.nodes.start(**options), self.nodes.start()
        self.nodes.connect(self.one, self.other)

    def test_bytes(self) -> None:
        """
        A short partition delays bytes; the connection stays.
        """
        for delay in (0.0, 0.05):
            self.start(delay)
            self.nodes.partition(self.one, self.other)
            pinged = ensureDeferred(self.one.ping(self.other.peerID))
            self.nodes.advance(5.0)
            self.assertNoResult(pinged)
            self.nodes.heal(self.other, self.one)
            self.nodes.result(pinged)
            self.assertEqual(len(self.one.connections), 1)

    def test_lost(self) -> None:
        """
        Both nodes lose each other in a long partition, and the news of that does not
        cross it.  A dial does not either: it ends in time, or waits until the network
        is healed.
        """
        for delay in (0.0, 0.05):
            self.start(delay)
            gone = [
                each.events.next(PeerDisconnected) for each in (self.one, self.other)
            ]
            self.nodes.partition(self.one, self.other)
            self.nodes.advance(300.0)
            for each in gone:
                self.assertEqual(self.successResultOf(each).ending, Ending.LOST)
            late = self.one.connect(self.other.addresses[0])
            self.nodes.advance(300.0)
            self.failureResultOf(late, DialFailed)
            waiting = self.one.connect(self.other.addresses[0])
            self.nodes.settle()
            self.assertNoResult(waiting)
            self.nodes.heal()
            self.assertEqual(self.nodes.result(waiting).remotePeer, self.other.peerID)

    def test_kept(self) -> None:
        """
        A kept peer is connected again after the partition.
        """
        self.start()
        self.one.keep(self.other.addresses[0], "test")
        self.nodes.partition(self.one, self.other)
        self.nodes.advance(300.0)
        self.assertEqual(len(self.one.connections), 0)
        self.nodes.heal()
        self.nodes.advance(600.0)
        self.assertEqual(len(self.one.connections.to(self.other.peerID)), 1)

    def test_others(self) -> None:
        """
        A partition is between two nodes: a third one reaches both, and is itself parted
        only by a second partition.
        """
        self.start()
        third = self.nodes.start()
        self.nodes.partition(self.one, self.other)
        for each in (self.one, self.other):
            self.nodes.connect(third, each)
        self.nodes.partition(self.one, third)
        self.nodes.heal(self.one, self.other)
        self.nodes.result(self.one.ping(self.other.peerID))
        with self.assertRaises(AssertionError):
            self.nodes.result(self.one.ping(third.peerID))

    def test_crash(self) -> None:
        """
        The crash of a node is seen by its peer after the partition, at the latest.
        """
        self.start()
        gone = self.one.events.next(PeerDisconnected)
        self.nodes.partition(self.one, self.other)
        self.nodes.crash(self.other)
        self.assertNoResult(gone)
        self.nodes.heal()
        self.assertEqual(self.successResultOf(gone).ending, Ending.LOST)

    def test_stop(self) -> None:
        """
        A node stops during a partition, if it has the time; dials that wait then end.
        """
        self.start()
        self.nodes.partition(self.one, self.other)
        dialed = self.one.connect(self.other.addresses[0], DialOptions(fresh=True))
        stopped = self.one.stopService()
        self.nodes.advance(60.0)
        self.successResultOf(stopped)
        self.failureResultOf(dialed)

    def test_unknown(self) -> None:
        """
        Nodes without this network cannot be parted.
        """
        self.start()
        foreign = self.nodes.start(transports=[MemoryTransport(MemoryNetwork(Clock()))])
        for pair in ((self.one, foreign), (foreign, self.one)):
            with self.assertRaises(ConfigurationError):
                self.nodes.partition(*pair)
