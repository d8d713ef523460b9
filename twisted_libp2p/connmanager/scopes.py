# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What is in use: one model for connections, streams and memory.

Whatever is limited is counted in I{scopes}::

    system       the whole node
    transient    what is not known yet: inbound connections under upgrade,
                 inbound streams under negotiation
    peer         one for each connected peer, all its connections together
    protocol     one for each protocol in use, whoever uses it
    subnet       inbound connections alone, one for each network they come from

A connection is counted in C{system} and its C{peer}, a stream in C{system},
its C{peer} and its C{protocol}.  A scope that is full refuses with
L{LimitExceeded}, which names the scope, the limit, what is in use, and the
option that changes it.

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

from twisted_libp2p.connmanager.limits import UNLIMITED, ScopeLimits
from twisted_libp2p.connmanager.subnets import Subnet
from twisted_libp2p.errors import LimitExceeded
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IConnectionScope

if TYPE_CHECKING:
    from twisted_libp2p.connmanager.limiter import Limiter

__all__ = [
    "CONNECTION",
    "CONNECTIONS",
    "INBOUND_CONNECTIONS",
    "INBOUND_STREAMS",
    "MEMORY",
    "STREAM",
    "STREAMS",
    "ConnectionScope",
    "Scope",
    "release",
    "reserve",
]

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
        return f"<Scope {self.name}: {told}>"

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
        # Where the connection itself is counted, where its streams and windows
        # are, and where new streams of either direction are.
        self._counted: tuple[Scope, ...] = ()
        self._scopes: tuple[Scope, ...] = ()
        self._opening: tuple[tuple[Scope, ...], ...] = ((), ())
        self._memory = 0
        self.inbound = inbound
        self.peer: PeerID | None = None
        self.idleSince = 0.0

    def admit(self, peer: PeerID, beyond: bool = False) -> None:
        """
        Count the connection as one of a peer.

        @param beyond: do so even if the system is full.
        @raise LimitExceeded: the peer, or the system, has too many.
        """
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

    def close(self) -> None:
        """
        The connection has ended: give all back.  Again is fine.
        """
        limiter = self._limiter
        limiter.upgraded(self)
        self.leave()
        limiter.subnets.leave(self._subnets)
        self._subnets = ()
        self.free(self._memory)
        self._scopes = ()
        if self.peer is not None:
            limiter.forget(self.peer)

    # Streams

    def openStream(self, inbound: bool) -> None:
        """
        A stream is about to be opened.

        @param inbound: whether by the peer.
        @raise LimitExceeded: there are too many of the peer, or of all; or too
            many inbound ones are in negotiation.
        """
        try:
            reserve(self._opening[inbound], STREAM[inbound])
        except LimitExceeded as error:
            self._limiter.refused(error, self.peer)
            raise

    def agree(self, protocol: str, inbound: bool) -> None:
        """
        The protocol of a stream was agreed.

        @raise LimitExceeded: too many streams speak it.
        """
        limiter = self._limiter
        scope = limiter.ofProtocol(protocol)
        resources = STREAM[inbound]
        try:
            reserve((scope,), resources)
        except LimitExceeded as error:
            limiter.refused(error, self.peer)
            raise
        if inbound:
            release((limiter.transient,), resources)

    def closeStream(self, protocol: str | None, inbound: bool) -> None:
        """
        A stream has ended.

        @param protocol: what was agreed on it; None if nothing was.
        @param inbound: whether the peer had opened it.
        """
        limiter = self._limiter
        resources = STREAM[inbound]
        release(self._scopes, resources)
        if protocol is not None:
            limiter.leaveProtocol(protocol, resources)
        elif inbound:
            release((limiter.transient,), resources)
        if protocol not in limiter.background:
            self.idleSince = limiter.now()

    # Memory

    @property
    def room(self) -> int:
        """
        How many more bytes the windows of the connection may have.
        """
        room = UNLIMITED
        for scope in self._scopes:
            room = min(room, scope.limits[MEMORY] - scope.used[MEMORY])
        return max(room, 0)

    def hold(self, size: int) -> None:
        """
        Windows have grown by so many bytes.
        """
        self._memory += size
        for scope in self._scopes:
            scope.used[MEMORY] += size

    def free(self, size: int) -> None:
        """
        These bytes are needed no more.
        """
        self.hold(-size)
