# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.relay.autorelay} and L{twisted_libp2p.relay.choosing}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.relay.case import RelayTestCase
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.events import ReachabilityChanged
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import IHostService, Reachability
from twisted_libp2p.relay.autorelay import (
    LEAVING_DELAY,
    TRIAL,
    UNKNOWN_DELAY,
    AutoRelay,
)
from twisted_libp2p.relay.choosing import MAX_CANDIDATES, Choosing
from twisted_libp2p.relay.service import RelayService

PEERS = [Identity.generate().peerID for _ in range(6)]


class ChoosingTests(SynchronousTestCase):
    """
    The choice of relays.
    """

    def test_networks(self) -> None:
        """
        Relays in different networks are preferred.
        """
        choosing = Choosing(2)
        for peer, network in zip(PEERS, "aab", strict=False):
            choosing.met(peer, network)
        self.assertEqual(choosing.choose(0.0), [PEERS[0], PEERS[2]])
        self.assertEqual(choosing.choose(0.0), [])
        self.assertIsNone(choosing.wakeUp(0.0))

    def test_failed(self) -> None:
        """
        A relay that fails is replaced, and tried again much later.
        """
        choosing = Choosing(1)
        for peer in PEERS[:2]:
            choosing.met(peer)
        self.assertEqual(choosing.choose(0.0), [PEERS[0]])
        choosing.failed(PEERS[0], 0.0)
        self.assertEqual(choosing.choose(0.0), [PEERS[1]])
        choosing.failed(PEERS[1], 1.0)
        self.assertEqual(choosing.choose(1.0), [])
        self.assertEqual(choosing.wakeUp(1.0), 59.0)
        self.assertEqual(choosing.choose(60.0), [PEERS[0]])
        choosing.held(PEERS[0])
        self.assertEqual(list(choosing.leave()), [PEERS[0]])

    def test_gone(self) -> None:
        """
        A candidate that is gone is forgotten, unless it is chosen.
        """
        choosing = Choosing(1)
        for peer in PEERS[:2]:
            choosing.met(peer)
        choosing.choose(0.0)
        for peer in PEERS[:2]:
            choosing.gone(peer)
        self.assertEqual(choosing.chosen, [PEERS[0]])
        choosing.leave()
        self.assertEqual(choosing.choose(0.0), [PEERS[0]])

    def test_bound(self) -> None:
        """
        The number of candidates is bounded; those that have failed go first.
        """
        choosing = Choosing(1)
        many: list[Any] = list(range(MAX_CANDIDATES + 1))
        for peer in many:
            choosing.met(peer)
        choosing.choose(0.0)
        choosing.failed(many[0], 0.0)
        choosing.met(many[-1])
        self.assertEqual(choosing.choose(1e9), [many[1]])
        for peer in many[1:-1]:
            choosing.failed(peer, 1e9)
        self.assertEqual(choosing.choose(1e9), [many[-1]])


class AutoRelayTests(RelayTestCase):
    """
    A node that keeps places at relays.
    """

    def test_contract(self) -> None:
        """
        It is a service of a node.
        """
        verifyObject(IHostService, AutoRelay())

    def test_given(self) -> None:
        """
        A given relay is used at once.
        """
        relay = self.relay()
        node = self.node(services=[AutoRelay([str(relay.addresses[0])])])
        self.assertEqual([str(each) for each in node.addresses], [self.address(node)])
        self.nodes.result(node.stopService())
        node.startService()
        self.nodes.settle()
        self.assertEqual(len(node.addresses), 1)

    def test_wrong(self) -> None:
        """
        An address that names no relay is refused, with what would be right.
        """
        for text in ("/ip4/192.0.2.1/tcp/1", self.place + f"/p2p/{PEERS[0]}", "x"):
            with self.assertRaises(ConfigurationError) as caught:
                AutoRelay([text])
            self.assertIn(text, str(caught.exception))

    def test_found(self) -> None:
        """
        Without given relays, connected peers that are relays are used, if nothing is
        known of the node's addresses for 30 seconds.
        """
        relay = self.relay()
        node = self.node(services=[AutoRelay()])
        self.nodes.connect(node, relay)
        self.nodes.advance(UNKNOWN_DELAY - 1)
        self.assertEqual(node.addresses, [])
        self.nodes.advance(2.0)
        self.assertEqual([str(each) for each in node.addresses], [self.address(node)])

    def test_verdicts(self) -> None:
        """
        An unreachable node uses relays at once; one that becomes reachable leaves them
        ten minutes later, unless the verdict changes.
        """
        relay = self.relay()
        node = self.node(services=[AutoRelay()])
        self.nodes.connect(node, relay)
        service = node.service(AutoRelay)
        service.reachable(False)
        self.nodes.advance(0.0)
        self.assertEqual(len(node.addresses), 1)
        service.reachable(True)
        self.nodes.advance(LEAVING_DELAY - 1)
        service.reachable(None)
        service.reachable(False)
        self.nodes.advance(LEAVING_DELAY)
        self.assertEqual(len(node.addresses), 1)
        service.reachable(True)
        self.nodes.advance(LEAVING_DELAY + 1)
        self.assertEqual(node.addresses, [])
        self.assertFalse(service.active)

    def test_reachable(self) -> None:
        """
        A reachable node uses no relay.
        """
        relay = self.relay()
        node = self.node(services=[AutoRelay()])
        self.nodes.connect(node, relay)
        node.service(AutoRelay).reachable(True)
        self.nodes.advance(UNKNOWN_DELAY * 2)
        self.assertEqual(node.addresses, [])

    def test_followed(self) -> None:
        """
        The verdict of the node decides.
        """
        relay = self.relay()
        node = self.node(services=[AutoRelay()])
        self.nodes.connect(node, relay)
        for reachability, count, seconds in (
            (Reachability.PRIVATE, 1, 0.0),
            (Reachability.PUBLIC, 0, LEAVING_DELAY + 1),
            (Reachability.UNKNOWN, 1, UNKNOWN_DELAY + 1),
        ):
            node.events.publish(
                ReachabilityChanged(time=0.0, reachability=reachability, verdicts=())
            )
            self.nodes.advance(seconds)
            self.assertEqual(len(node.addresses), count, reachability)

    def test_other(self) -> None:
        """
        If a relay is gone, another one is used.
        """
        first = self.relay()
        node = self.node(services=[AutoRelay(wanted=1)])
        self.nodes.connect(node, first)
        node.service(AutoRelay).reachable(False)
        self.nodes.advance(0.0)
        self.assertEqual(len(node.addresses), 1)
        second = self.node(listen=["/memory/78"], services=[RelayService()])
        self.nodes.connect(node, second)
        self.nodes.result(first.stopService())
        self.nodes.advance(TRIAL + 5)
        (address,) = node.addresses
        self.assertIn(str(second.peerID), str(address))
