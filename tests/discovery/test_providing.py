# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.discovery.providing}, on a DHT of nodes in memory.
"""

from __future__ import annotations

from zope.interface.verify import verifyObject

from tests.dht.case import DHTTestCase
from twisted_libp2p.dht.messages import MessageType
from twisted_libp2p.dht.service import KademliaDHT
from twisted_libp2p.discovery.events import PeerDiscovered
from twisted_libp2p.discovery.meeting import COURTESY, DialFound
from twisted_libp2p.discovery.providing import RENEWAL, ProviderDiscovery, keyOf
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import IDiscovery, IHostService
from twisted_libp2p.node import Node


class ProviderDiscoveryTests(DHTTestCase):
    """
    Peers that meet by a DHT.
    """

    def player(self, *others: Node) -> tuple[Node, ProviderDiscovery, KademliaDHT]:
        """
        Start a node that is connected to others.
        """
        node, dht = self.start()
        discovery = ProviderDiscovery(dht)
        node.add(discovery)
        for each in others:
            self.nodes.connect(node, each)
        self.nodes.settle()
        return node, discovery, dht

    def test_contract(self) -> None:
        """
        It provides its interfaces, and refuses a namespace without a name.
        """
        _, discovery, dht = self.player()
        verifyObject(IDiscovery, discovery)
        verifyObject(IHostService, discovery)
        self.assertRaises(ConfigurationError, ProviderDiscovery, dht, [""])

    def test_key(self) -> None:
        """
        The key is the SHA-256 multihash of the name, as go-libp2p makes it of the CID.
        """
        self.assertEqual(
            keyOf("chess").hex(),
            "1220ac739dccd121f71261d87461256e9ca70d8e3b6dbbcc9076d5f3b50c73a5d22d",
        )

    def test_found(self) -> None:
        """
        A peer that is announced under a name is found by others, but not by itself, and
        can be dialed then.
        """
        server, _ = self.start()
        one, here, _ = self.player(server)
        other, there, _ = self.player(server)
        self.assertEqual(self.nodes.result(here.advertise("chess")), RENEWAL)
        ((peer, addresses),) = self.nodes.result(there.findPeers("chess"))
        self.assertEqual(peer, one.peerID)
        self.assertTrue(addresses)
        self.assertEqual(self.nodes.result(here.findPeers("chess")), [])
        self.assertEqual(self.nodes.result(there.findPeers("go")), [])
        self.nodes.result(other.connect(one.peerID))

    def test_dialed(self) -> None:
        """
        With C{DialFound} the peers of a namespace connect by themselves.
        """
        server, _ = self.start()
        nodes = []
        found: list[PeerDiscovered] = []
        for _ in range(2):
            node, dht = self.start()
            node.events.subscribe(PeerDiscovered, found.append)
            node.add(DialFound(5))
            self.nodes.connect(node, server)
            self.nodes.settle()
            node.add(ProviderDiscovery(dht, ["chess"]))
            self.nodes.advance(200)
            nodes.append(node)
        self.nodes.advance(COURTESY + 1)
        one, other = nodes
        self.assertTrue(one.connections.to(other.peerID))
        self.assertEqual({each.source for each in found}, {"providers"})

    def test_stopped(self) -> None:
        """
        A node that looks for no peers any longer is announced no longer: servers forget
        it after two days.
        """
        server, _ = self.start()
        node, discovery, dht = self.player(server)
        self.nodes.result(discovery.advertise("chess"))
        key, now = keyOf("chess"), self.nodes.clock.seconds()
        self.assertEqual(dht.providers.of(key, now), [node.peerID])
        self.nodes.result(discovery.disownServiceParent())
        self.assertEqual(dht.providers.of(key, self.nodes.clock.seconds()), [])
        sent = dht.usage().sent[MessageType.ADD_PROVIDER]
        self.assertEqual(sent, 1)
        self.nodes.advance(RENEWAL * 1.2)
        self.assertEqual(dht.usage().sent[MessageType.ADD_PROVIDER], sent)
