# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The first peers of a node, through which it finds others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import random as anyNumber
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connmanager.policy import Backoff
from twisted_libp2p.discovery.candidates import Candidates
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
    Source,
)
from twisted_libp2p.logger import Logger

__all__ = ["Bootstrap", "BootstrapState"]

#: The name under which these peers are protected.
TAG: Final = "bootstrap"

#: How many of the peers are kept connected.
WANTED: Final = 4

#: The waits before a peer is tried again.
BACKOFF: Final = Backoff(first=2.0, most=300.0)

#: A peer, or a name that leads to some.
_Key = PeerID | Multiaddr


@dataclass(frozen=True, slots=True)
class BootstrapState:
    """
    A bootstrap peer, and its connection.

    @ivar target: the peer id, or a C{/dnsaddr} name that leads to some peer.
    @ivar connected: whether it is connected.
    @ivar problem: the reason of the last failed dial; empty without one.
    """

    target: PeerID | Multiaddr
    connected: bool
    problem: str


@implementer(IDrainable, IHostService)
class Bootstrap(Service):
    """
    Stays connected with some peers: C{node.add(Bootstrap(["/dnsaddr/..."]))}.

    Of many peers, four are connected at a time, chosen by chance; a lost one is
    replaced by another.  A peer that cannot be reached is tried again after a wait that
    grows from 2 seconds to 5 minutes, a random part of it.  When none can be reached,
    one line of the log says why, and another one follows when the reasons change.
    """

    name = TAG
    _log = Logger()

    def __init__(
        self,
        peers: Iterable[str | Multiaddr],
        wanted: int = WANTED,
        *,
        random: Callable[[], float] = anyNumber,
    ) -> None:
        """
        Take the list of peers.

        @param peers: addresses that end in the id of a peer, or C{/dnsaddr} names.
        @param wanted: how many of them are kept connected.
        @param random: returns numbers from 0 to 1, for the choice and the waits.
        @raise InvalidMultiaddr: one of them is not an address.
        """
        self._addresses: dict[_Key, list[Multiaddr]] = {}
        for address in Multiaddr.several(peers):
            key = address.peerID or address
            self._addresses.setdefault(key, []).append(address.withoutPeer())
        self._wanted = min(wanted, len(self._addresses))
        self._candidates: Candidates[_Key] = Candidates(BACKOFF, random)
        self._problems: dict[_Key, str] = {}
        # The peers to which names have led.
        self._led: dict[_Key, PeerID] = {}
        self._reported = ""
        self._subscription: ISubscription | None = None

    def attach(self, host: IHost) -> None:
        """
        Take the node: make the peers known to it, and protect them.
        """
        self._host = host
        self._seeker: Seeker[_Key] = Seeker(
            host.clock,
            self._candidates,
            self._missing,
            self._isConnected,
            self._dial,
            self._dialed,
        )
        for key, addresses in self._addresses.items():
            self._candidates.add(key, 0.0)
            if isinstance(key, PeerID):
                host.peerstore.addAddresses(key, addresses, Source.CONFIGURED)
                host.connections.protect(key, TAG, redial=False)

    def startService(self) -> None:
        """
        Begin to connect.
        """
        super().startService()
        self._subscription = self._host.events.subscribe(ClosedConn, self._closed)
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
        if self._subscription is not None:
            self._subscription.cancel()
        self._seeker.stop()

    def states(self) -> list[BootstrapState]:
        """
        Return all peers, and their connections.
        """
        return [
            BootstrapState(each, self._isConnected(each), self._problems.get(each, ""))
            for each in self._addresses
        ]

    def explain(self) -> str:
        """
        Return one line that says how many peers are connected, and why others are not.
        """
        states = self.states()
        connected = sum(each.connected for each in states)
        line = f"{connected} of {len(states)} bootstrap peers connected"
        problems = [
            f"{each.target}: {each.problem}"
            for each in states
            if each.problem and not each.connected
        ]
        return f"{line}; {'; '.join(problems)}" if problems else line

    def _missing(self) -> int:
        return self._wanted - sum(map(self._isConnected, self._addresses))

    def _isConnected(self, key: _Key) -> bool:
        peer = key if isinstance(key, PeerID) else self._led.get(key)
        return peer is not None and bool(self._host.connections.to(peer))

    def _dial(self, key: _Key) -> Deferred[Any]:
        # A lookup would need a bootstrap peer.
        return self._host.connect(key, DialOptions(routed=False))

    def _dialed(self, key: _Key, result: IConnection | Failure) -> None:
        """
        Keep the connection, or the reason of the failure.
        """
        if isinstance(result, Failure):
            if not result.check(CancelledError):
                self._problems[key] = result.getErrorMessage()
            self._report()
            return
        self._problems.pop(key, None)
        if isinstance(key, Multiaddr):
            self._led[key] = result.remotePeer
            self._host.connections.protect(result.remotePeer, TAG, redial=False)
        if self._reported:
            self._log.info("connected with the bootstrap peer {peer}", peer=str(key))
            self._reported = ""

    def _report(self) -> None:
        """
        Log the reasons when no peer can be reached.
        """
        if self._missing() < self._wanted or len(self._problems) < len(self._addresses):
            return
        reasons = "; ".join(sorted(set(self._problems.values())))
        if reasons != self._reported:
            self._reported = reasons
            self._log.warn(
                "none of {count} bootstrap peers can be reached, trying again:"
                " {reasons}",
                count=len(self._addresses),
                reasons=reasons,
            )

    def _closed(self, event: ClosedConn) -> None:
        """
        Replace a lost connection.
        """
        for key in self._addresses:
            if event.peer in (key, self._led.get(key)):
                self._candidates.lost(key, self._host.clock.seconds())
                self._seeker.seek()
