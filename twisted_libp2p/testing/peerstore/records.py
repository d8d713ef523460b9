# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The tests of signed records.
"""

from __future__ import annotations

from twisted_libp2p.errors import (
    InvalidRecord,
    InvalidSignature,
)
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import (
    Identification,
)
from twisted_libp2p.peerstore import Limits
from twisted_libp2p.testing.peerstore.base import (
    PeerStoreCase,
    tcp,
)

__all__ = ["RecordTests"]


class RecordTests(PeerStoreCase):
    """
    Signed records, and the addresses in them.
    """

    async def test_record(self) -> None:
        """
        A record adds addresses, and is kept to be passed on.
        """
        store, peer = await self.open(Limits()), self.identity.peerID
        store.addAddresses(peer, [tcp(3)])
        envelope = self.sign(7, 1, 2)
        self.assertTrue(store.addRecord(peer, envelope))
        for _ in range(2):
            self.assertEqual(store.record(peer), envelope)
            self.assertEqual(store.certifiedAddresses(peer), [tcp(1), tcp(2)])
            self.assertEqual(set(store.addresses(peer)), set(map(tcp, [1, 2, 3])))
            store = await self.reopen(store)

    async def test_newerRecord(self) -> None:
        """
        A newer record replaces the addresses of the older one.  An older record, the
        same record and another peer's record change nothing.  Sequence numbers have 64
        bits.
        """
        store, peer = await self.open(Limits()), self.identity.peerID
        self.assertTrue(store.addRecord(peer, self.sign(7, 1, 2)))
        self.clock.advance(1)
        newest = self.sign(2**64 - 1, 2, 3)
        self.assertTrue(store.addRecord(peer, newest))
        foreign = self.sign(9, 6, identity=Identity.generate())
        for _ in range(2):
            self.assertFalse(store.addRecord(peer, self.sign(2**63, 4)))
            self.assertFalse(store.addRecord(peer, self.sign(2**64 - 1, 5)))
            self.assertFalse(store.addRecord(peer, foreign))
            self.assertEqual(store.record(peer), newest)
            self.assertEqual(set(store.addresses(peer)), {tcp(2), tcp(3)})
            store = await self.reopen(store)

    async def test_usableRecord(self) -> None:
        """
        Only the usable addresses of a record are stored, and no usable address that is
        not in it.
        """
        store, peer = await self.open(Limits()), self.identity.peerID
        store.addRecord(peer, self.sign(1, 1, 2), [tcp(2), tcp(3)])
        self.assertAddresses(store, peer, [2])

    async def test_invalidRecord(self) -> None:
        """
        An envelope without a record, or with a wrong signature, is refused.
        """
        store, peer = await self.open(Limits()), self.identity.peerID
        with self.assertRaises(InvalidRecord):
            store.addRecord(peer, b"\xff")
        envelope = bytearray(self.sign(1, 1))
        envelope[-1] ^= 1
        with self.assertRaises(InvalidSignature):
            store.addRecord(peer, bytes(envelope))
        self.assertEqual(store.peers(), [])

    async def test_learnRecord(self) -> None:
        """
        Of a signed record only those addresses are stored that the peer reports too.  A
        signed address that it no longer reports is dropped, also if the record is the
        same.
        """
        store, peer = await self.open(Limits()), self.identity.peerID
        first = self.sign(7, 1, 2, 3)
        for record, reported in (
            (first, [1, 2, 4]),
            (first, [2, 4]),
            (self.sign(8, 4, 5), [2, 4]),
        ):
            self.clock.advance(1)
            addresses = tuple(map(tcp, reported))
            store.learn(peer, Identification(listenAddresses=addresses, record=record))
            self.assertEqual(set(store.addresses(peer)), set(addresses))
            self.assertEqual(store.record(peer), record)
            signed = {1, 2, 3} if record is first else {4, 5}
            self.assertEqual(
                set(store.certifiedAddresses(peer)),
                {tcp(port) for port in signed.intersection(reported)},
            )
        store = await self.reopen(store)
        self.assertEqual(store.certifiedAddresses(peer), [tcp(4)])
        self.clock.advance(1)
        store.learn(peer, Identification(listenAddresses=(tcp(2),)))
        self.assertEqual(store.certifiedAddresses(peer), [tcp(4)])

    async def test_learnWrongRecord(self) -> None:
        """
        If the record is not one, nothing is stored; another peer's record is ignored.
        """
        store, peer = await self.open(Limits()), self.identity.peerID
        with self.assertRaises(InvalidRecord):
            store.learn(peer, Identification(agent="agent", record=b"\xff"))
        self.assertEqual(store.peers(), [])
        foreign = self.sign(9, 1, identity=Identity.generate())
        listening = (tcp(1),)
        store.learn(peer, Identification(listenAddresses=listening, record=foreign))
        self.assertEqual(store.addresses(peer), [tcp(1)])
        self.assertEqual(store.certifiedAddresses(peer), [])
        self.assertIsNone(store.record(peer))
