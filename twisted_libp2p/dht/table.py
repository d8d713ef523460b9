# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The routing table: the servers that this node knows, many near its own place and few far
away.

One bucket holds the peers that share a given number of leading bits with our own place.
Old peers win: a peer that has stayed for long is likely to stay longer, and an attacker
cannot push it out.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from enum import Enum
from operator import attrgetter
from typing import Final, Generic, TypeVar

from twisted_libp2p.dht.diversity import Diversity
from twisted_libp2p.dht.keyspace import BITS, commonPrefix

__all__ = ["SIZE", "Entry", "RoutingTable", "Verdict"]

#: The size of a bucket, and the number of peers in an answer: k.
SIZE: Final = 20

P = TypeVar("P", bound=Hashable)


class Verdict(Enum):
    """
    The result of offering a peer to a table.
    """

    #: The peer is in the table now.
    ADDED = "added"
    #: The peer was in the table before.
    KNOWN = "known"
    #: Its bucket is full.
    FULL = "full"
    #: There are enough peers of its network.
    CROWDED = "crowded"
    #: The place is our own.
    OWN = "own"


class Entry(Generic[P]):
    """
    A peer in a table.

    @ivar peer: the peer.
    @ivar place: its place.
    @ivar networks: the networks of its addresses.
    @ivar useful: when it answered last, in seconds.
    @ivar replaceable: whether another peer may take its position when the bucket is
        full.
    """

    __slots__ = ("networks", "peer", "place", "replaceable", "useful")

    def __init__(
        self,
        peer: P,
        place: int,
        networks: frozenset[bytes],
        useful: float,
        replaceable: bool,
    ) -> None:
        self.peer = peer
        self.place = place
        self.networks = networks
        self.useful = useful
        self.replaceable = replaceable


class RoutingTable(Generic[P]):
    """
    The buckets of peers.

    @ivar own: our own place.
    @ivar size: the most peers of a bucket.
    """

    def __init__(
        self, own: int, size: int = SIZE, diversity: Diversity | None = None
    ) -> None:
        """
        Begin with an empty table.

        @param own: our own place.
        @param size: the most peers of a bucket.
        @param diversity: limits the peers of one network.
        """
        self.own = own
        self.size = size
        self._diversity = diversity or Diversity()
        self._buckets: dict[int, list[Entry[P]]] = {}
        self._entries: dict[P, Entry[P]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, peer: object) -> bool:
        return peer in self._entries

    def __iter__(self) -> Iterator[Entry[P]]:
        return iter(self._entries.values())

    @property
    def depth(self) -> int:
        """
        The number of the deepest bucket that has peers; -1 if all are empty.
        """
        return max(self._buckets, default=-1)

    def sizes(self) -> dict[int, int]:
        """
        Return the number of peers of each bucket that has any, in order.
        """
        return {each: len(self._buckets[each]) for each in sorted(self._buckets)}

    def prefix(self, peer: P) -> int:
        """
        Return the number of the bucket of a peer in the table.
        """
        return commonPrefix(self.own, self._entries[peer].place)

    def judge(self, peer: P, place: int, networks: frozenset[bytes]) -> Verdict:
        """
        Return the result that L{offer} would have, without a change.
        """
        if peer in self._entries:
            return Verdict.KNOWN
        number = commonPrefix(self.own, place)
        if number == BITS:
            return Verdict.OWN
        bucket = self._buckets.get(number, ())
        if len(bucket) >= self.size and not any(each.replaceable for each in bucket):
            return Verdict.FULL
        if not self._diversity.admits(number, networks):
            return Verdict.CROWDED
        return Verdict.ADDED

    def offer(
        self,
        peer: P,
        place: int,
        now: float,
        networks: frozenset[bytes] = frozenset(),
        replaceable: bool = False,
    ) -> Verdict:
        """
        Add a peer that has answered, if there is room.

        @param place: its place.
        @param now: the time in seconds.
        @param networks: the networks of its addresses, as of
            L{networksOf<twisted_libp2p.dht.diversity.networksOf>}.
        @param replaceable: whether another peer may take its position later.
        """
        verdict = self.judge(peer, place, networks)
        if verdict is Verdict.KNOWN:
            self._entries[peer].useful = now
        elif verdict is Verdict.ADDED:
            number = commonPrefix(self.own, place)
            bucket = self._buckets.setdefault(number, [])
            if len(bucket) >= self.size:
                oldest = (each for each in bucket if each.replaceable)
                self.remove(min(oldest, key=attrgetter("useful")).peer)
                bucket = self._buckets.setdefault(number, bucket)
            entry = Entry(peer, place, networks, now, replaceable)
            bucket.append(entry)
            self._entries[peer] = entry
            self._diversity.add(number, networks)
        return verdict

    def remove(self, peer: P) -> bool:
        """
        Remove a peer.

        @return: whether it was there.
        """
        entry = self._entries.pop(peer, None)
        if entry is None:
            return False
        number = commonPrefix(self.own, entry.place)
        bucket = self._buckets[number]
        bucket.remove(entry)
        if not bucket:
            del self._buckets[number]
        self._diversity.remove(number, entry.networks)
        return True

    def settle(self) -> None:
        """
        Let no other peer take the position of the present ones.
        """
        for each in self:
            each.replaceable = False

    def nearest(self, target: int, count: int) -> list[P]:
        """
        Return the peers nearest to a place, nearest first.

        @param count: the most peers to return.
        """
        number = commonPrefix(self.own, target)
        found = list(self._buckets.get(number, ()))
        if len(found) < count:
            # These peers share exactly as many bits with the target as we do.
            for each, bucket in self._buckets.items():
                if each > number:
                    found += bucket
        for each in range(min(number, BITS) - 1, -1, -1):
            if len(found) >= count:
                break
            found += self._buckets.get(each, ())
        found.sort(key=lambda each: each.place ^ target)
        return [each.peer for each in found[:count]]

    def stale(self, before: float) -> list[P]:
        """
        Return the peers that have not answered since some time, the longest silent
        first.

        @param before: the time in seconds.
        """
        found = [each for each in self if each.useful < before]
        found.sort(key=attrgetter("useful"))
        return [each.peer for each in found]
