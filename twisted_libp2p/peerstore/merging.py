# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Merging: records become rows, and rows from elsewhere are merged into records.  Of two
versions of a fact the later one wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from twisted_libp2p.interfaces import Source
from twisted_libp2p.peerstore.records import FACTS_TTL, KnownAddress, Note, Record, T
from twisted_libp2p.peerstore.rows import (
    AddressRow,
    Key,
    MetadataRow,
    PeerRow,
    Row,
    TagRow,
)
from twisted_libp2p.peerstore.texts import share

__all__ = ["childKeys", "childRow", "hasRow", "isCovered", "mergeRow", "peerRow"]


def peerRow(record: Record, peer: bytes, stamp: float, now: float) -> PeerRow:
    """
    Return the row of the peer itself.

    @param stamp: when the row was made, later than all that was read.
    @param now: the time.
    """
    due = record.due() or now
    return PeerRow(
        peer,
        recordedAt=stamp,
        expires=max(due, now + FACTS_TTL) if record.kept else due,
        lastConnected=record.lastConnected,
        publicKey=record.publicKey,
        identifiedAt=record.identifiedAt,
        agent=record.agent,
        protocolVersion=record.protocolVersion,
        protocols=record.protocols,
        sequence=record.sequence,
        envelope=record.envelope,
        dialectLearntAt=record.dialectLearntAt,
        dialect=record.dialect,
    )


def childKeys(record: Record) -> Iterator[Key]:
    """
    Return the keys of all rows except the peer's own.
    """
    for address in record.addresses:
        yield AddressRow, address
    for tag in record.tags or ():
        yield TagRow, tag
    for name in record.metadata or ():
        yield MetadataRow, name


def hasRow(record: Record, key: Key) -> bool:
    """
    Check whether a record has the address, tag or metadata of a row.
    """
    kind, name = key
    if isinstance(name, bytes):
        return name in record.addresses
    return name in ((record.tags if kind is TagRow else record.metadata) or ())


def childRow(record: Record, peer: bytes, key: Key, now: float) -> Row:
    """
    Return the row of an address, a tag or metadata; if the record has none, return a
    row that marks it as removed.
    """
    kind, name = key
    if isinstance(name, bytes):
        known = record.addresses.get(name)
        if known is None:
            return AddressRow(peer, name, now, 0, 0.0, 0.0, 0.0)
        return AddressRow(
            peer,
            name,
            known.learnt,
            known.source,
            known.expires,
            known.succeeded,
            known.failed,
        )
    if kind is TagRow:
        tag = (record.tags or {}).get(name)
        if tag is None:
            return TagRow(peer, name, now, 0, 0.0)
        return TagRow(peer, name, tag.learnt, tag.value, tag.expires)
    note = (record.metadata or {}).get(name)
    if note is None:
        return MetadataRow(peer, name, now, b"", 0.0)
    return MetadataRow(peer, name, note.learnt, note.value, note.expires)


def mergeRow(record: Record, row: Row, now: float) -> None:
    """
    Take over the facts of a row that are later than those of the record.
    """
    if isinstance(row, PeerRow):
        _mergePeer(record, row)
    elif isinstance(row, AddressRow):
        _mergeAddress(record, row, now)
    elif isinstance(row, TagRow):
        tags = record.tags = {} if record.tags is None else record.tags
        if _isLater(tags, row, now):
            tags[row.name] = Note(row.learnt, row.value, row.expires)
    else:
        metadata = record.metadata = {} if record.metadata is None else record.metadata
        if _isLater(metadata, row, now):
            metadata[row.name] = Note(row.learnt, row.value, row.expires)


def isCovered(record: Record, rows: Iterable[Row]) -> bool:
    """
    Check whether a record has no fact that is later than those of all rows about its
    peer.
    """
    found = {row.key: row for row in rows}
    own = found.get(None)
    return (
        isinstance(own, PeerRow)
        and _coversFacts(record, own)
        and all(
            _coversAddress(known, found.get((AddressRow, name)))
            for name, known in record.addresses.items()
        )
        and all(
            isinstance(row := found.get((kind, name)), kind)
            and note.learnt <= row.learnt
            for kind, notes in ((TagRow, record.tags), (MetadataRow, record.metadata))
            for name, note in (notes or {}).items()
        )
    )


def _coversFacts(record: Record, row: PeerRow) -> bool:
    return (
        record.lastConnected <= row.lastConnected
        and record.identifiedAt <= row.identifiedAt
        and record.sequence <= row.sequence
        and record.dialectLearntAt <= row.dialectLearntAt
        and bool(row.publicKey or not record.publicKey)
    )


def _coversAddress(known: KnownAddress, row: Row | None) -> bool:
    return (
        isinstance(row, AddressRow)
        and known.learnt <= row.learnt
        and known.succeeded <= row.succeeded
        and known.failed <= row.failed
    )


def _mergePeer(record: Record, row: PeerRow) -> None:
    record.lastConnected = max(record.lastConnected, row.lastConnected)
    record.publicKey = record.publicKey or row.publicKey
    if row.identifiedAt > record.identifiedAt:
        record.identifiedAt = row.identifiedAt
        # Most peers run one of a few programs.
        record.agent = share(row.agent)
        record.protocolVersion = share(row.protocolVersion)
        record.protocols = share(row.protocols)
    if row.sequence > record.sequence:
        record.sequence, record.envelope = row.sequence, row.envelope
    if row.dialectLearntAt > record.dialectLearntAt:
        record.dialectLearntAt = row.dialectLearntAt
        record.dialect = share(row.dialect)


def _mergeAddress(record: Record, row: AddressRow, now: float) -> None:
    known = record.addresses.get(row.address)
    if known is None:
        if row.expires > now:
            record.addresses[row.address] = KnownAddress(*row[2:])
        return
    # Other programs cannot take back an address that our own user named.
    if row.learnt > known.learnt and not known.source & Source.CONFIGURED:
        if not row.expires:
            del record.addresses[row.address]
            return
        known.learnt, known.source, known.expires = row[2:5]
    known.succeeded = max(known.succeeded, row.succeeded)
    known.failed = max(known.failed, row.failed)


def _isLater(notes: dict[str, Note[T]], row: TagRow | MetadataRow, now: float) -> bool:
    """
    Check whether the note of a row has to be stored; drop an earlier one that the row
    says was removed, or has expired.
    """
    known = notes.get(row.name)
    if known is not None and row.learnt <= known.learnt:
        return False
    if row.expires > now:
        return True
    notes.pop(row.name, None)
    return False
