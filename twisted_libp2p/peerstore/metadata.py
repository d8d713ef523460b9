# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The metadata book in memory.
"""

from __future__ import annotations

from math import inf

from zope.interface import implementer

from twisted_libp2p.errors import LimitExceeded
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IMetadataBook
from twisted_libp2p.peerstore.base import MemoryBook
from twisted_libp2p.peerstore.records import Note
from twisted_libp2p.peerstore.rows import MetadataRow, TagRow
from twisted_libp2p.peerstore.snapshot import checkName, checkValue

__all__ = ["MemoryMetadataBook"]


@implementer(IMetadataBook)
class MemoryMetadataBook(MemoryBook):
    """
    The application's own notes on peers.
    """

    def tags(self, peer: PeerID | str) -> dict[str, int]:
        """
        Return the tags of a peer that have not expired.
        """
        return {name: tag.value for name, tag in self._tags(PeerID.of(peer)).items()}

    def setTag(
        self, peer: PeerID | str, name: str, value: int = 0, ttl: float | None = None
    ) -> None:
        """
        Tag a peer.

        @raise ValueError: the name is not printable, or the value does not fit
            into 32 bits.
        """
        peer = PeerID.of(peer)
        checkName(name)
        checkValue(value)
        tags = self._tags(peer)
        expires = inf if ttl is None else self.clock.seconds() + ttl
        tags[name] = Note(self._book.stamp(), value, expires)
        if len(tags) > self.limits.tags:
            raise LimitExceeded(
                "tags of a peer", self.limits.tags, len(tags) - 1, "Limits.tags"
            )
        with self._book.changing(peer) as record:
            record.tags = tags
            self._book.note(peer, (TagRow, name))

    def removeTag(self, peer: PeerID | str, name: str) -> None:
        """
        Remove a tag from a peer.
        """
        peer = PeerID.of(peer)
        known = self._book.get(peer)
        if known is None or name not in (known.tags or ()):
            return
        with self._book.changing(peer) as record:
            if record.tags is not None:
                del record.tags[name]
            self._book.note(peer, (TagRow, name))

    def metadata(self, peer: PeerID | str) -> dict[str, bytes]:
        """
        Return all metadata of a peer, by name.
        """
        record = self._book.get(PeerID.of(peer))
        if record is None:
            return {}
        now = self.clock.seconds()
        return {name: note.value for name, note in record.liveMetadata(now).items()}

    def setMetadata(
        self,
        peer: PeerID | str,
        name: str,
        value: bytes | None,
        ttl: float | None = None,
    ) -> None:
        """
        Store metadata of a peer under a name.

        @raise ValueError: the name is not printable.
        """
        peer = PeerID.of(peer)
        checkName(name)
        after = self.metadata(peer)
        if value is None:
            if after.pop(name, None) is None:
                return
        else:
            after[name] = value
        size = sum(len(key.encode()) + len(each) for key, each in after.items())
        limit = self.limits.metadata
        if value is not None and size > limit:
            raise LimitExceeded("metadata of a peer", limit, size, "Limits.metadata")
        with self._book.changing(peer) as record:
            now = self.clock.seconds()
            notes = record.metadata = record.liveMetadata(now)
            if value is None:
                del notes[name]
            else:
                expires = inf if ttl is None else now + ttl
                notes[name] = Note(self._book.stamp(), value, expires)
            self._book.note(peer, (MetadataRow, name))

    def _tags(self, peer: PeerID) -> dict[str, Note[int]]:
        """
        Return a copy of the tags of a peer that have not expired.
        """
        record = self._book.get(peer)
        return {} if record is None else record.liveTags(self.clock.seconds())
