# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Streams that give way when a scope is full which many peers share.

A scope that only refuses serves the peers that came first: a few of them hold
all of it for as long as they like, and pay nothing.  So a stream of the holder
that holds most is reset instead, with C{LIMIT_EXCEEDED}.  A holder is a peer, or
a network from which several peers come: identities cost nothing.

Of the streams in negotiation the oldest of that holder gives way, and the
newcomer always gets its place: nobody needs long for a negotiation.  Streams
whose protocol is agreed are in use.  Of these the youngest gives way, as if it
had been refused when the holder had its share already, and only to a newcomer
that holds less than the holder will have then; so no two peers take a place
from each other in turns.  Protected peers never give way, and streams that our
side has opened do not either.

The memory for windows is shared in the same way.  When little of it is left, the
windows of peers that hold much shrink as these send; and a stream with a large
window that is of little use gives way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any

from twisted_libp2p.errors import ErrorCode
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import Direction, IManagedConnection, IMuxedStream
from twisted_libp2p.limits.limits import SHARES, SITE_SHARES
from twisted_libp2p.limits.scopes import (
    INBOUND_STREAMS,
    STREAM,
    STREAMS,
    TRANSIENT,
    ConnectionScope,
    Scope,
)

__all__ = ["Displacement", "holders"]

#: Seconds after which a look at all streams is too old; and the shortest time
#: between two looks that find nobody.
LOOK = 1.0

#: Seconds in which a stream has to use half of its window, if that has grown and
#: others need the memory.
IDLE = 60.0

#: One look chooses as many streams as this part of the scope's limit, so that it
#: costs little for each stream.
PART = 32


class _Look:
    """
    The holders in one scope, and the streams that give way next.

    @ivar at: when it was taken.
    @ivar held: by holder: how much it has, weighted.
    @ivar chosen: the streams that give way, the next one at the end, each with
        its connection and its holder.
    @ivar vain: whether there was no stream to choose.
    """

    __slots__ = ("at", "chosen", "held", "vain")

    def __init__(self, at: float) -> None:
        self.at = at
        self.vain = False
        self.held: defaultdict[Hashable, float] = defaultdict(float)
        self.chosen: list[tuple[IMuxedStream, IManagedConnection, Hashable]] = []

    def count(self, scope: Any, amount: int) -> None:
        """
        Count streams of a connection.

        @param scope: the scope of the connection.
        """
        for holder, weight in holders(scope):
            self.held[holder] += weight * amount

    def has(self, scope: Any) -> float:
        """
        Return how much the largest of the holders has that a connection belongs
        to.
        """
        return max(self.held[holder] for holder, _ in holders(scope))


class Displacement:
    """
    Makes room for inbound streams.
    """

    def __init__(
        self,
        connections: Callable[[], Iterable[IManagedConnection]],
        protected: Callable[[PeerID], bool],
        now: Callable[[], float],
    ) -> None:
        """
        @param connections: gives all connections, and those that have ended but
            have streams with unread bytes.
        @param protected: whether a peer never gives way.
        @param now: tells the time.
        """
        self._connections = connections
        self._protected = protected
        self._now = now
        self._looks: dict[str, _Look] = {}
        # When memory was freed last.
        self._freed: float | None = None

    def makeRoom(self, scopes: Sequence[Scope], newcomer: ConnectionScope) -> bool:
        """
        Have a stream give way in each scope that has no place for one more.

        @param scopes: the scopes in which a peer has asked for one more stream.
        @param newcomer: the scope of the connection on which it has.
        @return: whether there is a place in all of them.
        """
        full = [scope for scope in scopes if _isFull(scope)]
        if any(scope.kind == "peer" for scope in full):
            # Nobody but the peer itself holds these.
            return False
        # The stream that gives way in one scope may make a place in others.
        return all(not _isFull(each) or self._displace(each, newcomer) for each in full)

    def freeMemory(self, reserve: int) -> None:
        """
        Have a stream give way that keeps a large window and makes little use of
        it: a window is what the peer may send, and cannot be taken back.  It is
        one of the peer or network that holds most.  This is done once a second
        at the most.

        @param reserve: the bytes that a holder may have all the same.
        """
        now = self._now()
        if self._freed is not None and 0 <= now - self._freed < LOOK:
            return
        self._freed = now
        held: defaultdict[Hashable, float] = defaultdict(float)
        growing = []
        for connection in self._connections():
            scope: Any = connection.scope
            if not scope.memory or self._protected(connection.remotePeer):
                continue
            growing.append(connection)
            for holder, weight in holders(scope):
                held[holder] += weight * scope.memory

        def most(connection: IManagedConnection) -> float:
            return max(held[holder] for holder, _ in holders(connection.scope))

        for connection in sorted(growing, key=most, reverse=True):
            if most(connection) <= reserve:
                return
            stream = connection.idleGrowth(now - IDLE)
            if stream is not None:
                stream.abortConnection(ErrorCode.LIMIT_EXCEEDED)
                return

    def tidy(self) -> None:
        """
        Forget what is too old: looks keep streams and connections that may have
        ended.
        """
        if self._looks:
            now = self._now()
            for name, look in list(self._looks.items()):
                if not 0 <= now - look.at < LOOK:
                    del self._looks[name]

    def _displace(self, scope: Scope, newcomer: ConnectionScope) -> bool:
        """
        Have one stream give way, if there is one for this newcomer.
        """
        look = self._current(scope)
        if not look.chosen:
            return False
        stream, connection, holder = look.chosen[-1]
        if scope.kind != TRANSIENT and look.held[holder] <= look.has(newcomer) + 1:
            return False
        look.chosen.pop()
        look.count(connection.scope, -1)
        look.count(newcomer, 1)
        held = stream.scope
        if held is not None:
            # Its places are free at once.
            held.close()
        stream.abortConnection(ErrorCode.LIMIT_EXCEEDED)
        return True

    def _current(self, scope: Scope) -> _Look:
        """
        Return the last look at a scope without the streams that have ended, or
        take another one if that is too old, or used up.
        """
        self.tidy()
        look = self._looks.get(scope.name)
        if look is not None:
            if look.vain:
                return look
            while look.chosen and not _holds(look.chosen[-1][0], scope):
                look.chosen.pop()
            if look.chosen:
                return look
        look = self._looks[scope.name] = self._look(scope)
        return look

    def _look(self, scope: Scope) -> _Look:
        """
        Look at all streams in a scope, and choose those that give way next: one
        after the other, each of the holder that has most when those before it
        have gone.
        """
        look = _Look(self._now())
        oldest = scope.kind == TRANSIENT
        held: dict[IManagedConnection, list[IMuxedStream]] = {}
        members: defaultdict[Hashable, list[IManagedConnection]] = defaultdict(list)
        for connection in self._connections():
            if self._protected(connection.remotePeer):
                continue
            streams = [
                stream
                for stream in connection.streams
                if stream.direction is Direction.INBOUND and _holds(stream, scope)
            ]
            if not streams:
                continue
            # The last one goes first.
            held[connection] = streams[::-1] if oldest else streams
            look.count(connection.scope, len(streams))
            for holder, _ in holders(connection.scope):
                members[holder].append(connection)
        left = dict(look.held)
        order = count()
        heap = [(-has, next(order), holder) for holder, has in left.items()]
        heapify(heap)
        limit = min(scope.limits[STREAMS], scope.limits[INBOUND_STREAMS])
        for _ in range(max(limit // PART, 1)):
            while heap and -heap[0][0] != left[heap[0][2]]:
                *_, holder = heappop(heap)
                heappush(heap, (-left[holder], next(order), holder))
            if not heap or heap[0][0] >= 0:
                break
            *_, holder = heap[0]
            connection = max(members[holder], key=lambda each: len(held[each]))
            look.chosen.append((held[connection].pop(), connection, holder))
            for each, weight in holders(connection.scope):
                left[each] -= weight
        look.chosen.reverse()
        look.vain = not look.chosen
        return look


def _isFull(scope: Scope) -> bool:
    """
    Return whether a scope has no place for one more inbound stream.
    """
    return any(scope.used[each] >= scope.limits[each] for each in STREAM[True])


def _holds(stream: IMuxedStream, scope: Scope) -> bool:
    """
    Return whether a stream takes a place in a scope.
    """
    held = stream.scope
    if held is None or held.closed:
        return False
    if scope.kind == TRANSIENT:
        return held.protocol is None
    return scope.kind != "protocol" or held.protocol == scope.who


def holders(scope: Any) -> Iterable[tuple[Hashable, float]]:
    """
    Give the holders that a connection belongs to, and how much it and each of
    its streams count for them: a site may have more than an address.
    """
    yield scope.peer, 1.0
    for subnet in scope.subnets:
        yield subnet, SITE_SHARES / SHARES if subnet.limit.site else 1.0
