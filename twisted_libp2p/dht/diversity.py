# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The diversity of networks: nobody with a few addresses may fill a table, or an answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from twisted_libp2p.address import Multiaddr, Scope

__all__ = ["PER_BUCKET", "PER_TABLE", "Diversity", "networksOf", "withoutCrowds"]

#: The most peers of one network in one bucket, and in a whole table, as in go-libp2p.
PER_BUCKET: Final = 2
PER_TABLE: Final = 3

# The first bytes of IPv4 networks of which each belongs to a single owner, as in
# go-libp2p.
_WHOLE: Final = frozenset({12, 17, 19, 38, 48, 53, 56, 73})

P = TypeVar("P")


def networksOf(addresses: Iterable[Multiaddr]) -> frozenset[bytes]:
    """
    Return the networks of some addresses: /16 for IPv4, /8 for eight networks with one
    owner each, /32 for IPv6.

    @return: the leading bytes of public addresses.  Addresses that are not public
        belong to no network: nobody else can get them.
    """
    found = set()
    for each in addresses:
        host = each.host
        if host is None or Scope.ofHost(host) is not Scope.PUBLIC:
            continue
        if len(host) == 16:
            found.add(host[:4])
        else:
            # One byte, or two: they cannot be taken for a network of the other size.
            found.add(host[:1] if host[0] in _WHOLE else host[:2])
    return frozenset(found)


def withoutCrowds(
    peers: Sequence[tuple[P, frozenset[bytes]]], maximum: int = PER_TABLE
) -> list[P]:
    """
    Leave out all peers of each network that occurs too often in an answer.

    @param peers: the peers, each with its networks.
    @param maximum: the most peers of one network.
    """
    counts = Counter(each for _, networks in peers for each in networks)
    crowded = {each for each, count in counts.items() if count > maximum}
    return [peer for peer, networks in peers if not networks & crowded]


class Diversity:
    """
    Counts the networks of the peers in a table.
    """

    def __init__(
        self, perBucket: int | None = PER_BUCKET, perTable: int | None = PER_TABLE
    ) -> None:
        """
        Begin without a peer.

        @param perBucket: the most peers of one network in one bucket; None for any
            number.
        @param perTable: the same for the whole table.
        """
        self._perBucket = perBucket
        self._perTable = perTable
        self._counts: Counter[tuple[int | None, bytes]] = Counter()

    def admits(self, bucket: int, networks: Iterable[bytes]) -> bool:
        """
        Check whether one more peer of some networks is welcome.
        """
        return all(
            maximum is None or self._counts[place, network] < maximum
            for network in networks
            for place, maximum in ((bucket, self._perBucket), (None, self._perTable))
        )

    def add(self, bucket: int, networks: Iterable[bytes]) -> None:
        """
        Count a peer.
        """
        for each in networks:
            self._counts[bucket, each] += 1
            self._counts[None, each] += 1

    def remove(self, bucket: int, networks: Iterable[bytes]) -> None:
        """
        Count a peer no longer.
        """
        for each in networks:
            for key in ((bucket, each), (None, each)):
                self._counts[key] -= 1
                if not self._counts[key]:
                    del self._counts[key]
