# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Advertisements that live until they are stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from random import random as anyNumber
from typing import Final

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_libp2p.connmanager.policy import Backoff
from twisted_libp2p.events import AddressesChanged
from twisted_libp2p.interfaces import IDiscovery, IHost, ISubscription

__all__ = ["Advertisement"]

#: The waits after failures.
BACKOFF: Final = Backoff(first=5.0, most=120.0)

#: Seconds between a change of our addresses and the renewal: others may follow.
SETTLING: Final = 1.0

#: Seconds between two renewals at the least, whatever a discovery says.
LEAST: Final = 10.0


class Advertisement(Service):
    """
    Announces that a node belongs to a namespace, again and again: before the
    announcement expires, after a change of the node's addresses, and after a failure.

    It is a service: C{startService} begins it, C{stopService} ends it.

    @ivar namespace: the namespace.
    @ivar announced: the time of the last success; None without one.
    @ivar problem: the reason of the last failure; empty after a success.
    """

    _log = Logger()

    def __init__(
        self,
        host: IHost,
        discovery: IDiscovery,
        namespace: str,
        ttl: float | None = None,
        *,
        random: Callable[[], float] = anyNumber,
    ) -> None:
        """
        Prepare an advertisement.

        @param host: the node.
        @param discovery: the discovery, such as a C{RendezvousClient}.
        @param namespace: the namespace.
        @param ttl: seconds for which each announcement should last; None for the
            default of the discovery.
        @param random: returns numbers from 0 to 1, which spread the waits.
        """
        self.namespace = namespace
        self.announced: float | None = None
        self.problem = ""
        self._host = host
        self._discovery = discovery
        self._ttl = ttl
        self._random = random
        self._failures = 0
        self._call: IDelayedCall | None = None
        self._running: Deferred[float] | None = None
        self._subscription: ISubscription | None = None

    def startService(self) -> None:
        """
        Begin to announce.
        """
        super().startService()
        self._subscription = self._host.events.subscribe(
            AddressesChanged,
            lambda event: self._wait(SETTLING),
            lambda event: event.peer == self._host.peerID,
        )
        self._wait(0.0)

    def stopService(self) -> None:
        """
        Announce no longer.
        """
        super().stopService()
        if self._subscription is not None:
            self._subscription.cancel()
        self._rest()
        running, self._running = self._running, None
        if running is not None:
            running.cancel()

    def _wait(self, seconds: float) -> None:
        """
        Announce after some time.
        """
        self._rest()
        self._call = self._host.clock.callLater(seconds, self._announce)

    def _rest(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _announce(self) -> None:
        self._call = None
        if self._running is not None:
            # The addresses have changed meanwhile.
            self._wait(SETTLING)
            return
        announcing = maybeDeferred(self._discovery.advertise, self.namespace, self._ttl)
        self._running = announcing
        announcing.addCallbacks(self._done, self._failed)

    def _done(self, seconds: float) -> None:
        self._running = None
        self._failures = 0
        self.announced = self._host.clock.seconds()
        if self.problem:
            self._log.info("{name} is announced again", name=self.namespace)
        self.problem = ""
        if self._call is None:
            self._wait(max(seconds, LEAST))

    def _failed(self, reason: Failure) -> None:
        self._running = None
        if reason.check(CancelledError) and not self.running:
            return
        problem = reason.getErrorMessage()
        if problem != self.problem:
            self._log.warn(
                "{name} cannot be announced, trying again: {problem}",
                name=self.namespace,
                problem=problem,
            )
        self.problem = problem
        if self._call is None:
            self._wait(BACKOFF.delay(self._failures, self._random()))
        self._failures += 1
