# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The start and the stop of a node, in the order of its parts.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from twisted.application.service import IService, MultiService
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionClosed
from twisted.internet.interfaces import IReactorCore
from twisted.internet.task import deferLater

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection import ConnectionContext, Upgrader
from twisted_libp2p.connection.dialer import Dialer
from twisted_libp2p.connection.endpointdials import EndpointDials
from twisted_libp2p.connmanager.departure import Departure
from twisted_libp2p.connmanager.service import ConnectionManager
from twisted_libp2p.errors import Libp2pError
from twisted_libp2p.events import OpenedConn
from twisted_libp2p.interfaces import IDrainable, IHostService, PeerStore
from twisted_libp2p.node.addresses import OwnAddresses
from twisted_libp2p.node.conditions import Condition, conditions
from twisted_libp2p.node.life import Life, LivingService, stopAll
from twisted_libp2p.node.listeners import Listeners
from twisted_libp2p.node.rejoin import rejoin

__all__ = ["DRAIN_TIME", "SERVICES_TIME", "RunningNode"]

#: Seconds in which the streams of a draining node may end.
DRAIN_TIME = 30.0

#: Seconds that the services of a stopping node have before its connections are closed.
SERVICES_TIME = 1.0


class RunningNode(LivingService):
    """
    A node as a service: what it starts and stops, and when.

    @ivar clock: the reactor, for times and timers.
    @ivar peerstore: the known peers.
    @ivar connections: the service that owns the connections.
    @ivar listeners: the addresses on which it listens.
    @ivar ownAddresses: the addresses at which peers reach it.
    @ivar strict: whether C{async with} raises the error of an address that the node
        cannot listen on.
    """

    ownAddresses: OwnAddresses
    peerstore: PeerStore
    connections: ConnectionManager
    listeners: Listeners
    _context: ConnectionContext
    _upgrader: Upgrader
    _dialer: Dialer
    _endpointDials: EndpointDials
    _waits: set[Deferred[OpenedConn]]
    _random: Callable[[], float]
    _rejoining: Deferred[None] | None = None
    strict: bool
    # What stops the node before the reactor, during an "async with".
    _trigger: object = None
    _interrupted = False

    @property
    def addresses(self) -> list[Multiaddr]:
        """
        The addresses at which peers can dial this node now, with its peer id.
        """
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        """
        Start, and wait until the node listens on all its addresses.  When the reactor
        stops, as by Ctrl-C, the node stops before it; C{whenStopped} fires then.

        @raise Exception: the node cannot listen on one of its addresses; it is stopped
            again then.  If it is not C{strict}, this is only logged.
        """
        self._interrupted = False
        if IReactorCore.providedBy(self.clock):
            self._trigger = self.clock.addSystemEventTrigger(
                "before", "shutdown", self._interrupt
            )
        self.startService()
        try:
            await self.whenListening()
        except BaseException as error:
            if self.strict or not isinstance(error, Exception) or not self.running:
                await self._exit()
                raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        """
        Stop.

        @return: whether the error is dropped: it follows from the end of connections
            that an interrupt has ended.
        """
        await self._exit()
        ended = (Libp2pError, ConnectionClosed, CancelledError)
        return self._interrupted and isinstance(error, ended)

    def _interrupt(self) -> Deferred[None]:
        """
        Stop, because the reactor stops.
        """
        self._trigger = None
        self._interrupted = True
        return self.stopService()

    async def _exit(self) -> None:
        """
        Stop, unless that is done: a coroutine that is dropped may not wait.
        """
        trigger, self._trigger = self._trigger, None
        if trigger is not None and IReactorCore.providedBy(self.clock):
            self.clock.removeSystemEventTrigger(trigger)
        if self.life is not Life.STOPPED:
            await self.stopService()

    def privilegedStartService(self) -> None:
        """
        Listen before C{twistd} changes its user, for only root may listen on low
        ports.

        @raise Exception: an address that the node was made with cannot be listened
            on, and the program should end.
        """
        super().privilegedStartService()
        self.listeners.bind()

    def begin(self) -> None:
        """
        Start the services, then the listeners.
        """
        stops = self.listeners.stops
        self._admit(True)
        self.ownAddresses.show()
        MultiService.startService(self)
        if stops != self.listeners.stops:
            # A service has stopped the node as it was started.
            return
        self.listeners.start(lambda: self.happened("listening"))
        if stops == self.listeners.stops and IService.providedBy(self.peerstore):
            self._rejoin(
                Deferred.fromCoroutine(
                    rejoin(self.peerstore, self.connections, self._dialer, self._random)
                )
            )

    def _admit(self, open: bool) -> None:
        """
        Let connections, streams and listeners begin, or refuse them from now on.
        """
        self._context.admit(open)
        self.listeners.admit(open)

    def whenListening(self) -> Deferred[list[Multiaddr]]:
        """
        Wait until the started node listens on all its addresses.

        @return: fires with the full addresses to dial; fails with the error of one
            that cannot be listened on.
        """
        if self.life is Life.RESTARTING:
            return self.whenStopped().addCallback(lambda _: self.whenListening())
        return self.listeners.whenStarted().addCallback(lambda _: self.addresses)

    def drain(self, seconds: float = DRAIN_TIME) -> Deferred[None]:
        """
        Stop in good order: listen no longer, and give peers no addresses; close each
        connection when it has had no stream for a second; and stop when none is left,
        or when the time is over.  Until then peers may open streams on their
        connections, and the application may connect.  C{stopService} stops at once.

        @param seconds: the longest time until the stop begins.
        @return: fires when the node has stopped.
        @raise ConfigurationError: that is no time.
        """
        return super().drain(seconds)

    def conditions(self) -> list[Condition]:
        """
        Return the conditions under which the node is ready to serve: it is, when all of
        them are met.
        """
        return conditions(self.life, self.listeners, self.peerstore)

    async def leave(self) -> None:
        """
        Withdraw from the network, and wait until all connections have ended.
        """
        self._log.info(
            "draining {connections} connections: closing each as it becomes idle",
            connections=len(self.connections),
        )
        self.listeners.admit(False)
        self._rejoin(None)
        self.ownAddresses.hide()
        for each in reversed(list(self.services)):
            if IDrainable.providedBy(each):
                each.drain()
        self.connections.rest()
        await self.listeners.closeAll()
        await Departure(
            self.clock,
            self.connections,
            self.connections.policy.background,
            lambda: len(self._upgrader.upgrades),
        ).whenEmpty()

    def _rejoin(self, rejoining: Deferred[None] | None) -> None:
        """
        Set the first dials of the node, and end those before.
        """
        before, self._rejoining = self._rejoining, rejoining
        if before is not None:
            before.cancel()

    def refuse(self) -> None:
        """
        Refuse to connect, to listen and to open streams, with
        L{NodeStopping<twisted_libp2p.errors.NodeStopping>}.
        """
        self._admit(False)

    async def end(self) -> None:
        """
        Stop the listeners, the dials and the upgrades, then the services, within a
        second, then the connections, within two seconds, then the rest.
        """
        self._rejoin(None)
        await self.listeners.closeAll()
        upgrading = len(self._upgrader.upgrades)
        self._dialer.stop()
        self._endpointDials.stop()
        for wait in list(self._waits):
            wait.cancel()
        self._upgrader.upgrades.abortAll()
        speaking = [each for each in self.services if IHostService.providedBy(each)]
        await stopAll(speaking, self.clock, SERVICES_TIME)
        await self.connections.stopService()
        # Connections that had ended before, and whose streams have unread bytes.
        for connection in list(self._context.unread):
            connection.close()
        stopped = [*speaking, self.connections]
        await stopAll(
            [each for each in self.services if each not in stopped], self.clock
        )
        if upgrading:
            # Aborted transports are gone in the next turn of the reactor.
            await deferLater(self.clock, 0)
