# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The requests that store a record while its lookup goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twisted_libp2p.dht.lookup import Lookup, Network, Report
from twisted_libp2p.dht.messages import Message
from twisted_libp2p.dht.netsize import NetworkSize
from twisted_libp2p.dht.optimism import Optimism
from twisted_libp2p.dht.query import Ending
from twisted_libp2p.identity import PeerID

__all__ = ["MAX_BACKGROUND", "RETURN_SHARE", "Background", "EarlyStores"]

#: The share of the requests that have to end before the caller goes on.
RETURN_SHARE: Final = 0.75

#: The most requests of a DHT node that may go on after their caller.
MAX_BACKGROUND: Final = 60


class Background:
    """
    Counts the requests whose callers have gone on.

    @ivar count: their number.
    """

    count = 0

    def take(self, requests: list[Deferred[Any]]) -> bool:
        """
        Let requests go on without their caller.

        @return: False if there are too many.
        """
        if self.count + len(requests) > MAX_BACKGROUND:
            return False
        self.count += len(requests)
        for each in requests:
            each.addBoth(self._ended)
        return True

    def _ended(self, _: object) -> None:
        self.count -= 1


class EarlyStores:
    """
    Stores one record at servers that are near enough, as soon as they have answered.

    @ivar succeeded: the number of servers that have stored it.
    @ivar failure: the last error of a server; None without one.
    """

    def __init__(
        self,
        network: Network,
        size: NetworkSize,
        optimism: Optimism[PeerID],
        store: Callable[[PeerID], Deferred[Any]],
        background: Background,
    ) -> None:
        """
        Begin without a server.

        @param network: the network.
        @param size: notices servers that are nearer than by chance.
        @param optimism: chooses the servers.
        @param store: stores the record at a server.
        @param background: takes the requests that are left at the end.
        """
        self._network = network
        self._size = size
        self._optimism = optimism
        self._storeAt = store
        self._background = background
        self._running: dict[PeerID, Deferred[Any]] = {}
        self._stored: set[PeerID] = set()
        self._ended = 0
        self._waiter: Deferred[None] | None = None
        self.succeeded = 0
        self.failure: Failure | None = None

    def answered(self, lookup: Lookup, peer: PeerID, answer: Message) -> bool:
        """
        Store the record at the servers that are near enough.

        @return: whether the lookup may end.
        """
        query = lookup.query
        self._store(lookup, self._optimism.choose(query))
        if not self._optimism.enough(query) or self._isCrowded(lookup):
            return False
        self._store(lookup, self._optimism.rest(query))
        return True

    async def finish(self, report: Report) -> None:
        """
        Store the record at the other nearest servers, unless there are enough already;
        wait for most of the requests, and at least for one success.
        """
        if report.ending is not Ending.STOPPED:
            for each in report.nearest:
                self._begin(each)
        most = int(len(self._stored) * RETURN_SHARE + 0.999)
        while self._running and (self._ended < most or not self.succeeded):
            await self._next()
        if not self._background.take(list(self._running.values())):
            while self._running:
                await self._next()

    @property
    def sent(self) -> int:
        """
        The number of servers that were asked to store it.
        """
        return len(self._stored)

    def stop(self) -> None:
        """
        Cancel all requests.
        """
        for each in list(self._running.values()):
            each.cancel()

    def _isCrowded(self, lookup: Lookup) -> bool:
        """
        Check whether someone may have made the ids of the nearest servers: then the
        whole lookup is needed.
        """
        target, known = lookup.query.target, lookup.query.known(lookup.query.bounds.k)
        places = [distance ^ target for _, distance in known]
        return self._size.tooDense(target, places, self._network.clock.seconds())

    def _store(self, lookup: Lookup, peers: Iterable[PeerID]) -> None:
        for each in peers:
            self._network.learn(each, lookup.addresses(each))
            self._begin(each)

    def _begin(self, peer: PeerID) -> None:
        if peer in self._stored:
            return
        self._stored.add(peer)
        storing = self._storeAt(peer)
        self._running[peer] = storing
        storing.addCallbacks(self._succeeded, self._failed)
        storing.addBoth(self._done, peer)

    def _succeeded(self, _: object) -> None:
        self.succeeded += 1

    def _failed(self, reason: Failure) -> None:
        self.failure = reason

    def _done(self, _: object, peer: PeerID) -> None:
        del self._running[peer]
        self._ended += 1
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.callback(None)

    def _next(self) -> Deferred[None]:
        """
        Wait for the end of one request.
        """
        self._waiter = Deferred(self._forget)
        return self._waiter

    def _forget(self, _: object) -> None:
        self._waiter = None
