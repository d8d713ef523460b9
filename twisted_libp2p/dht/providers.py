# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The providers of content that have announced themselves to this node.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from typing import Final

from twisted_libp2p.identity import PeerID

__all__ = ["LIFETIME", "MAX_PER_KEY", "MAX_PER_PEER", "MAX_RECORDS", "ProviderStore"]

#: Seconds after which an announcement expires.
LIFETIME: Final = 172_800.0

#: The most providers of one key.
MAX_PER_KEY: Final = 256

#: The most keys of one provider.
MAX_PER_PEER: Final = 20_000

#: The most announcements in all; the oldest are dropped.
MAX_RECORDS: Final = 200_000

#: A provider of a key.
Record = tuple[bytes, PeerID]


class ProviderStore:
    """
    Stores which peers provide which keys, for two days.

    A key with too many providers keeps those of different networks, so that nobody
    with many ids in one network can push out the others.

    @ivar changed: called with each announcement that was added or dropped.
    """

    def __init__(self) -> None:
        self.changed: Callable[[Record], object] = lambda record: None
        # When each was received, in that order.
        self._records: OrderedDict[Record, float] = OrderedDict()
        # The providers of each key and their networks, the oldest first.
        self._byKey: dict[bytes, dict[PeerID, bytes]] = {}
        self._perPeer: dict[PeerID, int] = {}

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        """
        Iterate over the announcements, oldest first.
        """
        return iter(list(self._records))

    def received(self, record: Record) -> float | None:
        """
        Return when an announcement was received; None if it is not there.
        """
        return self._records.get(record)

    def add(self, key: bytes, peer: PeerID, now: float, network: bytes = b"") -> bool:
        """
        Store an announcement, or prolong it.

        @param now: the time in seconds since the epoch.
        @param network: the network from which the peer has announced itself.
        @return: False if the key has too many providers, or the peer too many keys.
        """
        record = key, peer
        if record not in self._records:
            if self._perPeer.get(peer, 0) >= MAX_PER_PEER:
                return False
            known = self._byKey.get(key, {})
            if len(known) >= MAX_PER_KEY and not self._makeRoom(key, known, network):
                return False
        self.load(record, now, network)
        self.changed(record)
        while len(self._records) > MAX_RECORDS:
            self.remove(next(iter(self._records)))
        return True

    def _makeRoom(self, key: bytes, known: dict[PeerID, bytes], network: bytes) -> bool:
        """
        Drop the oldest provider of the network that has the most, for one of a network
        that has fewer.
        """
        counts = Counter(known.values())
        [(largest, size)] = counts.most_common(1)
        if counts[network] + 1 >= size:
            return False
        self.remove((key, next(each for each in known if known[each] == largest)))
        return True

    def load(self, record: Record, received: float, network: bytes = b"") -> None:
        """
        Take an announcement from a database.
        """
        self._forget(record)
        key, peer = record
        self._records[record] = received
        self._byKey.setdefault(key, {})[peer] = network
        self._perPeer[peer] = self._perPeer.get(peer, 0) + 1

    def of(self, key: bytes, now: float) -> list[PeerID]:
        """
        Return the providers of a key, the latest announcement first.
        """
        known = reversed(self._byKey.get(key, {}))
        return [each for each in known if self._records[key, each] + LIFETIME > now]

    def remove(self, record: Record) -> None:
        """
        Drop an announcement.
        """
        if record in self._records:
            self._forget(record)
            self.changed(record)

    def sweep(self, now: float, most: int) -> bool:
        """
        Drop expired announcements.

        @param most: the most to drop.
        @return: whether there may be more.
        """
        for _ in range(most):
            oldest = next(iter(self._records), None)
            if oldest is None or self._records[oldest] + LIFETIME > now:
                return False
            self.remove(oldest)
        return True

    def _forget(self, record: Record) -> None:
        if self._records.pop(record, None) is None:
            return
        key, peer = record
        peers = self._byKey[key]
        del peers[peer]
        if not peers:
            del self._byKey[key]
        self._perPeer[peer] -= 1
        if not self._perPeer[peer]:
            del self._perPeer[peer]
