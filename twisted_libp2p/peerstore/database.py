# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The connections to a database, and the time that each use of them may take.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.peerstore.backends import Backend

__all__ = ["PREPARE_TIME", "STOP_TIME", "TURN_TIME", "Database"]

#: Seconds for a transaction that writes, and for one that only reads.  A server that
#: works ends either earlier by itself; these are for one that has stopped in the middle
#: of its work, and whose machine still acknowledges what it is sent.
TURN_TIME: Final = 10.0
READ_TIME: Final = 3.0

#: Seconds for the schema, which may have to be changed, and until a database that does
#: not answer is left when its service stops.
PREPARE_TIME: Final = 120.0
STOP_TIME: Final = 6.0

#: The most reads that wait at the same time.
MAX_READS: Final = 64


class Database:
    """
    Two connections: those who want to read do not wait for those who write.
    """

    def __init__(self, reactor: Any, clock: IReactorTime, backend: Backend) -> None:
        """
        Make the connections; they are opened when they are used.

        @param reactor: the reactor that gets the results of the threads.
        @param clock: the source of the time.
        @param backend: the database.
        """
        self._clock = clock
        self._turns = backend.pool(reactor)
        self._reads = backend.pool(reactor)
        self._reading = 0
        self._ended = False

    def turn(
        self, work: Callable[..., Any], *arguments: object, limit: float = TURN_TIME
    ) -> Deferred[Any]:
        """
        Run a transaction after all others.

        @param limit: the seconds that it may take.
        """
        return self._run(self._turns, limit, work, arguments)

    def read(self, work: Callable[..., Any], *arguments: object) -> Deferred[Any]:
        """
        Run a transaction that only reads, while others write; twice if it fails,
        because a connection that was not used for long may be lost.
        """
        if self._reading >= MAX_READS:
            return fail(ConfigurationError(f"{MAX_READS} others already read"))
        self._reading += 1

        def done(result: object) -> object:
            self._reading -= 1
            return result

        def again(failure: Failure) -> Failure | Deferred[Any]:
            if self._ended or failure.check(CancelledError):
                return failure
            return self._run(self._reads, READ_TIME, work, arguments)

        reading = self._run(self._reads, READ_TIME, work, arguments)
        return reading.addErrback(again).addBoth(done)

    def _run(
        self, pool: Any, limit: float, work: Callable[..., Any], arguments: Any
    ) -> Deferred[Any]:
        if self._ended:
            return fail(ConfigurationError("the peerstore has stopped"))
        watch: IDelayedCall = self._clock.callLater(limit, pool.abort)

        def done(result: object) -> object:
            if watch.active():
                watch.cancel()
            return result

        running: Deferred[Any] = pool.runWithConnection(work, *arguments)
        return running.addBoth(done)

    def abort(self) -> None:
        """
        End everything that runs, and begin nothing.
        """
        self._ended = True
        for pool in (self._turns, self._reads):
            pool.abort()

    def close(self) -> None:
        """
        Close the connections.
        """
        self._ended = True
        for pool in (self._turns, self._reads):
            pool.close()
