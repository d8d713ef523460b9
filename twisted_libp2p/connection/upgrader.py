# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The upgrader of a node: dials and listens over any transport, and makes connections.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.python.failure import Failure

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection.context import ConnectionContext
from twisted_libp2p.connection.ports import Ports
from twisted_libp2p.connection.stack import MULTISTREAM, AcceptingFactory, Stack
from twisted_libp2p.connection.upgrade import Instead, Upgrade, Upgrades
from twisted_libp2p.errors import (
    ConfigurationError,
    ConnectionClosing,
    Gated,
    HandshakeEnded,
    Libp2pError,
    LimitExceeded,
    NegotiationEnded,
    departed,
)
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import (
    DEFAULT_OPTIONS,
    AnyTransport,
    DialOptions,
    Direction,
    IAddressing,
    IConnection,
    IManagedConnection,
    IMuxedTransport,
    IMuxer,
    IOpaqueDials,
    IOpaqueListeners,
    IPeerTransport,
    IPortEndpoint,
    ISecurity,
    ITransport,
    ITrustedProxies,
    Role,
)
from twisted_libp2p.limits.refusallog import RefusalLog
from twisted_libp2p.logger import Logger

__all__ = ["Upgrader"]


class Punch(NamedTuple):
    """
    A peer that we dial, and that dials us at the same time.

    @ivar peer: the peer.
    @ivar role: our part in the upgrade of a byte transport, whichever side opens the
        connection.  Over a natively muxed transport the dialer is always the client.
    @ivar succeeded: called with each connection that the peer has opened.
    """

    peer: PeerID
    role: Role
    succeeded: Callable[[IConnection], object]

    def take(self, connection: IManagedConnection) -> IManagedConnection:
        """
        Report a connection, if the peer has opened it: others may live behind the same
        router.
        """
        if connection.remotePeer == self.peer:
            self.succeeded(connection)
        return connection


class Upgrader:
    """
    Makes connections of transports.

    @ivar identity: our identity.
    @ivar securities: the security protocols by their id, in order of preference.
    @ivar muxers: the muxers by their id, in order of preference.
    @ivar context: the objects that all connections of the node share.
    @ivar upgrades: the upgrades that are under way.
    @ivar expected: the hosts from which peers may dial us whom we dial at the same
        time, by the bytes of their IP addresses.
    """

    _log = Logger()

    def __init__(
        self,
        identity: Identity,
        securities: Iterable[ISecurity],
        muxers: Iterable[IMuxer],
        context: ConnectionContext,
        proxies: ITrustedProxies,
        deadline: float = 10.0,
    ) -> None:
        """
        Make an upgrader.

        @param identity: our identity.
        @param securities: the security protocols, in order of preference;
            insecure ones come last in any case.
        @param muxers: the muxers, in order of preference.
        @param context: the objects that all connections of the node share.
        @param proxies: the proxies that may state the address of their client.
        @param deadline: seconds from the transport's connect to a connection.
        @raise ConfigurationError: no security, or no muxer, is given.
        """
        self.identity = identity
        # The sort is stable.
        ordered = sorted(securities, key=lambda security: security.insecure)
        self.securities = {each.protocolID: each for each in ordered}
        self.muxers = {each.protocolID: each for each in muxers}
        if not self.securities or not self.muxers:
            raise ConfigurationError("a node needs a security protocol and a muxer")
        self.context = context
        self.expected: dict[bytes | None, list[Punch]] = {}
        self.upgrades = Upgrades(identity, tuple(self.muxers), context, deadline)
        self._proxies = proxies
        self._refusals = RefusalLog(context.clock.seconds, context.events)
        self._ports = Ports(self.accept, self.stack, context.clock)

    # Outbound

    def outbound(
        self,
        transport: IAddressing,
        expected: PeerID | None,
        options: DialOptions = DEFAULT_OPTIONS,
        instead: Instead | None = None,
    ) -> Upgrade:
        """
        Prepare the upgrade of a connection that our side opens.

        @param transport: the kind of transport that carries it.
        @param expected: the peer that has to answer; None accepts any peer.
        @param options: of these an upgrade heeds C{role} and C{first}.
        @param instead: returns the connection to use instead of the new one,
            which is closed before it is announced; None keeps the new one.
        """
        return Upgrade(
            self.upgrades,
            transport,
            Direction.OUTBOUND,
            options.role,
            expected,
            self.context.connections.dialed(),
            instead,
            first=options.first,
        )

    async def connect(
        self,
        upgrade: Upgrade,
        transport: AnyTransport,
        address: Multiaddr,
        dialect: str = MULTISTREAM,
        options: DialOptions = DEFAULT_OPTIONS,
    ) -> IManagedConnection:
        """
        Connect to an address, and upgrade.

        @param upgrade: one of L{outbound}.
        @param dialect: what to speak first on a byte transport.
        """
        try:
            if IMuxedTransport.providedBy(transport):
                transport.dial(address, upgrade, options)
            else:
                if IOpaqueDials.providedBy(transport):
                    upgrade.asked = address
                if IPeerTransport.providedBy(transport):
                    endpoint = transport.clientEndpointTo(
                        address, upgrade.expected, options
                    )
                else:
                    endpoint = transport.clientEndpoint(address, options)
                await endpoint.connect(self.stack(upgrade, dialect))
        except BaseException:
            upgrade.abandon()
            raise
        return await upgrade.connection

    def stack(self, upgrade: Upgrade, dialect: str = MULTISTREAM) -> Stack:
        """
        Stack the layers for an upgrade of a byte transport.

        @return: a factory to connect an endpoint with.
        """
        return Stack(upgrade, self.securities, self.muxers, self.context.clock, dialect)

    # Inbound

    def listen(
        self, transport: AnyTransport, address: Multiaddr
    ) -> Deferred[IListeningPort]:
        """
        Listen on an address, and upgrade the connections of peers.

        @return: fires with the port.
        """
        if IMuxedTransport.providedBy(transport):
            return transport.listen(address, lambda addr: self.accept(transport, addr))
        endpoint = transport.serverEndpoint(address)
        if IPortEndpoint.providedBy(endpoint):
            return self._ports.listen(endpoint, transport)
        asked = address if IOpaqueListeners.providedBy(transport) else None
        listening: Deferred[IListeningPort] = endpoint.listen(
            self.inbound(transport, asked)
        )
        return listening

    def inbound(
        self, transport: IAddressing, asked: Multiaddr | None = None
    ) -> AcceptingFactory:
        """
        Prepare to upgrade connections that peers open over a byte transport.

        @param asked: the address of all these connections, if the transport does not
            show the addresses of peers.
        @return: a factory to listen on an endpoint with.
        """

        def accept(addr: IAddress | None) -> Stack | None:
            upgrade = self.accept(transport, addr, asked)
            return None if upgrade is None else self.stack(upgrade)

        return AcceptingFactory(accept)

    def accept(
        self,
        transport: IAddressing,
        addr: IAddress | None,
        asked: Multiaddr | None = None,
    ) -> Upgrade | None:
        """
        Begin the upgrade of a connection that a peer opens.

        @param addr: the address of the peer, as far as it is known.
        @param asked: the address of the connection, if the transport does not show it.
        @return: None if the peer is refused.
        """
        upgrade: Upgrade

        def refuse(error: Exception) -> None:
            upgrade.refuse(error)

        remote = asked
        if remote is None and addr is not None:
            remote = transport.toMultiaddr(addr)
        # No proxy states the client of a transport that is muxed natively.
        proxied = ITransport.providedBy(transport) and self._proxies.trusts(addr)
        try:
            scope = self.context.connections.accepted(remote, refuse, proxied)
        except Libp2pError:
            return None
        if not self.context.open:
            # The node was stopped meanwhile.
            scope.close()
            return None
        expected = (
            transport.expectedPeer(addr)
            if IPeerTransport.providedBy(transport)
            else None
        )
        punches = () if remote is None else self.expected.get(remote.host, ())
        role = Role.SERVER
        if punches and ITransport.providedBy(transport):
            role = punches[-1].role
            if role is Role.CLIENT and len(punches) == 1:
                expected = punches[0].peer
        upgrade = Upgrade(
            self.upgrades,
            transport,
            Direction.INBOUND,
            role,
            expected,
            scope,
            peer=addr,
            proxied=proxied,
        )
        upgrade.asked = asked
        for punch in punches:
            upgrade.connection.addCallback(punch.take)
        upgrade.connection.addErrback(self._failed, upgrade)
        return upgrade

    def _failed(self, reason: Failure, upgrade: Upgrade) -> None:
        """
        Log, in one line, why an inbound connection has failed: nobody waits for it.
        """
        if reason.check(CancelledError, LimitExceeded, Gated, ConnectionClosing):
            # Our own decision, or logged already where it was refused.
            return
        address = upgrade.source
        if reason.check(HandshakeEnded, NegotiationEnded) or departed(reason):
            # Such as a slower dial of a peer that is connected at another address.
            self._log.debug(
                "inbound connection from {address} ended: {reason}",
                address=address,
                reason=reason.getErrorMessage(),
            )
        elif isinstance(reason.value, Libp2pError):
            self._refusals.failed(reason.value, address)
        else:
            self._log.failure(
                "inbound connection from {address} failed",
                reason,
                address=address,
            )
