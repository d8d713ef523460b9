# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The upgrade: one connection on its way, from its transport to its first stream.

An L{Upgrade} has one deadline, one scope, one gate and one outcome.  It does not know
how the bytes travel.  There are two ways in:

  - a raw transport goes through the layers of
    L{Stack<twisted_libp2p.connection.stack.Stack>}, which calls L{Upgrade.judge} and
    L{Upgrade.connect};
  - a natively muxed transport calls L{Upgrade.upgraded} with a session that is secure
    already.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IAddress
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection.connection import Connection
from twisted_libp2p.connection.context import ConnectionContext
from twisted_libp2p.errors import (
    ConnectionClosing,
    DialToSelf,
    ErrorCode,
    Gated,
    Libp2pError,
    LimitExceeded,
    NodeStopping,
    StreamAborted,
    UpgradeTimeout,
)
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import (
    Direction,
    Handshake,
    IAddressing,
    IConnectionScope,
    IFirstStream,
    ILimitedAddress,
    IManagedConnection,
    INativeSession,
    IUpgrade,
    Role,
    Secured,
)
from twisted_libp2p.pacing import Deadlines

__all__ = ["Instead", "Upgrade", "Upgrades"]

#: Returns the connection to use instead of a new one; None to keep the new one.
Instead = Callable[[IManagedConnection], IManagedConnection | None]


class Upgrades:
    """
    The upgrades of a node that are under way, and the objects that they share.

    @ivar identity: our identity.
    @ivar muxers: the ids of the muxers, in order of preference, to offer inside
        handshakes.
    @ivar context: the objects that all connections of the node share.
    @ivar deadlines: the time from the beginning of a transport to a connection.
    """

    def __init__(
        self,
        identity: Identity,
        muxers: tuple[str, ...],
        context: ConnectionContext,
        deadline: float,
    ) -> None:
        """
        Begin with no upgrades.

        @param deadline: seconds from the beginning of a transport to a connection.
        """
        self.identity = identity
        self.muxers = muxers
        self.context = context
        self.clock = context.clock
        self.connections = context.connections
        self.deadlines = Deadlines(context.clock, deadline)
        self._pending: set[Upgrade] = set()

    def __len__(self) -> int:
        return len(self._pending)

    def began(self, upgrade: Upgrade) -> None:
        """
        Start the deadline of an upgrade.
        """
        self.deadlines.begin(upgrade)
        self._pending.add(upgrade)

    def closing(self, upgrade: Upgrade) -> None:
        """
        Count an upgrade whose connection is being closed, until L{ended}.
        """
        self._pending.add(upgrade)

    def ended(self, upgrade: Upgrade) -> None:
        """
        Forget an upgrade.
        """
        self._pending.discard(upgrade)
        self.deadlines.end(upgrade)
        if not self.context.open:
            self.deadlines.rest()

    def abortAll(self) -> None:
        """
        Give up all upgrades, since the node stops.
        """
        for upgrade in list(self._pending):
            upgrade.cancel()
        self.deadlines.rest()


def _keep(connection: IManagedConnection) -> None:
    """
    Keep each new connection.
    """


@implementer(IUpgrade)
class Upgrade:
    """
    One connection on its way.

    @ivar transport: the kind of transport that carries it.
    @ivar direction: the side that opened it.
    @ivar role: the part of our side.
    @ivar expected: the peer that has to answer; None accepts any peer.
    @ivar scope: the use of all limits by the connection.
    @ivar asked: the address that was dialed, or listened on, if the transport does not
        show the address of the peer; otherwise None.
    @ivar peer: the peer's end of an accepted transport; None if it is not known.
    @ivar proxied: whether that is a proxy, which has yet to state its client.
    @ivar connection: fires with the connection when it is ready, or fails with the
        typed error of the failed step.  To cancel it is to drop the transport.
    """

    def __init__(
        self,
        upgrades: Upgrades,
        transport: IAddressing,
        direction: Direction,
        role: Role,
        expected: PeerID | None,
        scope: IConnectionScope,
        instead: Instead | None = None,
        peer: IAddress | None = None,
        proxied: bool = False,
        first: IFirstStream | None = None,
    ) -> None:
        """
        Prepare an upgrade.

        @param upgrades: the upgrades of the node.
        @param instead: called with the new connection when it is ready.  If it returns
            another connection, the new one is closed before it is announced.
        @param first: the stream to open as early as possible; None for none.
        """
        self._upgrades = upgrades
        self.transport = transport
        self.direction = direction
        self.role = role
        self.expected = expected
        self.scope = scope
        self.asked: Multiaddr | None = None
        self.peer = peer
        self.proxied = proxied
        self._instead: Instead = instead or _keep
        self._first = first
        # The connection that has this stream, and that the peer may still refuse.
        self._early: Connection | None = None
        self._judged = False
        self._startedAt = 0.0
        self._remoteAddress: Multiaddr | None = None
        # The reason for which the peer, although it has proven its identity, is
        # refused.
        self._refusal: Gated | None = None
        self._dropTransport: Callable[[], object] | None = None
        self.connection: Deferred[IManagedConnection] = Deferred(self._cancelled)

    @property
    def handshake(self) -> Handshake:
        """
        The inputs of the security handshake.
        """
        upgrades = self._upgrades
        return Handshake(
            upgrades.identity,
            self.role,
            self.expected,
            upgrades.muxers,
            self.fail,
        )

    @property
    def source(self) -> Multiaddr | IAddress | None:
        """
        The other end of an accepted transport, for the log: as a multiaddr if it has
        that form.
        """
        if self.asked is not None or self.peer is None:
            return self.asked
        return self.transport.toMultiaddr(self.peer) or self.peer

    # The way of the transport: begin, judge, connect

    def begin(self, drop: Callable[[], object]) -> bool:
        """
        Start the deadline: there is a transport.  Called again if the layers of a
        transport are known only after its first bytes: the deadline goes on.

        @param drop: drops the transport at once.
        @return: False if nobody wants the connection any longer.
        """
        if self.connection.called:
            # Some endpoints do not notice that they were cancelled.
            return False
        if not self._upgrades.context.open:
            self.refuse(NodeStopping())
            return False
        begun = self._dropTransport is not None
        self._dropTransport = drop
        if not begun:
            self._startedAt = self._upgrades.clock.seconds()
            self._upgrades.began(self)
        return True

    def locate(self, client: IAddress) -> None:
        """
        Approve the client of a proxy.

        @param client: its address, as the proxy has stated it; that of the proxy if it
            has stated none.
        @raise Libp2pError: the client is not wanted.
        """
        counted = client != self.peer
        self.peer, self.proxied = client, False
        self._upgrades.connections.located(
            self.scope, self.transport.toMultiaddr(client), counted
        )

    def judge(self, secured: Secured, getPeer: Callable[[], IAddress]) -> None:
        """
        Decide whether the peer, which has proven its identity, is wanted.

        A peer that the gater refuses gets its muxer as well: only the muxer can send it
        the code of the refusal.

        @param getPeer: returns the peer's end of the transport.
        @raise Exception: the peer is not wanted.  The upgrade has ended, and the caller
            of the dial has the error.
        """
        try:
            if secured.remotePeer == self._upgrades.identity.peerID:
                raise DialToSelf(f"{secured.remotePeer} is this node itself")
            self._remoteAddress = self.asked or self.transport.toMultiaddr(
                # Nothing that comes over the transport has changed this, unless a proxy
                # is believed.
                self.peer
                if isinstance(self.peer, IPv4Address | IPv6Address)
                else getPeer()
            )
            self._upgrades.connections.secured(
                secured.remotePeer, self._remoteAddress, self.direction
            )
            if self.connection.called:
                raise ConnectionClosing("the dial was given up")
        except Gated as refusal:
            self._refusal = refusal
        except Exception as error:
            self.refuse(error)
            raise

    def connect(
        self,
        muxer: str,
        secured: Secured,
        getHost: Callable[[], IAddress],
        started: Callable[[Connection], None] | None = None,
    ) -> Connection:
        """
        Make the connection, since everything is negotiated.

        @param muxer: the name of the muxer.
        @param getHost: returns our end of the transport.
        @param started: called when the session has started; None if the connection is
            ready then.
        """
        upgrades = self._upgrades
        limits: ILimitedAddress | None = None
        if self.asked is None:
            host = getHost()
            local = self.transport.toMultiaddr(host)
            if ILimitedAddress.providedBy(host):
                limits = host
        else:
            local = self.asked if self.direction is Direction.INBOUND else None
        return Connection(
            upgrades.context,
            upgrades.identity.peerID,
            secured,
            muxer,
            direction=self.direction,
            role=self.role,
            transport=self.transport.name,
            localAddress=local,
            remoteAddress=self._remoteAddress,
            upgradeTime=upgrades.clock.seconds() - self._startedAt,
            scope=self.scope,
            limits=limits,
            ready=started or self._ready,
        )

    @property
    def opensEarly(self) -> bool:
        """
        Whether a stream may be opened before the peer has accepted us.
        """
        return self._first is not None

    def early(self, secured: Secured, session: INativeSession) -> None:
        """
        Open the stream for which the peer is dialed, if the peer is wanted and there is
        room for the connection.
        """
        if self._first is None or self.connection.called:
            return
        try:
            self.judge(secured, session.getPeer)
            self._judged = True
            if self._refusal is not None:
                return
            self._upgrades.connections.admit(self.scope, secured.remotePeer)
        except LimitExceeded:
            # It is reported when the connection is ready.
            return
        except Exception:
            session.abort(Failure(StreamAborted("the peer is not wanted")))
            return
        muxer = secured.muxer or self.transport.name
        self._early = self.connect(
            muxer, secured, session.getHost, started=self._first.open
        )
        session.start(self._early)

    def upgraded(self, secured: Secured, session: INativeSession) -> None:
        """
        Take over a session that is secure and multiplexed already.
        """
        if self._early is not None:
            self._early.accepted(self._upgrades.clock.seconds() - self._startedAt)
            self._ready(self._early)
            return
        try:
            if self.connection.called:
                raise ConnectionClosing("the dial was given up")
            if not self._judged:
                self.judge(secured, session.getPeer)
        except Exception:
            session.abort(Failure(StreamAborted("the peer is not wanted")))
            return
        muxer = secured.muxer or self.transport.name
        session.start(self.connect(muxer, secured, session.getHost))

    # Outcome

    def _ready(self, connection: Connection) -> None:
        """
        Announce the connection, whose session has started, unless it is refused.
        """
        if self.connection.called:
            return
        self._upgrades.ended(self)
        try:
            if self._refusal is not None:
                raise self._refusal
            other = self._instead(connection)
            if other is not None:
                self._close(connection, ErrorCode.SUPPLANTED)
                self.connection.callback(other)
                return
            self._upgrades.connections.opened(connection)
        except Exception as error:
            code = error.wireCode if isinstance(error, Libp2pError) else ErrorCode.NONE
            self._close(connection, code)
            # The code that was just called may have given up the dial.
            if not self.connection.called:
                self.connection.errback(Failure(error))
            return
        self._dropTransport = None
        # A subscriber of the event may have given up the dial.
        if not self.connection.called:
            self.connection.callback(connection)

    def _close(self, connection: Connection, code: int) -> None:
        """
        Close a connection that only this upgrade knows of, and count it until it has
        ended.
        """
        self._upgrades.closing(self)
        connection.close(code).addCallback(lambda _: self._upgrades.ended(self))

    def fail(self, reason: Failure, _: object = None) -> None:
        """
        End the upgrade, because one of its steps has failed.
        """
        if self.connection.called:
            return
        self._upgrades.ended(self)
        self._release()
        if self._refusal is not None and not reason.check(CancelledError):
            # The peer was refused before anything else has failed.
            reason = Failure(self._refusal)
        if self._early is not None:
            # Its stream ends for the same reason as the dial.
            self._early.abort(reason)
        self.connection.errback(reason)

    def refuse(self, error: Exception) -> None:
        """
        Drop the transport for a reason of our own.
        """
        self.fail(Failure(error))
        self._drop()

    def cancel(self) -> None:
        """
        Give up, unless the connection is ready and announced.
        """
        if self.connection.called:
            self._drop()
        else:
            self.connection.cancel()

    def abandon(self) -> None:
        """
        Give up an upgrade whose outcome nobody waits for.
        """
        self.connection.addErrback(lambda _: None)
        self.cancel()

    def timedOut(self) -> None:
        """
        End the upgrade, which has taken too long.
        """
        self.refuse(UpgradeTimeout("the upgrade", self._upgrades.deadlines.seconds))

    def _cancelled(self, connection: Deferred[IManagedConnection]) -> None:
        self._release()
        connection.errback(CancelledError())
        self._drop()

    def _release(self) -> None:
        """
        Give back the scope.  Once the connection is admitted only the end of its
        session does this, after the end of its streams.
        """
        if not self.scope.admitted:
            self.scope.close()

    def _drop(self) -> None:
        self._upgrades.ended(self)
        drop, self._dropTransport = self._dropTransport, None
        if drop is not None:
            drop()
