# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Searches that go on until they are stopped.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from random import random as anyNumber
from typing import Any, Final

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.discovery.events import PeerDiscovered, PeerExpired
from twisted_libp2p.discovery.repeating import Repeating
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IDiscovery, IHost
from twisted_libp2p.logger import Logger

__all__ = ["Search"]

#: Seconds between two questions, by default.
INTERVAL: Final = 60.0

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


class Search(Repeating):
    """
    Finds the peers of a namespace, again and again, and announces each new one by
    L{PeerDiscovered}.

    It is a service: C{startService} begins it, C{stopService} ends it.

    @ivar namespace: the namespace.
    @ivar problem: the reason of the last failure; empty after a success.
    """

    _log = Logger()
    complaint = "the peers of {name} cannot be found, trying again: {problem}"

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
        super().__init__(host, namespace, random)
        self._discovery = discovery
        self._source = source
        self._count = min(count, MAX_FOUND)
        self._interval = interval
        self._found: OrderedDict[PeerID, _Found] = OrderedDict()

    @property
    def peers(self) -> dict[PeerID, tuple[Multiaddr, ...]]:
        """
        The peers that are there, and their addresses.
        """
        return {peer: each.addresses for peer, each in self._found.items()}

    def _work(self) -> Any:
        return self._discovery.findPeers(self.namespace, self._count)

    def _succeeded(self, peers: Sequence[tuple[PeerID, Sequence[Multiaddr]]]) -> float:
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
        return self._interval * (0.9 + 0.2 * self._random())
