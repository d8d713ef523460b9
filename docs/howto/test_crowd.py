# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.connmanager import ConnectionPolicy, ListGater
from twisted_libp2p.errors import DialFailed, Gated
from twisted_libp2p.testing import MemoryNodes


class CrowdTests(SynchronousTestCase):
    def setUp(self):
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)

    def test_trimmed(self):
        """
        Of three connections, where two are enough, the one goes whose peer is
        worth nothing and not protected.
        """
        policy = ConnectionPolicy(lowWater=2, highWater=2, grace=0.0)
        server = self.nodes.start(policy=policy)
        stranger, useful, friend = (self.nodes.start() for _ in range(3))
        server.connections.tags.set(useful.peerID, "useful", 10.0)
        server.connections.protect(friend.peerID, "friends")
        for client in (stranger, useful, friend):
            self.nodes.connect(client, server)
        self.nodes.advance(policy.interval)
        self.assertEqual(
            {each.remotePeer for each in server.connections},
            {useful.peerID, friend.peerID},
        )

    def test_gated(self):
        """
        A blocked peer is not dialed.
        """
        server = self.nodes.start()
        client = self.nodes.start(gater=ListGater(blocked=[server.peerID]))
        with self.assertRaises(DialFailed) as raised:
            self.nodes.result(client.connect(server.addresses[0]))
        ((_, cause),) = raised.exception.causes
        self.assertIsInstance(cause, Gated)
