# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
From a raw transport to a connection: the stack of this package, on one screen.

L{Upgrade.stack} is the whole way of a byte: a factory that wraps a factory
that wraps a factory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection.connection import Connection, ConnectionContext
from twisted_libp2p.errors import (
    ConfigurationError,
    ConnectionClosing,
    DialToSelf,
    ErrorCode,
    Gated,
    LegacyPeer,
    Libp2pError,
    LimitExceeded,
    NegotiationFailed,
    NodeStopping,
    UnsupportedProtocol,
    UpgradeTimeout,
)
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import (
    Direction,
    IConnectionScope,
    IMuxer,
    ISecurity,
    ITransport,
    Role,
)
from twisted_libp2p.negotiation import (
    Machine,
    Negotiation,
    Negotiator,
    bootstrap,
    multistream,
)
from twisted_libp2p.pacing import Deadlines
from twisted_libp2p.security import Handshake

__all__ = ["BOOTSTRAP", "MULTISTREAM", "SEQUENTIAL", "Upgrade", "Upgrader"]

#: The dialect of deployed peers on a fresh transport.  The first security
#: protocol is proposed alone, and its handshake begins in the same flight.
MULTISTREAM = "multistream"

#: The same, but one security protocol is proposed after the other, each when the
#: one before was refused: for peers that have refused the first.
SEQUENTIAL = "sequential"

#: The dialect of the I{Connection Lifecycle} draft.
BOOTSTRAP = "bootstrap"

#: Seconds that a peer has to answer in the draft's dialect; who is silent for
#: longer does not know it.
BOOTSTRAP_DEADLINE = 5.0


class Upgrader:
    """
    What a node can speak, and in which order it prefers it.

    @ivar deadlines: the time from a transport's connect to a connection.
    """

    _log = Logger()

    def __init__(
        self,
        identity: Identity,
        securities: Iterable[ISecurity],
        muxers: Iterable[IMuxer],
        services: ConnectionContext,
        deadline: float = 10.0,
    ) -> None:
        """
        @param identity: who we are.
        @param securities: the security protocols, in order of preference;
            insecure ones come last in any case.
        @param muxers: the muxers, in order of preference.
        @param services: what the connections of this node share.
        @param deadline: seconds from the transport's connect to a connection.
        @raise ConfigurationError: there is no security, or no muxer.
        """
        self.identity = identity
        # The sort is stable.
        ordered = sorted(securities, key=lambda security: security.insecure)
        self.securities = {each.protocolID: each for each in ordered}
        self.muxers = {each.protocolID: each for each in muxers}
        if not self.securities or not self.muxers:
            raise ConfigurationError("a node needs a security protocol and a muxer")
        self.services = services
        self.deadlines = Deadlines(services.clock, deadline)
        self._pending: set[Upgrade] = set()

    def outbound(
        self,
        transport: ITransport,
        expected: PeerID | None,
        dialect: str = MULTISTREAM,
        instead: Callable[[Connection], Connection | None] | None = None,
        role: Role = Role.CLIENT,
    ) -> Upgrade:
        """
        Prepare to upgrade a connection that our side opens.

        @param transport: the kind of transport that carries it.
        @param expected: who has to answer; None accepts anybody.
        @param dialect: L{MULTISTREAM}, L{SEQUENTIAL} or L{BOOTSTRAP}.
        @param instead: returns the connection to use instead of the new one,
            which is closed then, before anybody has heard of it; None keeps the
            new one.
        @param role: the part of our side: in hole punching it may be the server.
        @return: a factory to connect an endpoint with.
        """
        upgrade = Upgrade(self, transport, Direction.OUTBOUND, role, expected, dialect)
        upgrade.scope = self.services.connections.dialed()
        if instead is not None:
            upgrade.instead = instead
        return upgrade

    def inbound(self, transport: ITransport) -> Factory:
        """
        Prepare to upgrade connections that peers open.

        @param transport: the kind of transport that carries them.
        @return: a factory to listen on an endpoint with.
        """
        return _Inbound(self, transport)

    @property
    def upgrading(self) -> int:
        """
        How many upgrades are under way.
        """
        return len(self._pending)

    @property
    def open(self) -> bool:
        """
        Whether transports may be upgraded; not while the node stops.
        """
        return self.services.open

    def abortAll(self) -> None:
        """
        Give up all upgrades that are under way.
        """
        for upgrade in list(self._pending):
            upgrade.cancel()


class _Inbound(Factory):
    """
    Makes an L{Upgrade} of every transport that is accepted.
    """

    noisy = False

    def __init__(self, upgrader: Upgrader, transport: ITransport) -> None:
        self._upgrader = upgrader
        self._transport = transport

    def logPrefix(self) -> str:
        """
        Return the name under which Twisted logs the ports that listen.
        """
        return "libp2p"

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> Negotiator | None:
        upgrade = Upgrade(
            self._upgrader,
            self._transport,
            Direction.INBOUND,
            Role.SERVER,
            None,
            MULTISTREAM,
        )
        try:
            upgrade.scope = self._upgrader.services.connections.accepted(
                None if addr is None else self._transport.toMultiaddr(addr),
                upgrade.refuse,
            )
        except Libp2pError:
            return None
        if not self._upgrader.open:
            # The node was stopped meanwhile.
            upgrade.scope.close()
            return None
        upgrade.connection.addErrback(self._failed, addr)
        return upgrade.buildProtocol(addr)

    def _failed(self, reason: Failure, addr: IAddress | None) -> None:
        """
        Nobody waits for an inbound connection: one line tells of its end.
        """
        if reason.check(CancelledError, LimitExceeded, Gated, ConnectionClosing):
            # Ours, or told already by who has refused.
            return
        if reason.check(Libp2pError):
            self._upgrader._log.info(
                "inbound connection from {address} refused: {reason}",
                address=addr,
                reason=reason.getErrorMessage(),
            )
        else:
            self._upgrader._log.failure(
                "inbound connection from {address} failed", reason, address=addr
            )


class Upgrade(Factory):
    """
    One connection on its way from a raw transport to its muxer.

    It owns the single deadline of all the steps between.

    @ivar connection: fires with the L{Connection} when it is ready, or fails
        with the typed error of the step that failed.  To cancel it is to drop
        the transport.
    @ivar scope: what the connection has of all limits.
    @ivar instead: returns another connection to use instead of the new one.
    """

    scope: IConnectionScope
    instead: Callable[[Connection], Connection | None] = staticmethod(lambda _: None)
    noisy = False

    # Why the peer, which has proven who it is, is not wanted.
    _refusal: Gated | None = None

    def __init__(
        self,
        upgrader: Upgrader,
        transport: ITransport,
        direction: Direction,
        role: Role,
        expected: PeerID | None,
        dialect: str,
    ) -> None:
        self._upgrader = upgrader
        self._transport = transport
        self._direction = direction
        self._role = role
        self._initiator = role is Role.CLIENT
        self._expected = expected
        self._dialect = dialect
        # A bootstrap is answered by whoever knows it.
        self._bootstrap = (
            Deadlines(upgrader.services.clock, BOOTSTRAP_DEADLINE)
            if dialect == BOOTSTRAP
            else None
        )
        self._outermost: Negotiator | None = None
        self._machine: Machine | None = None
        self._startedAt = 0.0
        self._remoteAddress: Multiaddr | None = None
        self.connection: Deferred[Connection] = Deferred(self._cancelled)

    def stack(self) -> Negotiation:
        """
        The way of a byte: negotiate, secure, negotiate, multiplex.
        """
        upgrader = self._upgrader
        muxers = tuple(upgrader.muxers)
        return Negotiation(
            self._onTransport,
            lambda security, transport: upgrader.securities[security].wrap(
                Handshake(
                    upgrader.identity,
                    self._initiator,
                    self._expected,
                    muxers,
                    self._failed,
                ),
                Negotiation(
                    self._onSecured,
                    lambda muxer, secure: upgrader.muxers[muxer].wrap(
                        self._role,
                        self._connect(muxer, secure),
                    ),
                    already=self._secured,
                    failed=self._failed,
                    clock=upgrader.services.clock,
                ),
            ),
            failed=self._failed,
            optimistic=self._optimistic(),
            clock=upgrader.services.clock,
            deadlines=self._bootstrap,
        )

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> Negotiator | None:
        """
        The transport is there: from here on the deadline runs.
        """
        upgrader = self._upgrader
        if self.connection.called:
            # An endpoint that does not hear that it was cancelled.
            return None
        if not upgrader.open:
            self.refuse(NodeStopping())
            return None
        self._startedAt = upgrader.services.clock.seconds()
        upgrader.deadlines.begin(self)
        upgrader._pending.add(self)
        negotiator = self._outermost = self.stack().buildProtocol(addr)
        return negotiator

    def cancel(self) -> None:
        """
        Give up, unless the connection is ready, and wanted.
        """
        if self.connection.called:
            self._drop()
        else:
            self.connection.cancel()

    def abandon(self) -> None:
        """
        Give up: there is no transport, and nobody waits any more.
        """
        self.connection.addErrback(lambda _: None)
        self.cancel()

    def refuse(self, error: Exception) -> None:
        """
        Give up, for a reason of our own.
        """
        self._failed(Failure(error))
        self._drop()

    def _onTransport(self) -> Machine:
        """
        Which security protocol is to be spoken on the raw transport?
        """
        securities = self._upgrader.securities
        if not self._initiator:
            self._machine = bootstrap.Listener(securities.__contains__, securities.keys)
        elif self._dialect == BOOTSTRAP:
            self._machine = bootstrap.Dialer(tuple(securities))
        else:
            proposals = self._proposals()
            self._machine = multistream.Initiator(
                proposals, ask=len(proposals) == len(securities)
            )
        return self._machine

    def _proposals(self) -> tuple[str, ...]:
        """
        What to propose on the raw transport, by multistream-select.
        """
        securities = tuple(self._upgrader.securities)
        return securities[:1] if self._dialect == MULTISTREAM else securities

    def _secured(self, secure: Any) -> str | None:
        """
        Look whether the peer, which has proven who it is, is wanted, and return
        the muxer if the handshake has agreed on one.

        A peer that the gater does not want gets its muxer as well: there is no
        other way to send it the code of the refusal.

        @raise Exception: the upgrade is over, and the caller of the dial knows why.
        """
        secured = secure.secured
        try:
            if secured.remotePeer == self._upgrader.identity.peerID:
                raise DialToSelf(f"{secured.remotePeer} is this node itself")
            self._remoteAddress = self._transport.toMultiaddr(secure.getPeer())
            self._upgrader.services.connections.secured(
                secured.remotePeer,
                self._remoteAddress,
                self._direction,
            )
            if self.connection.called:
                raise ConnectionClosing("the dial was given up")
        except Gated as refusal:
            self._refusal = refusal
        except Exception as error:
            self.refuse(error)
            raise
        muxer: str | None = secured.muxer
        return muxer

    def _onSecured(self) -> Machine:
        """
        Which muxer is to be spoken, if the handshake did not tell?
        """
        muxers = self._upgrader.muxers
        if self._initiator:
            return multistream.Initiator(tuple(muxers), ask=True)
        return multistream.Responder(muxers.__contains__, muxers.keys)

    def _optimistic(self) -> str | None:
        """
        Take a security protocol for agreed that is proposed alone: its first
        message cannot be mistaken for multistream-select, so a peer that
        refuses it gets no further.
        """
        if not self._initiator or self._dialect == BOOTSTRAP:
            return None
        first, *others = self._proposals()
        return None if others else first

    def _connect(self, muxer: str, secure: Any) -> Connection:
        """
        Everything is agreed: make the connection that the muxer serves.
        """
        services = self._upgrader.services
        return Connection(
            services,
            self._upgrader.identity.peerID,
            secure.secured,
            muxer,
            direction=self._direction,
            role=self._role,
            transport=self._transport.name,
            localAddress=self._transport.toMultiaddr(secure.getHost()),
            remoteAddress=self._remoteAddress,
            upgradeTime=services.clock.seconds() - self._startedAt,
            scope=self.scope,
            ready=self._ready,
        )

    def _ready(self, connection: Connection) -> None:
        """
        The muxer is connected.
        """
        if self.connection.called:
            return
        self._forget()
        try:
            if self._refusal is not None:
                raise self._refusal
            other = self.instead(connection)
            if other is not None:
                self._end(connection, ErrorCode.SUPPLANTED)
                self.connection.callback(other)
                return
            self._upgrader.services.connections.opened(connection)
        except Exception as error:
            self._end(
                connection,
                error.wireCode if isinstance(error, Libp2pError) else ErrorCode.NONE,
            )
            # Whoever was asked about it may have given up the dial.
            if not self.connection.called:
                self.connection.errback(Failure(error))
            return
        self._outermost = None
        # Whoever was told of it just now may have given up the dial.
        if not self.connection.called:
            self.connection.callback(connection)

    def _end(self, connection: Connection, code: int) -> None:
        """
        Close a connection that nobody else knows of: it is ours until it has
        ended.
        """
        self._upgrader._pending.add(self)
        connection.close(code).addCallback(lambda _: self._forget())

    def _failed(self, reason: Failure, _: object = None) -> None:
        """
        A step has failed.  What a bootstrap was not answered to is a peer
        that does not know it: such peers wait for more, or hang up.
        """
        if self.connection.called:
            return
        self._forget()
        self._release()
        if (
            isinstance(self._machine, bootstrap.Dialer)
            and not self._machine.answered
            and reason.check(NegotiationFailed, UpgradeTimeout)
            and not reason.check(UnsupportedProtocol)
        ):
            reason = Failure(LegacyPeer())
        if self._refusal is not None and not reason.check(CancelledError):
            # It was refused before whatever has failed since.
            reason = Failure(self._refusal)
        self.connection.errback(reason)

    def timedOut(self) -> None:
        """
        There is no connection in time.
        """
        seconds = self._upgrader.deadlines.seconds
        self._failed(Failure(UpgradeTimeout("the upgrade", seconds)))
        self._drop()

    def _cancelled(self, connection: Deferred[Connection]) -> None:
        self._release()
        connection.errback(CancelledError())
        self._drop()

    def _release(self) -> None:
        """
        Give back what the upgrade has of all limits.  Once the connection is
        admitted only the end of its session does, after that of its streams.
        """
        if not self.scope.admitted:
            self.scope.close()

    def _drop(self) -> None:
        self._forget()
        outermost, self._outermost = self._outermost, None
        if outermost is not None and outermost.transport is not None:
            outermost.transport.abortConnection()

    def _forget(self) -> None:
        self._upgrader._pending.discard(self)
        self._upgrader.deadlines.end(self)
        self._upgrader.deadlines.rest()
        if self._bootstrap is not None:
            self._bootstrap.stop()
