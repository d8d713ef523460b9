# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The book: the records of all peers, within bounds.

Each record is in an agenda at the time when nothing of it will be worth
keeping any more.  There those are found that have expired, and those that go
when there is no more room: the next to expire.  As what a peer has told itself
is good for a day, and what others tell of it for an hour, peers that were
really met outlive any flood of invented ones.  Connected and protected peers
are not in the agenda, and stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf, nextafter

from twisted.internet.interfaces import IReactorTime

from twisted_libp2p.errors import InvalidPeerID
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import Source
from twisted_libp2p.peerstore.agenda import Agenda
from twisted_libp2p.peerstore.journal import Entry, Journal
from twisted_libp2p.peerstore.records import (
    RECENTLY_CONNECTED,
    TTLS,
    KnownAddress,
    Limits,
    Record,
)
from twisted_libp2p.peerstore.rows import FORGOTTEN, AddressRow, Key, PeerRow, Row

__all__ = ["Book"]

#: How many peers that have expired are let go with each one that comes: more
#: than one, so that they cannot pile up, and few, so that nobody waits.
_COLLECT = 8


class Book:
    """
    The records of all peers.

    Whoever changes a record tells L{settle} afterwards.

    @ivar limits: how much is known at the most.
    @ivar journal: is told of each change, if there is one.
    @ivar dialable: checks whether this node can dial an address; None if that is
        not known.
    """

    def __init__(self, clock: IReactorTime, limits: Limits) -> None:
        """
        @param clock: tells what has expired.
        @param limits: how much is known at the most.
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
        Return the time for what is learnt now.  As the newer wins, here and in
        a database, it is not earlier than any stamp before, and later than each
        stamp that was read, even if the clock was put back or another
        program's clock is ahead.
        """
        now = self._clock.seconds()
        if now < self._stamp:
            now = nextafter(self._stamp, inf)
        self._stamp = now
        return now

    def exceed(self, stamp: float) -> None:
        """
        Make all stamps from now on later than one that was read.
        """
        if self._stamp <= stamp < inf:
            self._stamp = nextafter(stamp, inf)

    def peers(self) -> list[PeerID]:
        """
        Give all peers.
        """
        return list(self._records)

    def records(self) -> Iterable[tuple[PeerID, Record]]:
        """
        Give all peers, with their records; nothing may change meanwhile.
        """
        return self._records.items()

    def get(self, peer: PeerID) -> Record | None:
        """
        Give the record of a peer, if there is one.
        """
        return self._records.get(peer)

    def open(self, peer: PeerID) -> Record:
        """
        Give the record of a peer, a new one if need be.
        """
        record = self._records.get(peer)
        if record is None:
            self.collect(_COLLECT)
            record = self._records[peer] = Record()
        return record

    def note(self, peer: PeerID, key: Key | None = None) -> None:
        """
        A row has changed.

        @param key: which; None for the peer's own.
        """
        if self.journal is not None:
            self.journal.note(peer, key)

    def settle(self, peer: PeerID, record: Record) -> None:
        """
        A record has changed: reckon anew when it is due and how big it is, and
        make room if there is too much.
        """
        if record.kept:
            self._kept[peer] = record
            due = None
        else:
            self._kept.pop(peer, None)
            due = record.due()
        record.page = self._agenda.move(peer, record.page, due)
        size = record.measure()
        self._size += size - record.size
        record.size = size
        while self._agenda.count > self.limits.peers or self._size > self.limits.memory:
            if not self._dropNext():
                break

    def collect(self, count: int) -> int:
        """
        Let peers go that have expired.

        @param count: how many at the most.
        @return: how many have gone.
        """
        now = self._clock.seconds()
        for gone in range(count):
            if not self._dropNext(now):
                return gone
        return count

    def _dropNext(self, *now: float) -> bool:
        """
        Let the peer go that is the next in the agenda.
        """
        peer = self._agenda.pop(*now)
        if peer is None:
            return False
        record = self._records.pop(peer)
        self._size -= record.size
        if self.journal is not None:
            self.journal.drop(peer, record.has)
        return True

    def forget(self, peer: PeerID) -> None:
        """
        Forget a peer: all but that it is connected, or protected.
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
            self.settle(peer, bare)

    # Addresses

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
        for name in names:
            known = record.addresses.get(name)
            if known is None:
                record.addresses[name] = KnownAddress(stamp, int(source), expires)
            else:
                known.learnt = stamp
                known.source |= source
                known.expires = max(known.expires, expires)
            self.note(peer, (AddressRow, name))
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
        Add the addresses that a source has told, and take away those that it
        has told before and tells no more.
        """
        stamp = self.stamp()
        told = dict.fromkeys(names)
        for name, known in list(record.addresses.items()):
            if known.source & source and name not in told:
                known.source &= ~source
                known.learnt = stamp
                if not known.source:
                    del record.addresses[name]
                self.note(peer, (AddressRow, name))
        self.add(peer, record, told, source, ttl)

    def trim(self, peer: PeerID, record: Record) -> None:
        """
        Take away addresses that have expired, and those that are too many.
        """
        now = self._clock.seconds()
        for name in record.excess(self.limits.addresses, now, self.dialable):
            known = record.addresses.pop(name)
            # What has expired here may have been prolonged elsewhere.
            if known.expires > now and self.journal is not None:
                self.journal.trim(peer, (AddressRow, name), known.learnt)

    def prolong(self, peer: PeerID, record: Record) -> None:
        """
        A peer was connected until now: its addresses are good for a while.
        """
        stamp = record.met = self.stamp()
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
        Note that peers are still wanted, those that are connected or protected.
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
        Give the rows that are to be written for an entry of the journal.
        """
        record = self._records.get(peer)
        if record is None:
            if entry.forgotten:
                return []
            # It has gone meanwhile; what was removed before is named here.
            record = Record()
        stamp, id = self.stamp(), peer.toBytes()
        rows: list[Row] = [record.peerRow(id, stamp, self._clock.seconds())]
        keys = entry.keys | dict.fromkeys(record.keys()) if entry.whole else entry.keys
        rows += (record.row(id, key, stamp) for key in keys)
        return rows

    def take(self, rows: Iterable[Row]) -> None:
        """
        Learn what is newer in rows from elsewhere.
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
                    # Of a program that knows other ids than this one.
                    continue
                record = self._records.get(peer)
            if isinstance(row, PeerRow):
                lasts = row.due > now
                if row.due == FORGOTTEN:
                    if record is not None and record.latest() < row.noted:
                        self._clear(peer)
                    continue
            else:
                lasts = row.expires > now
            if self.isPending(peer, row) or (record is None and not lasts):
                continue
            if record is None:
                record = self.open(peer)
            touched[row.peer] = peer, record
            record.take(row, now)
        for peer, record in touched.values():
            # It may have had to make room for another one by now.
            if self._records.get(peer) is record:
                self.trim(peer, record)
                self.settle(peer, record)

    def isPending(self, peer: PeerID, row: Row) -> bool:
        """
        Tell whether a row from elsewhere is out of date, for what has changed
        here is not there yet.
        """
        key = None if isinstance(row, PeerRow) else (type(row), row.name)
        return self.journal is not None and self.journal.holds(peer, key)
