# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The journal: what has changed in memory and is not in the database yet.

It names the changed rows and holds no values, so that a thousand changes of
one row are one entry, and the written value is the latest one.

It is bounded, however long the database is away.  Beyond the bounds the oldest
entries name no rows any longer: they stand for all rows that memory has of
their peer, and only the fact that a row was removed is lost.  Of peers that have
left memory the oldest entries are given up.
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

#: The most waiting entries of peers that are not in memory any more.
MAX_GONE: Final = 65_536

#: How many rows an entry that names none is reckoned to stand for.
_WHOLE: Final = 64


@dataclass(slots=True)
class Entry:
    """
    The changes of one peer: its own row always, and others.

    @ivar forgotten: whether all that was before is to be forgotten.
    @ivar keys: the other rows.
    @ivar trimmed: addresses that memory had no room for, and the time at which
        each was learnt: the database forgets them, and nobody is notified.
    @ivar whole: whether every row of the peer is to be written.
    @ivar gone: whether the peer has left memory.
    """

    forgotten: bool = False
    keys: dict[Key, None] = field(default_factory=dict)
    trimmed: dict[Key, float] | None = None
    whole: bool = False
    gone: bool = field(default=False, compare=False)

    @property
    def named(self) -> int:
        """
        How many rows it names.
        """
        return len(self.keys) + (len(self.trimmed) if self.trimmed else 0)

    @property
    def weight(self) -> int:
        """
        How many rows it takes to write it, roughly.
        """
        return 1 + self.named + (_WHOLE if self.whole else 0)

    def add(self, key: Key) -> None:
        """
        Name one more row, and no longer the oldest if there are too many.
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
        Take in what has changed since.
        """
        for key in later.keys:
            self.add(key)
        for key, learnt in (later.trimmed or {}).items():
            self.trim(key, learnt)
        self.whole = self.whole or later.whole
        self.gone = later.gone

    def collapse(self) -> None:
        """
        Name no row any longer, and stand for all of them.
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
        @param changed: called when something waits that did not before.
        """
        self._changed = changed
        self._waiting: dict[PeerID, Entry] = {}
        self._writing: dict[PeerID, Entry] = {}
        # Of the waiting entries: how many rows they name, and how many are of
        # peers that have left memory.
        self._named = 0
        self._gone = 0

    def __bool__(self) -> bool:
        """
        Return whether anything is not written.
        """
        return bool(self._waiting or self._writing)

    @property
    def waiting(self) -> int:
        """
        The number of entries that wait.
        """
        return len(self._waiting)

    def holds(self, peer: PeerID, key: Key | None = None) -> bool:
        """
        Return whether what is said of a row elsewhere is out of date.

        @param key: which row; None for all of the peer.
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

        @param key: which; None for the peer's own.
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

        @param learnt: when it was learnt: if another program has learnt it
            again since, it stays.
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
        Record that a peer had to leave memory: nothing is left to write but
        that rows were removed before.

        @param has: returns whether the peer had a row at the end.
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
        Count named rows; if there are too many the oldest entries name none.
        """
        self._named += rows
        if self._named > MAX_NAMED:
            # By a quarter, so that this seldom looks at all of them.
            for entry in self._waiting.values():
                if entry.named:
                    self._named -= entry.named
                    entry.collapse()
                    if self._named <= MAX_NAMED * 3 // 4:
                        break

    def _leave(self, entry: Entry) -> None:
        """
        Count an entry of a peer that is not in memory.
        """
        if entry.gone:
            return
        entry.gone = True
        self._gone += 1
        self._boundGone()

    def _boundGone(self) -> None:
        """
        Give up the oldest entries of peers that are not in memory, if there are too
        many.
        """
        if self._gone > MAX_GONE:
            for peer, each in list(self._waiting.items()):
                if each.gone:
                    self._remove(peer)
                    if self._gone <= MAX_GONE * 3 // 4:
                        break

    def _remove(self, peer: PeerID) -> Entry | None:
        """
        Take one entry out of those that wait.
        """
        entry = self._waiting.pop(peer, None)
        if entry is not None:
            self._named -= entry.named
            self._gone -= entry.gone
        return entry

    def take(self, rows: int) -> dict[PeerID, Entry]:
        """
        Return changes to be written, the oldest first; L{done} or L{failed}
        has to follow.

        @param rows: how many rows to write, roughly; always the changes of one
            peer at least.
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

    def done(self) -> None:
        """
        Record that the taken changes are written.
        """
        self._writing = {}

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
