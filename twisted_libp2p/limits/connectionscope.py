# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The use of all scopes by one connection.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NoReturn

from zope.interface import implementer

from twisted_libp2p.errors import ConnectionClosing
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    Direction,
    IConnectionScope,
    IManagedConnection,
    Resource,
)
from twisted_libp2p.limits.connectionstate import (
    ADMITTED,
    ENDED,
    LEAVING,
    OPEN,
    UPGRADING,
    ConnectionState,
)
from twisted_libp2p.limits.limits import UNLIMITED
from twisted_libp2p.limits.scope import Scope, giveAll, takeAll
from twisted_libp2p.limits.scopefull import ScopeFull
from twisted_libp2p.limits.streamscope import (
    InboundStreamScope,
    OutboundStreamScope,
    StreamScope,
)
from twisted_libp2p.limits.subnets import Subnet

if TYPE_CHECKING:
    from twisted_libp2p.limits.limiter import Limiter

__all__ = ["ConnectionScope", "scopeOf"]

INBOUND = Direction.INBOUND
CONNECTIONS, STREAMS = Resource.CONNECTIONS, Resource.STREAMS

#: One part in so many of the memory for windows is for peers that have little.
RESERVE = 16


@implementer(IConnectionScope)
class ConnectionScope:
    """
    The use of all scopes by one connection, from its beginning to its end.

    @ivar limiter: the owner of the scopes.
    @ivar state: the part of its life that the connection is in.
    @ivar direction: the side that opened the connection.
    @ivar subnets: the networks in which the connection is counted.
    @ivar scopes: the scopes of the peer and of the system; none before the connection
        is admitted.
    @ivar peer: the peer; None until the connection is admitted.
    @ivar memory: bytes by which the windows exceed their initial size.
    @ivar idleSince: the end of the last stream, other than for protocols that do not
        count as use.
    """

    __slots__ = (
        "direction",
        "idleSince",
        "limiter",
        "memory",
        "peer",
        "scopes",
        "state",
        "subnets",
    )

    def __init__(
        self, limiter: Limiter, direction: Direction, subnets: Collection[Subnet] = ()
    ) -> None:
        self.limiter = limiter
        self.direction = direction
        self.subnets = subnets
        self.scopes: tuple[Scope, ...] = ()
        self.peer: PeerID | None = None
        self.memory = 0
        self.idleSince = 0.0
        self.state: ConnectionState = UPGRADING

    @property
    def admitted(self) -> bool:
        """
        Whether the connection is counted for its peer, and has not ended.
        """
        return self.state in OPEN

    def admit(self, peer: PeerID, overCap: bool = False) -> None:
        """
        Count the connection as one of a peer.

        @param overCap: whether to do so even if the system is full.
        @raise LimitExceeded: the peer, or the system, has too many.
        @raise ConnectionClosing: the connection has ended.
        """
        if self.state is ENDED:
            raise ConnectionClosing("the connection has ended before it was admitted")
        limiter = self.limiter
        scopes = (limiter.ofPeer(peer), limiter.system)
        counted = scopes[:1] if overCap else scopes
        full = takeAll(counted, CONNECTIONS, self.direction)
        if full is not None:
            limiter.forget(peer)
            raise full
        if overCap:
            limiter.system.add(CONNECTIONS, self.direction)
        limiter.upgraded(self)
        self.peer = peer
        self.scopes = scopes
        self.state = ADMITTED
        self.idleSince = limiter.now()

    def leave(self) -> None:
        """
        Free the place of the connection for another one, as it is being closed.
        """
        if self.state is ADMITTED:
            self.state = LEAVING
            giveAll(self.scopes, CONNECTIONS, self.direction)

    def close(self, kept: bool = False) -> None:
        """
        Give back everything that is counted for the connection, as it has ended.
        Streams that are still open give back their part as they close.  Calling it
        again does nothing.

        @param kept: whether streams have unread bytes, which stay counted until they
            are given back by L{free}.
        """
        limiter = self.limiter
        limiter.upgraded(self)
        self.leave()
        if self.state is not ENDED:
            limiter.subnets.leave(self.subnets)
        if not kept:
            self.free(self.memory)
        self.state = ENDED
        if self.peer is not None:
            limiter.forget(self.peer)

    # Streams

    def openStream(self, direction: Direction) -> StreamScope:
        """
        Count a stream that is about to be opened.

        @return: the use of the limits by this stream, which has to be closed.
        @raise LimitExceeded: there are too many streams of the peer, or of all
            peers; or too many inbound ones are in negotiation.
        @raise ConnectionClosing: the connection is not admitted, or has ended.
        """
        if self.state not in OPEN:
            raise ConnectionClosing("the connection is not admitted, or has ended")
        scopes = self.scopes
        if direction is not INBOUND:
            full = takeAll(scopes, STREAMS, direction)
            if full is not None:
                self.refuse(full)
            return OutboundStreamScope(self)
        limiter, subnets = self.limiter, self.subnets
        scopes = (*scopes, limiter.transient)
        if subnets:
            full = limiter.subnets.openStream(subnets)
            if full is not None:
                self.refuse(full)
        full = takeAll(scopes, STREAMS, direction)
        if full is not None:
            try:
                self.insist(scopes, direction, full)
            except ScopeFull:
                limiter.subnets.closeStream(subnets)
                raise
        return InboundStreamScope(self)

    def insist(
        self, scopes: Sequence[Scope], direction: Direction, full: ScopeFull
    ) -> None:
        """
        Count one more stream in scopes that were full: a stream of a peer that holds
        more has to give way to an inbound stream.

        @param full: the error of the full scope.
        @raise LimitExceeded: no stream gives way.
        """
        limiter = self.limiter
        if direction is not INBOUND or not limiter.makeRoom(scopes, self):
            self.refuse(full)
        limiter.keep(scopes)
        still = takeAll(scopes, STREAMS, direction)
        if still is not None:
            self.refuse(still)

    def refuse(self, full: ScopeFull) -> NoReturn:
        """
        Report the refusal of a stream, and raise it.
        """
        self.limiter.refused(full, self.peer)
        raise full

    def streamClosed(self) -> None:
        """
        Note the end of a stream that has outlived the connection.
        """
        if self.peer is not None:
            self.limiter.forget(self.peer)

    # Memory

    @property
    def room(self) -> int:
        """
        The number of bytes by which the windows of the connection may grow.
        """
        room = UNLIMITED
        if self.state in OPEN:
            for scope in self.scopes:
                room = min(room, scope.limits.memory - scope.memory)
        if self.subnets:
            room = min(room, self.limiter.subnets.room(self.subnets))
        return max(room, 0)

    def claim(self) -> int:
        """
        Ask for more memory for windows.  If less than a part of L{RESERVE} is left of
        the memory of the system, peers that hold more than such a part give back half
        of the rest as they send, and windows of little use give way.

        @return: the number of bytes by which the windows may grow; a negative number
            of bytes is to be given back.
        """
        system = self.limiter.system
        reserve = system.limits.memory // RESERVE
        if system.limits.memory - system.memory < reserve and self.state in OPEN:
            over = self.scopes[0].memory - reserve
            if over > 0:
                return -((over + 1) // 2)
            self.limiter.freeMemory(reserve)
        return self.room

    def hold(self, size: int) -> None:
        """
        Count bytes by which windows have grown.  A connection that has ended holds no
        more, and gives back the bytes that were kept for unread data.
        """
        if self.state not in OPEN and (size > 0 or not self.memory):
            return
        self.memory += size
        for scope in self.scopes:
            scope.hold(size)
        if self.subnets:
            self.limiter.subnets.hold(self.subnets, size)

    def free(self, size: int) -> None:
        """
        Give bytes back that are no longer needed.
        """
        self.hold(-size)


def scopeOf(connection: IManagedConnection) -> ConnectionScope:
    """
    Return the scope that the limiter of a node has made for a connection.
    """
    scope = connection.scope
    assert isinstance(scope, ConnectionScope)
    return scope
