# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A connection to an authenticated peer.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection.context import ConnectionContext
from twisted_libp2p.connection.streams import Streams
from twisted_libp2p.errors import Libp2pError, untraced
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    Direction,
    IConnection,
    IConnectionScope,
    ILimitedAddress,
    IManagedConnection,
    IMuxedConnection,
    IMuxedStream,
    IMuxerSession,
    Role,
    Secured,
)

__all__ = ["Connection", "isRelayed"]


@implementer(IMuxedConnection, IManagedConnection)
class Connection(Streams):
    """
    A connection to an authenticated peer: both sides open streams on it.

    @ivar localPeer: our peer id.
    @ivar remoteKey: the key of the peer, which has proven its identity.
    @ivar allowance: what its relay still allows; None without a relay, or if the limits
        are not known, or if there are none.
    @ivar localAddress: our end of the transport; None if it has no address.
    @ivar remoteAddress: the peer's end of the transport; None if it has no address.
    @ivar direction: the side that opened it.
    @ivar role: the part of our side in the upgrade.  It follows from the direction,
        except in hole punching, where both sides dial and one of them is the server.
    @ivar transport: the name of the transport, such as C{tcp}.
    @ivar security: the security protocol.
    @ivar muxer: the muxer; the name of the transport if that is muxed natively.
    @ivar early: whether the muxer was agreed inside the security handshake.
    @ivar upgradeTime: seconds from the transport's connect to readiness.
    @ivar endsApart: whether the end of a stream that the peer opens is kept apart from
        its first data, until the peer is known not to need it.
    """

    __slots__ = (
        "__weakref__",
        "_openedAt",
        "_ready",
        "_traffic",
        "_waiting",
        "allowance",
        "direction",
        "early",
        "endsApart",
        "localAddress",
        "localPeer",
        "muxer",
        "remoteAddress",
        "remoteKey",
        "role",
        "security",
        "transport",
        "upgradeTime",
    )

    def __init__(
        self,
        context: ConnectionContext,
        localPeer: PeerID,
        secured: Secured,
        muxer: str,
        *,
        direction: Direction,
        role: Role,
        transport: str,
        localAddress: Multiaddr | None,
        remoteAddress: Multiaddr | None,
        upgradeTime: float,
        scope: IConnectionScope,
        limits: ILimitedAddress | None = None,
        ready: Callable[[Connection], None],
    ) -> None:
        """
        Make a connection whose session has not started yet.

        @param context: the objects that all connections of the node share.
        @param secured: the result of the handshake.
        @param scope: the use of all limits by the connection.
        @param limits: knows the limits of the relay; None if there is no relay, or its
            limits are not known.
        @param ready: called with the connection when its session has started.
        """
        self.allowance = None if limits is None else limits.allowance
        limited = isRelayed(remoteAddress) and (
            limits is None or self.allowance is not None
        )
        super().__init__(context, secured.remotePeer, scope, limited)
        self.localPeer = localPeer
        self.remoteKey = secured.remoteKey
        self.security = secured.protocolID
        self.muxer = muxer
        self.early = secured.muxer is not None
        self.direction = direction
        self.role = role
        self.transport = transport
        self.localAddress = localAddress
        self.remoteAddress = remoteAddress
        self.upgradeTime = upgradeTime
        self.endsApart = True
        self._openedAt = context.clock.seconds()
        self._ready: Callable[[Connection], None] | None = ready
        self._waiting: list[Deferred[None]] | None = None
        # The bytes that an ended session has received and sent.
        self._traffic = (0, 0)

    def __repr__(self) -> str:
        return (
            f"<Connection {self.direction} {self.remotePeer}"
            f" {self.remoteAddress} {self.security} {self.muxer}>"
        )

    @property
    def openedAt(self) -> float:
        """
        The time at which the connection was ready, in seconds since the epoch.
        """
        return self._openedAt

    @property
    def roundTrip(self) -> float:
        """
        The usual round trip in seconds; 0 if it is unknown.
        """
        return 0.0 if self._session is None else self._session.roundTrip

    @property
    def received(self) -> int:
        """
        The bytes that the muxer has received.
        """
        session = self._session
        return self._traffic[0] if session is None else session.received

    @property
    def sent(self) -> int:
        """
        The bytes that the muxer has sent.
        """
        session = self._session
        return self._traffic[1] if session is None else session.sent

    @property
    def keepsAlive(self) -> bool:
        """
        Whether the muxer notices by itself that the peer is dead.
        """
        return self._session is not None and self._session.keepsAlive

    def idleGrowth(self, since: float) -> IMuxedStream | None:
        """
        Return the stream with the largest grown window that was of little use
        since a time; None without one.
        """
        return None if self._session is None else self._session.idleGrowth(since)

    def ping(self) -> Deferred[float]:
        """
        Measure the round trip of the muxer, below all streams.

        @return: fires with seconds; fails with C{NotImplementedError} over a
            muxer that has no such message.
        """
        if self._session is None:
            return fail(self._ended())
        return self._session.ping()

    def accepted(self, upgradeTime: float) -> None:
        """
        Note that the peer has accepted us, after a stream was opened.

        @param upgradeTime: seconds from the transport's connect until now.
        """
        self.upgradeTime = upgradeTime
        self._openedAt = self._context.clock.seconds()

    # The end

    def close(self, code: int = 0) -> Deferred[None]:
        """
        End the connection in order: written bytes are sent, and the peer gets the
        reason.

        @param code: the reason, for the peer; 0 is a normal end.
        @return: fires when the connection has ended, like L{whenClosed}.
        """
        if self._session is not None:
            self._session.close(code)
        return self.whenClosed()

    def abort(self, reason: Failure) -> None:
        """
        End the connection at once.

        @param reason: the reason, for streams and events.
        """
        if self._session is not None:
            self._session.abort(reason)

    def whenClosed(self) -> Deferred[None]:
        """
        Wait for the end of the connection.

        @return: fires when the connection has ended; at once if it has.
        """
        if self.reason is not None:
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        if self._waiting is None:
            self._waiting = []
        self._waiting.append(waiting)
        return waiting

    # Reports of the session on itself: IMuxedConnection

    def doStart(self) -> None:
        """
        Do nothing: there is nothing to prepare.
        """

    def doStop(self) -> None:
        """
        Do nothing: there is nothing to clear away.
        """

    def sessionStarted(self, session: IMuxerSession) -> None:
        """
        Take the session: the connection is ready.
        """
        session.budget = self._scope
        self._session = session
        ready, self._ready = self._ready, None
        if ready is not None:
            ready(self)

    def sessionLost(self, reason: Failure) -> None:
        """
        Announce the end of the connection.  Streams whose peer had ended its half, and
        whose applications have paused them, stay until everything is read.
        """
        if isinstance(reason.value, Libp2pError):
            reason = Failure(untraced(reason.value))
        self.reason = reason
        kept = not self._leave()
        self._failWaiting()
        context = self._context
        if not context.open:
            context.deadlines.rest()
        context.connections.closed(self, reason)
        self._scope.close(kept)
        waiting, self._waiting = self._waiting, None
        for each in waiting or ():
            each.callback(None)

    def _leave(self) -> bool:
        """
        Let go of the session, which has ended, unless a stream of it has unread
        bytes.

        @return: whether it has none.
        """
        unread = self._context.unread
        if self._session is not None:
            self._traffic = (self.received, self.sent)
            if self._session.streams:
                unread.add(self)
                return False
        self._session = None
        unread.discard(self)
        return True


def isDirect(connection: IConnection) -> bool:
    """
    Check whether a connection leads through no relay, with or without limits.
    """
    return not (connection.limited or isRelayed(connection.remoteAddress))


def isRelayed(address: Multiaddr | None) -> bool:
    """
    Check whether the address of a peer leads through a relay.
    """
    return address is not None and address.relayed
