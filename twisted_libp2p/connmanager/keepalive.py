# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The detection of peers that have died without closing their connections.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, TimeoutError, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from twisted_libp2p.errors import LocalError, PeerUnresponsive, UpgradeTimeout
from twisted_libp2p.interfaces import IConnection, IManagedConnection
from twisted_libp2p.pacing import addTimeout

__all__ = ["KeepAlive", "Ping", "byMuxer"]

#: Measures the round trip of a connection.  A peer that does not serve ping has
#: answered too.
Ping = Callable[[IConnection], Deferred[float]]

#: Number of unanswered pings in a row after which the peer is dead.
MISSES = 2

#: Seconds for the answer of a peer whose connection is doubted: one that is missed ends
#: it.
DOUBT_TIME = 2.0


def byMuxer(onStream: Ping | None) -> Ping:
    """
    Return a function that measures the round trip by the muxer, or else on a stream.

    @param onStream: measures it on a stream; None if that is not possible.
    """

    def ping(connection: IConnection) -> Deferred[float]:
        asked = connection.ping()
        if onStream is not None:

            def without(reason: Failure) -> Deferred[float]:
                reason.trap(NotImplementedError)
                return onStream(connection)

            asked.addErrback(without)
        return asked

    return ping


class _Watch:
    """
    One connection that is watched.
    """

    __slots__ = ("asked", "call", "heardAt", "misses")

    def __init__(self, now: float) -> None:
        self.asked: Deferred[float] | None = None
        self.call: IDelayedCall | None = None
        self.heardAt = now
        self.misses = 0


class KeepAlive:
    """
    Pings the peers of connections whose muxers do not, and ends the connections of
    peers that do not answer, with L{PeerUnresponsive}.

    Two pings have to be missed: one may wait in a long queue of data.
    """

    def __init__(self, clock: IReactorTime, interval: float, ping: Ping) -> None:
        """
        Prepare to ping connections.

        @param clock: the timers.
        @param interval: seconds between two pings, and for an answer.
        @param ping: measures the round trip of a connection.
        """
        self._clock = clock
        self._interval = interval
        self._ping = ping
        self._watched: dict[IConnection, _Watch] = {}

    def __len__(self) -> int:
        """
        Return the number of watched connections.
        """
        return len(self._watched)

    def opened(self, connection: IManagedConnection) -> None:
        """
        Watch a connection, unless its muxer does.
        """
        if not connection.keepsAlive:
            self.watch(connection)

    def watch(self, connection: IConnection) -> None:
        """
        Watch a connection, unless that is done.
        """
        if connection not in self._watched:
            watch = self._watched[connection] = _Watch(self._clock.seconds())
            self._wait(connection, watch)

    def closed(self, connection: IConnection) -> None:
        """
        Stop watching a connection, if it is watched.
        """
        watch = self._watched.pop(connection, None)
        if watch is None:
            return
        if watch.call is not None:
            watch.call.cancel()
        if watch.asked is not None:
            watch.asked.cancel()

    def doubt(self, connection: IConnection) -> None:
        """
        Ping the peer of a watched connection at once, and end the connection if the
        answer does not come soon: our own end of it seems to be gone.
        """
        watch = self._watched.get(connection)
        if watch is None:
            return
        if watch.call is not None:
            watch.call.cancel()
        asked, watch.asked = watch.asked, None
        if asked is not None:
            asked.cancel()
        watch.misses = MISSES - 1
        self._ask(connection, watch, DOUBT_TIME)

    def stop(self) -> None:
        """
        Stop watching all connections.
        """
        for connection in list(self._watched):
            self.closed(connection)

    def _wait(self, connection: IConnection, watch: _Watch) -> None:
        watch.call = self._clock.callLater(self._interval, self._ask, connection, watch)

    def _ask(
        self, connection: IConnection, watch: _Watch, patience: float | None = None
    ) -> None:
        """
        Ping once.

        @param patience: seconds for the answer; None for the usual ones.
        """
        watch.call = None
        asked = watch.asked = maybeDeferred(self._ping, connection)
        addTimeout(asked, patience or self._interval, self._clock)
        asked.addBoth(self._answered, connection, watch, asked)

    def _answered(
        self,
        result: object,
        connection: IConnection,
        watch: _Watch,
        asked: Deferred[float],
    ) -> None:
        """
        Judge the result of a ping.  Any answer of the peer is a sign of life, even a
        refusal; a refusal of our own side says nothing about the peer.
        """
        if self._watched.get(connection) is not watch or watch.asked is not asked:
            return
        watch.asked = None
        failure = result if isinstance(result, Failure) else None
        if failure is not None and failure.check(TimeoutError, UpgradeTimeout):
            watch.misses += 1
            if watch.misses >= MISSES:
                silence = self._clock.seconds() - watch.heardAt
                connection.abort(Failure(PeerUnresponsive(silence)))
                return
        elif failure is None or not failure.check(LocalError):
            watch.misses = 0
            watch.heardAt = self._clock.seconds()
        self._wait(connection, watch)
