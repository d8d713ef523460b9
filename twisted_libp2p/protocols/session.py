# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
One stream with each connected peer that speaks a protocol.

Both sides have a session of the protocol.  The peer with the smaller id opens the
stream, when identify has reported that the other side speaks the protocol, and again
whenever it is lost while the peers are connected::

    side with the smaller id                other side
    Identified: it speaks the protocol
    open a stream           ------------->  take it; end an older one
    stream lost
    wait, open again        ------------->  take it

A peer that opens streams, but does not serve the protocol, cannot be dialed back: its
stream is taken whatever its id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IProtocol,
    IProtocolFactory,
)
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import PeerAddress
from twisted_libp2p.connection.building import Builder, factoryOf
from twisted_libp2p.errors import ConfigurationError, Libp2pError, UnsupportedProtocol
from twisted_libp2p.events import (
    ClosedStream,
    Identified,
    OpenedStream,
    PeerDisconnected,
)
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    Direction,
    IHost,
    IHostService,
    IRegistration,
    IStream,
    ISubscription,
)
from twisted_libp2p.logger import Logger

__all__ = ["ALL", "Partners", "Session"]

#: Stands for all connected peers.
ALL = "all"

#: The peers of a session: all of them, or one, or several.
Partners = PeerID | str | Iterable[PeerID | str]

#: Seconds before the stream is opened again after it has ended early, or could not be
#: opened; each wait is twice the one before, up to a minute.
FIRST = 1.0
LONGEST_WAIT = 60.0

#: Seconds after which the end of a stream makes the waits start again: such a stream is
#: opened again at once.
STEADY = 10.0


class _Pair:
    """
    This node and one peer.

    @ivar speaks: whether the peer serves the protocol, as far as we know.
    @ivar opening: the stream that is being opened.
    @ivar built: the protocol of the stream that is being opened, or was accepted.
    @ivar stream: the stream.
    @ivar since: the time of its beginning.
    @ivar attempts: number of early ends in a row.
    @ivar call: the next attempt.
    """

    __slots__ = ("attempts", "built", "call", "opening", "since", "speaks", "stream")

    def __init__(self) -> None:
        self.speaks = False
        self.opening: Deferred[IProtocol] | None = None
        self.built: IProtocol | None = None
        self.stream: IStream | None = None
        self.since = 0.0
        self.attempts = 0
        self.call: IDelayedCall | None = None

    def rest(self) -> None:
        """
        Cancel the wait and the attempt.
        """
        call, self.call = self.call, None
        if call is not None:
            call.cancel()
        opening, self.opening = self.opening, None
        if opening is not None:
            opening.cancel()

    def wait(self) -> float:
        """
        Return the seconds before the next attempt, and count it.
        """
        wait = min(FIRST * 2.0 ** min(self.attempts, 16), LONGEST_WAIT)
        self.attempts += 1
        return wait


class _Taking(Factory):
    """
    Builds the protocols of a session, for the streams of one direction.
    """

    noisy = False

    def __init__(self, build: Callable[[PeerAddress], IProtocol | None]) -> None:
        self._build = build

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> IProtocol | None:
        """
        Build the protocol of a stream, unless the session refuses it.
        """
        return self._build(addr) if isinstance(addr, PeerAddress) else None


@implementer(IHostService)
class Session(Service):
    """
    Has one stream with each connected peer that speaks a protocol.

    @ivar protocols: by peer, the protocol of its stream.
    """

    _log = Logger()

    def __init__(
        self,
        partners: Partners,
        protocolID: str,
        factory: Builder,
        *,
        allowLimited: bool = False,
    ) -> None:
        """
        @param partners: C{"all"}, or a peer id, or several.
        @param protocolID: the protocol id.
        @param factory: builds the protocol of each stream.
        @param allowLimited: whether streams may run over a relay.
        @raise ConfigurationError: the factory builds no protocols.
        @raise InvalidPeerID: a partner is not a peer id.
        """
        self.protocols: dict[PeerID, Any] = {}
        self._partners = _partners(partners)
        self._protocolID = protocolID
        self._factory: IProtocolFactory = factoryOf(factory)
        self._allowLimited = allowLimited
        self._pairs: dict[PeerID, _Pair] = {}
        self._subscriptions: list[ISubscription] = []
        self._registration: IRegistration | None = None

    def attach(self, host: IHost) -> None:
        """
        Serve the protocol, and follow the peers.

        @raise ConfigurationError: the protocol is served already, or its id is invalid.
        """
        self._host = host
        self._registration = host.registry.register(
            self._protocolID, _Taking(self._accept), allowLimited=self._allowLimited
        )
        self._factory.doStart()
        subscribe, ours = host.events.subscribe, self._ours
        self._subscriptions = [
            subscribe(Identified, self._identified),
            subscribe(OpenedStream, self._opened, ours),
            subscribe(ClosedStream, self._closed, ours),
            subscribe(PeerDisconnected, self._disconnected),
        ]

    def startService(self) -> None:
        """
        Begin with the peers that are connected already.
        """
        super().startService()
        for peer in {each.remotePeer for each in self._host.connections}:
            if self._protocolID in self._host.peerstore.protocols(peer):
                self._met(peer)

    def stopService(self) -> None:
        """
        Open no further stream.  The streams end with their connections.
        """
        super().stopService()
        for pair in self._pairs.values():
            pair.rest()

    def cancel(self) -> Any:
        """
        End the session: no longer serve the protocol, and close its streams.  Further
        calls do nothing.
        """
        registration, self._registration = self._registration, None
        if registration is None:
            return
        registration.cancel()
        for each in self._subscriptions:
            each.cancel()
        self.disownServiceParent()
        pairs, self._pairs = self._pairs, {}
        self.protocols.clear()
        for peer, pair in pairs.items():
            pair.rest()
            for stream in {pair.stream, *self._inbound(peer)}:
                if stream is not None:
                    stream.loseConnection()
        self._factory.doStop()

    # Peers

    def _ours(self, event: OpenedStream | ClosedStream) -> bool:
        return event.protocolID == self._protocolID

    def _wants(self, peer: PeerID) -> bool:
        """
        Check whether the session includes a peer.
        """
        return self._partners is None or peer in self._partners

    def _pair(self, peer: PeerID) -> _Pair:
        pair = self._pairs.get(peer)
        if pair is None:
            pair = self._pairs[peer] = _Pair()
        return pair

    def _identified(self, event: Identified) -> None:
        """
        Open a stream with a peer that speaks the protocol.
        """
        if self._protocolID in event.protocols:
            self._met(event.peer)
        elif event.peer in self._pairs:
            self._pairs[event.peer].speaks = False

    def _met(self, peer: PeerID) -> None:
        """
        Open a stream with a peer that speaks the protocol, if that is our part.
        """
        if self._wants(peer) and self._host.connections.to(peer):
            pair = self._pair(peer)
            pair.speaks = True
            if pair.call is None:
                self._open(peer)

    def _disconnected(self, event: PeerDisconnected) -> None:
        """
        Forget a peer whose last connection has ended.
        """
        pair = self._pairs.pop(event.peer, None)
        if pair is not None:
            pair.rest()
            self.protocols.pop(event.peer, None)

    # Streams

    def _inbound(self, peer: PeerID) -> list[IStream]:
        """
        Return the streams of the protocol that a peer has opened, also one that was not
        announced yet because its protocol is just being connected.
        """
        return [
            stream
            for connection in self._host.connections.to(peer)
            for stream in connection.streams
            if stream.protocolID == self._protocolID
            and stream.direction is Direction.INBOUND
        ]

    def _build(self, pair: _Pair, address: PeerAddress) -> IProtocol | None:
        """
        Build the protocol of a stream, unless the factory ends the session.
        """
        pair.built = self._factory.buildProtocol(address)
        return pair.built if self._registration is not None else None

    def _accept(self, address: PeerAddress) -> IProtocol | None:
        """
        Build the protocol of a stream that a peer opens, unless it is our part to open
        it.
        """
        peer = address.peerID
        if not self._wants(peer):
            return None
        pair = self._pair(peer)
        if pair.speaks and self._host.peerID < peer:
            return None
        return self._build(pair, address)

    def _open(self, peer: PeerID) -> None:
        """
        Open the stream, if that is our part and it is missing.
        """
        pair = self._pairs[peer]
        pair.call = None
        if not (self.running and pair.speaks and self._host.peerID < peer):
            return
        if pair.stream is not None or pair.opening is not None:
            return
        usable = [
            each
            for each in self._host.connections.to(peer)
            if each.connected and (self._allowLimited or not each.limited)
        ]
        if not usable:
            # Identify runs again on the next connection.
            return
        taking = _Taking(partial(self._build, pair))
        opening = pair.opening = usable[0].openStream(
            self._protocolID, taking, allowLimited=self._allowLimited
        )
        opening.addBoth(self._answered, peer, pair)
        if self._pairs.get(peer) is not pair:
            # The session, or the connection, has ended as the stream began.
            pair.rest()

    def _answered(self, result: IProtocol | Failure, peer: PeerID, pair: _Pair) -> None:
        """
        Try again later if the stream could not be opened.
        """
        if pair.opening is None:
            return
        pair.opening = None
        if not isinstance(result, Failure) or self._pairs.get(peer) is not pair:
            return
        if result.check(UnsupportedProtocol):
            pair.speaks = False
        elif not result.check(Libp2pError, CancelledError):
            self._log.failure("no stream with {peer}", result, peer=peer)
        self._again(peer, pair, pair.wait())

    def _opened(self, event: OpenedStream) -> None:
        """
        Take the new stream, and end an older one.
        """
        pair = self._pairs.get(event.peer)
        if pair is None or pair.built is None:
            return
        if event.direction is Direction.OUTBOUND and pair.opening is None:
            # A stream that the program has opened by itself.
            return
        older, pair.stream = pair.stream, event.stream
        self.protocols[event.peer], pair.built = pair.built, None
        pair.since = self._host.clock.seconds()
        if older is not None:
            older.abortConnection()

    def _closed(self, event: ClosedStream) -> None:
        """
        Open the stream again: at once if it has lasted, or if another connection is
        left, otherwise after a wait.
        """
        pair = self._pairs.get(event.peer)
        if pair is None or event.stream is not pair.stream:
            return
        pair.stream = None
        del self.protocols[event.peer]
        lasted = self._host.clock.seconds() - pair.since >= STEADY
        if lasted or not event.connection.connected:
            pair.attempts = 0
            self._again(event.peer, pair, 0.0)
        else:
            self._again(event.peer, pair, pair.wait())

    def _again(self, peer: PeerID, pair: _Pair, wait: float) -> None:
        """
        Open the stream after a wait, if the peers are still connected by then.
        """
        if self.running and pair.call is None and self._host.peerID < peer:
            pair.call = self._host.clock.callLater(wait, self._open, peer)


def _partners(partners: Partners) -> frozenset[PeerID] | None:
    """
    Read the peers of a session.

    @return: None for all.
    @raise InvalidPeerID: one of them is not a peer id.
    @raise ConfigurationError: there is none.
    """
    if isinstance(partners, str | PeerID):
        return None if partners == ALL else frozenset([PeerID.of(partners)])
    if not isinstance(partners, Iterable):
        raise ConfigurationError(
            f"{partners} are not peers: give a peer id, several, or 'all'"
        )
    return frozenset([PeerID.of(each) for each in partners])
