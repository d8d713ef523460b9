# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The journal: the changes in memory that are not in the database yet.

It names the changed rows and holds no values, so a thousand changes of one row are one
entry, and the latest value is written.

It is bounded, however long the database is out of reach.  Over the bounds the oldest
entries no longer name rows: they stand for all rows that memory has about their peer,
and only the removal of rows is lost.  The oldest entries of peers that have left memory
are dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from twisted_libp2p.identity import PeerID
from twisted_libp2p.peerstore.rows import Key

__all__ = ["Entry", "Journal"]

#: The most rows that one entry names.
_MAX_KEYS: Final = 1024

#: The most rows that all waiting entries name together.
MAX_NAMED: Final = 131_072

#: The most waiting entries of peers that have left memory.
MAX_GONE: Final = 65_536

#: Seconds for which removed rows are remembered, in case the database forgets that
#: they were removed.
_REMEMBERED: Final = 600.0

#: The most peers whose removed rows are remembered.
MAX_REMOVALS: Final = 10_000

#: The number of rows that an entry which names none counts for.
_WHOLE: Final = 64


@dataclass(slots=True)
class Entry:
    """
    The changes of one peer: its own row always, and others.

    @ivar forgotten: whether all earlier rows have to be deleted.
    @ivar keys: the other rows.
    @ivar trimmed: addresses that memory had no room for, and the time at which
        each was learnt: they are deleted from the database, and other programs are
        not notified.
    @ivar whole: whether every row about the peer has to be written.
    @ivar gone: whether the peer has left memory.
    @ivar removed: those of the rows that were removed, once the entry is written.
    """

    forgotten: bool = False
    keys: dict[Key, None] = field(default_factory=dict)
    trimmed: dict[Key, float] | None = None
    whole: bool = False
    gone: bool = field(default=False, compare=False)
    removed: tuple[Key, ...] = field(default=(), compare=False)

    @property
    def named(self) -> int:
        """
        The number of rows that it names.
        """
        return len(self.keys) + (len(self.trimmed) if self.trimmed else 0)

    @property
    def weight(self) -> int:
        """
        The number of rows to write for it, roughly.
        """
        return 1 + self.named + (_WHOLE if self.whole else 0)

    def add(self, key: Key) -> None:
        """
        Name one more row; if there are too many, stop naming the oldest.
        """
        if self.trimmed:
            self.trimmed.pop(key, None)
        self.keys[key] = None
        if len(self.keys) > _MAX_KEYS:
            del self.keys[next(iter(self.keys))]
            self.whole = True

    def trim(self, key: Key, learnt: float) -> None:
        """
        Name an address that memory had no room for.
        """
        self.keys.pop(key, None)
        if self.trimmed is None:
            self.trimmed = {}
        self.trimmed[key] = learnt
        if len(self.trimmed) > _MAX_KEYS:
            del self.trimmed[next(iter(self.trimmed))]

    def merge(self, later: Entry) -> None:
        """
        Add the changes of a later entry.
        """
        for key in later.keys:
            self.add(key)
        for key, learnt in (later.trimmed or {}).items():
            self.trim(key, learnt)
        self.whole = self.whole or later.whole
        self.gone = later.gone

    def collapse(self) -> None:
        """
        Stop naming rows, and stand for all of them.
        """
        self.whole = True
        self.keys = {}
        self.trimmed = None


class Journal:
    """
    The changes that wait, and those that are being written.
    """

    def __init__(self, changed: Callable[[], object]) -> None:
        """
        Begin with an empty journal.

        @param changed: called with the first change after all were written.
        """
        self._changed = changed
        self._waiting: dict[PeerID, Entry] = {}
        self._writing: dict[PeerID, Entry] = {}
        # The number of rows that waiting entries name, and of waiting entries of
        # peers that have left memory.
        self._named = 0
        self._gone = 0
        # What was removed of late, with the time: a database that goes back to an
        # earlier state brings it back.
        self._removals: dict[PeerID, tuple[float, Entry]] = {}

    def __bool__(self) -> bool:
        """
        Return whether any change is not written.
        """
        return bool(self._waiting or self._writing)

    @property
    def waiting(self) -> int:
        """
        The number of waiting entries.
        """
        return len(self._waiting)

    def holds(self, peer: PeerID, key: Key | None = None) -> bool:
        """
        Return whether another version of a row is out of date.

        @param key: the row; None for the peer's own.
        """
        for entries in (self._waiting, self._writing):
            if entries:
                entry = entries.get(peer)
                if entry is not None and (
                    entry.forgotten
                    or key in entry.keys
                    or (entry.trimmed is not None and key in entry.trimmed)
                ):
                    return True
        return False

    def note(self, peer: PeerID, key: Key | None = None) -> None:
        """
        Record that a row has changed.

        @param key: the row; None for the peer's own.
        """
        entry = self._entry(peer)
        if entry.gone:
            entry.gone = False
            self._gone -= 1
        if key is not None:
            before = entry.named
            entry.add(key)
            self._grown(entry.named - before)

    def trim(self, peer: PeerID, key: Key, learnt: float) -> None:
        """
        Record that memory had no room for an address.

        @param learnt: when it was learnt: the address stays if another program has
            learnt it again since.
        """
        entry = self._entry(peer)
        before = entry.named
        entry.trim(key, learnt)
        self._grown(entry.named - before)

    def forget(self, peer: PeerID) -> None:
        """
        Record that a peer was forgotten.
        """
        entry = self._entry(peer)
        self._named -= entry.named
        entry.forgotten = True
        entry.whole = False
        entry.keys.clear()
        entry.trimmed = None
        self._leave(entry)

    def drop(self, peer: PeerID, has: Callable[[Key], bool]) -> None:
        """
        Record that a peer had to leave memory: only earlier removals of rows are
        left to write.

        @param has: checks whether the peer had a row at the end.
        """
        for entries in (self._waiting, self._writing):
            entry = entries.get(peer)
            if entry is None:
                continue
            before = entry.named
            if not entry.forgotten:
                entry.keys = {key: None for key in entry.keys if not has(key)}
                entry.trimmed = None
                entry.whole = False
            if entries is self._waiting:
                self._named -= before - entry.named
            if not (entry.forgotten or entry.keys):
                del entries[peer]
                if entries is self._waiting and entry.gone:
                    self._gone -= 1
            elif entries is self._waiting:
                self._leave(entry)
            else:
                entry.gone = True

    def _entry(self, peer: PeerID) -> Entry:
        entry = self._waiting.get(peer)
        if entry is None:
            entry = self._waiting[peer] = Entry()
            # After a failure entries wait already: the next attempt has its own time.
            if len(self._waiting) == 1:
                self._changed()
        return entry

    def _grown(self, rows: int) -> None:
        """
        Count named rows; if there are too many, the oldest entries stop naming any.
        """
        self._named += rows
        if self._named > MAX_NAMED:
            # Down to three quarters, so that this loop seldom runs.
            for entry in self._waiting.values():
                if entry.named:
                    self._named -= entry.named
                    entry.collapse()
                    if self._named <= MAX_NAMED * 3 // 4:
                        break

    def _leave(self, entry: Entry) -> None:
        """
        Count an entry of a peer that has left memory.
        """
        if entry.gone:
            return
        entry.gone = True
        self._gone += 1
        self._boundGone()

    def _boundGone(self) -> None:
        """
        Drop the oldest entries of peers that have left memory, if there are too many.
        """
        if self._gone > MAX_GONE:
            for peer, each in list(self._waiting.items()):
                if each.gone:
                    self._remove(peer)
                    if self._gone <= MAX_GONE * 3 // 4:
                        break

    def _remove(self, peer: PeerID) -> Entry | None:
        """
        Remove a waiting entry.
        """
        entry = self._waiting.pop(peer, None)
        if entry is not None:
            self._named -= entry.named
            self._gone -= entry.gone
        return entry

    def take(self, rows: int) -> dict[PeerID, Entry]:
        """
        Return the changes to write next, oldest first; L{done} or L{failed} has to
        follow.

        @param rows: the number of rows to write, roughly; the changes of at least one
            peer are returned.
        """
        self.failed()
        left = rows
        taken: list[PeerID] = []
        for peer, entry in self._waiting.items():
            if left < entry.weight and taken:
                break
            left -= entry.weight
            taken.append(peer)
        for peer in taken:
            found = self._remove(peer)
            assert found is not None
            self._writing[peer] = found
        return self._writing

    def done(self, now: float) -> None:
        """
        Record that the taken changes are written.

        @param now: the time.
        """
        for peer, entry in self._writing.items():
            if entry.forgotten or entry.removed:
                self._removals.pop(peer, None)
                self._removals[peer] = now, entry
        while len(self._removals) > MAX_REMOVALS:
            del self._removals[next(iter(self._removals))]
        self._writing = {}

    def forgetRemovals(self, now: float) -> None:
        """
        No longer remember what was removed long ago.

        @param now: the time.
        """
        while self._removals:
            peer, (when, _) = next(iter(self._removals.items()))
            if when > now - _REMEMBERED:
                break
            del self._removals[peer]

    def noteRemovals(self, has: Callable[[PeerID], bool]) -> None:
        """
        Record that what was removed of late has to be removed again.

        @param has: checks whether there is a peer: one that was forgotten may have
            come back.
        """
        for peer, (_, entry) in self._removals.items():
            if entry.forgotten and not has(peer):
                self.forget(peer)
            for key in entry.removed:
                self.note(peer, key)

    def noteAll(self, peer: PeerID) -> None:
        """
        Record that every row about a peer has to be written.
        """
        self.note(peer)
        self._waiting[peer].whole = True

    def failed(self) -> None:
        """
        Record that the taken changes are not written: they wait again, before
        all others, and within the same bounds.
        """
        writing, self._writing = self._writing, {}
        if not writing:
            return
        for peer, earlier in writing.items():
            later = self._remove(peer)
            if later is not None and later.forgotten:
                writing[peer] = later
            elif later is not None:
                earlier.merge(later)
        self._named += sum(each.named for each in writing.values())
        self._gone += sum(each.gone for each in writing.values())
        self._waiting = {**writing, **self._waiting}
        self._grown(0)
        self._boundGone()
