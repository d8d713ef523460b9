# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The tests of the metadata book.
"""

from __future__ import annotations

from twisted_libp2p.errors import (
    LimitExceeded,
)
from twisted_libp2p.peerstore import Limits
from twisted_libp2p.testing.peerstore.base import (
    DAY,
    PeerStoreCase,
    tcp,
)

__all__ = ["MetadataBookTests"]


class MetadataBookTests(PeerStoreCase):
    """
    Tags and metadata.
    """

    async def test_tags(self) -> None:
        """
        Tags have values, and may expire.
        """
        store, peer = await self.open(Limits()), self.peer()
        store.setTag(peer, "keep", -(2**31))
        store.setTag(peer, "gone")
        store.setTag(peer, "short", 5, ttl=10.0)
        store.setTag(peer, "long", 2**31 - 1, ttl=20.0)
        store.removeTag(peer, "gone")
        self.clock.advance(10)
        for _ in range(2):
            self.assertEqual(store.tags(peer), {"keep": -(2**31), "long": 2**31 - 1})
            store = await self.reopen(store)
        self.clock.advance(10)
        self.assertEqual(store.tags(peer), {"keep": -(2**31)})

    async def test_wrongTags(self) -> None:
        """
        A tag that some databases cannot store is refused, and so is one tag too many.
        """
        store, peer = await self.open(Limits(tags=2)), self.peer()
        for name, value in (("a\x00", 0), ("a", 2**31), ("a", -(2**31) - 1)):
            with self.assertRaises(ValueError):
                store.setTag(peer, name, value)
        store.setTag(peer, "a", ttl=10.0)
        store.setTag(peer, "b")
        store.setTag(peer, "b", 1)
        with self.assertRaises(LimitExceeded):
            store.setTag(peer, "c")
        self.clock.advance(10)
        store.setTag(peer, "c", 2)
        self.assertEqual(store.tags(peer), {"b": 1, "c": 2})

    async def test_metadata(self) -> None:
        """
        Metadata is bytes under a name, and does not expire.
        """
        store, peer = await self.open(Limits(metadata=10)), self.peer()
        store.setMetadata(peer, "a", b"\x00\xff")
        store.setMetadata(peer, "b", b"2")
        store = await self.reopen(store)
        self.clock.advance(1)
        store.setMetadata(peer, "a", b"3")
        store.setMetadata(peer, "b", None)
        store.setMetadata(peer, "c", b"")
        with self.assertRaises(LimitExceeded):
            store.setMetadata(peer, "d", b"1234567")
        with self.assertRaises(ValueError):
            store.setMetadata(peer, "\x00", b"")
        self.assertEqual(store.metadata(peer), {"a": b"3", "c": b""})
        self.clock.advance(1000 * DAY)
        store.addAddresses(self.peer(), [tcp(1)])
        for _ in range(2):
            self.assertEqual(store.metadata(peer), {"a": b"3", "c": b""})
            store = await self.reopen(store)

    async def test_metadataForAWhile(self) -> None:
        """
        Metadata may expire, also after a restart; what expires is no fact about the
        peer, and takes no room any longer.
        """
        store, peer = await self.open(Limits(metadata=10)), self.peer()
        store.setMetadata(peer, "a", b"1")
        store.setMetadata(peer, "b", b"1234567", ttl=10.0)
        info = store.info(peer)
        assert info is not None
        self.assertEqual(info.metadata, {"a": b"1"})
        self.clock.advance(9)
        for _ in range(2):
            self.assertEqual(store.metadata(peer), {"a": b"1", "b": b"1234567"})
            store = await self.reopen(store)
        self.clock.advance(1)
        self.assertEqual(store.metadata(peer), {"a": b"1"})
        store.setMetadata(peer, "c", b"1234567")
        store.setMetadata(peer, "b", None)
        store = await self.reopen(store)
        self.assertEqual(store.metadata(peer), {"a": b"1", "c": b"1234567"})
