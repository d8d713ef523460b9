# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Two connections where one is enough: both sides have dialed at once.

Both sides choose the same one without a message, since they compare facts that both
know.  Of two connections that were opened in opposite directions, the connection that
the peer with the smaller id has opened stays.

Only connections that became ready within L{WINDOW} seconds of each other count as a
simultaneous dial.  A later connection has its reason: the peer may have lost the first
one before we notice.  Connections in the same direction are deliberate, and stay.

A connection that leads through a relay gives way to a direct one, whichever side has
opened them, and whenever.

Nothing is lost.  New streams go to the connection that stays; the other one is
closed when it had no stream for L{GRACE} seconds: by then the peer knows both
connections as well.  A stream that does not end keeps its connection, as it does
elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from twisted.internet.interfaces import IReactorTime

from twisted_libp2p.connection.connection import isRelayed
from twisted_libp2p.errors import ErrorCode
from twisted_libp2p.interfaces import Direction, IManagedConnection
from twisted_libp2p.pacing import Deadline

__all__ = ["GRACE", "WINDOW", "Duplicates", "supplanted"]

M = TypeVar("M", bound=IManagedConnection)

#: Seconds that a dialer allows for an address: a dial that began before the first
#: connection was ready ends within these.
WINDOW = 15.0

#: Seconds without a stream after which a connection that was supplanted is
#: closed.
GRACE = 5.0


def supplanted(
    one: IManagedConnection, other: IManagedConnection
) -> IManagedConnection | None:
    """
    Return which of two connections to a peer has to go; None if both may stay.
    """
    oneRelayed, otherRelayed = map(isRelayed, (one.remoteAddress, other.remoteAddress))
    if oneRelayed != otherRelayed:
        return one if oneRelayed else other
    if one.direction is other.direction or abs(one.openedAt - other.openedAt) > WINDOW:
        return None
    oursStays = one.localPeer.toBytes() < one.remotePeer.toBytes()
    ours = one.direction is Direction.OUTBOUND
    return other if ours == oursStays else one


class Duplicates:
    """
    Finds the connections that were supplanted, and ends them.
    """

    def __init__(
        self,
        clock: IReactorTime,
        idleSince: Callable[[IManagedConnection], float | None],
    ) -> None:
        """
        Begin without duplicates.

        @param clock: runs the time of grace.
        @param idleSince: returns the time at which the last stream of a connection has
            ended; None as long as there is one.
        """
        self._clock = clock
        self._idleSince = idleSince
        # By the connection that goes: the connection that stays, and the next look.
        self._going: dict[IManagedConnection, tuple[IManagedConnection, Deadline]] = {}

    def opened(
        self, connection: IManagedConnection, others: Iterable[IManagedConnection]
    ) -> None:
        """
        Compare a connection that is ready.

        @param others: the connections to the same peer.
        """
        for other in others:
            if other is connection or other in self._going or not other.connected:
                continue
            goes = supplanted(connection, other)
            if goes is not None:
                self._supplant(goes, connection if goes is other else other)
            if goes is connection:
                break

    def closed(self, connection: IManagedConnection) -> None:
        """
        Drop a connection that has ended.  The connections that it supplanted stay.
        """
        for going, (staying, _) in list(self._going.items()):
            if connection in (going, staying):
                self._going.pop(going)[1].cancel()

    def ranked(self, connections: Iterable[M]) -> list[M]:
        """
        Sort connections: the supplanted ones come after the others.
        """
        return sorted(connections, key=self._going.__contains__)

    def _supplant(
        self,
        going: IManagedConnection,
        staying: IManagedConnection,
        delay: float = GRACE,
        since: float | None = None,
    ) -> None:
        call = Deadline(self._clock, delay, self._graceIsOver, going, staying, since)
        self._going[going] = staying, call

    def _graceIsOver(
        self,
        going: IManagedConnection,
        staying: IManagedConnection,
        awaited: float | None,
    ) -> None:
        """
        Close a supplanted connection if it was idle for long enough, otherwise wait.

        @param awaited: the time since which the connection had been idle when this
            wait began; if it has not changed, the wait was long enough, whatever the
            sum of rounded numbers.
        """
        del self._going[going]
        if not going.connected:
            return
        since = self._idleSince(going)
        idle = 0.0 if since is None else self._clock.seconds() - since
        if idle < GRACE and (since is None or since != awaited):
            self._supplant(going, staying, GRACE - idle, since)
        else:
            going.close(ErrorCode.SUPPLANTED)
