# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
One gateway, and the way by which it maps ports.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred, DeferredLock, gatherResults, succeed

from twisted_libp2p.address import Scope
from twisted_libp2p.errors import DoubleNAT, Libp2pError, MappingRefused, NoGateway
from twisted_libp2p.portmap.datagrams import Questions
from twisted_libp2p.portmap.epoch import Epoch
from twisted_libp2p.portmap.lease import Gateway, Lease, Port
from twisted_libp2p.portmap.upnp import UPnP
from twisted_libp2p.portmap.ways import NATPMP, PCP, Way

__all__ = ["Router"]

T = TypeVar("T")

#: A lease that is shorter, in seconds, counts as none.
MIN_LIFETIME: Final = 10.0

#: The errors of the ways, the one first that says most to the user.
_WEIGHT: Final = (DoubleNAT, MappingRefused, NoGateway)


class Router:
    """
    The gateway of this host.

    All ways are tried at the same time; of those that work the first is used: PCP,
    NAT-PMP, UPnP.

    @ivar gateway: the gateway.
    @ivar way: the way that has worked; None so far.
    """

    def __init__(
        self, reactor: Any, gateway: Gateway, random: Callable[[], float]
    ) -> None:
        """
        @param reactor: gives the sockets and the time.
        @param random: returns numbers from 0 to 1, for public ports.
        """
        self.gateway = gateway
        self.way: Way | None = None
        self._epochs = Epoch(), Epoch()
        self._questions = Questions(reactor, gateway.address)
        self._ways: tuple[Way, ...] = (
            PCP(self._questions, gateway, reactor, self._epochs[0]),
            NATPMP(self._questions, reactor, self._epochs[1]),
            UPnP(reactor, gateway, random),
        )
        self._lock = DeferredLock()
        self._opening: dict[str, Deferred[None]] = {}
        self._deleting: list[Deferred[None]] = []

    @property
    def restarts(self) -> int:
        """
        How often the gateway has forgotten its mappings.
        """
        return sum(each.restarts for each in self._epochs)

    async def map(self, port: Port, public: int) -> Lease:
        """
        Map a port, or renew its mapping.

        @param public: the public port that we would like.
        @raise Libp2pError: L{DoubleNAT}, L{MappingRefused} or L{NoGateway}.
        """
        await self._lock.acquire()
        try:
            if self.way is None:
                return await self._search(port, public)
            return await self._mapBy(self.way, port, public)
        except NoGateway:
            # It may have another way by now.
            self.way = None
            raise
        finally:
            self._lock.release()

    def unmap(self, port: Port, public: int) -> Deferred[None]:
        """
        Delete a mapping, if there is one.

        @return: fires when it is deleted.  Fails with L{MappingRefused} or
            L{NoGateway}, or with C{CancelledError} if the router is closed before.
        """
        if self.way is None:
            return succeed(None)
        deleting = Deferred.fromCoroutine(self.way.unmap(port, public))
        self._deleting.append(deleting)

        def deleted(result: T) -> T:
            self._deleting.remove(deleting)
            return result

        return deleting.addBoth(deleted)

    async def look(self, port: Port, lease: Lease) -> bool:
        """
        Find out whether the gateway still knows a mapping.

        @raise Libp2pError: it does not answer.
        """
        await self._lock.acquire()
        try:
            return self.way is None or await self.way.look(port, lease)
        except NoGateway:
            self.way = None
            raise
        finally:
            self._lock.release()

    def whenDeleted(self) -> Deferred[Any]:
        """
        Return a Deferred that fires when all deletions have ended.
        """
        return gatherResults(self._deleting)

    def close(self) -> None:
        """
        Give up all questions.
        """
        self._forget()
        for each in list(self._deleting):
            each.cancel()
        self._questions.close()

    async def _search(self, port: Port, public: int) -> Lease:
        """
        Try all ways.
        """
        for each in self._ways:
            opening = Deferred.fromCoroutine(each.open())
            self._opening[each.name] = opening
        problems: list[Libp2pError] = []
        try:
            for each in self._ways:
                try:
                    await self._opening.pop(each.name)
                    lease = await self._mapBy(each, port, public)
                except (DoubleNAT, MappingRefused, NoGateway) as error:
                    problems.append(error)
                else:
                    self.way = each
                    return lease
        finally:
            self._forget()
        worst = min(problems, key=lambda each: _WEIGHT.index(type(each)))
        if isinstance(worst, NoGateway):
            reasons = [each.message for each in problems if isinstance(each, NoGateway)]
            raise NoGateway("; ".join(dict.fromkeys(reasons)))
        raise worst

    def _forget(self) -> None:
        """
        Give up the ways that are no longer needed.
        """
        opening, self._opening = self._opening, {}
        for each in opening.values():
            each.addErrback(lambda _: None)
            each.cancel()

    async def _mapBy(self, way: Way, port: Port, public: int) -> Lease:
        """
        Map a port by one way; a mapping that is of no use is deleted again.
        """
        lease = await way.map(port, public)
        scope = Scope.ofHost(lease.address.packed)
        if scope is Scope.PUBLIC and lease.port and lease.lifetime >= MIN_LIFETIME:
            return lease
        await way.unmap(port, lease.port)
        if scope is not Scope.PUBLIC:
            raise DoubleNAT(lease.address)
        raise MappingRefused(way.name, 0, "a lease of no use")
