# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Advertisements that live until they are stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from random import random as anyNumber
from typing import Any, Final

from twisted_libp2p.discovery.repeating import SETTLING, Repeating
from twisted_libp2p.events import AddressesChanged
from twisted_libp2p.interfaces import IDiscovery, IHost, ISubscription
from twisted_libp2p.logger import Logger

__all__ = ["Advertisement"]

#: Seconds between two renewals at the least, whatever a discovery says.
LEAST: Final = 10.0


class Advertisement(Repeating):
    """
    Announces that a node belongs to a namespace, again and again: before the
    announcement expires, after a change of the node's addresses, and after a failure.

    It is a service: C{startService} begins it, C{stopService} ends it.

    @ivar namespace: the namespace.
    @ivar announced: the time of the last success; None without one.
    @ivar problem: the reason of the last failure; empty after a success.
    """

    _log = Logger()
    complaint = "{name} cannot be announced, trying again: {problem}"

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
        super().__init__(host, namespace, random)
        self.announced: float | None = None
        self._discovery = discovery
        self._ttl = ttl
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

    def stopService(self) -> None:
        """
        Announce no longer.
        """
        if self._subscription is not None:
            self._subscription.cancel()
        super().stopService()

    def _work(self) -> Any:
        return self._discovery.advertise(self.namespace, self._ttl)

    def _succeeded(self, seconds: float) -> float:
        self.announced = self._host.clock.seconds()
        if self.problem:
            self._log.info("{name} is announced again", name=self.namespace)
        return max(seconds, LEAST)
