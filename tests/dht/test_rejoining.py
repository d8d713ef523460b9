# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.dht.rejoining}: the return without a bootstrap peer.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.dht.case import DHTTestCase
from tests.dht.test_answers import peer
from twisted_libp2p.dht.keeping import TAG
from twisted_libp2p.dht.rejoining import AT_ONCE, Rejoining
from twisted_libp2p.dht.service import KademliaDHT
from twisted_libp2p.identity import PeerID
from twisted_libp2p.testing import HostDouble


class RejoiningTests(SynchronousTestCase):
    """
    The checks of known servers.
    """

    def test_paced(self) -> None:
        """
        All are checked, a few at a time; those that need no check are skipped.
        """
        running: list[Deferred[None]] = []
        seen: list[PeerID] = []

        def check(each: PeerID) -> Deferred[None] | None:
            seen.append(each)
            if each == peer(3):
                return None
            running.append(Deferred())
            return running[-1]

        Rejoining([peer(each) for each in range(30)], check).start()
        self.assertEqual(len(running), AT_ONCE)
        while running:
            running.pop(0).callback(None)
            self.assertLessEqual(len(running), AT_ONCE)
        self.assertEqual(len(seen), 30)

    def test_stopped(self) -> None:
        """
        After a stop nobody else is checked.
        """
        running: list[Deferred[None]] = []

        def check(each: PeerID) -> Deferred[None]:
            running.append(Deferred())
            return running[-1]

        rejoining = Rejoining([peer(each) for each in range(30)], check)
        rejoining.start()
        rejoining.stop()
        running[0].callback(None)
        self.assertEqual(len(running), AT_ONCE)

    def test_table(self) -> None:
        """
        With 500 servers of the last run in the peerstore, all are dialed.
        """
        host = HostDouble(Clock())
        for each in range(500):
            host.peerstore.setTag(peer(each), TAG, 5)
        host.peerstore.setTag(peer(1000), "other", 5)
        dht = KademliaDHT("/test", "client")
        dht.attach(host)
        dht.startService()
        self.addCleanup(dht.stopService)
        self.assertEqual(set(host.asked), {peer(each) for each in range(500)})


class RestartTests(DHTTestCase):
    """
    A node that is stopped, and another with its key and its peerstore.
    """

    def test_restart(self) -> None:
        """
        A node finds its network again by the peerstore alone.
        """
        chain = self.chain(5)
        node, dht = self.start("client")
        self.nodes.connect(node, chain[0][0])
        self.nodes.advance(60.0)
        known = {entry.peer for entry in dht.table}
        self.assertEqual(len(known), 5)
        self.nodes.result(node.stopService())
        again = KademliaDHT("/test", "client")
        self.nodes.start(
            services=[again], identity=node.identity, peerstore=node.peerstore
        )
        self.nodes.advance(60.0)
        self.assertEqual({entry.peer for entry in again.table}, known)
