# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The key book in memory.
"""

from __future__ import annotations

from zope.interface import implementer

from twisted_libp2p.errors import InvalidKey
from twisted_libp2p.identity import PeerID, PublicKey
from twisted_libp2p.interfaces import IKeyBook
from twisted_libp2p.peerstore.base import MemoryBook

__all__ = ["MemoryKeyBook"]


@implementer(IKeyBook)
class MemoryKeyBook(MemoryBook):
    """
    The public keys of peers.  Short keys are in the ids, and are not stored.
    """

    def publicKey(self, peer: PeerID | str) -> PublicKey | None:
        """
        Return the key of a peer, if it is known.
        """
        peer = PeerID.of(peer)
        inline = peer.publicKey()
        record = self._book.get(peer)
        if inline is not None or record is None or not record.publicKey:
            return inline
        return PublicKey.fromBytes(record.publicKey)

    def setPublicKey(self, peer: PeerID | str, key: PublicKey) -> None:
        """
        Store the key of a peer.
        """
        peer = PeerID.of(peer)
        if not peer.matches(key):
            raise InvalidKey(f"this is not the key of {peer}")
        if peer.holdsKey:
            return
        known, stored = self._book.get(peer), key.toBytes()
        if known is None or known.publicKey != stored:
            with self._book.changing(peer) as record:
                record.publicKey = stored
                self._book.note(peer)
