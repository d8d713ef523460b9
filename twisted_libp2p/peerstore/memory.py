# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A peerstore that forgets when the process ends.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IPeerStore

__all__ = ["MemoryPeerStore"]

#: The most peers that are remembered; who was of use least recently goes.
MAX_PEERS = 10_000

#: The most addresses of one peer; the oldest goes.
MAX_ADDRESSES = 64

#: Seconds for which the dialect of a peer is believed: a day.
DIALECT_TTL = 86_400.0


class _Record:
    """
    What is known of one peer.
    """

    __slots__ = ("addresses", "dialect", "dialectAt")

    def __init__(self) -> None:
        self.addresses: list[Multiaddr] = []
        self.dialect: str | None = None
        self.dialectAt = 0.0


@implementer(IPeerStore)
class MemoryPeerStore:
    """
    Remembers peers in memory, within bounds.
    """

    def __init__(self, clock: IReactorTime) -> None:
        """
        @param clock: tells how old a fact is.
        """
        self._clock = clock
        self._records: OrderedDict[PeerID, _Record] = OrderedDict()

    def addresses(self, peer: PeerID) -> list[Multiaddr]:
        """
        Give where a peer may be dialed, what was learnt last first.
        """
        record = self._records.get(peer)
        return list(record.addresses) if record is not None else []

    def addAddresses(self, peer: PeerID, addresses: Iterable[Multiaddr]) -> None:
        """
        Learn where a peer may be dialed.
        """
        record = self._touch(peer)
        fresh = list(dict.fromkeys(each.withoutPeer() for each in addresses))
        known = [each for each in record.addresses if each not in fresh]
        record.addresses = (fresh + known)[:MAX_ADDRESSES]

    def removeAddresses(self, peer: PeerID, addresses: Iterable[Multiaddr]) -> None:
        """
        Learn where a peer may not be dialed any more.
        """
        record = self._records.get(peer)
        if record is not None:
            gone = {each.withoutPeer() for each in addresses}
            record.addresses = [each for each in record.addresses if each not in gone]

    def dialect(self, peer: PeerID) -> str | None:
        """
        Tell how a peer negotiates, if that was learnt within a day.
        """
        record = self._records.get(peer)
        if record is None or self._clock.seconds() - record.dialectAt > DIALECT_TTL:
            return None
        return record.dialect

    def setDialect(self, peer: PeerID, dialect: str) -> None:
        """
        Learn how a peer negotiates.
        """
        record = self._touch(peer)
        record.dialect = dialect
        record.dialectAt = self._clock.seconds()

    def _touch(self, peer: PeerID) -> _Record:
        record = self._records.get(peer)
        if record is None:
            record = self._records[peer] = _Record()
            if len(self._records) > MAX_PEERS:
                self._records.popitem(last=False)
        else:
            self._records.move_to_end(peer)
        return record
