# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.peerstore.book}: what it does with very many peers.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.identity import PeerID
from twisted_libp2p.peerstore import Limits, MemoryPeerStore
from twisted_libp2p.peerstore.book import Book
from twisted_libp2p.peerstore.records import KnownAddress, Record

ADDRESS = Multiaddr("/ip4/192.0.2.1/tcp/1")
MANY = 10_000


def peer(number: int) -> PeerID:
    """
    Invent a peer.
    """
    return PeerID.fromBytes(b"\x12\x20" + number.to_bytes(32, "big"))


class GrowthTests(SynchronousTestCase):
    """
    What is done to one peer looks at no others.
    """

    def setUp(self) -> None:
        """
        Fill a store, and count how often a record is looked at from then on.
        """
        self.clock = Clock()
        self.store = MemoryPeerStore(self.clock, Limits(peers=MANY))
        for number in range(MANY):
            self.store.addAddresses(peer(number), [ADDRESS], ttl=3600.0 + number)
        self.looks = 0
        for name in ("due", "measure", "ranked", "excess"):
            self.count(name)

    def count(self, name: str) -> None:
        """
        Count the calls of a method of records.
        """
        method = getattr(Record, name)

        def counted(record: Record, *arguments: object) -> object:
            self.looks += 1
            return method(record, *arguments)

        self.patch(Record, name, counted)

    def test_evict(self) -> None:
        """
        To find out who has to go for a new one.
        """
        for number in range(100):
            self.store.addAddresses(peer(MANY + number), [ADDRESS], ttl=7200.0)
        self.assertLessEqual(self.looks, 3 * 100)
        self.assertEqual(len(self.store.peers()), MANY)
        self.assertEqual(self.store.addresses(peer(0)), [])
        self.assertEqual(self.store.addresses(peer(MANY - 1)), [ADDRESS])

    def test_expire(self) -> None:
        """
        To find out who has expired.
        """
        self.clock.advance(3600.0 + 120.0)
        self.store.addAddresses(peer(MANY), [ADDRESS])
        self.assertLessEqual(self.looks, 3)
        self.assertLess(len(self.store.peers()), MANY)

    def test_ask(self) -> None:
        """
        To answer, and to learn of a connection and its end.
        """
        self.store.addresses(peer(1))
        self.store.connected(peer(1), ADDRESS)
        self.store.disconnected(peer(1))
        self.assertLessEqual(self.looks, 12)

    def test_bounded(self) -> None:
        """
        Peers that come and go leave nothing behind.
        """
        for number in range(MANY):
            self.store.connected(peer(MANY + number), ADDRESS)
            self.store.disconnected(peer(MANY + number))
            self.store.forget(peer(MANY + number))
        book = self.store._book
        self.assertEqual(book._kept, {})
        self.assertEqual(book._agenda.count, len(self.store.peers()))
        self.assertEqual(book._size, sum(record.size for _, record in book.records()))


class ChangeTests(SynchronousTestCase):
    """
    A record is indexed at the end of each change.
    """

    def test_error(self) -> None:
        """
        It is indexed also if the change ends with an error.
        """
        book = Book(Clock(), Limits())
        with self.assertRaises(ZeroDivisionError), book.changing(peer(1)) as record:
            record.addresses[ADDRESS.toBytes()] = KnownAddress(0.0, 1, 3600.0)
            raise ZeroDivisionError
        self.assertEqual(record.size, record.measure())
        self.assertEqual(book._size, record.size)
        self.assertEqual(book._agenda.count, 1)
        self.assertEqual(record.page, 60.0)
