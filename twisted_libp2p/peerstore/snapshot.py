# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Between what is kept and what is told: addresses as bytes and as multiaddrs,
protocols in one text and one by one, records and what people see of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from math import inf

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.identity import PeerID, PublicKey
from twisted_libp2p.interfaces import AddressInfo, PeerInfo, Source, TagInfo
from twisted_libp2p.peerstore.records import Limits, Note, Record
from twisted_libp2p.peerstore.rows import AddressRow, PeerRow, Row, TagRow
from twisted_libp2p.peerstore.texts import share
from twisted_libp2p.printable import printable as shown

__all__ = [
    "checkName",
    "checkValue",
    "describe",
    "namesOf",
    "printable",
    "readable",
    "rowsOf",
    "splitLines",
    "toLines",
]


def namesOf(peer: PeerID, addresses: Iterable[Multiaddr | str]) -> list[bytes]:
    """
    Write addresses of a peer as they are kept, each once.
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
    Read addresses as they are kept; an older program may not know a protocol
    that a newer one, on the same database, does.
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
    Write protocols one a line.
    """
    names = (name for name in dict.fromkeys(protocols) if name.isprintable())
    # Most peers run one of a few programs, and share the text.
    return share("\n".join(islice(filter(None, names), limits.protocols)))


def splitLines(text: str) -> tuple[str, ...]:
    """
    Read protocols that are one a line.
    """
    return tuple(text.split("\n")) if text else ()


def printable(text: str) -> str:
    """
    Leave out of a text the characters that are not seen.
    """
    return share(shown(text, hidden=""))


def checkName(name: str) -> None:
    """
    Refuse names that not every database can keep.

    @raise ValueError: it has characters that are not printable.
    """
    # PostgreSQL has no zero bytes in texts, and no half characters.
    if not name.isprintable():
        raise ValueError(f"{name!r} is not printable")


def checkValue(value: int) -> None:
    """
    Refuse values of tags that not every database can keep.

    @raise ValueError: it does not fit into 32 bits.
    """
    if not -(1 << 31) <= value < 1 << 31:
        raise ValueError(f"{value} does not fit into 32 bits")


def describe(
    peer: PeerID,
    record: Record,
    key: PublicKey | None,
    tags: Mapping[str, Note[int]],
    now: float,
) -> PeerInfo:
    """
    Tell what is known of a peer.

    @param key: its key, from wherever it is known.
    @param tags: those that have not expired.
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
        met=record.met or None,
        publicKey=key,
        identified=record.told or None,
        agent=record.agent,
        protocolVersion=record.network,
        protocols=splitLines(record.protocols),
        record=record.envelope or None,
        dialect=record.dialect or None,
        dialectLearnt=record.spoken or None,
        tags={
            name: TagInfo(value=tag.value, learnt=tag.learnt, expires=tag.expires)
            for name, tag in tags.items()
        },
        metadata={name: note.value for name, note in (record.metadata or {}).items()},
    )


def rowsOf(info: PeerInfo, limits: Limits, latest: float) -> list[Row]:
    """
    Split the facts of another store into rows, except for those that have to be
    verified, and for the metadata.

    @param latest: the time: nothing was learnt after it, whatever the clock of
        the other store has said.
    @raise ValueError: a tag is none that can be kept.
    """
    peer = info.peer.toBytes()

    def past(time: float | None) -> float:
        return min(time or 0.0, latest)

    rows: list[Row] = [
        PeerRow(
            peer,
            noted=0.0,
            due=inf,
            met=past(info.met),
            key=b"",
            told=past(info.identified),
            agent=printable(info.agent),
            network=printable(info.protocolVersion),
            protocols=toLines(info.protocols, limits),
            sequence=b"",
            envelope=b"",
            spoken=past(info.dialectLearnt),
            dialect=printable(info.dialect or ""),
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
