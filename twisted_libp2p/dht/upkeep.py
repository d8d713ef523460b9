# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The upkeep of a DHT node: lookups that fill the table, checks of silent servers, and the
removal of expired records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import log
from random import Random
from typing import Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from twisted_libp2p.dht.keyspace import RefreshKeys, commonPrefix, placeOf
from twisted_libp2p.dht.lookup import Report
from twisted_libp2p.dht.table import RoutingTable
from twisted_libp2p.errors import Libp2pError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.logger import Logger

__all__ = ["REFRESH", "Upkeep", "silence"]

#: Seconds between two refreshes of the table.
REFRESH: Final = 600.0

#: Seconds between two looks at a small table, and the size up to which it is small.
SMALL_INTERVAL: Final = 120.0
SMALL_TABLE: Final = 10

#: Seconds from the first server in an empty table to the first refresh.
FIRST: Final = 1.0

#: The deepest bucket that is refreshed by itself.
MAX_DEPTH: Final = 15

#: The most silent servers that are checked in one refresh.
MAX_SILENT: Final = 64


def silence(k: int, alpha: int) -> float:
    """
    Return the seconds after which a server that was not asked is checked: so long that
    a healthy server was asked by then with a probability of 1 - 1/k, as in
    go-libp2p-kad-dht.
    """
    return log(1 / k) / log(1 - alpha / k) * REFRESH


class Upkeep:
    """
    Keeps the table full and alive.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        own: PeerID,
        table: RoutingTable[PeerID],
        random: Random,
        *,
        closest: Callable[[bytes], Deferred[Report]],
        check: Callable[[PeerID], object],
        candidates: Callable[[], Iterable[PeerID]],
        sweep: Callable[[], object],
    ) -> None:
        """
        Prepare the upkeep, which L{start} begins.

        @param clock: the time and the timers.
        @param own: our peer.
        @param table: the table.
        @param random: makes keys to look up.
        @param closest: looks up a key.
        @param check: checks a server.
        @param candidates: returns the connected servers.
        @param sweep: drops expired records; called at each refresh.
        """
        self._clock = clock
        self._own = own
        self._table = table
        self._random = random
        self._keys = RefreshKeys(placeOf(own.toBytes()), random)
        self._closest = closest
        self._check = check
        self._candidates = candidates
        self._sweep = sweep
        self._refreshed: dict[int, float] = {}
        self._silence = silence(table.size, table.size // 2)
        self._timer: IDelayedCall | None = None
        self._small: IDelayedCall | None = None
        self._work: Deferred[None] | None = None
        self._running = False

    def start(self) -> None:
        """
        Begin.
        """
        self._running = True
        self._schedule(REFRESH)
        self._small = self._clock.callLater(SMALL_INTERVAL, self._lookAtSmall)

    def stop(self) -> None:
        """
        End.
        """
        self._running = False
        for each in (self._timer, self._small):
            if each is not None and each.active():
                each.cancel()
        if self._work is not None:
            self._work.cancel()

    def entered(self) -> None:
        """
        Refresh soon after the first server of an empty table.
        """
        if len(self._table) == 1 and self._work is None and self._running:
            self._schedule(FIRST)

    def lookedUp(self, key: bytes) -> None:
        """
        Record that a lookup has refreshed the bucket of its key.
        """
        prefix = commonPrefix(self._table.own, placeOf(key))
        self._refreshed[min(prefix, MAX_DEPTH)] = self._clock.seconds()

    def _schedule(self, seconds: float) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = self._clock.callLater(seconds, self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._work = Deferred.fromCoroutine(self._refresh())
        self._work.addErrback(self._failed).addBoth(self._done)

    def _failed(self, reason: Failure) -> None:
        if not reason.check(Libp2pError, CancelledError):
            self._log.failure("the routing table was not refreshed", reason)

    def _done(self, _: object) -> None:
        self._work = None
        if not self._running:
            return
        # Nodes that were started together need not refresh together.
        self._schedule(REFRESH * self._random.uniform(0.9, 1.1))

    async def _refresh(self) -> None:
        """
        Check silent servers; look up our own place, and one key for each bucket.
        """
        self._sweep()
        now = self._clock.seconds()
        for peer in self._table.stale(now - self._silence)[:MAX_SILENT]:
            self._check(peer)
        if not len(self._table):
            return
        await self._closest(self._own.toBytes())
        last = min(self._table.depth, MAX_DEPTH)
        for prefix in range(last + 1):
            if now - self._refreshed.get(prefix, 0.0) >= REFRESH * 0.9:
                key = self._keys.key(prefix)
                await self._closest(key)
                self._refreshed[prefix] = self._clock.seconds()
        self._table.settle()

    def _lookAtSmall(self) -> None:
        """
        Offer all connected servers to a small table.
        """
        self._small = self._clock.callLater(SMALL_INTERVAL, self._lookAtSmall)
        if len(self._table) <= SMALL_TABLE:
            for each in self._candidates():
                if each not in self._table:
                    self._check(each)
