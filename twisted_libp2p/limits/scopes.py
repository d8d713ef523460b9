# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What is in use: one model for connections, streams and memory.

Whatever is limited is counted in I{scopes}::

    system       the whole node
    transient    what is not known yet: inbound connections under upgrade,
                 inbound streams under negotiation
    peer         one for each connected peer, all its connections together
    protocol     one for each protocol in use, whoever uses it
    subnet       what peers open and send, one for each network they come from

A connection is counted in C{system} and its C{peer}, a stream in C{system},
its C{peer} and its C{protocol}.  A scope that is full refuses with
L{LimitExceeded}, which names the scope, the limit, what is in use, and the
option that changes it.  But where many peers share a scope, nobody keeps others
out by holding much of it: L{twisted_libp2p.connmanager.displacement} takes a
stream from the peer that holds most.

Memory is what a peer may make us hold: the bytes that windows have beyond the
256 KiB of a new stream, counted when the peer is allowed to send them, not when
it does.  What a new stream may hold is bounded by the number of streams.  So
nothing is counted for each frame, and the bound holds all the same.  mplex has
no windows: there it is the unread bytes of a connection beyond 256 KiB, counted
in steps.  Bytes that our own applications write are theirs to bound, by being
producers.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from zope.interface import implementer

from twisted_libp2p.errors import ConnectionClosing, LimitExceeded
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IConnectionScope, IStreamScope
from twisted_libp2p.limits.limits import UNLIMITED, ScopeLimits
from twisted_libp2p.limits.subnets import Subnet
from twisted_libp2p.printable import printable

if TYPE_CHECKING:
    from twisted_libp2p.limits.limiter import Limiter

__all__ = [
    "CONNECTION",
    "CONNECTIONS",
    "INBOUND_CONNECTIONS",
    "INBOUND_STREAMS",
    "MEMORY",
    "STREAM",
    "STREAMS",
    "TRANSIENT",
    "ConnectionScope",
    "Scope",
    "StreamScope",
    "release",
    "reserve",
]

#: One part in so many of the memory for windows is for peers that have little.
RESERVE = 16

#: The kind of the scope of what is not known yet.
TRANSIENT = "the transient scope"

# What is counted, as indices of C{Scope.used} and C{Scope.limits}, and what is
# counted together.
CONNECTIONS, INBOUND_CONNECTIONS, STREAMS, INBOUND_STREAMS, MEMORY = range(5)
CONNECTION = ((CONNECTIONS,), (CONNECTIONS, INBOUND_CONNECTIONS))
STREAM = ((STREAMS,), (STREAMS, INBOUND_STREAMS))

_TEXTS = (
    "connections",
    "inbound connections",
    "streams",
    "inbound streams",
    "bytes of windows",
)


class Scope:
    """
    What is in use of something, and how much may be.

    @ivar kind: what it is: C{"the system"}, C{"peer"}, ...
    @ivar who: which one of these.
    @ivar option: which part of L{Limits} its limits come from.
    @ivar limits: how much may be in use.
    @ivar used: how much is, in the order of L{ScopeLimits}.
    """

    __slots__ = ("kind", "limits", "option", "used", "who")

    def __init__(
        self, kind: str, option: str, limits: ScopeLimits, who: object = ""
    ) -> None:
        self.kind = kind
        self.who = who
        self.option = option
        self.limits = limits
        self.used = [0] * len(limits)

    @property
    def name(self) -> str:
        """
        What it is, for errors.
        """
        return f"{self.kind} {self.who}".rstrip()

    def __repr__(self) -> str:
        used = ScopeLimits(*self.used)
        told = ", ".join(f"{name}={value}" for name, value in used._asdict().items())
        return printable(f"<Scope {self.name}: {told}>")

    def exceeded(self, resource: int) -> LimitExceeded:
        """
        Give the error for something of which no more is to be had.
        """
        return LimitExceeded(
            f"{_TEXTS[resource]} of {self.name}",
            self.limits[resource],
            self.used[resource],
            f"{self.option}.{ScopeLimits._fields[resource]}",
        )


def reserve(scopes: Sequence[Scope], resources: Sequence[int]) -> None:
    """
    Count one more of each resource in each scope; or in none of them.

    @raise LimitExceeded: one of them is full.
    """
    # In one pass, since it is done for every stream: what was counted in vain
    # is counted back.
    for scope in scopes:
        used, limits = scope.used, scope.limits
        for resource in resources:
            count = used[resource]
            if count >= limits[resource]:
                error = scope.exceeded(resource)
                release((scope,), resources[: resources.index(resource)])
                release(scopes[: scopes.index(scope)], resources)
                raise error
            used[resource] = count + 1


def release(scopes: Sequence[Scope], resources: Sequence[int]) -> None:
    """
    Count one less of each resource in each scope.
    """
    for scope in scopes:
        used = scope.used
        for resource in resources:
            used[resource] -= 1


@implementer(IConnectionScope)
class ConnectionScope:
    """
    What one connection has of all scopes, from its beginning to its end.

    @ivar inbound: whether the peer opened the connection.
    @ivar peer: who that is; None until the connection was admitted.
    @ivar idleSince: when it had the last stream, other than for protocols that
        do not count as use.
    """

    __slots__ = (
        "_counted",
        "_limiter",
        "_memory",
        "_opening",
        "_scopes",
        "_subnets",
        "idleSince",
        "inbound",
        "peer",
    )

    def __init__(
        self, limiter: Limiter, inbound: bool, subnets: Collection[Subnet] = ()
    ) -> None:
        self._limiter = limiter
        self._subnets = subnets
        # Where the connection itself is counted; where its streams and windows
        # are; and where new streams of either direction are: nowhere before the
        # connection is admitted, and None after its end.
        self._counted: tuple[Scope, ...] = ()
        self._scopes: tuple[Scope, ...] = ()
        self._opening: tuple[tuple[Scope, ...], ...] | None = ()
        self._memory = 0
        self.inbound = inbound
        self.peer: PeerID | None = None
        self.idleSince = 0.0

    @property
    def admitted(self) -> bool:
        """
        Whether the connection is counted for its peer, and has not ended.
        """
        return bool(self._opening)

    def admit(self, peer: PeerID, beyond: bool = False) -> None:
        """
        Count the connection as one of a peer.

        @param beyond: do so even if the system is full.
        @raise LimitExceeded: the peer, or the system, has too many.
        @raise ConnectionClosing: the connection has ended.
        """
        if self._opening is None:
            raise ConnectionClosing("the connection has ended before it was admitted")
        limiter = self._limiter
        scopes = (limiter.ofPeer(peer), limiter.system)
        resources = CONNECTION[self.inbound]
        try:
            reserve(scopes[:1] if beyond else scopes, resources)
        except LimitExceeded:
            limiter.forget(peer)
            raise
        if beyond:
            for resource in resources:
                limiter.system.used[resource] += 1
        limiter.upgraded(self)
        self.peer = peer
        self._counted = self._scopes = scopes
        self._opening = (scopes, (*scopes, limiter.transient))
        self.idleSince = limiter.now()

    def leave(self) -> None:
        """
        The connection is being closed: make its place free for another.
        """
        counted, self._counted = self._counted, ()
        release(counted, CONNECTION[self.inbound])

    def close(self, kept: bool = False) -> None:
        """
        Give back everything that is counted for the connection, as it has ended.
        Streams that are still open give back their part as they close.  Calling
        it again does nothing.

        @param kept: whether streams have unread bytes, which stay counted until they
            are given back by L{free}.
        """
        limiter = self._limiter
        limiter.upgraded(self)
        self.leave()
        if self._opening is not None:
            limiter.subnets.leave(self._subnets)
        if not kept:
            self.free(self._memory)
        self._opening = None
        if self.peer is not None:
            limiter.forget(self.peer)

    @property
    def subnets(self) -> Collection[Subnet]:
        """
        The networks in which the connection is counted.
        """
        return self._subnets

    @property
    def memory(self) -> int:
        """
        How many bytes the windows of the connection have beyond the initial
        size.
        """
        return self._memory

    # Streams

    def openStream(self, inbound: bool) -> StreamScope:
        """
        Count a stream that is about to be opened.

        @param inbound: whether the peer opens it.
        @return: the use of the limits by this stream, which has to be closed.
        @raise LimitExceeded: there are too many streams of the peer, or of all
            peers; or too many inbound ones are in negotiation.
        @raise ConnectionClosing: the connection is not admitted, or has ended.
        """
        opening = self._opening
        if not opening:
            raise ConnectionClosing("the connection is not admitted, or has ended")
        limiter, scopes = self._limiter, opening[inbound]
        networks = self._subnets if inbound else ()
        try:
            if networks:
                limiter.subnets.openStream(networks)
            try:
                reserve(scopes, STREAM[inbound])
            except LimitExceeded as error:
                self.insist(scopes, inbound, error, networks)
        except LimitExceeded as error:
            limiter.refused(error, self.peer)
            raise
        return StreamScope(self, inbound)

    def insist(
        self,
        scopes: Sequence[Scope],
        inbound: bool,
        error: LimitExceeded,
        networks: Collection[Subnet] = (),
    ) -> None:
        """
        Count one more stream in scopes that were full: a stream of a peer that
        holds more has to give way to one that a peer opens.

        @param error: raised if none does.
        @param networks: where the stream is counted already, and is not if none
            does.
        @raise LimitExceeded: no stream gives way.
        """
        limiter = self._limiter
        try:
            if not inbound or not limiter.makeRoom(scopes, self):
                raise error
            limiter.keep(scopes)
            reserve(scopes, STREAM[inbound])
        except LimitExceeded:
            limiter.subnets.closeStream(networks)
            raise

    # Memory

    @property
    def room(self) -> int:
        """
        How many more bytes the windows of the connection may have.
        """
        room = UNLIMITED
        for scope in self._scopes if self._opening else ():
            room = min(room, scope.limits[MEMORY] - scope.used[MEMORY])
        if self._subnets:
            room = min(room, self._limiter.subnets.room(self._subnets))
        return max(room, 0)

    def claim(self) -> int:
        """
        Ask for more memory for windows.  If less than a part of L{RESERVE} is
        left of that of the system, peers that hold more than such a part give
        back half of the rest as they send, and windows of little use give way.

        @return: how many more bytes the windows may have; negative if so many
            are to be given back.
        """
        system = self._limiter.system
        reserve = system.limits[MEMORY] // RESERVE
        if system.limits[MEMORY] - system.used[MEMORY] < reserve and self._opening:
            over = self._scopes[0].used[MEMORY] - reserve
            if over > 0:
                return -((over + 1) // 2)
            self._limiter.freeMemory(reserve)
        return self.room

    def hold(self, size: int) -> None:
        """
        Count bytes by which windows have grown.  A connection that has ended holds no
        more, and gives back what was kept for unread bytes.
        """
        if not self._opening and (size > 0 or not self._memory):
            return
        self._memory += size
        for scope in self._scopes:
            scope.used[MEMORY] += size
        if self._subnets:
            self._limiter.subnets.hold(self._subnets, size)

    def free(self, size: int) -> None:
        """
        These bytes are needed no more.
        """
        self.hold(-size)


@implementer(IStreamScope)
class StreamScope:
    """
    The use of all limits by one stream, from its beginning to its end.

    It knows by itself where the stream is counted, so that neither the order of
    the ends of stream and connection nor an attribute of the stream can falsify
    the counts.

    @ivar protocol: the protocol that the stream is counted for; None so far.
    """

    __slots__ = ("_connection", "_held", "_inbound", "protocol")

    def __init__(self, connection: ConnectionScope, inbound: bool) -> None:
        """
        @param connection: the scope that has counted the stream.
        @param inbound: whether the peer opens the stream.
        """
        self._connection: ConnectionScope | None = connection
        self._held = 0
        self._inbound = inbound
        self.protocol: str | None = None

    @property
    def closed(self) -> bool:
        """
        Whether the stream has given everything back.
        """
        return self._connection is None

    def agree(self, protocol: str) -> None:
        """
        Count the stream as one of the negotiated protocol, instead of as one in
        negotiation.

        @raise LimitExceeded: too many streams speak the protocol.
        @raise ConnectionClosing: the stream has ended meanwhile.
        """
        connection = self._connection
        if connection is None:
            raise ConnectionClosing("the stream has ended")
        limiter = connection._limiter
        resources = STREAM[self._inbound]
        scopes = (limiter.ofProtocol(protocol),)
        try:
            try:
                reserve(scopes, resources)
            except LimitExceeded as error:
                connection.insist(scopes, self._inbound, error)
        except LimitExceeded as error:
            limiter.refused(error, connection.peer)
            raise
        self.protocol = protocol
        if self._inbound:
            release((limiter.transient,), resources)

    def hold(self, size: int) -> None:
        """
        Count bytes that are kept for the stream; they are given back with it.

        @param size: how many more; negative when they are no longer kept.
        """
        connection = self._connection
        if connection is not None:
            self._held += size
            connection.hold(size)

    def close(self) -> None:
        """
        Give back everything, as the stream has ended.  Calling it again does
        nothing.
        """
        connection, self._connection = self._connection, None
        if connection is None:
            return
        limiter = connection._limiter
        resources = STREAM[self._inbound]
        release(connection._scopes, resources)
        if self._inbound and connection._subnets:
            limiter.subnets.closeStream(connection._subnets)
        protocol = self.protocol
        if protocol is not None:
            limiter.leaveProtocol(protocol, resources)
        elif self._inbound:
            release((limiter.transient,), resources)
        if self._held:
            connection.free(self._held)
        if protocol not in limiter.background:
            connection.idleSince = limiter.now()
        if not connection._opening and connection.peer is not None:
            limiter.forget(connection.peer)
