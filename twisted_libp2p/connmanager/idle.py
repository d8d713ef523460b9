# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The end of idle connections.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from twisted.internet.interfaces import IReactorTime

from twisted_libp2p.interfaces import IManagedConnection
from twisted_libp2p.limits.connectionscope import scopeOf
from twisted_libp2p.pacing import Deadline

__all__ = ["IdleTimeout", "idleSince"]


def idleSince(
    connection: IManagedConnection, background: Collection[str]
) -> float | None:
    """
    Return the time at which the last stream of a connection has ended; None as long
    as there is one.

    @param background: protocols whose streams do not count.
    """
    if any(stream.protocolID not in background for stream in connection.streams):
        return None
    return scopeOf(connection).idleSince


class IdleTimeout:
    """
    Closes the connections on which there was no stream for too long.  It looks at
    them four times in that time, and has no timer without connections.
    """

    def __init__(
        self,
        clock: IReactorTime,
        timeout: float,
        connections: Callable[[], Iterable[IManagedConnection]],
        background: Collection[str],
    ) -> None:
        """
        Prepare to close idle connections.

        @param timeout: seconds without a stream.
        @param connections: returns all connections.
        @param background: protocols whose streams do not count.
        """
        self._clock = clock
        self._timeout = timeout
        self._connections = connections
        self._background = background
        self._call: Deadline | None = None

    def opened(self) -> None:
        """
        Begin to look, unless that is under way.
        """
        if self._call is None:
            self._call = Deadline(self._clock, self._timeout / 4, self._look)

    def stop(self) -> None:
        """
        Look no longer.
        """
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _look(self) -> None:
        """
        Close the connections that were idle for too long.
        """
        self._call = None
        connections = list(self._connections())
        if not connections:
            return
        self.opened()
        latest = self._clock.seconds() - self._timeout
        for connection in connections:
            since = idleSince(connection, self._background)
            if since is not None and since <= latest:
                connection.close()
