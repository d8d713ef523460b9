# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The service that owns the connections of a node.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator
from typing import Any, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connmanager.connectionlog import logConnections
from twisted_libp2p.connmanager.displacement import Displacement
from twisted_libp2p.connmanager.duplicates import Duplicates, supplanted
from twisted_libp2p.connmanager.gatekeeper import Gatekeeper
from twisted_libp2p.connmanager.gater import OpenGater
from twisted_libp2p.connmanager.idle import IdleTimeout, idleSince
from twisted_libp2p.connmanager.keepalive import KeepAlive, Ping, byMuxer
from twisted_libp2p.connmanager.policy import ConnectionPolicy
from twisted_libp2p.connmanager.presence import arrival, departure
from twisted_libp2p.connmanager.redial import Redialer
from twisted_libp2p.connmanager.tags import Tags
from twisted_libp2p.connmanager.trimming import Trimming
from twisted_libp2p.errors import ConnectionClosing, ErrorCode
from twisted_libp2p.events import (
    ClosedConn,
    ConnectionTrimmed,
    EventBus,
    OpenedConn,
)
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    Connection,
    Direction,
    IConnectionManager,
    IConnections,
    IGater,
    IManagedConnection,
)
from twisted_libp2p.limits.connectionscope import ConnectionScope, scopeOf
from twisted_libp2p.limits.limiter import Limiter
from twisted_libp2p.limits.limits import Limits
from twisted_libp2p.limits.refusallog import RefusalLog
from twisted_libp2p.limits.scopefull import ScopeFull
from twisted_libp2p.logger import Logger
from twisted_libp2p.pacing import Deadline

__all__ = ["ConnectionManager"]

_log = Logger()

#: Seconds that connections have to close in order when the service stops.
CLOSING_TIME = 2.0


@implementer(IConnectionManager, IConnections)
class ConnectionManager(Service):
    """
    Keeps the connections of a node by peer, publishes their beginning and
    their end, and ends them when it stops.

    It refuses connections that the gater or the limits forbid.  When there are more
    connections than the high water mark it trims the most expendable ones, to
    the low mark.  Connections of protected peers are never trimmed.  New ones
    are not trimmed until their time of grace is over, and are not counted until
    then.

    At the hard cap it makes room by trimming at once.  If no connection gives
    way, the newcomer is sent a code, and closed; but protected peers are let in
    even then.

    @ivar policy: how many connections there should be.
    @ivar limiter: the limits, and their use.
    @ivar tags: the values of peers.
    @ivar redialer: dials lost protected peers again; None for a node that cannot dial.
    @ivar unread: connections that have ended, and whose streams have bytes that the
        application has not read.  Such streams give way as others do: otherwise peers
        could leave them and hold a scope without being connected.
    """

    name = "connmanager"
    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        events: EventBus,
        *,
        policy: ConnectionPolicy | None = None,
        limits: Limits | None = None,
        gater: IGater | None = None,
        dial: Callable[[PeerID], Deferred[Any]] | None = None,
        ping: Ping | None = None,
        random: Callable[[], float] = random.random,
    ) -> None:
        """
        Make the manager of a node without connections.

        @param clock: the time, and the timers.
        @param events: where L{OpenedConn}, L{ClosedConn}, L{ConnectionTrimmed}
            and L{LimitReached} are published.
        @param policy: how many connections there should be; by default marks
            that fit the hard cap.
        @param limits: the limits on connections and everything else; by default
            limits that fit the machine.
        @param gater: decides which peers are dialed and let in; by default all.
        @param dial: connects to a protected peer; without it none is redialed.
        @param ping: measures the round trip to a peer where the muxer cannot.
        @param random: returns numbers from 0 to 1, which spread the redialing.
        @raise ConfigurationError: the high water mark is above the hard cap that
            C{limits} set.
        """
        self._clock = clock
        self._events = events
        chosen = limits or Limits.scaled()
        self.policy = policy = ConnectionPolicy.fitting(
            policy, chosen.system.connections, limits is None
        )
        self._refusals = RefusalLog(clock.seconds, events)
        logConnections(events)
        self.tags = Tags(clock.seconds)
        self._displacement = Displacement(
            self._withStreams, self.tags.protected, clock.seconds
        )
        self.limiter = Limiter(
            chosen,
            clock.seconds,
            self._refusals.limited,
            policy.background,
            self._displacement.makeRoom,
            self._displacement.freeMemory,
        )
        self.gatekeeper = Gatekeeper(
            OpenGater() if gater is None else gater, self._refusals
        )
        self._connections: dict[PeerID, list[Connection]] = {}
        self.unread: Collection[IManagedConnection] = ()
        self._count = 0
        self._duplicates = Duplicates(
            clock, lambda connection: idleSince(connection, policy.background)
        )
        self._idleTimeout = (
            None
            if policy.idleTimeout is None
            else IdleTimeout(
                clock, policy.idleTimeout, self.__iter__, policy.background
            )
        )
        self._keepAlive = (
            None
            if policy.keepAlive is None
            else KeepAlive(clock, policy.keepAlive, byMuxer(ping))
        )
        self.redialer = (
            None if dial is None else Redialer(clock, dial, policy.redial, random)
        )
        self._trimCall: IDelayedCall | None = None
        self._trimming = Trimming(policy, self.tags, self.__iter__, clock.seconds)

    # The connections

    def __iter__(self) -> Iterator[Connection]:
        """
        Iterate over all connections.
        """
        return iter([each for held in self._connections.values() for each in held])

    def _withStreams(self) -> Iterator[IManagedConnection]:
        """
        Iterate over all connections that may have streams.
        """
        yield from self
        yield from tuple(self.unread)

    def __len__(self) -> int:
        """
        Return the number of connections.
        """
        return self._count

    def to(self, peer: PeerID | str) -> list[Connection]:
        """
        Return the connections to a peer, the preferred one for new streams first: the
        oldest, except that one which another has supplanted comes last.
        """
        peer = PeerID.of(peer)
        return self._duplicates.ranked(self._connections.get(peer, ()))

    def instead(self, connection: IManagedConnection) -> Connection | None:
        """
        Return the connection to use instead of a new one, when the peer was not
        known before its handshake.

        @return: a connection to the same peer; None without one, or if it
            comes from a simultaneous dial: which of the two stays is then
            decided as always, by both sides.
        """
        for other in self.to(connection.remotePeer):
            if other.connected and supplanted(connection, other) is None:
                return other
        return None

    # Protected peers

    def protect(self, peer: PeerID | str, tag: str, redial: bool = True) -> None:
        """
        Keep a peer: its connections are never trimmed, and after the handshake no cap
        but that of the peer itself refuses one.

        @param tag: the name of the protector, which has to L{unprotect} it again.
        @param redial: whether to dial the peer, as long as it is protected, whenever
            it is not connected: at once if the service runs, otherwise when it
            starts, and after a wait whenever a dial has failed or the last
            connection was lost.
        """
        peer = PeerID.of(peer)
        self.tags.protect(peer, tag)
        if redial and self.redialer is not None:
            self.redialer.want(peer, self._missing(peer))

    def redialNow(self, peer: PeerID | str) -> None:
        """
        Dial a protected peer now if it waits to be dialed again.
        """
        if self.redialer is not None:
            self.redialer.now(PeerID.of(peer))

    def unprotect(self, peer: PeerID | str, tag: str) -> bool:
        """
        End the protection of a peer by one protector.

        @return: whether another one still protects it.
        """
        peer = PeerID.of(peer)
        protected = self.tags.unprotect(peer, tag)
        if not protected:
            self._trimming.changed()
            if self.redialer is not None:
                self.redialer.forget(peer)
        return protected

    def _missing(self, peer: PeerID) -> bool:
        return peer not in self._connections

    # IConnectionManager

    def dialing(self, peer: PeerID | None, address: Multiaddr) -> None:
        """
        Ask the gater, and check the hard cap.

        @raise Gated: the gater refuses.
        @raise LimitExceeded: there are too many connections.
        """
        self.gatekeeper.dialing(peer, address)
        if peer is not None and self.tags.protected(peer):
            return
        if (full := self._makeRoom(None)) is not None:
            self._refusals.limited(full, peer)
            raise full

    def dialed(self) -> ConnectionScope:
        """
        Return the scope of a connection that our side opens.
        """
        return self.limiter.dial()

    def accepted(
        self,
        address: Multiaddr | None,
        drop: Callable[[Exception], None],
        proxied: bool = False,
    ) -> ConnectionScope:
        """
        Ask the gater, and check the limits of the networks from which the connection
        comes; both later if a proxy has yet to state its client.

        @raise Gated: the gater refuses.
        @raise LimitExceeded: too many connections come from there.
        """
        if not proxied:
            self.gatekeeper.accepted(address)
        return self.limiter.accept(None if proxied else address, drop)

    def located(
        self, scope: ConnectionScope, address: Multiaddr | None, counted: bool
    ) -> None:
        """
        Ask the gater about the client of a proxy, and check the limits of its networks.

        @raise Libp2pError: as in L{accepted}.
        """
        self.gatekeeper.accepted(address)
        if counted:
            self.limiter.locate(scope, address)

    def secured(
        self, peer: PeerID, address: Multiaddr | None, direction: Direction
    ) -> None:
        """
        Ask the gater.

        @raise Gated: the gater refuses.
        """
        self.gatekeeper.secured(peer, address, direction)

    def admit(self, scope: ConnectionScope, peer: PeerID) -> None:
        """
        Count a connection once, if there is room for it.
        """
        if scope.admitted:
            return
        if not (overCap := self.tags.protected(peer)):
            self._makeRoom(scope, peer)
        try:
            scope.admit(peer, overCap)
        except ScopeFull as error:
            self._refusals.limited(error, peer)
            raise

    def opened(self, connection: IManagedConnection) -> None:
        """
        Admit a connection that is ready, unless that is done, and publish its event.

        @raise Gated: the gater refuses.
        @raise LimitExceeded: the peer, or the node, has too many.
        """
        peer = connection.remotePeer
        self.gatekeeper.upgraded(connection)
        if not connection.connected:
            raise ConnectionClosing("the gater has closed the connection")
        self.admit(scopeOf(connection), peer)
        held = self._connections.setdefault(peer, [])
        held.append(cast(Connection, connection))
        if isFirst := len(held) == 1:
            self.tags.connected(peer)
            if self.redialer is not None:
                self.redialer.connected(peer)
        self._count += 1
        self._duplicates.opened(connection, held)
        if self._keepAlive is not None:
            self._keepAlive.opened(connection)
        if self._count > self.policy.highWater and self._trimCall is None:
            self._callTrim()
        if self._idleTimeout is not None:
            self._idleTimeout.opened()
        opened = OpenedConn(
            **self._describe(connection),
            remoteKey=connection.remoteKey,
            early=connection.early,
            upgradeTime=connection.upgradeTime,
        )
        first = [arrival(opened.time, connection)] if isFirst else []
        self._events.publish(opened, *first)

    def closed(self, connection: IManagedConnection, reason: Failure) -> None:
        """
        Drop a connection that has ended.  No event mentions a refused connection.
        """
        peer = connection.remotePeer
        held = self._connections.get(peer)
        if held is None or connection not in held:
            return
        held.remove(connection)
        self._count -= 1
        self._duplicates.closed(connection)
        self._displacement.tidy()
        self._trimming.tidy()
        if self._keepAlive is not None:
            self._keepAlive.closed(connection)
        if not held:
            del self._connections[peer]
            self.tags.disconnected(peer)
            if self.redialer is not None:
                lasted = self._clock.seconds() - connection.openedAt
                self.redialer.disconnected(peer, lasted)
        closed = ClosedConn(**self._describe(connection), reason=reason)
        last = [] if held else [departure(closed.time, connection, reason)]
        self._events.publish(closed, *last)

    def _makeRoom(
        self, newcomer: ConnectionScope | None, peer: PeerID | None = None
    ) -> ScopeFull | None:
        """
        Make room for one more connection: if the node is full, close connections
        that give way.

        @param newcomer: the scope of the connection; None for a future dial.
        @param peer: the peer of the connection.
        @return: the error for one more connection; None if there is room.
        """
        direction = Direction.OUTBOUND if newcomer is None else newcomer.direction
        full = self.limiter.full(direction)
        if full is None:
            return None
        maximum = self.limiter.limits.system.inboundConnections
        asking = newcomer if direction is Direction.INBOUND else None
        self._trim(self._trimming.forNewcomer(asking, peer, maximum))
        return self.limiter.full(direction)

    # Trimming

    def trim(self) -> list[IManagedConnection]:
        """
        Close the most expendable connections, down to the low water mark.
        Connections in their time of grace are neither closed nor counted.

        @return: the closed connections.
        """
        return self._trim(self._trimming.surplus(self.policy.lowWater))

    def _trim(self, chosen: list[IManagedConnection]) -> list[IManagedConnection]:
        """
        Close connections, and publish the reason.
        """
        for connection in chosen:
            self._events.publish(
                ConnectionTrimmed(
                    **self._describe(connection),
                    value=self._trimming.value(connection),
                )
            )
            scopeOf(connection).leave()
            connection.close(ErrorCode.TRIMMED)
        return chosen

    def _callTrim(self) -> None:
        self._trimCall = self._clock.callLater(self.policy.interval, self._trimNow)

    def _trimNow(self) -> None:
        self._trimCall = None
        if self._count > self.policy.highWater:
            self._trim(self._trimming.surplus(self.policy.highWater))
            self._callTrim()

    # Service

    def startService(self) -> None:
        """
        Begin to redial protected peers.
        """
        super().startService()
        if self.redialer is not None:
            self.redialer.start(self._missing)

    def rest(self) -> None:
        """
        Redial, ping and trim no longer; the connections go on.
        """
        if self.redialer is not None:
            self.redialer.stop()
        if self._keepAlive is not None:
            self._keepAlive.stop()
        trimming, self._trimCall = self._trimCall, None
        if trimming is not None:
            trimming.cancel()
        if self._idleTimeout is not None:
            self._idleTimeout.stop()

    def stopService(self) -> Deferred[Any]:
        """
        Close all connections, and abort them after two seconds.
        """
        super().stopService()
        self.rest()
        ending: Deferred[Any] = DeferredList(
            [connection.close(ErrorCode.NONE) for connection in self]
        )
        force = Deadline(self._clock, CLOSING_TIME, self._abortAll)

        def ended(result: Any) -> None:
            if force.active():
                force.cancel()

        return ending.addBoth(ended)

    def _abortAll(self) -> None:
        for connection in self:
            connection.abort(Failure(ConnectionAborted("the node has stopped")))

    def _describe(self, connection: IManagedConnection) -> dict[str, Any]:
        return {
            "time": self._clock.seconds(),
            "connection": connection,
            "peer": connection.remotePeer,
            "localAddress": connection.localAddress,
            "remoteAddress": connection.remoteAddress,
            "direction": connection.direction,
            "limited": connection.limited,
            "security": connection.security,
            "muxer": connection.muxer,
        }
