# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.peerstore.records}: the memory that records are measured to
take.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.peerstore.test_texts import MIXED
from tests.traced import traced
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import Identification, Source
from twisted_libp2p.peerstore import MemoryPeerStore
from twisted_libp2p.peerstore.records import Limits, Note, Record
from twisted_libp2p.peerstore.texts import MAX_SHARED, MAX_SIZE


class RecordSizeTests(SynchronousTestCase):
    """
    Records are reckoned by their memory.
    """

    def assertReckoned(self, make: Callable[[int], Record]) -> None:
        """
        Compare what records are reckoned to take with what they take.
        """
        make(0).measure()
        with traced() as held:
            records = [make(number) for number in range(1, 101)]
            taken = held()
        reckoned = sum(each.measure() for each in records)
        self.assertGreaterEqual(reckoned, taken)

    def test_texts(self) -> None:
        """
        Whatever characters the texts of a peer have, they are reckoned in full.
        """
        for text in MIXED:
            for make in (
                lambda n, text=text: Record(agent=f"{n}{text}"),
                lambda n, text=text: Record(protocolVersion=f"{n}{text}"),
                lambda n, text=text: Record(dialect=f"{n}{text}"),
                lambda n, text=text: Record(protocols=f"{n}{text * 40}"),
                lambda n, text=text: Record(tags={f"{n}{text}": Note(0.0, n)}),
                lambda n, text=text: Record(
                    metadata={f"{n}{text}": Note(0.0, bytes(n))}
                ),
            ):
                self.assertReckoned(make)

    def test_bytes(self) -> None:
        """
        So are its signed record, its key and its addresses.
        """
        self.assertReckoned(
            lambda n: Record(envelope=bytes(4000 + n), publicKey=bytes(1000 + n))
        )

    def test_addresses(self) -> None:
        """
        Many addresses are reckoned in full, also those that were dialed.
        """
        clock = Clock()
        clock.advance(1e9)
        peers = [
            PeerID.fromBytes(b"\x12\x20" + number.to_bytes(32, "big"))
            for number in range(50)
        ]
        addresses = [
            Multiaddr(f"/ip4/8.8.8.8/tcp/{number}").toBytes() for number in range(64)
        ]
        with traced() as held:
            store = MemoryPeerStore(clock, Limits())
            for peer in peers:
                for each in addresses:
                    clock.advance(0.1)
                    address = Multiaddr.fromBytes(bytes(bytearray(each)))
                    store.addAddresses(peer, [address], Source.IDENTIFY)
                    store.succeeded(peer, address)
            taken = held()
        reckoned = sum(record.measure() for _, record in store._book.records())
        self.assertGreaterEqual(reckoned, taken)

    def test_store(self) -> None:
        """
        A peerstore that is full takes no more memory than it was given, though
        all its texts are wide.
        """
        limit = 1024 * 1024
        wide = "\N{SNAIL}"
        with traced() as held:
            store = MemoryPeerStore(Clock(), Limits(memory=limit))
            for number in range(1000):
                peer = PeerID.fromBytes(b"\x12\x20" + number.to_bytes(32, "big"))
                store.learn(
                    peer,
                    Identification(
                        f"{number}{wide * 200}",
                        f"{number}{wide * 200}",
                        tuple([f"/{number}/{each}{wide * 20}" for each in range(50)]),
                    ),
                )
                store.addAddresses(
                    peer, [Multiaddr(f"/ip4/8.8.8.8/tcp/{number + 1}")], Source.IDENTIFY
                )
            taken = held()
        self.assertGreater(len(store.peers()), 10)
        # The texts that are shared are bounded by themselves.
        self.assertLess(taken, limit + MAX_SHARED * MAX_SIZE)
