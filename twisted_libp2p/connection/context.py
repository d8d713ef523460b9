# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The objects that all connections of a node share.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from twisted_libp2p.connection.negotiations import (
    Inbound,
    Negotiating,
    Outbound,
    StreamOwner,
)
from twisted_libp2p.connection.registry import Registry
from twisted_libp2p.connection.waiting import StreamQueue
from twisted_libp2p.events import EventBus
from twisted_libp2p.interfaces import IConnectionManager, IManagedConnection
from twisted_libp2p.pacing import Deadlines

__all__ = ["STREAM_DEADLINE", "ConnectionContext"]

#: Seconds in which the protocol of a stream has to be negotiated.
STREAM_DEADLINE = 10.0


class ConnectionContext:
    """
    The objects that all connections of a node share.

    @ivar registry: the protocols that are served on inbound streams.
    @ivar events: the bus that announces streams.
    @ivar clock: runs the deadlines.
    @ivar connections: the owner of the connections, which may refuse them.
    @ivar open: whether connections and streams may begin; not while the node stops.
    @ivar deadlines: the time for the negotiation of each stream.
    @ivar negotiating: the streams whose protocol is not negotiated yet, with their
        connections.
    @ivar unread: the connections that have ended, and whose streams have bytes that
        applications have not read.
    @ivar waiting: the streams that wait to be opened, of each connection that has
        such streams.
    @ivar inbound: negotiates on the streams that peers open.
    """

    __slots__ = (
        "clock",
        "connections",
        "deadlines",
        "events",
        "inbound",
        "negotiating",
        "open",
        "registry",
        "unread",
        "waiting",
    )

    def __init__(
        self,
        registry: Registry,
        events: EventBus,
        clock: IReactorTime,
        connections: IConnectionManager,
    ) -> None:
        """
        Gather these objects.

        @param registry: the protocols that are served on inbound streams.
        @param events: the bus that announces streams.
        @param clock: runs the deadlines.
        @param connections: the owner of the connections.
        """
        self.registry = registry
        self.events = events
        self.clock = clock
        self.connections = connections
        self.open = True
        self.deadlines = Deadlines(clock, STREAM_DEADLINE)
        self.negotiating: Negotiating = {}
        self.unread: set[IManagedConnection] = set()
        self.waiting: dict[StreamOwner, StreamQueue[Outbound]] = {}
        self.inbound = Inbound(registry, self.negotiating, clock, self.deadlines)

    def admit(self, open: bool) -> None:
        """
        Let connections and streams begin, or refuse them from now on.
        """
        self.open = open
        if not open:
            self.deadlines.rest()
