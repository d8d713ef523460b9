# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.dht.keyspace}.
"""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.dht.keyspace import BITS, RefreshKeys, commonPrefix, placeOf
from twisted_libp2p.identity import PeerID

# The vectors of ipfs/specs, src/routing/kad-dht.md.
PEER = "12D3KooWLU2znyJMtDiHArqAGbZn8CgUGp92kxDBtefftEEaHSZS"
PEER_PLACE = "e43d28f0996557c0d5571d75c62a57a59d7ac1d30a51ecedcdb9d5e4afa56100"
CONTENT = "1220e536c7f88d731f374dccb568aff6f56e838a19382e488039b1ca8ad2599e82fe"
CONTENT_PLACE = "d623250f3f660ab4c3a53d3c97b3f6a0194c548053488d093520206248253bcb"


class PlaceTests(SynchronousTestCase):
    """
    Places and distances.
    """

    def test_vectors(self) -> None:
        """
        The places of the specification's peer and content.
        """
        peer = PeerID.fromText(PEER)
        self.assertEqual(f"{placeOf(peer.toBytes()):064x}", PEER_PLACE)
        self.assertEqual(f"{placeOf(bytes.fromhex(CONTENT)):064x}", CONTENT_PLACE)

    def test_prefix(self) -> None:
        """
        The shared leading bits are counted.
        """
        self.assertEqual(commonPrefix(0, 0), BITS)
        self.assertEqual(commonPrefix(0, 1), BITS - 1)
        self.assertEqual(commonPrefix(0, 1 << (BITS - 1)), 0)
        self.assertEqual(commonPrefix(3 << 200, 2 << 200), BITS - 201)

    def test_refresh(self) -> None:
        """
        A key of each prefix is found, looks like a peer id, and is kept.
        """
        own = placeOf(b"own")
        keys = RefreshKeys(own, Random(1))
        for prefix in range(9):
            key = keys.key(prefix)
            self.assertEqual(commonPrefix(own, placeOf(key)), prefix)
            PeerID.fromBytes(key)
            self.assertIs(keys.key(prefix), key)

    def test_deep(self) -> None:
        """
        The search for a key that cannot be found ends with the nearest one.
        """
        own = placeOf(b"own")
        key = RefreshKeys(own, Random(1)).key(200)
        self.assertGreater(commonPrefix(own, placeOf(key)), 5)
