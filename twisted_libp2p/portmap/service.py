# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The service that opens ports of the router.
"""

from __future__ import annotations

from collections.abc import Callable
from random import random
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import Libp2pError, NoGateway
from twisted_libp2p.events import Listen, ListenClose
from twisted_libp2p.interfaces import (
    AddressSource,
    IDrainable,
    IHost,
    IHostService,
    ISubscription,
)
from twisted_libp2p.logger import Logger
from twisted_libp2p.portmap.events import (
    PortMapped,
    PortMappingFailed,
    PortMappingLost,
)
from twisted_libp2p.portmap.gateway import defaultGateway
from twisted_libp2p.portmap.keeper import Keeper
from twisted_libp2p.portmap.lease import Gateway, Port
from twisted_libp2p.portmap.ports import publicAddresses, wantedPorts
from twisted_libp2p.portmap.router import Router

__all__ = ["LOOK_INTERVAL", "PortMapping"]

#: Seconds after which the service looks again whether this host has another gateway,
#: and whether the gateway still knows a mapping.
LOOK_INTERVAL: Final = 20.0


@implementer(IDrainable, IHostService)
class PortMapping(Service):
    """
    Has the router forward the ports on which a node listens:
    C{node.add(PortMapping())}.

    The public addresses are among C{node.addresses} as long as the mappings last, which
    are deleted when the node stops.

    @ivar problem: why no port can be mapped at present; None without a reason.
    """

    name = "portmapping"
    _log = Logger()

    def __init__(
        self,
        gateway: Callable[[], Gateway | None] = defaultGateway,
        random: Callable[[], float] = random,
    ) -> None:
        """
        @param gateway: finds the gateway of this host; raises C{OSError} if that
            cannot be found out.
        @param random: returns numbers from 0 to 1, which spread the waits.
        """
        self.problem: BaseException | None = None
        self._find = gateway
        self._random = random
        self._router: Router | None = None
        self._keepers: dict[Port, Keeper] = {}
        self._announced: dict[Port, tuple[Multiaddr, ...]] = {}
        self._reported: dict[Port, str] = {}
        self._subscriptions: list[ISubscription] = []
        self._call: IDelayedCall | None = None
        self._looking: Deferred[None] | None = None
        self._deleting: Deferred[Any] | None = None

    def attach(self, host: IHost) -> None:
        """
        Take the node.
        """
        self._host = host

    @property
    def mapped(self) -> dict[Port, tuple[Multiaddr, ...]]:
        """
        The mapped ports, with the public addresses that lead to them.
        """
        return dict(self._announced)

    def startService(self) -> None:
        """
        Map the ports of all listeners, present and future.
        """
        super().startService()
        events = self._host.events
        self._subscriptions = [
            events.subscribe(Listen, self._listened),
            events.subscribe(ListenClose, self._listened),
        ]
        self._lookForGateway()
        self._lookLater()

    def drain(self) -> None:
        """
        Delete the mappings.
        """
        self.stopService()

    def stopService(self) -> Deferred[Any] | None:
        """
        Delete the mappings.

        @return: fires when the gateway has deleted them.
        """
        super().stopService()
        for each in self._subscriptions:
            each.cancel()
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if self._looking is not None:
            self._looking.cancel()
        router, self._router = self._router, None
        keepers, self._keepers = self._keepers, {}
        for keeper in keepers.values():
            keeper.stop()
        self.problem = None
        self._reported.clear()
        if router is not None:
            # A stop after a drain waits for the same deletions.
            self._deleting = router.whenDeleted().addBoth(lambda _: router.close())
        return self._deleting

    # The gateway

    def _lookForGateway(self) -> None:
        """
        Find the gateway; if it is another one, begin again.
        """
        try:
            gateway, missing = self._find(), "this host has no default gateway"
        except OSError as error:
            gateway, missing = None, str(error)
        router = self._router
        if router is not None and router.gateway == gateway:
            return
        if router is not None:
            self._log.info("the gateway of this host has changed")
            if self._looking is not None:
                self._looking.cancel()
            keepers, self._keepers = self._keepers, {}
            for each in keepers.values():
                each.stop()
            self._router = None
            # The old gateway cannot be reached, not even to delete its mappings.
            router.close()
        if gateway is not None:
            self.problem = None
            self._router = Router(self._host.reactor, gateway, self._random)
            self._mapPorts()
        elif self.problem is None or str(self.problem) != str(NoGateway(missing)):
            self.problem = NoGateway(missing)
            self._log.info("{error}", error=str(self.problem))

    def _lookLater(self) -> None:
        self._call = self._host.clock.callLater(LOOK_INTERVAL, self._lookAgain)

    def _lookAgain(self) -> None:
        """
        Look whether the gateway, and a mapping of it, is still there.
        """
        self._lookLater()
        self._lookForGateway()
        held = [each for each in self._keepers.values() if each.mapping.held]
        if held and self._looking is None:
            self._looking = Deferred.fromCoroutine(self._look(held[0]))
            self._looking.addBoth(self._looked)

    async def _look(self, keeper: Keeper) -> None:
        router, lease = self._router, keeper.lease
        assert router is not None and lease is not None
        restarts = router.restarts
        known = await router.look(keeper.port, lease)
        if not known or router.restarts != restarts:
            self._forgotten(None)

    def _looked(self, result: object) -> None:
        """
        Renew all mappings if the gateway does not answer: it may have restarted with
        another port, or another way.  Until they expire they stay.
        """
        self._looking = None
        if not isinstance(result, Failure) or result.check(CancelledError):
            return
        if not result.check(Libp2pError):
            self._log.failure("cannot look at the mappings", result)
        for each in list(self._keepers.values()):
            each.renew()

    def _forgotten(self, fresh: Keeper | None) -> None:
        """
        Map all ports again, because the gateway has begun again.

        @param fresh: a port that was mapped since then.
        """
        self._log.info("the gateway has forgotten the mappings of ports")
        for each in list(self._keepers.values()):
            if each is not fresh:
                each.forgotten()

    # The ports

    def _bound(self) -> list[Multiaddr]:
        return [
            each.address
            for each in self._host.ownAddresses.all()
            if each.source is AddressSource.BOUND
        ]

    def _listened(self, event: object) -> None:
        self._mapPorts()

    def _mapPorts(self) -> None:
        """
        Map the ports of the listeners, and no others.
        """
        router = self._router
        if router is None:
            return
        wanted = wantedPorts(self._bound(), router.gateway)
        for port in [each for each in self._keepers if each not in wanted]:
            self._keepers.pop(port).stop()
        for port in wanted:
            if port not in self._keepers:
                keeper = Keeper(
                    port,
                    router,
                    self._host.clock,
                    self._random,
                    self._changed,
                    self._failed,
                    self._forgotten,
                )
                self._keepers[port] = keeper
                keeper.start()
            else:
                # A listener may share a port that is mapped already.
                self._changed(self._keepers[port])

    def _changed(self, keeper: Keeper) -> None:
        """
        Announce the public addresses of a lease, or no longer.
        """
        port, lease, router = keeper.port, keeper.lease, self._router
        addresses: tuple[Multiaddr, ...] = ()
        if lease is not None and router is not None:
            addresses = tuple(
                publicAddresses(self._bound(), router.gateway, port, lease)
            )
        if addresses == self._announced.get(port, ()):
            return
        now = self._host.clock.seconds()
        if addresses:
            assert router is not None and router.way is not None
            self._announced[port] = addresses
            self._reported.pop(port, None)
            self.problem = None
            way = router.way.name
            self._log.info(
                "the gateway maps {public} to {port} ({way})",
                public=", ".join(map(str, addresses)),
                port=str(port),
                way=way,
            )
            event: Any = PortMapped(time=now, port=port, way=way, addresses=addresses)
        else:
            del self._announced[port]
            event = PortMappingLost(time=now, port=port)
        self._host.ownAddresses.replace(
            AddressSource.MAPPED,
            [each for found in self._announced.values() for each in found],
        )
        self._host.events.publish(event)

    def _failed(self, keeper: Keeper) -> None:
        """
        Report an error, once for each reason.
        """
        reason = keeper.problem
        assert reason is not None
        if str(self.problem) != str(reason):
            self._log.info("{port}: {error}", port=str(keeper.port), error=str(reason))
        self.problem = reason
        if self._reported.get(keeper.port) == str(reason):
            return
        self._reported[keeper.port] = str(reason)
        self._host.events.publish(
            PortMappingFailed(
                time=self._host.clock.seconds(), port=keeper.port, reason=reason
            )
        )
