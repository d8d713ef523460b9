# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.dht.mode} and L{twisted_libp2p.dht.scope}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.dht.mode import reachable
from twisted_libp2p.dht.scope import DHTScope
from twisted_libp2p.dht.service import KademliaDHT
from twisted_libp2p.events import ReachabilityChanged
from twisted_libp2p.interfaces import (
    AddressSource,
    Confidence,
    OwnAddress,
    Reachability,
)
from twisted_libp2p.testing import HostDouble

PUBLIC = Multiaddr("/ip4/45.45.0.1/tcp/4001")
PRIVATE = Multiaddr("/ip4/192.168.0.1/tcp/4001")


class ModeTests(SynchronousTestCase):
    """
    When a node serves.
    """

    def test_reachable(self) -> None:
        """
        It takes a public address that is confirmed or configured; in a private network
        a listener.
        """
        bound, announced = AddressSource.BOUND, AddressSource.ANNOUNCED
        for address, source, confidence, scope, expected in (
            (PUBLIC, bound, Confidence.LIKELY, DHTScope.ALL, False),
            (PUBLIC, bound, Confidence.CONFIRMED, DHTScope.ALL, True),
            (PUBLIC, announced, Confidence.LIKELY, DHTScope.PUBLIC, True),
            (PUBLIC, announced, Confidence.UNREACHABLE, DHTScope.PUBLIC, False),
            (PRIVATE, bound, Confidence.CONFIRMED, DHTScope.PUBLIC, False),
            (PRIVATE, bound, Confidence.LIKELY, DHTScope.PRIVATE, True),
        ):
            own = OwnAddress(address, source, confidence)
            self.assertEqual(reachable([own], scope), expected, own)

    def test_verdict(self) -> None:
        """
        A node becomes a server when peers can dial it, and a client when they cannot.
        """
        host = HostDouble()
        dht = KademliaDHT("/test", "auto")
        dht.attach(host)
        dht.startService()
        self.addCleanup(dht.stopService)
        self.assertFalse(dht.serving)
        for verdict, serving in (
            (Reachability.PUBLIC, True),
            (Reachability.PRIVATE, False),
        ):
            host.events.publish(
                ReachabilityChanged(time=0.0, reachability=verdict, verdicts=())
            )
            self.assertEqual(dht.serving, serving)

    def test_scope(self) -> None:
        """
        The place of a peer limits the addresses that it may name, within the scope.
        """
        for scope, remote, expected in (
            (DHTScope.ALL, PUBLIC, Origin.PUBLIC),
            (DHTScope.ALL, PRIVATE, Origin.NETWORK),
            (DHTScope.PUBLIC, PRIVATE, Origin.PUBLIC),
            (DHTScope.PRIVATE, Multiaddr("/ip4/127.0.0.1/tcp/1"), Origin.NETWORK),
        ):
            self.assertIs(scope.origins(remote), expected)
        self.assertTrue(DHTScope.PRIVATE.holds([PRIVATE]))
        self.assertFalse(DHTScope.PUBLIC.holds([PRIVATE]))
