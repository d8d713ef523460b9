# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Conversions between stored and public forms: addresses as bytes and as multiaddrs,
protocols as one text and as a list, records and L{PeerInfo}.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from math import inf

from twisted_libp2p.address import Multiaddr, PeerRecord
from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.identity import PeerID, PublicKey
from twisted_libp2p.interfaces import AddressInfo, PeerInfo, Source, TagInfo
from twisted_libp2p.peerstore.records import Limits, Record
from twisted_libp2p.peerstore.rows import AddressRow, PeerRow, Row, TagRow
from twisted_libp2p.peerstore.texts import share
from twisted_libp2p.printable import printable

__all__ = [
    "checkName",
    "checkValue",
    "describe",
    "namesOf",
    "readable",
    "rowsOf",
    "splitLines",
    "toLines",
    "toPrintable",
    "toSequence",
]


def namesOf(peer: PeerID, addresses: Iterable[Multiaddr | str]) -> list[bytes]:
    """
    Convert addresses of a peer to their stored form, each once.
    """
    return list(
        dict.fromkeys(
            bare.toBytes()
            for each in Multiaddr.several(addresses)
            if each.peerID in (None, peer)
            for bare in [each.withoutPeer()]
            if bare
        )
    )


def readable(names: Iterable[bytes]) -> list[Multiaddr]:
    """
    Convert stored addresses to multiaddrs.  Those with an unknown protocol are left
    out: a newer program on the same database may have stored them.
    """
    addresses = []
    for name in names:
        try:
            addresses.append(Multiaddr.fromBytes(name))
        except InvalidInput:
            continue
    return addresses


def toLines(protocols: Iterable[str], limits: Limits) -> str:
    """
    Join protocols, one a line.
    """
    names = (name for name in dict.fromkeys(protocols) if name.isprintable())
    # Most peers run one of a few programs, and share the text.
    return share("\n".join(islice(filter(None, names), limits.protocols)))


def splitLines(text: str) -> tuple[str, ...]:
    """
    Split protocols that stand one a line.
    """
    return tuple(text.split("\n")) if text else ()


def toPrintable(text: str) -> str:
    """
    Remove invisible characters from a text.
    """
    return share(printable(text, hidden=""))


def toSequence(record: PeerRecord) -> bytes:
    """
    Return the sequence number of a signed record in its stored form, which is ordered
    like the numbers.
    """
    return record.sequence.to_bytes(8, "big")


def checkName(name: str) -> None:
    """
    Refuse names that some databases cannot store.

    @raise ValueError: it has characters that are not printable.
    """
    # PostgreSQL has no zero bytes in texts, and no halves of surrogate pairs.
    if not name.isprintable():
        raise ValueError(f"{name!r} is not printable")


def checkValue(value: int) -> None:
    """
    Refuse values of tags that some databases cannot store.

    @raise ValueError: it does not fit into 32 bits.
    """
    if not -(1 << 31) <= value < 1 << 31:
        raise ValueError(f"{value} does not fit into 32 bits")


def describe(
    peer: PeerID, record: Record, key: PublicKey | None, now: float
) -> PeerInfo:
    """
    Return all facts about a peer.

    @param key: its key, from the record or from its id.
    @param now: the time; facts that have expired are left out.
    """
    return PeerInfo(
        peer=peer,
        addresses=tuple(
            AddressInfo(
                address=address,
                source=Source(known.source),
                learnt=known.learnt,
                expires=known.expires,
                succeeded=known.succeeded or None,
                failed=known.failed or None,
            )
            for name in record.ranked(now)
            for known in [record.addresses[name]]
            for address in readable([name])
        ),
        connected=record.connections > 0,
        lastConnected=record.lastConnected or None,
        publicKey=key,
        identifiedAt=record.identifiedAt or None,
        agent=record.agent,
        protocolVersion=record.protocolVersion,
        protocols=splitLines(record.protocols),
        record=record.envelope or None,
        dialect=record.dialect or None,
        dialectLearntAt=record.dialectLearntAt or None,
        tags={
            name: TagInfo(value=tag.value, learnt=tag.learnt, expires=tag.expires)
            for name, tag in record.liveTags(now).items()
        },
        metadata={
            name: note.value
            for name, note in (record.metadata or {}).items()
            if note.expires == inf
        },
    )


def rowsOf(info: PeerInfo, limits: Limits, latest: float) -> list[Row]:
    """
    Split the facts of another store into rows, except for the key and the signed
    record, which have to be verified, and for the metadata.

    @param latest: the time: no fact was learnt after it, whatever the clock of the
        other store said.
    @raise ValueError: a tag cannot be stored.
    """
    peer = info.peer.toBytes()

    def past(time: float | None) -> float:
        return min(time or 0.0, latest)

    rows: list[Row] = [
        PeerRow(
            peer,
            recordedAt=0.0,
            expires=inf,
            lastConnected=past(info.lastConnected),
            publicKey=b"",
            identifiedAt=past(info.identifiedAt),
            agent=toPrintable(info.agent),
            protocolVersion=toPrintable(info.protocolVersion),
            protocols=toLines(info.protocols, limits),
            sequence=b"",
            envelope=b"",
            dialectLearntAt=past(info.dialectLearntAt),
            dialect=toPrintable(info.dialect or ""),
        )
    ]
    rows += (
        AddressRow(
            peer,
            name,
            past(each.learnt),
            int(each.source),
            each.expires,
            past(each.succeeded),
            past(each.failed),
        )
        for each in info.addresses
        for name in namesOf(info.peer, [each.address])
    )
    for name, tag in islice(info.tags.items(), limits.tags):
        checkName(name)
        checkValue(tag.value)
        rows.append(TagRow(peer, name, past(tag.learnt), tag.value, tag.expires))
    return rows
