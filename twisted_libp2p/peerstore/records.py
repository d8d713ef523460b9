# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Records: what memory holds of each peer.

There may be a million of them, so they are lean: addresses are bytes, equal
texts are shared, and what most peers do not have is None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from sys import getsizeof
from typing import Final, Generic, TypeVar

from twisted_libp2p.interfaces import Source
from twisted_libp2p.peerstore.rows import (
    AddressRow,
    Key,
    MetadataRow,
    PeerRow,
    Row,
    TagRow,
)
from twisted_libp2p.peerstore.texts import share, weigh

__all__ = [
    "FACTS_TTL",
    "RECENTLY_CONNECTED",
    "STAYED",
    "TEMPORARY",
    "TTLS",
    "KnownAddress",
    "Limits",
    "Note",
    "Record",
]

#: Seconds that addresses are good for after the last connection to their peer
#: has ended.
RECENTLY_CONNECTED: Final = 900.0

#: Seconds for addresses that are wanted for just one attempt.
TEMPORARY: Final = 120.0

#: Seconds for which addresses are believed, by who says so.
TTLS: Final[Mapping[Source, float]] = {
    Source.CONFIGURED: inf,
    Source.DIALED: RECENTLY_CONNECTED,
    Source.IDENTIFY: 3600.0,
    Source.RECORD: 3600.0,
    Source.DISCOVERED: 3600.0,
}

#: Seconds after its identification for which a peer that has dialed us has to be
#: connected to count as one that has stayed.
STAYED: Final = 60.0

#: Seconds for which all else is believed that was learnt from a peer itself: a
#: day.
FACTS_TTL: Final = 86_400.0

# What objects take beside their contents, in bytes; measured.
_RECORD_SIZE: Final = 750
_ADDRESS_SIZE: Final = 200
_NOTE_SIZE: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """
    How much a peerstore knows at the most.

    @ivar peers: how many peers, beside those that are connected or protected.
    @ivar addresses: how many addresses of one peer.
    @ivar protocols: how many protocols of one peer.
    @ivar tags: how many tags of one peer.
    @ivar metadata: how many bytes of metadata of one peer, names included.
    @ivar memory: how many bytes of memory all of it takes, roughly.
    """

    peers: int = 100_000
    addresses: int = 64
    protocols: int = 1024
    tags: int = 64
    metadata: int = 65_536
    memory: int = 256 * 1024 * 1024


@dataclass(slots=True)
class KnownAddress:
    """
    What is known of an address; as in
    L{AddressRow<twisted_libp2p.peerstore.rows.AddressRow>}.
    """

    learnt: float
    source: int
    expires: float
    succeeded: float = 0.0
    failed: float = 0.0

    @property
    def rank(self) -> tuple[int, float]:
        """
        What promises most is least.
        """
        if self.failed > self.succeeded:
            return 2, self.failed
        if self.succeeded:
            return 0, -self.succeeded
        return 1, -self.learnt


T = TypeVar("T", int, bytes)


@dataclass(slots=True)
class Note(Generic[T]):
    """
    A tag or a piece of metadata; as in
    L{TagRow<twisted_libp2p.peerstore.rows.TagRow>}.
    """

    learnt: float
    value: T
    expires: float = inf


@dataclass(slots=True)
class Record:
    """
    What is known of one peer; mostly as in
    L{PeerRow<twisted_libp2p.peerstore.rows.PeerRow>}.

    @ivar connections: how many there are now.
    @ivar protected: whether it is to be kept.
    @ivar page: where it is in the agenda.
    @ivar size: the bytes that it was last reckoned to take.
    """

    addresses: dict[bytes, KnownAddress] = field(default_factory=dict)
    met: float = 0.0
    key: bytes = b""
    told: float = 0.0
    agent: str = ""
    network: str = ""
    protocols: str = ""
    sequence: bytes = b""
    envelope: bytes = b""
    spoken: float = 0.0
    dialect: str = ""
    tags: dict[str, Note[int]] | None = None
    metadata: dict[str, Note[bytes]] | None = None
    connections: int = 0
    protected: bool = False
    page: float | None = None
    size: int = 0

    @property
    def kept(self) -> bool:
        """
        Whether it must not go, however little room there is.
        """
        return self.connections > 0 or self.protected

    @property
    def merit(self) -> int:
        """
        How likely it is that we want the peer back: 2 if we have dialed it, or
        were configured to, 1 if it has stayed for a while, 0 otherwise.  No
        stranger gets a 2 by anything that it does.
        """
        for known in self.addresses.values():
            if known.succeeded or known.source & Source.CONFIGURED:
                return 2
        # A peer identifies itself when it is connected, and is met until it
        # is lost.
        return 1 if self.told and self.met - self.told >= STAYED else 0

    def due(self) -> float:
        """
        Tell when nothing of it will be worth keeping any more.
        """
        if self.metadata:
            return inf
        due = max(self.met, self.told, self.spoken)
        if due:
            due += FACTS_TTL
        for address in self.addresses.values():
            if address.expires > due:
                due = address.expires
        for tag in (self.tags or {}).values():
            if tag.expires > due:
                due = tag.expires
        return due

    def latest(self) -> float:
        """
        Tell when something was learnt last.
        """
        return max(
            self.met,
            self.told,
            self.spoken,
            *(each.learnt for each in self.addresses.values()),
            *(each.learnt for each in (self.tags or {}).values()),
            *(each.learnt for each in (self.metadata or {}).values()),
        )

    def measure(self) -> int:
        """
        Reckon how many bytes of memory it takes.
        """
        size = _RECORD_SIZE + weigh(self.agent) + weigh(self.network)
        size += weigh(self.protocols) + weigh(self.dialect)
        size += _bytesSize(self.envelope) + _bytesSize(self.key)
        for address in self.addresses:
            size += _ADDRESS_SIZE + len(address)
        for name in self.tags or ():
            size += _NOTE_SIZE + weigh(name)
        for name, note in (self.metadata or {}).items():
            size += _NOTE_SIZE + weigh(name) + _bytesSize(note.value)
        return size

    def ranked(self, now: float) -> list[bytes]:
        """
        Give the addresses that have not expired, the most promising first.
        """
        live = [
            (each.rank, name)
            for name, each in self.addresses.items()
            if self.connections or each.expires > now
        ]
        live.sort(key=lambda pair: pair[0])
        return [name for _, name in live]

    def excess(
        self,
        limit: int,
        now: float,
        dialable: Callable[[bytes], bool] | None = None,
    ) -> list[bytes]:
        """
        Return the addresses that have to go: those that have expired, and those
        beyond the limit.

        Of the latter, addresses that cannot be dialed go first, then those that
        are the nearest to expiry, then those that were named last.  An address
        that has worked, or that our own user has named, goes after all others.

        @param dialable: checks whether this node can dial an address; None if
            that is not known.
        """
        gone: list[bytes] = []
        left: list[bytes] = []
        for name, each in self.addresses.items():
            if each.expires <= now and not self.connections:
                gone.append(name)
            else:
                left.append(name)
        if len(left) > limit:

            def worth(name: bytes) -> tuple[bool, bool, bool, float]:
                known = self.addresses[name]
                return (
                    known.rank[0] == 0,
                    bool(known.source & Source.CONFIGURED),
                    dialable is None or dialable(name),
                    known.expires,
                )

            # Peers name first what is best.
            left.reverse()
            left.sort(key=worth)
            gone += left[: len(left) - limit]
        return gone

    def peerRow(self, peer: bytes, stamp: float, now: float) -> PeerRow:
        """
        Return the row of the peer itself.

        @param stamp: when the row was reckoned, later than all that was read.
        @param now: the time.
        """
        due = self.due() or now
        return PeerRow(
            peer,
            noted=stamp,
            due=max(due, now + FACTS_TTL) if self.kept else due,
            met=self.met,
            key=self.key,
            told=self.told,
            agent=self.agent,
            network=self.network,
            protocols=self.protocols,
            sequence=self.sequence,
            envelope=self.envelope,
            spoken=self.spoken,
            dialect=self.dialect,
        )

    def keys(self) -> Iterator[Key]:
        """
        Return the keys of all its other rows.
        """
        for name in self.addresses:
            yield AddressRow, name
        for tag in self.tags or ():
            yield TagRow, tag
        for note in self.metadata or ():
            yield MetadataRow, note

    def has(self, key: Key) -> bool:
        """
        Tell whether there is anything in another row.
        """
        type, name = key
        if isinstance(name, bytes):
            return name in self.addresses
        return name in ((self.tags if type is TagRow else self.metadata) or ())

    def row(self, peer: bytes, key: Key, now: float) -> Row:
        """
        Give another row; where there is nothing, one that says that it is
        gone.
        """
        type, name = key
        if isinstance(name, bytes):
            known = self.addresses.get(name)
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
        if type is TagRow:
            tag = (self.tags or {}).get(name)
            if tag is None:
                return TagRow(peer, name, now, 0, 0.0)
            return TagRow(peer, name, tag.learnt, tag.value, tag.expires)
        note = (self.metadata or {}).get(name)
        if note is None:
            return MetadataRow(peer, name, now, b"", 0.0)
        return MetadataRow(peer, name, note.learnt, note.value, note.expires)

    def take(self, row: Row, now: float) -> None:
        """
        Learn what is newer in a row.
        """
        if isinstance(row, PeerRow):
            self._takePeer(row)
        elif isinstance(row, AddressRow):
            self._takeAddress(row, now)
        elif isinstance(row, TagRow):
            tags = self.tags = {} if self.tags is None else self.tags
            _takeNote(tags, row, now)
        else:
            metadata = self.metadata = {} if self.metadata is None else self.metadata
            _takeNote(metadata, row, now)

    def _takePeer(self, row: PeerRow) -> None:
        self.met = max(self.met, row.met)
        self.key = self.key or row.key
        if row.told > self.told:
            self.told = row.told
            # Most peers run one of a few programs.
            self.agent = share(row.agent)
            self.network = share(row.network)
            self.protocols = share(row.protocols)
        if row.sequence > self.sequence:
            self.sequence, self.envelope = row.sequence, row.envelope
        if row.spoken > self.spoken:
            self.spoken, self.dialect = row.spoken, share(row.dialect)

    def _takeAddress(self, row: AddressRow, now: float) -> None:
        known = self.addresses.get(row.name)
        if known is None:
            if row.expires > now:
                self.addresses[row.name] = KnownAddress(*row[2:])
            return
        # What our own user has said is not for others to take back.
        if row.learnt > known.learnt and not known.source & Source.CONFIGURED:
            if not row.expires:
                del self.addresses[row.name]
                return
            known.learnt, known.source, known.expires = row[2:5]
        known.succeeded = max(known.succeeded, row.succeeded)
        known.failed = max(known.failed, row.failed)


def _bytesSize(data: bytes) -> int:
    """
    Return how many bytes of memory some bytes take.
    """
    return getsizeof(data) if data else 0


def _takeNote(notes: dict[str, Note[T]], row: TagRow | MetadataRow, now: float) -> None:
    known = notes.get(row.name)
    if known is not None and row.learnt <= known.learnt:
        return
    if row.expires > now:
        notes[row.name] = Note(row.learnt, row.value, row.expires)  # type: ignore[arg-type]
    else:
        notes.pop(row.name, None)
