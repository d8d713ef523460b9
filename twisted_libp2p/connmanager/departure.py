# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The end of all connections of a node that drains, one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from twisted_libp2p.connmanager.idle import idleSince
from twisted_libp2p.interfaces import IManagedConnection
from twisted_libp2p.pacing import Deadline

__all__ = ["QUIET", "Departure"]

#: Seconds without a stream after which a connection is closed: a peer that has just
#: connected opens its first stream, and all peers learn that there are no addresses any
#: longer.
QUIET = 1.0

#: Seconds between two looks at the connections.
INTERVAL = 0.1


class Departure:
    """
    Closes each connection when it has had no stream for a while, until none is left.

    A go-away that comes with open streams would end them at once: most peers take it
    for the end of the connection.
    """

    def __init__(
        self,
        clock: IReactorTime,
        connections: Iterable[IManagedConnection],
        background: Collection[str],
        arriving: Callable[[], int],
    ) -> None:
        """
        Begin.

        @param connections: the connections, present and future.
        @param background: protocols whose streams do not count.
        @param arriving: returns the number of connections that are not ready yet.
        """
        self._clock = clock
        self._connections = connections
        self._background = background
        self._arriving = arriving
        self._begun = clock.seconds()
        self._call: Deadline | None = None
        self._empty: Deferred[None] = Deferred(self._cancelled)

    def whenEmpty(self) -> Deferred[None]:
        """
        Wait until no connection is left.

        @return: fires then; cancelling it leaves the connections as they are.
        """
        self._look()
        return self._empty

    def _look(self) -> None:
        """
        Close the connections that are idle.
        """
        latest = self._clock.seconds() - QUIET
        connections = list(self._connections)
        if not connections and not self._arriving():
            self._call = None
            self._empty.callback(None)
            return
        self._call = Deadline(self._clock, INTERVAL, self._look)
        for connection in connections:
            since = idleSince(connection, self._background)
            if since is not None and max(since, self._begun) <= latest:
                connection.close()

    def _cancelled(self, _: object) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
