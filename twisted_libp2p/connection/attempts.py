# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
One attempt to reach a peer at one address, in the dialect that fits the peer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NoReturn

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.connection.backoff import AddressBackoff
from twisted_libp2p.connection.candidates import Candidates
from twisted_libp2p.connection.connection import isRelayed
from twisted_libp2p.connection.dialrecord import DialRecord
from twisted_libp2p.connection.stack import BOOTSTRAP, MULTISTREAM, SEQUENTIAL
from twisted_libp2p.connection.upgrade import Instead
from twisted_libp2p.connection.upgrader import Upgrader
from twisted_libp2p.errors import (
    ConfigurationError,
    LegacyPeer,
    LocalError,
    TwoInitiators,
    UnsupportedProtocol,
    UpgradeTimeout,
)
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    AnyTransport,
    DialOptions,
    IAddressFilter,
    IConnection,
    IManagedConnection,
    IOpaqueDials,
    IPeerStore,
)
from twisted_libp2p.pacing import addTimeout

__all__ = ["ADDRESS_LIMIT", "AUTO", "DIALECTS", "Attempts"]

#: Try the draft's dialect with peers that are not known to be legacy ones.
AUTO = "auto"

#: The dialects that a user can choose for a fresh transport.
DIALECTS = (MULTISTREAM, BOOTSTRAP, AUTO)

#: Seconds for one address: for the connect, and in each dialect the upgrade.
ADDRESS_LIMIT = 15.0

#: The same for an address that is dialed through a proxy, which connects first.
PROXIED_LIMIT = 45.0

#: Maximum of the seconds before a dial that has met that of the peer is repeated.
CROSSED_WAIT = 0.2

#: Seconds for an address that leads through a relay: that may have to be dialed first.
RELAYED_LIMIT = 30.0


class Attempts:
    """
    Reaches peers at addresses, and records the outcome.

    @ivar record: the record of all dials.
    """

    def __init__(
        self,
        upgrader: Upgrader,
        peerstore: IPeerStore,
        dialect: str,
        backoff: AddressBackoff,
        addressFilter: IAddressFilter,
        existing: Callable[[PeerID], Iterable[IConnection]],
        instead: Instead | None,
        record: DialRecord,
        random: Callable[[], float],
    ) -> None:
        """
        Prepare to reach peers.

        @param upgrader: makes connections of transports.
        @param peerstore: has the dialects of peers, and gets the outcome.
        @param dialect: one of L{DIALECTS}.
        @param backoff: gets the outcome too.
        @param addressFilter: decides which addresses that peers name are dialed.
        @param existing: returns the connections to a peer.
        @param instead: returns the connection to use instead of a new one, when
            it turns out only after the handshake that a peer is connected.
        @param record: gets the outcome too.
        @param random: returns numbers from 0 to 1, for waits that peers do not share.
        @raise ConfigurationError: the dialect is unknown.
        """
        if dialect not in DIALECTS:
            raise ConfigurationError(
                f"no dialect {dialect!r}: choose one of {', '.join(DIALECTS)}"
            )
        self._upgrader = upgrader
        self._clock = upgrader.context.clock
        self._connections = upgrader.context.connections
        self._securities = tuple(upgrader.securities)
        self._peerstore = peerstore
        self._dialect = dialect
        self._backoff = backoff
        self._filter = addressFilter
        self._existing = existing
        self._instead = instead
        self.record = record
        self._random = random

    def check(self, candidates: Candidates, address: Multiaddr) -> None:
        """
        Check whether an address may be dialed, or its name be resolved.

        @raise twisted_libp2p.errors.AddressRefused: the peer that has named it must
            not lead us there.
        @raise twisted_libp2p.errors.Libp2pError: the gater refuses it, or there are
            too many connections.
        """
        peer, bare = candidates.way(address)
        self._filter.dialing(candidates.origin(address), bare)
        self._connections.dialing(peer, bare)

    async def reach(
        self,
        candidates: Candidates,
        address: Multiaddr,
        transport: AnyTransport,
        options: DialOptions,
        delay: float,
    ) -> IConnection | None:
        """
        Try one address, and record the outcome.

        @param delay: the seconds for which it had to wait for its turn at the most.
        @return: None if it did not lead to the peer.
        """
        peer, bare = candidates.way(address)
        if peer is not None and candidates.peer is None and not options.fresh:
            # The name has led to a peer that may be connected.
            for existing in self._existing(peer):
                if existing.connected:
                    return existing
        name = candidates.name(address)
        if name is not None:
            options = replace(options, host=next(iter(name)).value)
        anybody = candidates.peer is None and not options.fresh
        instead = self._instead if anybody else None
        try:
            self.check(candidates, address)
            candidates.attempts += 1
            connection = await addTimeout(
                Deferred.fromCoroutine(
                    self._dial(transport, peer, bare, instead, options)
                ),
                _limit(transport, bare),
                self._clock,
                _late,
            )
        except CancelledError as error:
            # Another address was quicker: whether this one would have led anywhere is
            # not known, and go-libp2p counts it so too.
            self.record.holes.ended(bare, False)
            self.record.failed(transport.name, bare, error, candidates.reached)
            raise
        except Exception as error:
            if not isinstance(error, LocalError):
                self.record.holes.ended(bare, False)
                self.record.failed(transport.name, bare, error, False)
            self.missed(candidates, address, error)
            return None
        await _whenOthersEnded(options, connection)
        self.record.holes.ended(bare, True)
        self.record.delays.add(delay)
        candidates.reached = True
        self._backoff.succeeded(peer, bare)
        # A new connection has reported its address to the peerstore when it opened.
        if connection.remoteAddress != bare:
            self._peerstore.succeeded(connection.remotePeer, bare)
        # A success makes an address ours.  A name of a peer stays the peer's: it may
        # lead elsewhere the next time.
        if name is not None and candidates.origin(address) is Origin.OWN:
            self._peerstore.succeeded(connection.remotePeer, name.withoutPeer())
        return connection

    def missed(
        self, candidates: Candidates, address: Multiaddr, error: Exception
    ) -> None:
        """
        Keep that an address, or a name, did not lead to the peer.
        """
        candidates.failed(address, error)
        # A refusal of our own side says nothing about the address.
        if isinstance(error, LocalError):
            return
        peer, bare = candidates.way(address)
        self._backoff.failed(peer, bare)
        if peer is not None:
            self._peerstore.failed(peer, bare)
            name = candidates.name(address)
            if name is not None:
                self._peerstore.failed(peer, name.withoutPeer())

    async def _dial(
        self,
        transport: AnyTransport,
        peer: PeerID | None,
        address: Multiaddr,
        instead: Instead | None,
        options: DialOptions,
    ) -> IConnection:
        """
        Try one address; if our dial has met that of the peer, once more, from a port
        from which the two cannot meet.
        """
        try:
            return await self._speak(transport, peer, address, instead, options)
        except TwoInitiators:
            # The caller wants this port, or it was a new one, and the peer lies.
            if options.fromListener is not None:
                raise
        # The peer may dial again, too.
        await deferLater(self._clock, CROSSED_WAIT * self._random())
        if peer is not None and not options.fresh:
            for existing in self._existing(peer):
                if existing.connected:
                    return existing
        other = replace(options, fromListener=False)
        return await self._speak(transport, peer, address, instead, other)

    async def _speak(
        self,
        transport: AnyTransport,
        peer: PeerID | None,
        address: Multiaddr,
        instead: Instead | None,
        options: DialOptions,
    ) -> IManagedConnection:
        """
        Try one address in the dialect, or dialects, that fit the peer.  Neither
        side can go on with a transport on which it has received the wrong dialect, nor
        with one on which a handshake followed a proposal that was refused.
        """
        dialect = self._firstDialect(peer)
        while True:
            upgrade = self._upgrader.outbound(transport, peer, options, instead)
            try:
                connection = await self._upgrader.connect(
                    upgrade, transport, address, dialect, options
                )
            except LegacyPeer:
                if self._dialect != AUTO:
                    raise
                dialect = MULTISTREAM
            except UnsupportedProtocol as refusal:
                first, *others = self._securities
                if dialect != MULTISTREAM or refusal.proposed != (first,) or not others:
                    raise
                dialect = SEQUENTIAL
            else:
                # An older connection says nothing of this dialect, and a transport
                # that is muxed natively speaks none.
                if connection.scope is upgrade.scope and transport.byteStream:
                    self._learn(connection, dialect)
                return connection

    def _firstDialect(self, peer: PeerID | None) -> str:
        """
        Return the dialect to begin with.
        """
        known = self._peerstore.dialect(peer) if peer is not None else None
        if self._dialect == AUTO:
            return known or BOOTSTRAP
        if self._dialect == MULTISTREAM and known == SEQUENTIAL:
            return SEQUENTIAL
        return self._dialect

    def _learn(self, connection: IManagedConnection, dialect: str) -> None:
        """
        Keep the dialect of a peer.
        """
        if dialect == SEQUENTIAL and connection.security == self._securities[0]:
            dialect = MULTISTREAM
        self._peerstore.setDialect(connection.remotePeer, dialect)


def _limit(transport: AnyTransport, address: Multiaddr) -> float:
    """
    Return the seconds for one address.
    """
    if IOpaqueDials.providedBy(transport):
        return PROXIED_LIMIT
    return RELAYED_LIMIT if isRelayed(address) else ADDRESS_LIMIT


async def _whenOthersEnded(options: DialOptions, connection: IConnection) -> None:
    """
    Wait for another connection that has the stream, and that the peer may still refuse.
    """
    if options.first is not None:
        await options.first.whenOthersEnded(connection)


def _late(result: object, seconds: float) -> NoReturn:
    """
    Raise the error of an attempt that has taken too long.
    """
    if isinstance(result, Failure):
        result.trap(CancelledError)
    raise UpgradeTimeout("the connection", seconds)
