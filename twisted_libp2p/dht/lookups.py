# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
All lookups of a DHT node: their beginnings, and their results.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from twisted_libp2p.dht.events import CrowdedKey, LookupEnded
from twisted_libp2p.dht.keyspace import placeOf
from twisted_libp2p.dht.lookup import Answered, Lookup, Report, nothing
from twisted_libp2p.dht.messages import Message
from twisted_libp2p.dht.netsize import NetworkSize
from twisted_libp2p.dht.network import HostNetwork
from twisted_libp2p.dht.query import Bounds, Ending
from twisted_libp2p.dht.table import RoutingTable
from twisted_libp2p.errors import NotFound
from twisted_libp2p.events import Event
from twisted_libp2p.identity import PeerID

__all__ = ["MAX_EXPLAINED", "START_TIME", "Lookups"]

#: Seconds for which a lookup waits for the first server of an empty table.
START_TIME: Final = 10.0

#: The most lookups whose results are kept for L{Lookups.explain}.
MAX_EXPLAINED: Final = 100


class Lookups:
    """
    Runs lookups.

    @ivar size: the size of the network, estimated from the lookups.
    @ivar k: the number of nearest servers that a lookup finds.
    @ivar endings: the number of lookups by the reason of their end.
    """

    def __init__(
        self,
        network: HostNetwork,
        table: RoutingTable[PeerID],
        publish: Callable[[Event], object],
        ended: Callable[[bytes], object],
    ) -> None:
        """
        Begin without a lookup.

        @param network: the network.
        @param table: the servers with which a lookup begins.
        @param publish: takes the events.
        @param ended: called with the key of each complete lookup.
        """
        self._network = network
        self._table = table
        self._publish = publish
        self._ended = ended
        self.size = NetworkSize(table.size)
        self.k = table.size
        self.endings: Counter[Ending] = Counter()
        self._bounds = Bounds(k=table.size)
        self._wide = Bounds(k=2 * table.size)
        self._running: set[Lookup] = set()
        self._waiting: list[Deferred[None]] = []
        self._reports: OrderedDict[bytes, Report] = OrderedDict()

    async def run(
        self,
        key: bytes,
        request: Message,
        answered: Answered = nothing,
        skip: PeerID | None = None,
    ) -> Report:
        """
        Run a lookup; if the servers nearest to the key are suspiciously near, also one
        of twice as many.

        @param key: the key to look up.
        @param request: the request that each peer gets.
        @param answered: called with the lookup, each peer and its answer; returns
            whether enough is found.
        @param skip: a peer that is not asked.
        @raise NotFound: no server is known.
        """
        await self._ready()
        report = await self._search(key, request, answered, skip, self._bounds, ())
        if not self._isCrowded(report):
            return report
        # A peer that has crowded out the honest servers has to crowd out more of them.
        return await self._search(
            key, request, answered, skip, self._wide, report.nearest
        )

    async def _search(
        self,
        key: bytes,
        request: Message,
        answered: Answered,
        skip: PeerID | None,
        bounds: Bounds,
        known: Sequence[PeerID],
    ) -> Report:
        """
        Run a lookup within bounds, and record it.

        @param known: peers to ask besides those of the table.
        """
        near = self._table.nearest(placeOf(key), bounds.k)
        seeds = list(dict.fromkeys((*near, *known)))
        lookup = Lookup(self._network, key, request, seeds, answered, bounds, skip=skip)
        self._running.add(lookup)
        try:
            report = await lookup.start()
        finally:
            self._running.discard(lookup)
        self._record(report)
        return report

    def entered(self) -> None:
        """
        Let the waiting lookups begin, because there is a server.
        """
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)

    def explain(self, key: bytes) -> str:
        """
        Return the course of the last lookup of a key as text; empty without one.
        """
        report = self._reports.get(key)
        if report is None:
            return ""
        way = " -> ".join(str(each) for each in report.path) or "nobody"
        return f"{report}; by way of {way}"

    def stop(self) -> None:
        """
        End all lookups.
        """
        for lookup in list(self._running):
            lookup.result.cancel()
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.errback(NotFound("a server of the DHT", reason="the node stops"))

    def _ready(self) -> Deferred[None]:
        """
        Wait for the first server.
        """
        if len(self._table):
            return succeed(None)
        waiter: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiter)
        return waiter.addTimeout(START_TIME, self._network.clock, self._late)

    def _late(self, result: Failure | None, seconds: float) -> None:
        """
        Explain why there is nobody to ask.
        """
        raise NotFound(
            "a server of the DHT",
            reason=f"none of {self._network.peers} connected peers serves"
            f" {self._network.protocol}; connect to a bootstrap peer of this network",
        )

    def _record(self, report: Report) -> None:
        """
        Take the end of a lookup into account.
        """
        self.endings[report.ending] += 1
        self._reports[report.key] = report
        self._reports.move_to_end(report.key)
        if len(self._reports) > MAX_EXPLAINED:
            self._reports.popitem(last=False)
        if report.ending is Ending.COMPLETED:
            self._ended(report.key)
        now = self._network.clock.seconds()
        self._publish(LookupEnded(time=now, report=report))

    def _isCrowded(self, report: Report) -> bool:
        """
        Check whether the nearest servers are nearer than by chance, and report it;
        otherwise they count for the size of the network.
        """
        if report.ending is not Ending.COMPLETED:
            return False
        now = self._network.clock.seconds()
        target = placeOf(report.key)
        places = [placeOf(each.toBytes()) for each in report.nearest]
        size = self.size.estimate(now)
        if size is None or not self.size.tooDense(target, places, now):
            self.size.observe(target, places, now)
            return False
        self._publish(CrowdedKey(time=now, report=report, size=size))
        return True
