# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.peerstore.updater}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.identity import Identity, KeyType
from twisted_libp2p.peerstore import MemoryPeerStore, PeerStoreUpdater
from twisted_libp2p.testing.nodes import MemoryNodes

AN_HOUR = 3600.0


class PeerStoreUpdaterTests(SynchronousTestCase):
    """
    What is learnt from the connections of a node.
    """

    def setUp(self) -> None:
        """
        Connect two nodes, of which the stores are told nothing else.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.server = self.nodes.start(identity=Identity.generate(KeyType.RSA))
        self.client = self.nodes.start()
        self.nodes.advance(1000.0)
        self.stores = [MemoryPeerStore(self.nodes.clock) for _ in range(2)]
        self.updaters = [
            PeerStoreUpdater(store, node.events)
            for store, node in zip(self.stores, (self.client, self.server), strict=True)
        ]
        self.connection, _ = self.nodes.connect(self.client, self.server)

    def test_dialed(self) -> None:
        """
        The dialer knows the address that has worked, the key, and what the
        peer says it is.
        """
        info = self.stores[0].info(self.server.peerID)
        assert info is not None
        (address,) = info.addresses
        self.assertEqual(address.address, self.server.addresses[0].withoutPeer())
        self.assertEqual(address.succeeded, 1000.0)
        self.assertTrue(info.connected)
        self.assertEqual(info.publicKey, self.server.identity.publicKey)
        self.assertIn("/ipfs/ping/1.0.0", info.protocols)
        self.assertIn("twisted_libp2p", info.agent)
        self.assertEqual(info.identifiedAt, 1000.0)

    def test_accepted(self) -> None:
        """
        The listener knows where the peer says it listens, not where it came
        from.
        """
        info = self.stores[1].info(self.client.peerID)
        assert info is not None
        (address,) = info.addresses
        self.assertEqual(address.address, self.client.addresses[0].withoutPeer())
        self.assertIsNone(address.succeeded)
        self.assertTrue(info.connected)

    def test_disconnected(self) -> None:
        """
        What is known of a peer expires only when the connection has ended.
        """
        peer = self.server.peerID
        self.nodes.advance(10 * AN_HOUR)
        self.assertEqual(len(self.stores[0].addresses(peer)), 1)
        self.nodes.result(self.connection.close())
        self.assertEqual(self.stores[0].recent(1), [peer])
        self.nodes.advance(900.0)
        self.assertEqual(self.stores[0].addresses(peer), [])

    def test_push(self) -> None:
        """
        What a peer says later takes the place of what it has said.
        """
        before = self.client.addresses[0].withoutPeer()
        (after,) = self.nodes.result(self.client.listenOn("/memory/77"))
        self.nodes.result(self.client.stopListeningOn("/memory/0"))
        self.nodes.advance(5.0)
        known = self.stores[1].addresses(self.client.peerID)
        self.assertNotIn(before, known)
        self.assertEqual(known, [after.withoutPeer()])

    def test_stop(self) -> None:
        """
        It can be stopped.
        """
        self.updaters[0].stop()
        self.nodes.result(self.connection.close())
        info = self.stores[0].info(self.server.peerID)
        assert info is not None
        self.assertTrue(info.connected)
