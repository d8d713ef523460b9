# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Storing before a lookup has ended, at the servers that are near enough, without I/O.

If the size of the network is known, the distance of a server says how likely it is to
be one of the nearest.  A record is stored at such a server as soon as the server has
answered, and the lookup ends once the nearest known servers are as near as the nearest
of all can be expected to be.  See go-libp2p-kad-dht 0.42, lookup_optim.go.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from twisted_libp2p.dht.netsize import SPACE, meanOf
from twisted_libp2p.dht.query import Query, State

__all__ = ["Optimism"]

#: The probability with which a server has to be one of the nearest, to store at once.
_SURE: Final = 0.9

#: The probability with which the nearest servers of all are nearer than the threshold
#: that ends the lookup.
_REACHED: Final = 0.9

P = TypeVar("P", bound=Hashable)


class Optimism(Generic[P]):
    """
    Chooses the servers of one record during its lookup.

    @ivar chosen: the servers at which the record is stored, in that order.
    """

    def __init__(self, size: float, k: int) -> None:
        """
        Begin without a server.

        @param size: the estimated number of servers in the network.
        @param k: the number of servers that are to store the record.
        """
        self._k = k
        self._near = meanOf(k, 1 - _SURE) / max(size, 1.0) * SPACE
        self._mean = meanOf(k // 2 + 1, _REACHED) / max(size, 1.0) * SPACE
        self.chosen: dict[P, None] = {}

    def choose(self, query: Query[P]) -> list[P]:
        """
        Choose the servers that are near enough.

        @param query: the lookup, after an answer.
        @return: the new ones.
        """
        found = [
            peer
            for peer, distance in query.known(self._k)
            if distance <= self._near
            and peer not in self.chosen
            and query.state(peer) is State.ANSWERED
        ]
        self.chosen.update(dict.fromkeys(found))
        return found

    def enough(self, query: Query[P]) -> bool:
        """
        Check whether the lookup may end.
        """
        if len(self.chosen) >= self._k:
            return True
        known = query.known(self._k)
        total = sum(distance for _, distance in known)
        return len(known) == self._k and total <= self._mean * self._k

    def rest(self, query: Query[P]) -> list[P]:
        """
        Choose the nearest known servers at the end of the lookup.

        @return: the new ones.
        """
        found = [each for each, _ in query.known(self._k) if each not in self.chosen]
        found = found[: self._k - len(self.chosen)]
        self.chosen.update(dict.fromkeys(found))
        return found
