# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The peerstore in memory, which answers at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from itertools import islice
from math import inf

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr, PeerRecord
from twisted_libp2p.errors import InvalidKey, LimitExceeded
from twisted_libp2p.identity import PeerID, PublicKey
from twisted_libp2p.interfaces import IPeerStore, PeerInfo, Source
from twisted_libp2p.peerstore.book import Book
from twisted_libp2p.peerstore.records import FACTS_TTL, Limits, Note, Record
from twisted_libp2p.peerstore.rows import AddressRow, MetadataRow, PeerRow, TagRow
from twisted_libp2p.peerstore.snapshot import (
    checkName,
    checkValue,
    describe,
    namesOf,
    printable,
    readable,
    rowsOf,
    splitLines,
    toLines,
)
from twisted_libp2p.peerstore.texts import share

__all__ = ["MemoryPeerStore"]


@implementer(IPeerStore)
class MemoryPeerStore:
    """
    A peerstore that forgets when the program ends.

    No timer runs: what has expired is not told any more, and goes when
    something else comes.

    @ivar clock: tells how old a fact is.
    @ivar limits: how much is known at the most.
    """

    def __init__(self, clock: IReactorTime, limits: Limits | None = None) -> None:
        """
        @param clock: tells how old a fact is.
        @param limits: how much is known at the most.
        """
        self.clock = clock
        self.limits = limits or Limits()
        self._book = Book(clock, self.limits)

    def prefer(self, dialable: Callable[[Multiaddr], bool]) -> None:
        """
        Keep addresses that can be dialed rather than others.
        """
        self._book.dialable = lambda name: any(map(dialable, readable([name])))

    # Addresses

    def addresses(self, peer: PeerID | str) -> list[Multiaddr]:
        """
        Give where a peer may be dialed, the most promising first.
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
        Learn where a peer may be dialed.
        """
        peer = PeerID.of(peer)
        names = namesOf(peer, addresses)
        if names:
            record = self._book.open(peer)
            self._book.add(peer, record, names, source, ttl)
            self._book.settle(peer, record)

    def setAddresses(
        self,
        peer: PeerID | str,
        addresses: Iterable[Multiaddr | str],
        source: Source,
        ttl: float | None = None,
    ) -> None:
        """
        Learn all that one source has to say.
        """
        peer = PeerID.of(peer)
        names = namesOf(peer, addresses)
        if names or self._book.get(peer) is not None:
            record = self._book.open(peer)
            self._book.replace(peer, record, names, source, ttl)
            self._book.settle(peer, record)

    def removeAddresses(
        self, peer: PeerID | str, addresses: Iterable[Multiaddr | str]
    ) -> None:
        """
        Learn where a peer may not be dialed any more.
        """
        peer = PeerID.of(peer)
        record = self._book.get(peer)
        if record is not None:
            for name in namesOf(peer, addresses):
                if record.addresses.pop(name, None) is not None:
                    self._book.note(peer, (AddressRow, name))
            self._book.settle(peer, record)

    def succeeded(self, peer: PeerID | str, address: Multiaddr | str) -> None:
        """
        Learn that the peer has answered at an address.
        """
        peer = PeerID.of(peer)
        for name in namesOf(peer, [address]):
            record = self._book.open(peer)
            self._book.add(peer, record, [name], Source.DIALED)
            if name in record.addresses:
                record.addresses[name].succeeded = self._book.stamp()
            self._book.settle(peer, record)

    def failed(self, peer: PeerID | str, address: Multiaddr | str) -> None:
        """
        Learn that the peer could not be reached at an address.
        """
        peer = PeerID.of(peer)
        record = self._book.get(peer)
        if record is not None:
            for name in namesOf(peer, [address]):
                if name in record.addresses:
                    record.addresses[name].failed = self._book.stamp()
                    self._book.note(peer, (AddressRow, name))

    def lookup(self, peer: PeerID | str) -> Deferred[list[Multiaddr]]:
        """
        Give what is in memory: there is nothing else.
        """
        peer = PeerID.of(peer)
        return succeed(self.addresses(peer))

    # Signed records

    def addRecord(
        self,
        peer: PeerID | str,
        envelope: bytes,
        usable: Collection[Multiaddr | str] | None = None,
    ) -> bool:
        """
        Learn a signed record.
        """
        peer = PeerID.of(peer)
        if envelope == self.record(peer):
            # To verify a signature takes longer than all else.
            return False
        told = PeerRecord.open(envelope)
        if told.peerID != peer:
            return False
        sequence = told.sequence.to_bytes(8, "big")
        known = self._book.get(peer)
        if known is not None and sequence <= known.sequence:
            return False
        names = namesOf(peer, told.addresses)
        if usable is not None:
            wanted = set(namesOf(peer, usable))
            names = [name for name in names if name in wanted]
        record = self._book.open(peer)
        record.sequence, record.envelope = sequence, envelope
        self._book.replace(peer, record, names, Source.RECORD)
        self._changed(peer, record)
        return True

    def record(self, peer: PeerID | str) -> bytes | None:
        """
        Give the last signed record of a peer.
        """
        peer = PeerID.of(peer)
        record = self._book.get(peer)
        return (record.envelope or None) if record is not None else None

    def certifiedAddresses(self, peer: PeerID | str) -> list[Multiaddr]:
        """
        Give the addresses that the peer has signed.
        """
        peer = PeerID.of(peer)
        record = self._book.get(peer)
        if record is None:
            return []
        return readable(
            name
            for name in record.ranked(self.clock.seconds())
            if record.addresses[name].source & Source.RECORD
        )

    # What a peer is

    def identified(
        self,
        peer: PeerID | str,
        agent: str,
        protocolVersion: str,
        protocols: Iterable[str],
    ) -> None:
        """
        Learn what a peer says it is.
        """
        peer = PeerID.of(peer)
        served = toLines(protocols, self.limits)
        record = self._book.open(peer)
        record.told = self._book.stamp()
        record.agent = printable(agent)
        record.network = printable(protocolVersion)
        record.protocols = served
        self._changed(peer, record)

    def protocols(self, peer: PeerID | str) -> tuple[str, ...]:
        """
        Give what a peer serves.
        """
        peer = PeerID.of(peer)
        record = self._book.get(peer)
        return splitLines(record.protocols) if record is not None else ()

    def publicKey(self, peer: PeerID | str) -> PublicKey | None:
        """
        Give the key of a peer, if it is known.
        """
        peer = PeerID.of(peer)
        inline = peer.publicKey()
        record = self._book.get(peer)
        if inline is not None or record is None or not record.key:
            return inline
        return PublicKey.fromBytes(record.key)

    def setPublicKey(self, peer: PeerID | str, key: PublicKey) -> None:
        """
        Learn the key of a peer.
        """
        peer = PeerID.of(peer)
        if not peer.matches(key):
            raise InvalidKey(f"this is not the key of {peer}")
        if peer.holdsKey:
            return
        record = self._book.open(peer)
        if record.key != key.toBytes():
            record.key = key.toBytes()
            self._changed(peer, record)

    def dialect(self, peer: PeerID | str) -> str | None:
        """
        Tell how a peer negotiates, if that was learnt within a day.
        """
        peer = PeerID.of(peer)
        record = self._book.get(peer)
        if record is None or self.clock.seconds() - record.spoken > FACTS_TTL:
            return None
        return record.dialect or None

    def setDialect(self, peer: PeerID | str, dialect: str) -> None:
        """
        Learn how a peer negotiates.
        """
        peer = PeerID.of(peer)
        record = self._book.open(peer)
        record.spoken = self._book.stamp()
        record.dialect = share(dialect)
        self._changed(peer, record)

    # Connections

    def connected(
        self, peer: PeerID | str, address: Multiaddr | str | None = None
    ) -> None:
        """
        Learn that there is one more connection to a peer.
        """
        peer = PeerID.of(peer)
        record = self._book.open(peer)
        # What has expired does not come back to life.
        self._book.trim(peer, record)
        record.connections += 1
        record.met = self._book.stamp()
        self._changed(peer, record)
        if address is not None:
            self.succeeded(peer, address)

    def disconnected(self, peer: PeerID | str) -> None:
        """
        Learn that one connection has ended.
        """
        peer = PeerID.of(peer)
        record = self._book.get(peer)
        if record is not None and record.connections:
            self._book.prolong(peer, record)
            record.connections -= 1
            self._book.settle(peer, record)

    def protect(self, peer: PeerID | str) -> None:
        """
        Keep what is known of a peer.
        """
        peer = PeerID.of(peer)
        record = self._book.open(peer)
        record.protected = True
        self._changed(peer, record)

    def unprotect(self, peer: PeerID | str) -> None:
        """
        End L{protect}.
        """
        peer = PeerID.of(peer)
        record = self._book.get(peer)
        if record is not None:
            record.protected = False
            self._book.settle(peer, record)

    # What the application says of peers

    def tags(self, peer: PeerID | str) -> dict[str, int]:
        """
        Give the tags of a peer.
        """
        peer = PeerID.of(peer)
        return {name: tag.value for name, tag in self._tags(peer).items()}

    def setTag(
        self, peer: PeerID | str, name: str, value: int = 0, ttl: float | None = None
    ) -> None:
        """
        Tag a peer.

        @raise ValueError: the name is not printable, or the value does not fit
            into 32 bits.
        """
        peer = PeerID.of(peer)
        checkName(name)
        checkValue(value)
        tags = self._tags(peer)
        expires = inf if ttl is None else self.clock.seconds() + ttl
        tags[name] = Note(self._book.stamp(), value, expires)
        if len(tags) > self.limits.tags:
            raise LimitExceeded(
                "tags of a peer", self.limits.tags, len(tags) - 1, "Limits.tags"
            )
        record = self._book.open(peer)
        record.tags = tags
        self._book.note(peer, (TagRow, name))
        self._book.settle(peer, record)

    def removeTag(self, peer: PeerID | str, name: str) -> None:
        """
        Take a tag from a peer.
        """
        peer = PeerID.of(peer)
        record = self._book.get(peer)
        if record is not None and record.tags and record.tags.pop(name, None):
            self._book.note(peer, (TagRow, name))
            self._book.settle(peer, record)

    def metadata(self, peer: PeerID | str) -> dict[str, bytes]:
        """
        Give what the application has said of a peer.
        """
        peer = PeerID.of(peer)
        record = self._book.get(peer)
        metadata = record.metadata if record is not None else None
        return {name: note.value for name, note in (metadata or {}).items()}

    def setMetadata(self, peer: PeerID | str, name: str, value: bytes | None) -> None:
        """
        Note something of a peer.

        @raise ValueError: the name is not printable.
        """
        peer = PeerID.of(peer)
        checkName(name)
        told = self.metadata(peer)
        if value is None:
            if told.pop(name, None) is None:
                return
        else:
            told[name] = value
        size = sum(len(key.encode()) + len(told[key]) for key in told)
        limit = self.limits.metadata
        if value is not None and size > limit:
            raise LimitExceeded("metadata of a peer", limit, size, "Limits.metadata")
        record = self._book.open(peer)
        notes = record.metadata = record.metadata or {}
        if value is None:
            del notes[name]
        else:
            notes[name] = Note(self._book.stamp(), value)
        self._book.note(peer, (MetadataRow, name))
        self._book.settle(peer, record)

    # All that is known

    def peers(self) -> list[PeerID]:
        """
        Give the peers of which anything is known.
        """
        return self._book.peers()

    def recent(self, count: int) -> list[PeerID]:
        """
        Return the peers that were connected, are not now, and can be dialed:
        first those that we have dialed, then those that have stayed.
        """
        now, dialable = self.clock.seconds(), self._book.dialable
        met = sorted(
            (
                (record.merit, record.met, peer, record)
                for peer, record in self._book.records()
                if record.met and not record.connections
            ),
            reverse=True,
        )
        found = (
            peer
            for *_, peer, record in met
            if (
                any(map(dialable, record.ranked(now)))
                if dialable is not None
                else record.ranked(now)
            )
        )
        return list(islice(found, count))

    def info(self, peer: PeerID | str) -> PeerInfo | None:
        """
        Give all that is known of a peer.
        """
        peer = PeerID.of(peer)
        record = self._book.get(peer)
        if record is None:
            return None
        return describe(
            peer, record, self.publicKey(peer), self._tags(peer), self.clock.seconds()
        )

    def merge(self, info: PeerInfo) -> None:
        """
        Learn all that another store knew of a peer.

        @raise InvalidKey: the key is another's.
        @raise InvalidRecord: the signed record is none.
        @raise InvalidSignature: its signature is wrong.
        @raise ValueError: a tag is not one that L{setTag} would take.
        """
        peer, now = info.peer, self.clock.seconds()
        rows = rowsOf(info, self.limits, self._book.stamp())
        told = PeerRecord.open(info.record) if info.record is not None else None
        if info.publicKey is not None:
            self.setPublicKey(peer, info.publicKey)
        record = self._book.open(peer)
        if told is not None and told.peerID == peer:
            sequence = told.sequence.to_bytes(8, "big")
            if sequence > record.sequence:
                record.sequence, record.envelope = sequence, info.record or b""
                # Its addresses are among the others, with their own times.
                self._book.replace(peer, record, [], Source.RECORD)
        for row in rows:
            self._book.exceed(row.latest)
            record.take(row, now)
            self._book.note(
                peer, None if isinstance(row, PeerRow) else (type(row), row.name)
            )
        self._book.trim(peer, record)
        self._book.settle(peer, record)
        for name in info.metadata.keys() - self.metadata(peer).keys():
            self.setMetadata(peer, name, info.metadata[name])

    def forget(self, peer: PeerID | str) -> None:
        """
        Forget a peer.
        """
        peer = PeerID.of(peer)
        self._book.forget(peer)

    # What is kept

    def whenLoaded(self) -> Deferred[None]:
        """
        Nothing was kept, and that is known at once.
        """
        return succeed(None)

    def flush(self) -> Deferred[None]:
        """
        Nothing is kept.
        """
        return succeed(None)

    def _changed(self, peer: PeerID, record: Record) -> None:
        """
        Something of the peer itself has changed.
        """
        self._book.note(peer)
        self._book.settle(peer, record)

    def _tags(self, peer: PeerID) -> dict[str, Note[int]]:
        """
        Give the tags of a peer that have not expired.
        """
        record = self._book.get(peer)
        tags = record.tags if record is not None else None
        now = self.clock.seconds()
        return {name: tag for name, tag in (tags or {}).items() if tag.expires > now}
