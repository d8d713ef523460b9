# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.peerstore.memory} and its books, beyond the suite of
L{twisted_libp2p.testing.peerstore}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyClass

from twisted_libp2p.address import Multiaddr, PeerRecord
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import (
    IAddressBook,
    Identification,
    IKeyBook,
    IMetadataBook,
    IPeerStore,
    IProtocolBook,
    Source,
)
from twisted_libp2p.peerstore import MemoryPeerStore
from twisted_libp2p.peerstore.addresses import MemoryAddressBook
from twisted_libp2p.peerstore.journal import Journal
from twisted_libp2p.peerstore.keys import MemoryKeyBook
from twisted_libp2p.peerstore.metadata import MemoryMetadataBook
from twisted_libp2p.peerstore.protocols import MemoryProtocolBook
from twisted_libp2p.peerstore.records import Record

ADDRESS = Multiaddr("/ip4/192.0.2.1/tcp/1")
OTHER = Multiaddr("/ip4/192.0.2.1/tcp/2")


class ContractTests(SynchronousTestCase):
    """
    Each book fulfils its contract alone.
    """

    def test_books(self) -> None:
        """
        The store provides all of them.
        """
        for contract, book in (
            (IAddressBook, MemoryAddressBook),
            (IKeyBook, MemoryKeyBook),
            (IProtocolBook, MemoryProtocolBook),
            (IMetadataBook, MemoryMetadataBook),
        ):
            self.assertTrue(verifyClass(contract, book))
            self.assertTrue(verifyClass(contract, MemoryPeerStore))
        self.assertTrue(verifyClass(IPeerStore, MemoryPeerStore))


class ChangeTests(SynchronousTestCase):
    """
    The cost of a change.
    """

    def setUp(self) -> None:
        """
        Make a store that counts how often it indexes a record.
        """
        clock = Clock()
        clock.advance(1000.0)
        self.store = MemoryPeerStore(clock)
        self.identity = Identity.generate()
        self.peer = self.identity.peerID
        self.indexed = 0
        reindex = self.store._book._reindex

        def counted(peer: PeerID, record: Record) -> None:
            self.indexed += 1
            reindex(peer, record)

        self.patch(self.store._book, "_reindex", counted)

    def test_once(self) -> None:
        """
        Everything that one event brings is indexed once.
        """
        record = PeerRecord(self.peer, 1, (ADDRESS,)).seal(self.identity)
        everything = Identification("agent", "net", ("/a",), (ADDRESS, OTHER))
        signed = Identification("agent", "net", ("/a",), (ADDRESS, OTHER), None, record)
        store, peer = self.store, self.peer
        for change in (
            lambda: store.connected(peer, ADDRESS),
            lambda: store.learn(peer, everything),
            lambda: store.learn(peer, signed),
            lambda: store.learn(peer, signed),
            lambda: store.setDialect(peer, "multistream"),
            lambda: store.disconnected(peer),
        ):
            self.indexed = 0
            change()
            self.assertEqual(self.indexed, 1)

    def test_nothing(self) -> None:
        """
        Calls that change nothing do not make a record.
        """
        store, peer = self.store, self.peer
        store.removeAddresses(peer, [ADDRESS])
        store.setAddresses(peer, [], Source.IDENTIFY)
        store.failed(peer, ADDRESS)
        store.disconnected(peer)
        store.unprotect(peer)
        store.removeTag(peer, "tag")
        store.setMetadata(peer, "name", None)
        store.setPublicKey(peer, self.identity.publicKey)
        self.assertEqual(self.indexed, 0)
        self.assertEqual(store.peers(), [])

    def test_journal(self) -> None:
        """
        The rows that a report changes are in the journal, and no others.
        """
        journal = self.store._book.journal = Journal(lambda: None)
        self.store.learn(self.peer, Identification(listenAddresses=(ADDRESS, OTHER)))
        (entry,) = journal.take(10).values()
        self.assertEqual(
            [name for _, name in entry.keys], [ADDRESS.toBytes(), OTHER.toBytes()]
        )
        journal.done(0.0)
        self.store.learn(self.peer, Identification(listenAddresses=(OTHER,)))
        (entry,) = journal.take(10).values()
        self.assertEqual(
            {name for _, name in entry.keys}, {ADDRESS.toBytes(), OTHER.toBytes()}
        )
