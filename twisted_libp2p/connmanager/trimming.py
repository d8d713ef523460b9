# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The choice of connections that are closed so that there are not too many.

A new connection is not trimmed during its time of grace; and as long as that
lasts it costs no other connection its place.  Otherwise any peer could make a node
close its connections to others, by opening more connections than the high
water mark.  So connections in grace are not counted for the water marks: only
when more than the high mark are I{settled}, the most expendable of these are
closed, down to the low mark.

At the hard cap a newcomer asks for a place.  A valued peer, or a peer that our side
has dialed, never makes place for an inbound connection.  Others do if they are
above the marks; but as long as connections in grace take up places it is these
that keep the newcomer out, and they may be closed instead, if one peer or
network has several.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from heapq import nsmallest

from twisted_libp2p.connmanager.holders import holders
from twisted_libp2p.connmanager.policy import ConnectionPolicy
from twisted_libp2p.connmanager.tags import Tags
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import Direction, IManagedConnection
from twisted_libp2p.limits.connectionscope import ConnectionScope, scopeOf
from twisted_libp2p.limits.limits import UNLIMITED
from twisted_libp2p.logger import Logger

__all__ = ["Trimming"]

#: Seconds for which two findings hold: that no connection can be closed, and the
#: number of connections of each holder.
LOOK = 1.0


class Trimming:
    """
    Chooses the connections to close.
    """

    _log = Logger()

    def __init__(
        self,
        policy: ConnectionPolicy,
        tags: Tags,
        connections: Callable[[], Iterable[IManagedConnection]],
        now: Callable[[], float],
    ) -> None:
        """
        Prepare to trim connections.

        @param policy: the water marks, the time of grace, the order.
        @param tags: the values of peers.
        @param connections: returns all connections.
        @param now: returns the time in seconds.
        """
        self._policy = policy
        self._tags = tags
        self._connections = connections
        self._now = now
        # The last times of a look without result and of a look at all holders, and
        # the connections of each holder at that look.
        self._stuck: float | None = None
        self._looked: float | None = None
        self._held: dict[Hashable, list[IManagedConnection]] = {}

    def changed(self) -> None:
        """
        Drop the old findings: connections may be closed that could not be before.
        """
        self._stuck = self._looked = None
        self._held = {}

    def tidy(self) -> None:
        """
        Drop an old look: it keeps connections that may have ended.
        """
        if self._held and not self._recent(self._looked):
            self._held = {}

    def value(self, connection: IManagedConnection) -> float:
        """
        Return the sum of the tags of a connection's peer.
        """
        return self._tags.value(connection.remotePeer)

    def surplus(self, mark: int) -> list[IManagedConnection]:
        """
        Choose the most expendable of the settled connections, down to the low
        water mark.

        @param mark: number of settled connections above which any are chosen.
        """
        settled, _ = self._settled()
        if len(settled) <= mark:
            return []
        excess = len(settled) - self._policy.lowWater
        return self._expendable(excess, self._loose(settled))

    def forNewcomer(
        self,
        newcomer: ConnectionScope | None,
        peer: PeerID | None = None,
        inbound: int = UNLIMITED,
    ) -> list[IManagedConnection]:
        """
        Choose connections to close for one more at the hard cap.

        @param newcomer: the scope of an inbound connection; None for a dial of
            ours, which may close an inbound connection to a peer without value
            at any time.
        @param peer: the peer at the other end of the inbound connection.
        @param inbound: the number of inbound connections that there may be.
        """
        if not self._recent(self._stuck):
            settled, young = self._settled()
            excess = len(settled) - self._policy.lowWater
            if newcomer is None:
                excess = max(excess, 1)
            elif len(settled) <= self._policy.highWater and any(
                each.direction is Direction.INBOUND for each in young
            ):
                excess = 0
            else:
                # Inbound connections alone may never come up to the marks.
                came = sum(each.direction is Direction.INBOUND for each in settled)
                excess = max(excess, came - inbound * 5 // 6)
            chosen = self._expendable(excess, self._worthless(settled))
            if chosen:
                return chosen
            self._stuck = self._now()
        if newcomer is None:
            return []
        return self._ofMost(newcomer, peer)

    def _ofMost(
        self, newcomer: ConnectionScope, peer: PeerID | None
    ) -> list[IManagedConnection]:
        """
        Choose a connection of the holder with the most inbound ones, if the newcomer
        will have fewer than that holder has then.
        """
        held = self._held
        if not self._recent(self._looked):
            self._looked = self._now()
            held = self._held = defaultdict(list)
            for each in self._worthless(self._connections()):
                for holder, _ in holders(scopeOf(each)):
                    held[holder].append(each)

        def has(holder: Hashable, weight: float) -> float:
            return len(held.get(holder, ())) * weight

        # The connection is not counted for its peer yet.
        own = max(has(peer, 1.0), *(has(*each) for each in holders(newcomer)))
        maximum, largest = own + 1, None
        for holder, connections in held.items():
            if len(connections) > maximum and connections[0].connected:
                weight = dict(holders(scopeOf(connections[0]))).get(holder, 1.0)
                if has(holder, weight) > maximum:
                    maximum, largest = has(holder, weight), holder
        if largest is None:
            return []
        chosen = self._expendable(1, [each for each in held[largest] if each.connected])
        for each in chosen:
            for holder, _ in holders(scopeOf(each)):
                if each in held.get(holder, ()):
                    held[holder].remove(each)
        return chosen

    def _settled(self) -> tuple[list[IManagedConnection], list[IManagedConnection]]:
        """
        Return the connections whose time of grace is over, and those in it.
        """
        born = self._now() - self._policy.grace
        settled: list[IManagedConnection] = []
        young: list[IManagedConnection] = []
        for each in self._connections():
            if each.connected:
                (settled if each.openedAt <= born else young).append(each)
        return settled, young

    def _loose(
        self, connections: Iterable[IManagedConnection]
    ) -> list[IManagedConnection]:
        """
        Return the connections to peers that are not protected.
        """
        protected = self._tags.protected
        return [each for each in connections if not protected(each.remotePeer)]

    def _worthless(
        self, connections: Iterable[IManagedConnection]
    ) -> list[IManagedConnection]:
        """
        Return the inbound connections to peers without value and protection.
        """
        return [
            each
            for each in self._loose(connections)
            if each.connected
            and each.direction is Direction.INBOUND
            and self.value(each) <= 0
        ]

    def _expendable(
        self, count: int, connections: Iterable[IManagedConnection]
    ) -> list[IManagedConnection]:
        """
        Return so many of the connections, the most expendable first.
        """
        key = self._policy.expendability.key
        among = list(connections)
        try:
            return nsmallest(count, among, lambda each: key(each, self.value(each)))
        except Exception:
            # Too many connections would stay, and the timer would not come again.
            self._log.failure("the expendability of connections is not known")
            return nsmallest(count, among, self.value)

    def _recent(self, then: float | None) -> bool:
        return then is not None and 0 <= self._now() - then < LOOK
