# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The peerstore in memory: the four books, joined.
"""

from __future__ import annotations

from itertools import islice

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr, PeerRecord
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import Identification, IPeerStore, PeerInfo, Source
from twisted_libp2p.peerstore.addresses import MemoryAddressBook
from twisted_libp2p.peerstore.keys import MemoryKeyBook
from twisted_libp2p.peerstore.merging import mergeRow
from twisted_libp2p.peerstore.metadata import MemoryMetadataBook
from twisted_libp2p.peerstore.protocols import MemoryProtocolBook
from twisted_libp2p.peerstore.snapshot import (
    describe,
    namesOf,
    rowsOf,
    splitLines,
    toLines,
    toPrintable,
    toSequence,
)

__all__ = ["MemoryPeerStore"]


@implementer(IPeerStore)
class MemoryPeerStore(
    MemoryAddressBook, MemoryKeyBook, MemoryProtocolBook, MemoryMetadataBook
):
    """
    A peerstore whose facts are gone when the program ends.

    No timer runs: facts that have expired are no longer returned, and are dropped when
    others are added.
    """

    def learn(self, peer: PeerID | str, identification: Identification) -> None:
        """
        Store everything that a peer reports about itself.
        """
        peer = PeerID.of(peer)
        listening = namesOf(peer, identification.listenAddresses)
        envelope = identification.record
        signed = None if envelope is None else self._newer(peer, envelope)
        with self._book.changing(peer) as record:
            record.identifiedAt = self._book.stamp()
            # Most peers come again with the same facts, which are not copied again.
            if record.agent != identification.agent:
                record.agent = toPrintable(identification.agent)
            if record.protocolVersion != identification.protocolVersion:
                record.protocolVersion = toPrintable(identification.protocolVersion)
            protocols = tuple(identification.protocols)
            if splitLines(record.protocols) != protocols:
                record.protocols = toLines(protocols, self.limits)
            self._book.note(peer)
            self._book.replace(peer, record, listening, Source.IDENTIFY)
            if envelope is None:
                return
            if signed is not None:
                record.sequence, record.envelope = toSequence(signed), envelope
                certified = set(namesOf(peer, signed.addresses))
            else:
                certified = record.signed()
            # A signed address that the peer no longer reports is dropped.
            names = [name for name in listening if name in certified]
            self._book.replace(peer, record, names, Source.RECORD)

    # Connections

    def connected(
        self, peer: PeerID | str, address: Multiaddr | str | None = None
    ) -> None:
        """
        Record one more connection to a peer.
        """
        peer = PeerID.of(peer)
        with self._book.changing(peer) as record:
            # Expired addresses do not become valid again.
            self._book.trim(peer, record)
            record.connections += 1
            record.lastConnected = self._book.stamp()
            self._book.note(peer)
            for name in [] if address is None else namesOf(peer, [address]):
                self._book.reached(peer, record, name)

    def disconnected(self, peer: PeerID | str) -> None:
        """
        Record the end of one connection.
        """
        peer = PeerID.of(peer)
        known = self._book.get(peer)
        if known is not None and known.connections:
            with self._book.changing(peer) as record:
                self._book.prolong(peer, record)
                record.connections -= 1

    def protect(self, peer: PeerID | str) -> None:
        """
        Keep all facts about a peer.
        """
        peer = PeerID.of(peer)
        with self._book.changing(peer) as record:
            record.protected = True
            self._book.note(peer)

    def unprotect(self, peer: PeerID | str) -> None:
        """
        End L{protect}.
        """
        peer = PeerID.of(peer)
        if self._book.get(peer) is not None:
            with self._book.changing(peer) as record:
                record.protected = False

    # All facts at once

    def peers(self) -> list[PeerID]:
        """
        Return all known peers.
        """
        return self._book.peers()

    def recent(self, count: int) -> list[PeerID]:
        """
        Return the peers that were connected, are not now, and can be dialed:
        first those that we have dialed, then those that have stayed.
        """
        now, dialable = self.clock.seconds(), self._book.dialable
        before = sorted(
            (
                (record.merit, record.lastConnected, peer, record)
                for peer, record in self._book.records()
                if record.lastConnected and not record.connections
            ),
            reverse=True,
        )
        found = (
            peer
            for *_, peer, record in before
            if (
                any(map(dialable, record.ranked(now)))
                if dialable is not None
                else record.ranked(now)
            )
        )
        return list(islice(found, count))

    def info(self, peer: PeerID | str) -> PeerInfo | None:
        """
        Return all facts about a peer.
        """
        peer = PeerID.of(peer)
        record = self._book.get(peer)
        if record is None:
            return None
        return describe(peer, record, self.publicKey(peer), self.clock.seconds())

    def merge(self, info: PeerInfo) -> None:
        """
        Take over the facts of another store about a peer.

        @raise InvalidKey: the key belongs to another peer.
        @raise InvalidRecord: the signed record is not one.
        @raise InvalidSignature: its signature is wrong.
        @raise ValueError: C{setTag} would refuse a tag.
        """
        peer, now = info.peer, self.clock.seconds()
        rows = rowsOf(info, self.limits, self._book.stamp())
        signed = PeerRecord.open(info.record) if info.record is not None else None
        if info.publicKey is not None:
            self.setPublicKey(peer, info.publicKey)
        with self._book.changing(peer) as record:
            if signed is not None and signed.peerID == peer:
                sequence = toSequence(signed)
                if sequence > record.sequence:
                    record.sequence, record.envelope = sequence, info.record or b""
                    # Its addresses are among the others, with their own times.
                    self._book.replace(peer, record, [], Source.RECORD)
            for row in rows:
                self._book.exceed(row.latest)
                mergeRow(record, row, now)
                self._book.note(peer, row.key)
            self._book.trim(peer, record)
        for name in info.metadata.keys() - self.metadata(peer).keys():
            self.setMetadata(peer, name, info.metadata[name])

    def forget(self, peer: PeerID | str) -> None:
        """
        Forget a peer.
        """
        peer = PeerID.of(peer)
        self._book.forget(peer)

    # Storage

    def whenLoaded(self) -> Deferred[None]:
        """
        Return a Deferred that has fired: there is nothing to load.
        """
        return succeed(None)

    def flush(self) -> Deferred[None]:
        """
        Return a Deferred that has fired: there is nowhere to store facts.
        """
        return succeed(None)
