# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The protocol book in memory.
"""

from __future__ import annotations

from zope.interface import implementer

from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IProtocolBook
from twisted_libp2p.peerstore.base import MemoryBook
from twisted_libp2p.peerstore.records import FACTS_TTL
from twisted_libp2p.peerstore.snapshot import splitLines
from twisted_libp2p.peerstore.texts import share

__all__ = ["MemoryProtocolBook"]

#: Seconds for which a dialect that is confirmed is not written again.
_REFRESH = 3600.0


@implementer(IProtocolBook)
class MemoryProtocolBook(MemoryBook):
    """
    The protocols that peers speak.
    """

    def protocols(self, peer: PeerID | str) -> tuple[str, ...]:
        """
        Return the protocols that a peer serves.
        """
        peer = PeerID.of(peer)
        record = self._book.get(peer)
        return splitLines(record.protocols) if record is not None else ()

    def dialect(self, peer: PeerID | str) -> str | None:
        """
        Return how a peer negotiates, if that was learnt within a day.
        """
        peer = PeerID.of(peer)
        record = self._book.get(peer)
        if record is None or self.clock.seconds() - record.dialectLearntAt > FACTS_TTL:
            return None
        return record.dialect or None

    def setDialect(self, peer: PeerID | str, dialect: str) -> None:
        """
        Store how a peer negotiates.
        """
        peer = PeerID.of(peer)
        known = self._book.get(peer)
        if known is not None and known.dialect == dialect:
            age = self.clock.seconds() - known.dialectLearntAt
            if 0 <= age < _REFRESH:
                return
        with self._book.changing(peer) as record:
            record.dialectLearntAt = self._book.stamp()
            record.dialect = share(dialect)
            self._book.note(peer)
