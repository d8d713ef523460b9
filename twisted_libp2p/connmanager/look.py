# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A look at all streams in a scope: which holder has how many, and which streams give
way next.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from heapq import heapify, heappop, heappush
from itertools import count

from twisted_libp2p.connmanager.holders import holders
from twisted_libp2p.interfaces import (
    Direction,
    IManagedConnection,
    IMuxedStream,
    ScopeKind,
)
from twisted_libp2p.limits.connectionscope import ConnectionScope, scopeOf
from twisted_libp2p.limits.scope import Scope

__all__ = ["Chosen", "Look", "isIn"]

#: One look chooses as many streams as this part of the scope's limit, so that it
#: costs little for each stream.
PART = 32

#: A stream that gives way, its connection, and the holder for which it does.
Chosen = tuple[IMuxedStream, IManagedConnection, Hashable]


class Look:
    """
    The holders in one scope, and the streams that give way next.

    @ivar scope: the scope.
    @ivar at: the time of the look.
    @ivar held: by holder: how many streams it has, weighted.
    @ivar chosen: the streams that give way, the next one at the end.
    @ivar empty: whether there was no stream to choose.
    """

    __slots__ = ("at", "chosen", "empty", "held", "scope")

    def __init__(
        self, scope: Scope, connections: Iterable[IManagedConnection], at: float
    ) -> None:
        """
        Look at all streams.

        @param connections: the connections whose streams may give way.
        """
        self.scope = scope
        self.at = at
        self.held: defaultdict[Hashable, float] = defaultdict(float)
        self.chosen: list[Chosen] = []
        self._choose(self._streams(connections))
        self.empty = not self.chosen

    def count(self, scope: ConnectionScope, amount: int) -> None:
        """
        Count streams of a connection.

        @param scope: the scope of the connection.
        """
        for holder, weight in holders(scope):
            self.held[holder] += weight * amount

    def has(self, scope: ConnectionScope) -> float:
        """
        Return the number of streams of the largest holder of a connection.
        """
        return max(self.held[holder] for holder, _ in holders(scope))

    def next(self) -> Chosen | None:
        """
        Return the next stream that gives way and has not ended, and leave it there;
        or None.
        """
        while self.chosen:
            if isIn(self.chosen[-1][0], self.scope):
                return self.chosen[-1]
            self.chosen.pop()
        return None

    def _streams(
        self, connections: Iterable[IManagedConnection]
    ) -> dict[IManagedConnection, list[IMuxedStream]]:
        """
        Count the inbound streams in the scope.

        @return: the streams of each connection that has any; the last one gives way
            first.
        """
        # Of the streams in negotiation the oldest gives way.
        oldest = self.scope.kind is ScopeKind.TRANSIENT
        found = {}
        for connection in connections:
            streams = [
                stream
                for stream in connection.streams
                if stream.direction is Direction.INBOUND and isIn(stream, self.scope)
            ]
            if streams:
                found[connection] = streams[::-1] if oldest else streams
                self.count(scopeOf(connection), len(streams))
        return found

    def _choose(self, streams: dict[IManagedConnection, list[IMuxedStream]]) -> None:
        """
        Choose the streams that give way, one after the other, each of the holder that
        has most when the streams before it have gone.
        """
        members: defaultdict[Hashable, list[IManagedConnection]] = defaultdict(list)
        for connection in streams:
            for holder, _ in holders(scopeOf(connection)):
                members[holder].append(connection)
        left = dict(self.held)
        order = count()
        heap = [(-has, next(order), holder) for holder, has in left.items()]
        heapify(heap)
        limits = self.scope.limits
        for _ in range(max(min(limits.streams, limits.inboundStreams) // PART, 1)):
            while heap and -heap[0][0] != left[heap[0][2]]:
                *_, holder = heappop(heap)
                heappush(heap, (-left[holder], next(order), holder))
            if not heap or heap[0][0] >= 0:
                break
            *_, holder = heap[0]
            connection = max(members[holder], key=lambda each: len(streams[each]))
            self.chosen.append((streams[connection].pop(), connection, holder))
            for each, weight in holders(scopeOf(connection)):
                left[each] -= weight
        self.chosen.reverse()


def isIn(stream: IMuxedStream, scope: Scope) -> bool:
    """
    Return whether a stream takes a place in a scope.
    """
    held = stream.scope
    if held is None or held.closed:
        return False
    if scope.kind is ScopeKind.TRANSIENT:
        return held.protocol is None
    return scope.kind is not ScopeKind.PROTOCOL or held.protocol == scope.who
