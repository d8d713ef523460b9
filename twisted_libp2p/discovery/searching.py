# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Searches that go on until they are stopped.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from random import random as anyNumber
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connmanager.policy import Backoff
from twisted_libp2p.discovery.events import PeerDiscovered, PeerExpired
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IDiscovery, IHost

__all__ = ["Search"]

#: Seconds between two questions, by default.
INTERVAL: Final = 60.0

#: The waits after failures.
BACKOFF: Final = Backoff(first=5.0, most=120.0)

#: Maximum number of peers of a search.
MAX_FOUND: Final = 1000

#: Number of answers in succession without a peer after which it is no longer there.
MISSES: Final = 3


class _Found:
    """
    A found peer.

    @ivar addresses: its addresses.
    @ivar misses: the number of answers since it was last named.
    """

    __slots__ = ("addresses", "misses")

    def __init__(self, addresses: tuple[Multiaddr, ...]) -> None:
        self.addresses = addresses
        self.misses = 0


class Search(Service):
    """
    Finds the peers of a namespace, again and again, and announces each new one by
    L{PeerDiscovered}.

    It is a service: C{startService} begins it, C{stopService} ends it.

    @ivar namespace: the namespace.
    @ivar problem: the reason of the last failure; empty after a success.
    """

    _log = Logger()

    def __init__(
        self,
        host: IHost,
        discovery: IDiscovery,
        namespace: str,
        source: str,
        count: int = MAX_FOUND,
        interval: float = INTERVAL,
        *,
        random: Callable[[], float] = anyNumber,
    ) -> None:
        """
        Prepare a search.

        @param host: the node.
        @param discovery: the discovery, such as a C{RendezvousClient}.
        @param namespace: the namespace.
        @param source: the name of the discovery in events.
        @param count: maximum number of peers.
        @param interval: seconds between two questions, a fifth of which varies.
        @param random: returns numbers from 0 to 1, which spread the waits.
        """
        self.namespace = namespace
        self.problem = ""
        self._host = host
        self._discovery = discovery
        self._source = source
        self._count = min(count, MAX_FOUND)
        self._interval = interval
        self._random = random
        self._failures = 0
        self._found: OrderedDict[PeerID, _Found] = OrderedDict()
        self._call: IDelayedCall | None = None
        self._asking: Deferred[Any] | None = None

    @property
    def peers(self) -> dict[PeerID, tuple[Multiaddr, ...]]:
        """
        The peers that are there, and their addresses.
        """
        return {peer: each.addresses for peer, each in self._found.items()}

    def startService(self) -> None:
        """
        Begin to ask.
        """
        super().startService()
        self._call = self._host.clock.callLater(0.0, self._ask)

    def stopService(self) -> None:
        """
        Ask no longer.
        """
        super().stopService()
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.cancel()

    def _ask(self) -> None:
        self._call = None
        asking = maybeDeferred(self._discovery.findPeers, self.namespace, self._count)
        self._asking = asking
        asking.addCallbacks(self._answered, self._failed)

    def _answered(self, peers: Sequence[tuple[PeerID, Sequence[Multiaddr]]]) -> None:
        self._asking = None
        self._failures = 0
        self.problem = ""
        now = self._host.clock.seconds()
        for each in self._found.values():
            each.misses += 1
        for peer, addresses in list(peers)[: self._count]:
            found = _Found(tuple(addresses))
            before = self._found.pop(peer, None)
            self._found[peer] = found
            if before is None or not set(found.addresses) <= set(before.addresses):
                self._host.events.publish(
                    PeerDiscovered(
                        time=now,
                        peer=peer,
                        addresses=found.addresses,
                        source=self._source,
                    )
                )
        gone = [peer for peer, each in self._found.items() if each.misses >= MISSES]
        gone += list(self._found)[: max(0, len(self._found) - self._count)]
        for peer in dict.fromkeys(gone):
            del self._found[peer]
            self._host.events.publish(
                PeerExpired(time=now, peer=peer, source=self._source)
            )
        self._wait(self._interval * (0.9 + 0.2 * self._random()))

    def _failed(self, reason: Failure) -> None:
        self._asking = None
        if reason.check(CancelledError) and not self.running:
            return
        problem = reason.getErrorMessage()
        if problem != self.problem:
            self._log.warn(
                "the peers of {name} cannot be found, trying again: {problem}",
                name=self.namespace,
                problem=problem,
            )
        self.problem = problem
        self._wait(BACKOFF.delay(self._failures, self._random()))
        self._failures += 1

    def _wait(self, seconds: float) -> None:
        if self.running:
            self._call = self._host.clock.callLater(seconds, self._ask)
