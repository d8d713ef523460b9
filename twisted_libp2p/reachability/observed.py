# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The addresses from which peers see us, without I/O.

An I{end} is an IP address with a port of TCP or UDP.  A router gives our end another
one, its outer end, which peers report by identify.  Peers may lie: an outer end counts
as often as there are networks with a peer that reports it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from twisted_libp2p.address import Multiaddr

__all__ = [
    "ACTIVE",
    "MAX_OF_NETWORK",
    "MAX_OUTER",
    "MAX_REPORTS",
    "Mapping",
    "Observations",
    "Outer",
]

#: Number of networks that have to report an outer end before it is given to peers, as
#: in go-libp2p.
ACTIVE: Final = 4

#: Number of outer ends of one end of ours that are used: those that most networks
#: report.
MAX_OUTER: Final = 3

#: Number of connections whose reports are kept, in all and of one network: a few are
#: enough, and a crowd in one network must not take the places of the others.
MAX_REPORTS: Final = 128
MAX_OF_NETWORK: Final = 4

#: Number of networks that must have reported an end of ours before its mapping is
#: judged.
JUDGED: Final = 3


class Mapping(Enum):
    """
    How a router chooses the outer end for an end of ours.
    """

    UNKNOWN = "unknown"
    #: One for all destinations: peers can be given it.
    INDEPENDENT = "independent"
    #: Another for each destination, as a "symmetric" router does: no peer can use it.
    DEPENDENT = "dependent"


@dataclass(frozen=True, slots=True)
class Outer:
    """
    An outer end.

    @ivar end: the end itself, such as C{/ip4/198.51.100.1/tcp/4001}.
    @ivar networks: the number of networks with a peer that reports it.
    """

    end: Multiaddr
    networks: int


@dataclass(frozen=True, slots=True)
class _Report:
    """
    The report of the peer of one connection.

    @ivar local: our end.
    @ivar outer: the outer end.
    @ivar network: the network of the peer.
    @ivar outbound: whether we have dialed the peer: only such connections show how a
        router chooses outer ends.
    """

    local: Multiaddr
    outer: Multiaddr
    network: Hashable
    outbound: bool


class Observations:
    """
    The reports of all connections.
    """

    def __init__(self) -> None:
        self._reports: dict[Hashable, _Report] = {}
        self._networks: Counter[Hashable] = Counter()
        # By our end and the outer end: how many connections of each network report it.
        self._counts: dict[Multiaddr, dict[Multiaddr, Counter[Hashable]]] = {}

    def add(
        self,
        connection: Hashable,
        local: Multiaddr,
        outer: Multiaddr,
        network: Hashable,
        outbound: bool,
    ) -> bool:
        """
        Take the report of the peer of a connection, in place of its earlier one, unless
        there are enough.

        @return: whether it was taken.
        """
        self.remove(connection)
        if (
            len(self._reports) >= MAX_REPORTS
            or self._networks[network] >= MAX_OF_NETWORK
        ):
            return False
        self._networks[network] += 1
        self._reports[connection] = _Report(local, outer, network, outbound)
        ends = self._counts.setdefault(local, {})
        ends.setdefault(outer, Counter())[network] += 1
        return True

    def __len__(self) -> int:
        return len(self._reports)

    def remove(self, connection: Hashable) -> bool:
        """
        Forget the report of a connection that has ended.

        @return: whether there was one.
        """
        report = self._reports.pop(connection, None)
        if report is None:
            return False
        self._networks[report.network] -= 1
        if not self._networks[report.network]:
            del self._networks[report.network]
        ends = self._counts[report.local]
        networks = ends[report.outer]
        networks[report.network] -= 1
        if not networks[report.network]:
            del networks[report.network]
        if not networks:
            del ends[report.outer]
        if not ends:
            del self._counts[report.local]
        return True

    def __iter__(self) -> Iterator[Multiaddr]:
        """
        Iterate over our ends that were reported.
        """
        return iter(list(self._counts))

    def outer(self, local: Multiaddr) -> list[Outer]:
        """
        Return the outer ends of an end of ours that most networks report, the best one
        first.
        """
        ends = self._counts.get(local, {})
        found = [Outer(end, len(networks)) for end, networks in ends.items()]
        found.sort(key=lambda each: -each.networks)
        return found[:MAX_OUTER]

    def mapping(self) -> Mapping:
        """
        Judge how our router chooses outer ends: by the end of ours that most networks
        have reported on connections that we have opened.
        """
        seen: dict[Multiaddr, dict[Multiaddr, set[Hashable]]] = {}
        for each in self._reports.values():
            if each.outbound:
                ends = seen.setdefault(each.local, {})
                ends.setdefault(each.outer, set()).add(each.network)
        judged = Mapping.UNKNOWN
        most = 0
        for ends in seen.values():
            total = len(set().union(*ends.values()))
            if total >= JUDGED and total > most:
                most = total
                best = max(map(len, ends.values()))
                independent = best >= 2 and 2 * best >= total
                judged = Mapping.INDEPENDENT if independent else Mapping.DEPENDENT
        return judged
