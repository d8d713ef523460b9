# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Records: the facts about each peer as memory holds them.

There may be a million records, so they are lean: addresses are bytes, equal texts
are shared, and attributes that most peers do not need are None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from sys import getsizeof
from typing import Final, Generic, TypeVar

from twisted_libp2p.interfaces import Source
from twisted_libp2p.peerstore.texts import weigh

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

#: Seconds for which addresses are valid after the last connection to their peer has
#: ended.
RECENTLY_CONNECTED: Final = 900.0

#: Seconds for addresses that are needed for a single attempt.
TEMPORARY: Final = 120.0

#: Seconds for which addresses are valid, by their source.
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

#: Seconds for which all other facts that a peer itself reported are valid: a day.
FACTS_TTL: Final = 86_400.0

# The measured size of objects without their contents, in bytes.
_RECORD_SIZE: Final = 750
_ADDRESS_SIZE: Final = 200
_NOTE_SIZE: Final = 300

# Of a text in ASCII, without its characters.
_TEXT_SIZE: Final = getsizeof("")

# Arithmetic with an IntFlag takes ten times as long as with its number.
_SIGNED: Final = int(Source.RECORD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """
    The bounds of a peerstore.

    @ivar peers: the most peers, not counting those that are connected or protected.
    @ivar addresses: the most addresses of one peer.
    @ivar protocols: the most protocols of one peer.
    @ivar tags: the most tags of one peer.
    @ivar metadata: the most bytes of metadata of one peer, names included.
    @ivar memory: the most bytes of memory for all of it, roughly.
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
    The facts about an address; as in
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
        The place of the address among others, the most promising being the lowest.
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
    The facts about one peer; mostly as in
    L{PeerRow<twisted_libp2p.peerstore.rows.PeerRow>}.

    Only a L{Book<twisted_libp2p.peerstore.book.Book>} hands out a record to be
    changed.

    @ivar connections: the number of its connections now.
    @ivar protected: whether the record has to be kept.
    @ivar page: the page of the agenda on which the peer is.
    @ivar size: its size in bytes, as measured last.
    """

    addresses: dict[bytes, KnownAddress] = field(default_factory=dict)
    lastConnected: float = 0.0
    publicKey: bytes = b""
    identifiedAt: float = 0.0
    agent: str = ""
    protocolVersion: str = ""
    protocols: str = ""
    sequence: bytes = b""
    envelope: bytes = b""
    dialectLearntAt: float = 0.0
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
        Whether the record stays even if the store is full.
        """
        return self.connections > 0 or self.protected

    @property
    def merit(self) -> int:
        """
        How likely we are to want the peer back: 2 if we have dialed it, or its address
        is configured, 1 if it has stayed connected for a while, 0 otherwise.  A
        stranger cannot earn a 2.
        """
        for known in self.addresses.values():
            if known.succeeded or known.source & Source.CONFIGURED:
                return 2
        # A peer identifies itself when it is connected, and lastConnected moves on
        # until the connection is lost.
        stayed = self.lastConnected - self.identifiedAt >= STAYED
        return 1 if self.identifiedAt and stayed else 0

    def due(self) -> float:
        """
        Return the time at which no fact will be worth keeping any longer.
        """
        due = max(self.lastConnected, self.identifiedAt, self.dialectLearntAt)
        if due:
            due += FACTS_TTL
        for address in self.addresses.values():
            if address.expires > due:
                due = address.expires
        for tag in (self.tags or {}).values():
            if tag.expires > due:
                due = tag.expires
        for note in (self.metadata or {}).values():
            if note.expires > due:
                due = note.expires
        return due

    def latest(self) -> float:
        """
        Return the time at which the latest fact was learnt.
        """
        return max(
            self.lastConnected,
            self.identifiedAt,
            self.dialectLearntAt,
            *(each.learnt for each in self.addresses.values()),
            *(each.learnt for each in (self.tags or {}).values()),
            *(each.learnt for each in (self.metadata or {}).values()),
        )

    def measure(self) -> int:
        """
        Estimate how many bytes of memory the record takes.
        """
        size = _RECORD_SIZE
        # Joined, texts are looked at once; those with wide characters are rare.
        texts = (self.agent, self.protocolVersion, self.protocols, self.dialect)
        joined = "".join(texts)
        if joined.isascii():
            size += len(joined) + _TEXT_SIZE * sum(map(bool, texts))
        else:
            size += sum(map(weigh, texts))
        for data in (self.envelope, self.publicKey):
            if data:
                size += getsizeof(data)
        for address in self.addresses:
            size += _ADDRESS_SIZE + len(address)
        if self.tags:
            for name in self.tags:
                size += _NOTE_SIZE + weigh(name)
        if self.metadata:
            for name, note in self.metadata.items():
                size += _NOTE_SIZE + weigh(name) + getsizeof(note.value)
        return size

    def ranked(self, now: float) -> list[bytes]:
        """
        Return the addresses that have not expired, most promising first.
        """
        live = [
            (each.rank, name)
            for name, each in self.addresses.items()
            if self.connections or each.expires > now
        ]
        live.sort(key=lambda pair: pair[0])
        return [name for _, name in live]

    def certified(self, now: float) -> list[bytes]:
        """
        Return the addresses that the peer has signed, most promising first.
        """
        signed = self.signed()
        return [name for name in self.ranked(now) if name in signed]

    def signed(self) -> set[bytes]:
        """
        Return the addresses that the peer has signed, also those that have expired.
        """
        return {
            name for name, known in self.addresses.items() if known.source & _SIGNED
        }

    def liveTags(self, now: float) -> dict[str, Note[int]]:
        """
        Return the tags that have not expired.
        """
        return {
            name: tag for name, tag in (self.tags or {}).items() if tag.expires > now
        }

    def liveMetadata(self, now: float) -> dict[str, Note[bytes]]:
        """
        Return the metadata that have not expired.
        """
        return {
            name: note
            for name, note in (self.metadata or {}).items()
            if note.expires > now
        }

    def excess(
        self,
        limit: int,
        now: float,
        dialable: Callable[[bytes], bool] | None = None,
    ) -> list[bytes]:
        """
        Return the addresses that have to be dropped: those that have expired, and
        those over the limit.

        Of the latter, addresses that cannot be dialed come first, then those that
        expire next, then those that were named last.  Addresses that have worked, or
        that our own user named, come after all others.

        @param dialable: checks whether this node can dial an address; None if
            that is not known.
        """
        dropped: list[bytes] = []
        left: list[bytes] = []
        for name, each in self.addresses.items():
            if each.expires <= now and not self.connections:
                dropped.append(name)
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

            # Peers name their best addresses first.
            left.reverse()
            left.sort(key=worth)
            dropped += left[: len(left) - limit]
        return dropped
