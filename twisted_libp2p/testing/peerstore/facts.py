# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The tests of the facts that a peer itself reports.
"""

from __future__ import annotations

from twisted_libp2p.errors import (
    InvalidKey,
)
from twisted_libp2p.identity import Identity, KeyType
from twisted_libp2p.interfaces import (
    Identification,
    Source,
)
from twisted_libp2p.peerstore import Limits
from twisted_libp2p.testing.peerstore.base import (
    DAY,
    NOW,
    PeerStoreCase,
    tcp,
)

__all__ = ["FactTests"]


class FactTests(PeerStoreCase):
    """
    Identifications, keys and dialects.
    """

    async def test_identified(self) -> None:
        """
        Facts that a peer reports replace its earlier ones: after a thousand reports
        only the last counts.
        """
        store, peer = await self.open(Limits()), self.peer()
        for turn in range(1000):
            store.learn(
                peer, Identification(f"agent/{turn}", "net/1", (f"/{turn}", "/a"))
            )
            store.setAddresses(peer, [tcp(turn + 1)], Source.IDENTIFY)
        for _ in range(2):
            info = store.info(peer)
            assert info is not None
            self.assertEqual(info.agent, "agent/999")
            self.assertEqual(info.protocolVersion, "net/1")
            self.assertEqual(info.identifiedAt, NOW)
            self.assertEqual(info.protocols, ("/999", "/a"))
            self.assertEqual(store.protocols(peer), ("/999", "/a"))
            self.assertAddresses(store, peer, [1000])
            store = await self.reopen(store)

    async def test_strangeNames(self) -> None:
        """
        Protocols that are not printable, or too many, are left out, and so are
        invisible characters in other texts.
        """
        store, peer = await self.open(Limits(protocols=3)), self.peer()
        names = ["/a\n/b", "/c", "/\x00", "/\ud800", "/d", "/c", "/ö", "/e"]
        store.learn(peer, Identification("age\x00nt\ud800", "n\x1bet", tuple(names)))
        for _ in range(2):
            info = store.info(peer)
            assert info is not None
            self.assertEqual(info.agent, "agent")
            self.assertEqual(info.protocolVersion, "net")
            self.assertEqual(info.protocols, ("/c", "/d", "/ö"))
            store = await self.reopen(store)

    async def test_publicKey(self) -> None:
        """
        A key that is not in the id is stored; a key of another peer is refused.
        """
        store = await self.open(Limits())
        for type in (KeyType.RSA, KeyType.ED25519):
            identity = Identity.generate(type)
            peer = identity.peerID
            store.connected(peer)
            store.setPublicKey(peer, identity.publicKey)
            store.disconnected(peer)
            store = await self.reopen(store)
            self.assertEqual(store.publicKey(peer), identity.publicKey)
            with self.assertRaises(InvalidKey):
                store.setPublicKey(peer, self.identity.publicKey)
            self.assertEqual(store.publicKey(peer), identity.publicKey)

    async def test_dialect(self) -> None:
        """
        A dialect is valid for a day.
        """
        store, peer = await self.open(Limits()), self.peer()
        store.setDialect(peer, "bootstrap")
        self.clock.advance(1)
        store.setDialect(peer, "multistream")
        self.clock.advance(DAY - 1)
        store = await self.reopen(store)
        self.assertEqual(store.dialect(peer), "multistream")
        self.clock.advance(2)
        self.assertIsNone(store.dialect(peer))
        # One that is confirmed soon is not written again, and later it is.
        store.setDialect(peer, "multistream")
        for wait in (2.0, 3601.0):
            self.clock.advance(wait)
            store.setDialect(peer, "multistream")
        self.clock.advance(DAY)
        self.assertEqual(store.dialect(peer), "multistream")
