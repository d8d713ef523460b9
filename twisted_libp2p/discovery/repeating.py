# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Work that is done again and again until it is stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from twisted_libp2p.connmanager.policy import Backoff
from twisted_libp2p.interfaces import IHost
from twisted_libp2p.logger import Logger

__all__ = ["BACKOFF", "Repeating"]

#: The waits after failures.
BACKOFF: Final = Backoff(first=5.0, most=120.0)

#: Seconds until work begins that was due while the last was not done.
SETTLING: Final = 1.0


class Repeating(Service):
    """
    Does something, waits, and does it again; after a failure it waits longer each time,
    and logs each new reason.

    @ivar namespace: the namespace that it is about.
    @ivar problem: the reason of the last failure; empty after a success.
    @cvar complaint: what is logged of a failure.
    """

    _log: Logger
    complaint: str

    def __init__(
        self, host: IHost, namespace: str, random: Callable[[], float]
    ) -> None:
        """
        Prepare the work.

        @param host: the node.
        @param namespace: the namespace.
        @param random: returns numbers from 0 to 1, which spread the waits.
        """
        self.namespace = namespace
        self.problem = ""
        self._host = host
        self._random = random
        self._failures = 0
        self._call: IDelayedCall | None = None
        self._running: Deferred[Any] | None = None

    def _work(self) -> Any:
        """
        Do it once.

        @return: a result for L{_succeeded}, or a Deferred of it.
        """
        raise NotImplementedError

    def _succeeded(self, result: Any) -> float:
        """
        Take a result.

        @return: the seconds until it is done again.
        """
        raise NotImplementedError

    def startService(self) -> None:
        """
        Begin.
        """
        super().startService()
        self._wait(0.0)

    def stopService(self) -> None:
        """
        End.
        """
        super().stopService()
        self._rest()
        running, self._running = self._running, None
        if running is not None:
            running.cancel()

    def _wait(self, seconds: float) -> None:
        """
        Do it after some time, and not before.
        """
        self._rest()
        if self.running:
            self._call = self._host.clock.callLater(seconds, self._begin)

    def _rest(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _begin(self) -> None:
        self._call = None
        if self._running is not None:
            self._wait(SETTLING)
            return
        self._running = working = maybeDeferred(self._work)
        # A result that cannot be taken is a failure, too.
        working.addCallback(self._done).addErrback(self._failed)

    def _done(self, result: Any) -> None:
        self._running = None
        seconds = self._succeeded(result)
        self._failures = 0
        self.problem = ""
        if self._call is None:
            self._wait(seconds)

    def _failed(self, reason: Failure) -> None:
        self._running = None
        if reason.check(CancelledError) and not self.running:
            return
        problem = reason.getErrorMessage()
        if problem != self.problem:
            self._log.warn(self.complaint, name=self.namespace, problem=problem)
        self.problem = problem
        if self._call is None:
            self._wait(BACKOFF.delay(self._failures, self._random()))
        self._failures += 1
