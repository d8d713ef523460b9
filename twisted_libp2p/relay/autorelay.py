# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
AutoRelay: keeps places at relays while a node cannot be reached directly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.address.places import placesOf
from twisted_libp2p.connection.connection import isRelayed
from twisted_libp2p.errors import ConfigurationError, InvalidMultiaddr
from twisted_libp2p.events import ClosedConn, Identified, ReachabilityChanged
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    IDrainable,
    IHost,
    IHostService,
    ISubscription,
    Reachability,
)
from twisted_libp2p.logger import Logger
from twisted_libp2p.relay.choosing import Choosing
from twisted_libp2p.relay.circuit import throughRelay
from twisted_libp2p.relay.events import ReservationHeld, ReservationLost
from twisted_libp2p.relay.messages import HOP

__all__ = ["AutoRelay", "relayAddress"]

#: Seconds without a verdict on our addresses after which relays are looked for.
UNKNOWN_DELAY: Final = 30.0

#: Seconds after the first verdict that we are reachable until the relays are left: a
#: verdict may change.
LEAVING_DELAY: Final = 600.0

#: Seconds that a chosen relay has to give a reservation, or to give it again.
TRIAL: Final = 30.0


def relayAddress(text: str | Multiaddr) -> Multiaddr:
    """
    Read the address of a relay.

    @raise ConfigurationError: it does not end in the id of the relay.
    """
    try:
        address = Multiaddr.of(text)
    except InvalidMultiaddr as error:
        raise ConfigurationError(f"relay {text}: {error}") from None
    if address.peerID is None or isRelayed(address):
        raise ConfigurationError(
            f"relay {text}: it has to be the address of a peer, such as"
            " /ip4/192.0.2.1/tcp/4001/p2p/ and the id of the relay"
        )
    return address


_VERDICTS: Final = {
    Reachability.PUBLIC: True,
    Reachability.PRIVATE: False,
    Reachability.UNKNOWN: None,
}


@implementer(IDrainable, IHostService)
class AutoRelay(Service):
    """
    Listens at relays: C{node.add(AutoRelay(["/ip4/.../p2p/..."]))}.

    Of given relays it uses all.  Without any it chooses among the connected peers that
    are relays.

    It begins at once if relays are given, otherwise when the node finds out that it
    cannot be reached, or 30 seconds after its start if that is not known by then.  It
    leaves the relays ten minutes after the node has found out that it can be reached.
    An application that knows better calls L{reachable}.

    @ivar relays: the addresses of the given relays.
    @ivar choosing: chooses among the connected peers.
    @ivar relaysMet: the number of identified peers by whether they are relays.
    """

    name = "autorelay"
    _log = Logger()

    def __init__(self, relays: Iterable[str | Multiaddr] = (), wanted: int = 2) -> None:
        """
        @param relays: addresses of relays, with their ids.
        @param wanted: how many relays are chosen if none are given.
        @raise ConfigurationError: an address does not end in the id of a relay.
        """
        self.relays = [relayAddress(each) for each in relays]
        self.choosing = Choosing(wanted)
        self.relaysMet: Counter[bool] = Counter()
        self._active = False
        self._listening: dict[PeerID, Multiaddr] = {}
        self._trials: dict[PeerID, IDelayedCall] = {}
        self._change: IDelayedCall | None = None
        self._waking: IDelayedCall | None = None
        self._subscriptions: list[ISubscription] = []

    def attach(self, host: IHost) -> None:
        """
        Take the node.
        """
        self._host = host

    @property
    def active(self) -> bool:
        """
        Whether relays are wanted.
        """
        return self._active

    def startService(self) -> None:
        """
        Begin at once with given relays, otherwise wait for a verdict.
        """
        super().startService()
        events = self._host.events
        self._subscriptions = [
            events.subscribe(Identified, self._identified),
            events.subscribe(ClosedConn, self._closed),
            events.subscribe(ReservationHeld, self._held),
            events.subscribe(ReservationLost, self._lost),
            events.subscribe(
                ReachabilityChanged,
                lambda event: self.reachable(_VERDICTS[event.reachability]),
            ),
        ]
        if self.relays:
            self._begin()
        else:
            self._later(UNKNOWN_DELAY, True)

    def drain(self) -> None:
        """
        Choose no relay any longer.
        """
        self.stopService()

    def stopService(self) -> None:
        """
        Forget everything; the node closes its listeners by itself.
        """
        super().stopService()
        for each in self._subscriptions:
            each.cancel()
        for call in (self._change, self._waking, *self._trials.values()):
            if call is not None:
                call.cancel()
        self._change = self._waking = None
        self._trials.clear()
        self._listening.clear()
        self.choosing.leave()
        self._active = False

    def reachable(self, verdict: bool | None) -> None:
        """
        Learn whether the node can be reached directly.

        @param verdict: None if that is not known.
        """
        if not self.running:
            return
        if verdict is False:
            self._later(0.0, True)
        elif verdict is None:
            if not self._active:
                self._later(UNKNOWN_DELAY, True)
        else:
            self._later(LEAVING_DELAY if self._active else 0.0, False)

    def _later(self, seconds: float, wanted: bool) -> None:
        """
        Begin, or leave, after a while.
        """
        if self._change is not None:
            self._change.cancel()
            self._change = None
        if wanted is not self._active:
            change = self._begin if wanted else self._leave
            self._change = self._host.clock.callLater(seconds, change)

    def _begin(self) -> None:
        self._change = None
        self._active = True
        for each in self.relays:
            assert each.peerID is not None
            self._listen(each.peerID, throughRelay(each.peerID, each))
        self._choose()

    def _leave(self) -> None:
        self._change = None
        self._active = False
        self._log.info("this node can be reached directly: it leaves its relays")
        self.choosing.leave()
        for each in list(self._listening):
            self._stopListening(each)

    # Choosing

    def _identified(self, event: Identified) -> None:
        connection = event.connection
        if isRelayed(connection.remoteAddress):
            return
        self.relaysMet[HOP in event.protocols] += 1
        if HOP in event.protocols:
            _, *network = placesOf(connection.remoteAddress) or (None,)
            self.choosing.met(event.peer, tuple(network))
        else:
            self.choosing.gone(event.peer)
        self._choose()

    def _closed(self, event: ClosedConn) -> None:
        if not self._host.connections.to(event.peer):
            self.choosing.gone(event.peer)

    def _choose(self) -> None:
        """
        Try as many candidates as are missing.
        """
        if not self._active or self.relays or not self.running:
            return
        now = self._host.clock.seconds()
        for relay in self.choosing.choose(now):
            self._listen(relay, throughRelay(relay, None))
            self._try(relay)
        wake = self.choosing.wakeUp(now)
        if self._waking is not None:
            self._waking.cancel()
            self._waking = None
        if wake is not None:
            self._waking = self._host.clock.callLater(wake, self._wakeUp)

    def _wakeUp(self) -> None:
        self._waking = None
        self._choose()

    def _try(self, relay: PeerID) -> None:
        """
        Give a relay its time.
        """
        if relay in self.choosing.chosen and relay not in self._trials:
            self._trials[relay] = self._host.clock.callLater(TRIAL, self._failed, relay)

    def _failed(self, relay: PeerID) -> None:
        """
        Take another relay instead of one that gives no reservation.
        """
        del self._trials[relay]
        self.choosing.failed(relay, self._host.clock.seconds())
        self._stopListening(relay)
        self._choose()

    def _held(self, event: ReservationHeld) -> None:
        trial = self._trials.pop(event.relay, None)
        if trial is not None:
            trial.cancel()
        self.choosing.held(event.relay)

    def _lost(self, event: ReservationLost) -> None:
        self._try(event.relay)

    # Listening

    def _listen(self, relay: PeerID, address: Multiaddr) -> None:
        if relay in self._listening:
            return
        self._listening[relay] = address
        self._host.listenOn(address).addErrback(
            lambda reason: self._log.warn(
                "cannot listen at the relay {relay}: {reason}",
                relay=relay,
                reason=reason.getErrorMessage(),
            )
        )

    def _stopListening(self, relay: PeerID) -> None:
        address = self._listening.pop(relay, None)
        if address is not None:
            Deferred.fromCoroutine(self._host.stopListeningOn(address)).addErrback(
                lambda reason: self._log.failure("a relay is not left", reason)
            )
