# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The journal: what has changed in memory and is not in the database yet.

It names what has changed and holds no values, so that a thousand changes of
one thing are one entry, and what is written is the latest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

from twisted_libp2p.identity import PeerID
from twisted_libp2p.peerstore.rows import Key

__all__ = ["Entry", "Journal"]

#: The most rows of one peer that are remembered while the database is out of
#: reach; the oldest are forgotten, and so not written before they change again.
_MAX_KEYS = 1024


@dataclass(slots=True)
class Entry:
    """
    What has changed of one peer: its own row always, and others.

    @ivar forgotten: whether all that was before is to be forgotten.
    @ivar keys: the other rows.
    """

    forgotten: bool = False
    keys: dict[Key, None] = field(default_factory=dict)

    def add(self, key: Key) -> None:
        """
        Name one more row, and give up the oldest if there are too many.
        """
        self.keys[key] = None
        if len(self.keys) > _MAX_KEYS:
            del self.keys[next(iter(self.keys))]


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

    def __bool__(self) -> bool:
        """
        Tell whether anything is not written.
        """
        return bool(self._waiting or self._writing)

    @property
    def waiting(self) -> int:
        """
        How many peers have changes that wait.
        """
        return len(self._waiting)

    def holds(self, peer: PeerID, key: Key | None = None) -> bool:
        """
        Tell whether what is said of a row elsewhere is out of date.

        @param key: which row; None for all of the peer.
        """
        for entries in (self._waiting, self._writing):
            if entries:
                entry = entries.get(peer)
                if entry is not None and (entry.forgotten or key in entry.keys):
                    return True
        return False

    def note(self, peer: PeerID, key: Key | None = None) -> None:
        """
        A row has changed.

        @param key: which; None for the peer's own.
        """
        entry = self._entry(peer)
        if key is not None:
            entry.add(key)

    def forget(self, peer: PeerID) -> None:
        """
        A peer was forgotten.
        """
        entry = self._entry(peer)
        entry.forgotten = True
        entry.keys.clear()

    def drop(self, peer: PeerID, has: Callable[[Key], bool]) -> None:
        """
        A peer has to go from memory: there is nothing to write any more, but
        that something was removed before.

        @param has: tells whether it had a row at the end.
        """
        for entries in (self._waiting, self._writing):
            entry = entries.get(peer)
            if entry is not None and not entry.forgotten:
                entry.keys = {key: None for key in entry.keys if not has(key)}
                if not entry.keys:
                    del entries[peer]

    def _entry(self, peer: PeerID) -> Entry:
        entry = self._waiting.get(peer)
        if entry is None:
            entry = self._waiting[peer] = Entry()
            if len(self._waiting) == 1:
                self._changed()
        return entry

    def take(self, count: int) -> dict[PeerID, Entry]:
        """
        Give changes to be written, the oldest first; L{done} or L{failed} has
        to follow.

        @param count: of how many peers at the most.
        """
        self._writing = dict(islice(self._waiting.items(), count))
        if len(self._writing) == len(self._waiting):
            self._waiting = {}
        else:
            for peer in self._writing:
                del self._waiting[peer]
        return self._writing

    def done(self) -> None:
        """
        What was taken is written.
        """
        self._writing = {}

    def failed(self) -> None:
        """
        What was taken is not written, and waits again.
        """
        taken, self._writing = self._writing, {}
        for peer, later in self._waiting.items():
            earlier = taken.get(peer)
            if earlier is None or later.forgotten:
                taken[peer] = later
            else:
                for key in later.keys:
                    earlier.add(key)
        self._waiting = taken
