# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The service that owns the connections of a node.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from twisted_libp2p.connection import Connection
from twisted_libp2p.errors import ErrorCode
from twisted_libp2p.events import ClosedConn, EventBus, OpenedConn
from twisted_libp2p.identity import PeerID

__all__ = ["ConnectionManager"]

#: Seconds that connections are given to end in peace when the service stops.
CLOSING_TIME = 2.0


class ConnectionManager(Service):
    """
    Keeps the connections of a node by peer, publishes their beginning and
    their end, and ends them when it stops.
    """

    name = "connmanager"

    def __init__(self, clock: IReactorTime, events: EventBus) -> None:
        """
        @param clock: bounds the stopping.
        @param events: where L{OpenedConn} and L{ClosedConn} are published.
        """
        self._clock = clock
        self._events = events
        self._connections: dict[PeerID, list[Connection]] = {}

    def __iter__(self) -> Iterator[Connection]:
        """
        Go through all connections.
        """
        return iter([each for some in self._connections.values() for each in some])

    def __len__(self) -> int:
        """
        Count all connections.
        """
        return sum(map(len, self._connections.values()))

    def to(self, peer: PeerID) -> list[Connection]:
        """
        @return: the connections to a peer, the oldest first.
        """
        return list(self._connections.get(peer, ()))

    def opened(self, connection: Connection) -> None:
        """
        A connection is ready.
        """
        self._connections.setdefault(connection.remotePeer, []).append(connection)
        self._events.publish(
            OpenedConn(**self._describe(connection), early=connection.early)
        )

    def closed(self, connection: Connection, reason: Failure) -> None:
        """
        A connection has ended.
        """
        some = self._connections[connection.remotePeer]
        some.remove(connection)
        if not some:
            del self._connections[connection.remotePeer]
        self._events.publish(ClosedConn(**self._describe(connection), reason=reason))

    def stopService(self) -> Deferred[Any]:
        """
        End all connections: at first in peace, after two seconds by force.
        """
        super().stopService()
        ending: Deferred[Any] = DeferredList(
            [connection.close(ErrorCode.NONE) for connection in self]
        )
        force = self._clock.callLater(CLOSING_TIME, self._abortAll)

        def ended(result: Any) -> None:
            if force.active():
                force.cancel()

        return ending.addBoth(ended)

    def _abortAll(self) -> None:
        for connection in self:
            connection.abort(Failure(ConnectionAborted("the node has stopped")))

    def _describe(self, connection: Connection) -> dict[str, Any]:
        return {
            "time": self._clock.seconds(),
            "connection": connection,
            "peer": connection.remotePeer,
            "localAddress": connection.localAddress,
            "remoteAddress": connection.remoteAddress,
            "direction": connection.direction,
            "security": connection.security,
            "muxer": connection.muxer,
        }
