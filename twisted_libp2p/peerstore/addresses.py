# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The address book in memory: addresses of peers, and their signed records.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr, PeerRecord
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IAddressBook, Source
from twisted_libp2p.peerstore.base import MemoryBook
from twisted_libp2p.peerstore.rows import AddressRow
from twisted_libp2p.peerstore.snapshot import namesOf, readable, toSequence

__all__ = ["MemoryAddressBook"]


@implementer(IAddressBook)
class MemoryAddressBook(MemoryBook):
    """
    The addresses where peers may be dialed.
    """

    def prefer(self, dialable: Callable[[Multiaddr], bool]) -> None:
        """
        Keep addresses that can be dialed rather than other addresses.
        """
        self._book.dialable = lambda name: any(map(dialable, readable([name])))

    def addresses(self, peer: PeerID | str) -> list[Multiaddr]:
        """
        Return the addresses where a peer may be dialed, most promising first.
        """
        peer = PeerID.of(peer)
        record = self._book.get(peer)
        if record is None:
            return []
        return readable(record.ranked(self.clock.seconds()))

    def addAddresses(
        self,
        peer: PeerID | str,
        addresses: Iterable[Multiaddr | str],
        source: Source = Source.DISCOVERED,
        ttl: float | None = None,
    ) -> None:
        """
        Add addresses where a peer may be dialed.
        """
        peer = PeerID.of(peer)
        names = namesOf(peer, addresses)
        if names:
            with self._book.changing(peer) as record:
                self._book.add(peer, record, names, source, ttl)

    def setAddresses(
        self,
        peer: PeerID | str,
        addresses: Iterable[Multiaddr | str],
        source: Source,
        ttl: float | None = None,
    ) -> None:
        """
        Replace all addresses of one source.
        """
        peer = PeerID.of(peer)
        names = namesOf(peer, addresses)
        if names or self._book.get(peer) is not None:
            with self._book.changing(peer) as record:
                self._book.replace(peer, record, names, source, ttl)

    def removeAddresses(
        self, peer: PeerID | str, addresses: Iterable[Multiaddr | str]
    ) -> None:
        """
        Remove addresses of a peer.
        """
        peer = PeerID.of(peer)
        if self._book.get(peer) is None:
            return
        with self._book.changing(peer) as record:
            for name in namesOf(peer, addresses):
                if record.addresses.pop(name, None) is not None:
                    self._book.note(peer, (AddressRow, name))

    def succeeded(self, peer: PeerID | str, address: Multiaddr | str) -> None:
        """
        Record that the peer answered at an address.
        """
        peer = PeerID.of(peer)
        for name in namesOf(peer, [address]):
            with self._book.changing(peer) as record:
                self._book.reached(peer, record, name)

    def failed(self, peer: PeerID | str, address: Multiaddr | str) -> None:
        """
        Record that the peer could not be reached at an address.
        """
        peer = PeerID.of(peer)
        if self._book.get(peer) is None:
            return
        with self._book.changing(peer) as record:
            for name in namesOf(peer, [address]):
                if name in record.addresses:
                    record.addresses[name].failed = self._book.stamp()
                    self._book.note(peer, (AddressRow, name))

    def lookup(self, peer: PeerID | str) -> Deferred[list[Multiaddr]]:
        """
        Return the addresses in memory: there are no others.
        """
        peer = PeerID.of(peer)
        return succeed(self.addresses(peer))

    def addRecord(
        self,
        peer: PeerID | str,
        envelope: bytes,
        usable: Collection[Multiaddr | str] | None = None,
    ) -> bool:
        """
        Store a signed record.
        """
        peer = PeerID.of(peer)
        signed = self._newer(peer, envelope)
        if signed is None:
            return False
        names = namesOf(peer, signed.addresses)
        if usable is not None:
            wanted = set(namesOf(peer, usable))
            names = [name for name in names if name in wanted]
        with self._book.changing(peer) as record:
            record.sequence, record.envelope = toSequence(signed), envelope
            self._book.replace(peer, record, names, Source.RECORD)
            self._book.note(peer)
        return True

    def _newer(self, peer: PeerID, envelope: bytes) -> PeerRecord | None:
        """
        Verify a signed record.

        @return: the record; None if it belongs to another peer or is not newer than
            the known record.
        @raise InvalidRecord: this is not a record.
        @raise InvalidSignature: the signature is wrong.
        """
        if envelope == self.record(peer):
            # Verifying the signature would take longer than everything else.
            return None
        signed = PeerRecord.open(envelope)
        if signed.peerID != peer:
            return None
        known = self._book.get(peer)
        if known is not None and toSequence(signed) <= known.sequence:
            return None
        return signed

    def record(self, peer: PeerID | str) -> bytes | None:
        """
        Return the envelope of the latest signed record of a peer.
        """
        peer = PeerID.of(peer)
        record = self._book.get(peer)
        return (record.envelope or None) if record is not None else None

    def certifiedAddresses(self, peer: PeerID | str) -> list[Multiaddr]:
        """
        Return the addresses that the peer has signed.
        """
        peer = PeerID.of(peer)
        record = self._book.get(peer)
        if record is None:
            return []
        return readable(record.certified(self.clock.seconds()))
