# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Streams that give way when a scope is full that many peers share.

A scope that only refuses serves the peers that came first: a few of them hold
all of it for as long as they like, and pay nothing.  So a stream of the holder
that holds most is reset instead, with C{LIMIT_EXCEEDED}.  A holder is a peer, or
a network from which several peers come: identities cost nothing.

Of the streams in negotiation the oldest of that holder gives way, and the newcomer
always gets its place: a negotiation is short.  Streams with a negotiated protocol are
in use.  Of these the youngest gives way, as if it had been refused when the holder had
its share already, and only to a newcomer that holds less than the holder will have
then; so no two peers take a place from each other in turns.  Protected peers never
give way, and streams that our side has opened do not either.

The memory for windows is shared in the same way.  When little of it is left, the
windows of peers that hold much shrink as these send; and a stream with a large
window that is of little use gives way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence

from twisted_libp2p.connmanager.holders import holders
from twisted_libp2p.connmanager.look import Look
from twisted_libp2p.errors import ErrorCode
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    Direction,
    IManagedConnection,
    Resource,
    ScopeKind,
)
from twisted_libp2p.limits.connectionscope import ConnectionScope, scopeOf
from twisted_libp2p.limits.scope import Scope

__all__ = ["Displacement"]

#: Seconds after which a look at all streams is too old; and the shortest time
#: between two looks that find no stream.
LOOK = 1.0

#: Seconds in which a stream has to use half of its window, if that has grown and
#: others need the memory.
IDLE = 60.0


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
        Prepare to take memory back from the streams of all connections.

        @param connections: returns all connections, and the ended connections that
            have streams with unread bytes.
        @param protected: returns whether a peer never gives way.
        @param now: returns the time in seconds.
        """
        self._connections = connections
        self._protected = protected
        self._now = now
        self._looks: dict[str, Look] = {}
        # When memory was freed last.
        self._freed: float | None = None

    def makeRoom(self, scopes: Sequence[Scope], newcomer: ConnectionScope) -> bool:
        """
        Reset a stream in each scope that has no place for one more.

        @param scopes: the scopes in which a peer has asked for one more stream.
        @param newcomer: the scope of the connection for which it has asked.
        @return: whether there is a place in all of them.
        """
        full = [scope for scope in scopes if _isFull(scope)]
        if any(scope.kind is ScopeKind.PEER for scope in full):
            # The peer itself holds all of it.
            return False
        # The stream that gives way in one scope may make a place in others.
        return all(not _isFull(each) or self._displace(each, newcomer) for each in full)

    def freeMemory(self, reserve: int) -> None:
        """
        Reset a stream that keeps a large window and makes little use of it: the peer
        may send a whole window, and nothing takes it back.  The stream is one of the
        peer or network that holds most.  This happens once a second at the most.

        @param reserve: the bytes that a holder may have all the same.
        """
        now = self._now()
        if self._freed is not None and 0 <= now - self._freed < LOOK:
            return
        self._freed = now
        held: defaultdict[Hashable, float] = defaultdict(float)
        growing = []
        for connection in self._yielding():
            scope = scopeOf(connection)
            if scope.memory:
                growing.append(connection)
                for holder, weight in holders(scope):
                    held[holder] += weight * scope.memory

        def largest(connection: IManagedConnection) -> float:
            return max(held[holder] for holder, _ in holders(scopeOf(connection)))

        for connection in sorted(growing, key=largest, reverse=True):
            if largest(connection) <= reserve:
                return
            stream = connection.idleGrowth(now - IDLE)
            if stream is not None:
                stream.abortConnection(ErrorCode.LIMIT_EXCEEDED)
                return

    def tidy(self) -> None:
        """
        Drop old looks: they keep streams and connections that may have ended.
        """
        if self._looks:
            now = self._now()
            for name, look in list(self._looks.items()):
                if not 0 <= now - look.at < LOOK:
                    del self._looks[name]

    def _yielding(self) -> Iterable[IManagedConnection]:
        """
        Return the connections whose streams may give way.
        """
        return [
            each for each in self._connections() if not self._protected(each.remotePeer)
        ]

    def _displace(self, scope: Scope, newcomer: ConnectionScope) -> bool:
        """
        Reset a stream that gives way to this newcomer.

        @return: whether there was such a stream.
        """
        look = self._current(scope)
        chosen = look.next()
        if chosen is None:
            return False
        stream, connection, holder = chosen
        inUse = scope.kind is not ScopeKind.TRANSIENT
        if inUse and look.held[holder] <= look.has(newcomer) + 1:
            return False
        look.chosen.pop()
        look.count(scopeOf(connection), -1)
        look.count(newcomer, 1)
        held = stream.scope
        if held is not None:
            # Its places are free at once.
            held.close()
        stream.abortConnection(ErrorCode.LIMIT_EXCEEDED)
        return True

    def _current(self, scope: Scope) -> Look:
        """
        Return the last look at a scope, or take another one if that is too old, or
        used up.
        """
        self.tidy()
        look = self._looks.get(scope.name)
        if look is not None and (look.empty or look.next() is not None):
            return look
        look = Look(scope, self._yielding(), self._now())
        self._looks[scope.name] = look
        return look


def _isFull(scope: Scope) -> bool:
    """
    Return whether a scope has no place for one more inbound stream.
    """
    return scope.full(Resource.STREAMS, Direction.INBOUND) is not None
