# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The book: the records of all peers, within bounds.

The agenda has each record at the time when no fact in it will be worth keeping any
longer.  It yields the records that have expired, and, when the book is full, the
record to drop: the next to expire.  As facts that a peer itself reported are valid for
a day, and facts that others report about it for an hour, peers to which there was a
connection outlive any flood of invented peers.  Connected and protected peers are not
in the agenda, and stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import inf, nextafter

from twisted.internet.interfaces import IReactorTime

from twisted_libp2p.errors import InvalidPeerID
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import Source
from twisted_libp2p.peerstore.agenda import Agenda
from twisted_libp2p.peerstore.journal import Entry, Journal
from twisted_libp2p.peerstore.merging import (
    childKeys,
    childRow,
    hasRow,
    isCovered,
    mergeRow,
    peerRow,
)
from twisted_libp2p.peerstore.records import (
    RECENTLY_CONNECTED,
    TTLS,
    KnownAddress,
    Limits,
    Record,
)
from twisted_libp2p.peerstore.rows import FORGOTTEN, AddressRow, Key, PeerRow, Row

__all__ = ["Book", "Change"]

#: How many expired peers are dropped for each new one: more than one, so that they
#: cannot pile up, and few, so that no caller waits.
_COLLECT = 8


class Change:
    """
    A change of one record: a context manager that indexes the record again at the
    end.
    """

    __slots__ = ("_book", "_peer", "_record")

    def __init__(self, book: Book, peer: PeerID, record: Record) -> None:
        """
        Begin a change.

        @param book: the book that has the record.
        """
        self._book = book
        self._peer = peer
        self._record = record

    def __enter__(self) -> Record:
        return self._record

    def __exit__(self, *raised: object) -> None:
        self._book._reindex(self._peer, self._record)


class Book:
    """
    The records of all peers.

    L{get} returns a record to be read, and L{changing} one to be changed.

    @ivar limits: the bounds.
    @ivar journal: records each change, if there is one.
    @ivar dialable: checks whether this node can dial an address; None if that is
        not known.
    """

    def __init__(self, clock: IReactorTime, limits: Limits) -> None:
        """
        Begin with an empty book.

        @param clock: the source of the time.
        @param limits: the bounds.
        """
        self.limits = limits
        self.journal: Journal | None = None
        self.dialable: Callable[[bytes], bool] | None = None
        self._clock = clock
        self._records: dict[PeerID, Record] = {}
        self._agenda: Agenda[PeerID] = Agenda()
        self._kept: dict[PeerID, Record] = {}
        self._size = 0
        self._stamp = 0.0

    def stamp(self) -> float:
        """
        Return the time for a fact that is learnt now.  As the newer fact wins, here
        and in a database, it is not earlier than any stamp before, and later than each
        stamp that was read, even if the clock was put back or another program's clock
        is ahead.
        """
        now = self._clock.seconds()
        if now < self._stamp:
            now = nextafter(self._stamp, inf)
        self._stamp = now
        return now

    def exceed(self, stamp: float) -> None:
        """
        Make all stamps from now on later than a stamp that was read.
        """
        if self._stamp <= stamp < inf:
            self._stamp = nextafter(stamp, inf)

    def peers(self) -> list[PeerID]:
        """
        Return all peers.
        """
        return list(self._records)

    def records(self) -> Iterable[tuple[PeerID, Record]]:
        """
        Return all peers with their records, to be read; the book may not change
        during the iteration.
        """
        return self._records.items()

    def has(self, peer: PeerID) -> bool:
        """
        Return whether a peer is known.
        """
        return peer in self._records

    def get(self, peer: PeerID) -> Record | None:
        """
        Return the record of a peer, to be read, if there is one.
        """
        return self._records.get(peer)

    def changing(self, peer: PeerID) -> Change:
        """
        Open the record of a peer, to be changed in a C{with} statement; make it first
        if the peer is unknown.
        """
        record = self._records.get(peer)
        return Change(self, peer, self._make(peer) if record is None else record)

    def _make(self, peer: PeerID) -> Record:
        self.collect(_COLLECT)
        record = self._records[peer] = Record()
        return record

    def note(self, peer: PeerID, key: Key | None = None) -> None:
        """
        Enter a changed row in the journal.

        @param key: the row; None for the peer's own.
        """
        if self.journal is not None:
            self.journal.note(peer, key)

    def _reindex(self, peer: PeerID, record: Record) -> None:
        """
        Calculate again when a changed record is due and how big it is, and drop
        others if the book is too full.
        """
        keptBefore = record.page is None and record.size > 0
        if not record.kept:
            if keptBefore:
                del self._kept[peer]
            record.page = self._agenda.move(peer, record.page, record.due())
        elif not keptBefore:
            self._kept[peer] = record
            record.page = self._agenda.move(peer, record.page, None)
        size = record.measure()
        self._size += size - record.size
        record.size = size
        while self._agenda.count > self.limits.peers or self._size > self.limits.memory:
            if not self._dropNext():
                break

    def collect(self, count: int) -> int:
        """
        Drop peers that have expired.

        @param count: the most peers to drop.
        @return: how many were dropped.
        """
        now = self._clock.seconds()
        for dropped in range(count):
            if not self._dropNext(now):
                return dropped
        return count

    def _dropNext(self, *now: float) -> bool:
        """
        Drop the next peer of the agenda.
        """
        peer = self._agenda.pop(*now)
        if peer is None:
            return False
        record = self._records.pop(peer)
        self._size -= record.size
        if self.journal is not None:
            self.journal.drop(peer, partial(hasRow, record))
        return True

    def forget(self, peer: PeerID) -> None:
        """
        Forget a peer, except that it is connected or protected.
        """
        self._clear(peer)
        if self.journal is not None:
            self.journal.forget(peer)

    def _clear(self, peer: PeerID) -> None:
        record = self._records.pop(peer, None)
        if record is None:
            return
        self._agenda.move(peer, record.page, None)
        self._size -= record.size
        if record.kept:
            bare = Record(connections=record.connections, protected=record.protected)
            self._records[peer] = bare
            self._reindex(peer, bare)

    # Addresses of an open record

    def add(
        self,
        peer: PeerID,
        record: Record,
        names: Iterable[bytes],
        source: Source,
        ttl: float | None = None,
    ) -> None:
        """
        Add addresses, or prolong them.
        """
        stamp = self.stamp()
        expires = self._clock.seconds() + (TTLS[source] if ttl is None else ttl)
        journal = self.journal
        # Arithmetic with an IntFlag takes ten times as long as with its number.
        flag = int(source)
        for name in names:
            known = record.addresses.get(name)
            if known is None:
                record.addresses[name] = KnownAddress(stamp, flag, expires)
            else:
                known.learnt = stamp
                known.source |= flag
                known.expires = max(known.expires, expires)
            if journal is not None:
                journal.note(peer, (AddressRow, name))
        self.trim(peer, record)

    def replace(
        self,
        peer: PeerID,
        record: Record,
        names: Iterable[bytes],
        source: Source,
        ttl: float | None = None,
    ) -> None:
        """
        Add the addresses that a source reports, and drop those that only this source
        reported before.
        """
        stamp = self.stamp()
        reported = dict.fromkeys(names)
        flag = int(source)
        for name, known in list(record.addresses.items()):
            if known.source & flag and name not in reported:
                known.source &= ~flag
                known.learnt = stamp
                if not known.source:
                    del record.addresses[name]
                self.note(peer, (AddressRow, name))
        self.add(peer, record, reported, source, ttl)

    def reached(self, peer: PeerID, record: Record, name: bytes) -> None:
        """
        Add the address at which a peer was just reached.
        """
        self.add(peer, record, [name], Source.DIALED)
        if name in record.addresses:
            record.addresses[name].succeeded = self.stamp()

    def trim(self, peer: PeerID, record: Record) -> None:
        """
        Drop addresses that have expired, and those over the limit.
        """
        limit = self.limits.addresses
        if record.connections and len(record.addresses) <= limit:
            return
        now = self._clock.seconds()
        for name in record.excess(limit, now, self.dialable):
            known = record.addresses.pop(name)
            # Another program may have prolonged an address that has expired here.
            if known.expires > now and self.journal is not None:
                self.journal.trim(peer, (AddressRow, name), known.learnt)

    def prolong(self, peer: PeerID, record: Record) -> None:
        """
        Prolong the addresses of a peer that was connected until now.
        """
        stamp = record.lastConnected = self.stamp()
        self.note(peer)
        expires = self._clock.seconds() + RECENTLY_CONNECTED
        for name, known in record.addresses.items():
            if known.expires < expires:
                known.expires = expires
                known.learnt = stamp
                self.note(peer, (AddressRow, name))

    def kept(self) -> list[PeerID]:
        """
        Return the connected and the protected peers.
        """
        return list(self._kept)

    def refresh(self, peers: Iterable[PeerID]) -> None:
        """
        Prolong the facts about those of the given peers that are connected or
        protected.
        """
        for peer in peers:
            record = self._kept.get(peer)
            if record is not None:
                if record.connections:
                    self.prolong(peer, record)
                self.note(peer)

    # Rows

    def rows(self, peer: PeerID, entry: Entry) -> list[Row]:
        """
        Return the rows to write for an entry of the journal.
        """
        record = self._records.get(peer)
        if record is None:
            if entry.forgotten:
                return []
            # The record was dropped meanwhile; the entry names removed rows only.
            record = Record()
        stamp, id = self.stamp(), peer.toBytes()
        rows: list[Row] = [peerRow(record, id, stamp, self._clock.seconds())]
        keys = (
            entry.keys | dict.fromkeys(childKeys(record)) if entry.whole else entry.keys
        )
        rows += (childRow(record, id, key, stamp) for key in keys)
        entry.removed = tuple(key for key in entry.keys if not hasRow(record, key))
        return rows

    def covered(self, id: bytes, rows: Iterable[Row]) -> PeerID | None:
        """
        Return a peer about which we know nothing that is later than all its rows in
        a database; None if we do, or do not know the peer.
        """
        try:
            peer = PeerID.fromBytes(id)
        except InvalidPeerID:
            return None
        record = self._records.get(peer)
        return peer if record is not None and isCovered(record, rows) else None

    def merge(self, rows: Iterable[Row]) -> None:
        """
        Merge rows from elsewhere into the records.
        """
        now = self._clock.seconds()
        touched: dict[bytes, tuple[PeerID, Record]] = {}
        record: Record | None
        for row in rows:
            self.exceed(row.latest)
            found = touched.get(row.peer)
            if found is not None:
                peer, record = found
            else:
                try:
                    peer = PeerID.fromBytes(row.peer)
                except InvalidPeerID:
                    # A program that knows other kinds of ids has written it.
                    continue
                record = self._records.get(peer)
            if isinstance(row, PeerRow) and row.expires == FORGOTTEN:
                if record is not None and record.latest() < row.recordedAt:
                    self._clear(peer)
                continue
            if self.isPending(peer, row) or (record is None and row.expires <= now):
                continue
            if record is None:
                record = self._make(peer)
            touched[row.peer] = peer, record
            mergeRow(record, row, now)
        for peer, record in touched.values():
            # It may have been dropped to make room for another one.
            if self._records.get(peer) is record:
                self.trim(peer, record)
                self._reindex(peer, record)

    def take(self, peer: PeerID, rows: Sequence[Row]) -> list[bytes]:
        """
        Merge rows about one peer.

        @return: the addresses in them, for which memory may have no room.
        """
        now, record = self._clock.seconds(), Record()
        for row in rows:
            if not self.isPending(peer, row):
                mergeRow(record, row, now)
        self.merge(rows)
        return record.ranked(now)

    def isPending(self, peer: PeerID, row: Row) -> bool:
        """
        Check whether a row from elsewhere is out of date, because a change of it here
        is not written yet.
        """
        return self.journal is not None and self.journal.holds(peer, row.key)
