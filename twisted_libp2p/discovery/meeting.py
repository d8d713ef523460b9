# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The one policy for found peers: whether, when and how many of them are dialed.
"""

from __future__ import annotations

from collections.abc import Callable
from random import random as anyNumber
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.connmanager.policy import Backoff
from twisted_libp2p.discovery.candidates import MAX_FAILURES, Candidates
from twisted_libp2p.discovery.events import PeerDiscovered, PeerExpired
from twisted_libp2p.discovery.seeking import Seeker
from twisted_libp2p.events import ClosedConn
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    DialOptions,
    IConnection,
    IDrainable,
    IHost,
    IHostService,
    ISubscription,
)
from twisted_libp2p.logger import Logger

__all__ = ["DialFound"]

#: Maximum number of found peers that may be dialed.
MAX_CANDIDATES: Final = 256

#: Seconds that the peer with the greater id waits, so that two peers that find each
#: other do not dial at the same time.
COURTESY: Final = 1.0

#: Seconds for one dial.
DIAL_TIMEOUT: Final = 15.0

#: The waits before a peer is dialed again.
BACKOFF: Final = Backoff(first=10.0, most=600.0)


@implementer(IDrainable, IHostService)
class DialFound(Service):
    """
    Dials found peers until the node has enough connections:
    C{node.add(DialFound(20))}.

    Without it found peers are not dialed.  It takes the peers of all discoveries, which
    announce them by L{PeerDiscovered}.
    """

    name = "dialfound"
    _log = Logger()

    def __init__(
        self, connections: int, *, random: Callable[[], float] = anyNumber
    ) -> None:
        """
        Prepare to dial found peers.

        @param connections: the number of connections, of any kind, from which on no
            found peer is dialed.
        @param random: returns numbers from 0 to 1, for the choice and the waits.
        """
        self.connections = connections
        self._candidates: Candidates[PeerID] = Candidates(
            BACKOFF, random, MAX_CANDIDATES, MAX_FAILURES
        )
        self._subscriptions: list[ISubscription] = []

    def attach(self, host: IHost) -> None:
        """
        Take the node.
        """
        self._host = host
        self._seeker: Seeker[PeerID] = Seeker(
            host.clock,
            self._candidates,
            lambda: self.connections - len(host.connections),
            lambda peer: bool(host.connections.to(peer)),
            self._dial,
            self._dialed,
        )

    def startService(self) -> None:
        """
        Wait for found peers.
        """
        super().startService()
        events = self._host.events
        self._subscriptions = [
            events.subscribe(PeerDiscovered, self._discovered),
            events.subscribe(PeerExpired, self._expired),
            events.subscribe(ClosedConn, self._closed),
        ]
        self._seeker.start()

    def drain(self) -> None:
        """
        Dial no longer.
        """
        self.stopService()

    def stopService(self) -> None:
        """
        Dial no longer.
        """
        super().stopService()
        for each in self._subscriptions:
            each.cancel()
        self._seeker.stop()

    def _discovered(self, event: PeerDiscovered) -> None:
        own = self._host.peerID
        wait = COURTESY if own.toBytes() > event.peer.toBytes() else 0.0
        self._candidates.add(event.peer, self._host.clock.seconds() + wait)
        self._seeker.seek()

    def _expired(self, event: PeerExpired) -> None:
        self._candidates.remove(event.peer)

    def _closed(self, event: ClosedConn) -> None:
        self._candidates.lost(event.peer, self._host.clock.seconds())
        self._seeker.seek()

    def _dial(self, peer: PeerID) -> Deferred[Any]:
        return self._host.connect(peer, DialOptions(routed=False, timeout=DIAL_TIMEOUT))

    def _dialed(self, peer: PeerID, result: IConnection | Failure) -> None:
        if isinstance(result, Failure):
            self._log.debug(
                "the found peer {peer} cannot be reached: {error}",
                peer=str(peer),
                error=result.getErrorMessage(),
            )
