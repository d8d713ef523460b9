# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A sweep: the lookups that find the nearest servers of many keys, without I/O.

A lookup finds all servers of some part of the key space: those that share more leading
bits with its key than the farthest server that it has found.  A few lookups find all
servers of a region, and then each key in the region has its nearest servers, however
many keys there are.  See go-libp2p-kad-dht 0.42, provider/provider.go.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from heapq import nsmallest
from operator import itemgetter
from random import Random
from typing import Final, Generic, TypeVar

from twisted_libp2p.dht.keyspace import BITS, commonPrefix, keyUnder, placeOf

__all__ = ["FEW_KEYS", "MAX_EXPLORED", "Placed", "Sweep"]

#: The number of keys of a region up to which each is looked up by itself.
FEW_KEYS: Final = 2

#: The most lookups of one region.
MAX_EXPLORED: Final = 32

P = TypeVar("P", bound=Hashable)

#: A key, and the places at which it is stored.
Placed = tuple[bytes, Sequence[P]]

#: The leading bits of a part of the key space as a number, and how many they are.
_Prefix = tuple[int, int]


def _siblings(place: int, beyond: int, depth: int) -> list[_Prefix]:
    """
    Return the parts of the key space that share some leading bits with a place.

    @param beyond: the parts share at least this many bits.
    @param depth: the parts share fewer bits than this.
    """
    return [
        ((place >> (BITS - 1 - bits)) ^ 1, bits + 1) for bits in range(beyond, depth)
    ]


class _Region(Generic[P]):
    """
    A part of the key space that is being explored.

    @ivar first: the key with whose lookup it began.
    @ivar prefix: its leading bits.
    @ivar missing: the parts of it whose servers are not known yet.
    @ivar known: the servers that were found, and their places.
    @ivar lookups: the number of lookups.
    """

    __slots__ = ("first", "known", "lookups", "missing", "prefix")

    def __init__(
        self,
        first: bytes,
        prefix: _Prefix,
        missing: list[_Prefix],
        known: dict[P, int],
    ) -> None:
        self.first = first
        self.prefix = prefix
        self.missing = missing
        self.known = known
        self.lookups = 1


class Sweep(Generic[P]):
    """
    Finds the servers of many keys, region by region.

    The caller looks up the key that L{next} returns, reports the result with L{found}
    or L{failed}, and calls L{next} again.
    """

    def __init__(
        self,
        due: Iterable[bytes],
        keys: Sequence[tuple[int, bytes]],
        k: int,
        random: Random,
    ) -> None:
        """
        Begin.

        @param due: the keys to store.
        @param keys: all keys and their places, in the order of the places; those in the
            regions of C{due} are stored too.  It may change meanwhile.
        @param k: the number of servers that store a key.
        @param random: makes keys to look up.
        """
        self._due = deque(sorted(due, key=placeOf))
        self._keys = keys
        self._k = k
        self._random = random
        self._done: set[bytes] = set()
        self._region: _Region[P] | None = None
        self._key = b""
        self._part: _Prefix = (0, 0)

    def next(self) -> bytes | None:
        """
        Return the key to look up now; None if all are done.
        """
        if self._region is not None:
            return self._key
        while self._due:
            self._key = self._due.popleft()
            if self._key not in self._done and self._has(placeOf(self._key), self._key):
                self._done.add(self._key)
                return self._key
        return None

    def failed(self) -> Iterable[Placed[P]]:
        """
        Record that the lookup has found nobody: leave out its key, or its part of the
        region.

        @return: as of L{found}.
        """
        return () if self._region is None else self._explore(self._region)

    def found(self, nearest: Sequence[tuple[P, int]]) -> Iterable[Placed[P]]:
        """
        Take the result of the lookup.

        @param nearest: the nearest servers and their places, nearest first; if they are
            fewer than C{k}, there are no others.
        @return: the keys whose servers are known now, with these servers.
        """
        place = placeOf(self._key)
        # All servers that share more bits with the place are known.
        shared = -1
        if len(nearest) >= self._k:
            shared = commonPrefix(place, nearest[-1][1])
        region = self._region
        if region is None:
            return self._begin(place, shared, nearest)
        region.known.update(nearest)
        _, bits = self._part
        region.missing += _siblings(place, bits, shared + 1)
        return self._explore(region)

    def _begin(
        self, place: int, shared: int, nearest: Sequence[tuple[P, int]]
    ) -> Iterable[Placed[P]]:
        """
        Take the lookup of a key, and begin with its region if it has other keys.
        """
        bits = max(shared, 0)
        prefix = place >> (BITS - bits), bits
        if shared >= 0 and len(self._pending(prefix)) < FEW_KEYS:
            return [(self._key, [each for each, _ in nearest])]
        missing = _siblings(place, bits, shared + 1)
        self._region = _Region(self._key, prefix, missing, dict(nearest))
        return self._explore(self._region)

    def _explore(self, region: _Region[P]) -> Iterable[Placed[P]]:
        """
        Choose the next key to look up in a region; at its end, place its keys.
        """
        while region.missing and region.lookups < MAX_EXPLORED:
            part = region.missing.pop()
            found = self._pending(part)
            key = found[0] if found else keyUnder(*part, self._random)
            if key is not None:
                self._key, self._part = key, part
                region.lookups += 1
                return ()
        self._region = None
        keys = self._pending(region.prefix)
        self._done.update(keys)
        return self._place([region.first, *keys], region.known)

    def _place(self, keys: Sequence[bytes], known: dict[P, int]) -> Iterator[Placed[P]]:
        """
        Iterate over keys and the nearest of the known servers.
        """
        for key in keys:
            place = placeOf(key)
            if not self._has(place, key):
                continue
            distances = ((at ^ place, each) for each, at in known.items())
            nearest = nsmallest(self._k, distances, itemgetter(0))
            yield key, [each for _, each in nearest]

    def _has(self, place: int, key: bytes) -> bool:
        """
        Check whether a key is still one of ours.
        """
        at = bisect_left(self._keys, (place, key))
        return at < len(self._keys) and self._keys[at][1] == key

    def _pending(self, prefix: _Prefix) -> list[bytes]:
        """
        Return the keys of a part of the key space that are not done.
        """
        lead, bits = prefix
        low = bisect_left(self._keys, (lead << (BITS - bits), b""))
        high = bisect_left(self._keys, ((lead + 1) << (BITS - bits), b""))
        return [key for _, key in self._keys[low:high] if key not in self._done]
