# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Scopes: one model for the use of connections, streams and memory.

Everything that is limited is counted in I{scopes}::

    system       the whole node
    transient    inbound connections under upgrade, inbound streams in negotiation
    peer         one for each connected peer, all its connections together
    protocol     one for each protocol in use, for all peers together
    subnet       one for each network from which inbound connections come

A connection is counted in C{system} and its C{peer}, a stream in C{system},
its C{peer} and its C{protocol}.  A full scope refuses with L{ScopeFull}, which names
the scope, the limit, the use, and the option that changes the limit.  But where many
peers share a scope, no peer keeps others out by holding much of it:
L{twisted_libp2p.connmanager.displacement} takes a stream from the peer that holds
most.

Memory is the number of bytes that a peer may make us hold: by these windows exceed
the 256 KiB of a new stream.  They are counted when the peer is allowed to send them,
not when it does.  The number of streams bounds the memory of new streams.  So no
frame is counted, and the bound holds all the same.  mplex has no windows: there the
unread bytes of a connection beyond 256 KiB are counted, in steps.  Applications bound
the bytes that they write themselves, by being producers.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted_libp2p.interfaces import Direction, Resource, ScopeKind
from twisted_libp2p.limits.limits import ScopeLimits
from twisted_libp2p.limits.scopefull import ScopeFull
from twisted_libp2p.limits.usage import ScopeUsage, Usage
from twisted_libp2p.printable import printable

__all__ = ["Scope", "giveAll", "takeAll"]

INBOUND = Direction.INBOUND
CONNECTIONS, STREAMS = Resource.CONNECTIONS, Resource.STREAMS

#: The scopes that exist once, as errors name them.
_NAMES = {
    ScopeKind.SYSTEM: "the system",
    ScopeKind.TRANSIENT: "the transient scope",
}


class Scope:
    """
    The use of one scope, and its limits.

    @ivar kind: the kind of the scope.
    @ivar who: the peer or protocol; empty for scopes that exist once.
    @ivar special: whether the peer or protocol has limits of its own.
    @ivar limits: how much may be in use.
    @ivar connections: number of connections.
    @ivar inboundConnections: number of these that peers have opened.
    @ivar streams: number of streams.
    @ivar inboundStreams: number of these that peers have opened.
    @ivar memory: bytes by which windows exceed their initial size.
    """

    __slots__ = (
        "connections",
        "inboundConnections",
        "inboundStreams",
        "kind",
        "limits",
        "memory",
        "special",
        "streams",
        "who",
    )

    def __init__(
        self,
        kind: ScopeKind,
        limits: ScopeLimits,
        who: object = "",
        special: bool = False,
    ) -> None:
        self.kind = kind
        self.limits = limits
        self.who = who
        self.special = special
        self.connections = self.inboundConnections = 0
        self.streams = self.inboundStreams = 0
        self.memory = 0

    @property
    def name(self) -> str:
        """
        The scope's name in errors.
        """
        return _NAMES.get(self.kind) or f"{self.kind} {self.who}"

    @property
    def option(self) -> str:
        """
        The part of L{Limits<twisted_libp2p.limits.limits.Limits>} that sets the
        limits.
        """
        part = f"{self.kind}s[{self.who}]" if self.special else self.kind
        return f"Limits.{part}"

    @property
    def used(self) -> Usage:
        """
        The present use.
        """
        return Usage(
            self.connections,
            self.inboundConnections,
            self.streams,
            self.inboundStreams,
            self.memory,
        )

    def usage(self) -> ScopeUsage:
        """
        Return the present use and the limits.
        """
        return ScopeUsage(self.used, self.limits)

    def __repr__(self) -> str:
        used = ", ".join(
            f"{name}={value}" for name, value in self.used._asdict().items()
        )
        return printable(f"<Scope {self.name}: {used}>")

    def add(self, resource: Resource, direction: Direction) -> None:
        """
        Count one more connection or stream, even if the scope is full.
        """
        self._change(resource, direction, 1)

    def give(self, resource: Resource, direction: Direction) -> None:
        """
        Count one connection or stream less.
        """
        self._change(resource, direction, -1)

    def _change(self, resource: Resource, direction: Direction, amount: int) -> None:
        inbound = amount if direction is INBOUND else 0
        if resource is STREAMS:
            self.streams += amount
            self.inboundStreams += inbound
        else:
            self.connections += amount
            self.inboundConnections += inbound

    def hold(self, size: int) -> None:
        """
        Count bytes by which windows have grown; a negative number of bytes if they
        have shrunk.
        """
        self.memory += size

    def full(self, resource: Resource, direction: Direction) -> ScopeFull | None:
        """
        Return the error for one more connection or stream; None if there is a place
        for it.
        """
        limits = self.limits
        if resource is STREAMS:
            total, totalLimit = self.streams, limits.streams
            share, shareLimit = self.inboundStreams, limits.inboundStreams
        else:
            total, totalLimit = self.connections, limits.connections
            share, shareLimit = self.inboundConnections, limits.inboundConnections
        if total >= totalLimit:
            return self._error(resource, None, totalLimit, total)
        if direction is INBOUND and share >= shareLimit:
            return self._error(resource, INBOUND, shareLimit, share)
        return None

    def _error(
        self, resource: Resource, direction: Direction | None, limit: int, current: int
    ) -> ScopeFull:
        what, field = f"{resource}", f"{resource}"
        if direction is INBOUND:
            what, field = f"inbound {resource}", f"inbound{resource.capitalize()}"
        return ScopeFull(
            f"{what} of {self.name}",
            limit,
            current,
            f"{self.option}.{field}",
            kind=self.kind,
            resource=resource,
            direction=direction,
        )


def takeAll(
    scopes: Sequence[Scope], resource: Resource, direction: Direction
) -> ScopeFull | None:
    """
    Count one more connection or stream in each scope; or in none of them.

    @return: the error of the first full scope; None if all have counted.
    """
    if resource is not STREAMS:
        return _takeAll(scopes, resource, direction)
    # In one pass, and without a call for each scope, since it is done for every stream:
    # the scopes before a full one count back.
    if direction is INBOUND:
        for scope in scopes:
            limits = scope.limits
            if (
                scope.streams >= limits.streams
                or scope.inboundStreams >= limits.inboundStreams
            ):
                break
            scope.streams += 1
            scope.inboundStreams += 1
        else:
            return None
    else:
        for scope in scopes:
            if scope.streams >= scope.limits.streams:
                break
            scope.streams += 1
        else:
            return None
    giveAll(scopes[: scopes.index(scope)], resource, direction)
    return scope.full(resource, direction)


def _takeAll(
    scopes: Sequence[Scope], resource: Resource, direction: Direction
) -> ScopeFull | None:
    """
    Do as L{takeAll}, for any resource.
    """
    for scope in scopes:
        full = scope.full(resource, direction)
        if full is not None:
            giveAll(scopes[: scopes.index(scope)], resource, direction)
            return full
        scope.add(resource, direction)
    return None


def giveAll(scopes: Sequence[Scope], resource: Resource, direction: Direction) -> None:
    """
    Count one connection or stream less in each scope.
    """
    if resource is not STREAMS:
        for scope in scopes:
            scope.give(resource, direction)
    elif direction is INBOUND:
        for scope in scopes:
            scope.streams -= 1
            scope.inboundStreams -= 1
    else:
        for scope in scopes:
            scope.streams -= 1
