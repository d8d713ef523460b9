# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The book of a relay, without I/O: its reservations and circuits, and the limits on both.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from twisted_libp2p.address.places import placesOf
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IConnection
from twisted_libp2p.pacing.allowance import Allowance
from twisted_libp2p.relay.messages import Status

__all__ = ["Book", "RelayLimits"]

#: How many allowances of peers and addresses are kept.
MAX_REMEMBERED: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayLimits:
    """
    The limits of a relay.

    @ivar reservations: how many peers may have a reservation.
    @ivar reservationsPerAddress: how many of them at one IP address (of IPv6, in one
        /64).
    @ivar reservationsPerNetwork: how many of them in one network (a /24 of IPv4, a /48
        of IPv6).
    @ivar lifetime: seconds of a reservation.
    @ivar circuits: how many circuits there may be.
    @ivar circuitsPerPeer: how many of them from, and how many to, one peer.
    @ivar circuitsPerAddress: how many of them from one IP address.
    @ivar circuitsPerNetwork: how many of them from one network.
    @ivar duration: seconds of a circuit; None for any time.
    @ivar data: bytes of a circuit in each direction; None for any number.
    @ivar idle: seconds without a byte after which a circuit is ended.
    @ivar peerBurst: how many requests of a peer are answered at once.
    @ivar peerInterval: seconds until one more of them is.
    @ivar addressBurst: how many requests from one IP address are answered at once.
    @ivar addressInterval: seconds until one more of them is.
    """

    reservations: int = 128
    reservationsPerAddress: int = 8
    reservationsPerNetwork: int = 32
    lifetime: float = 3600.0
    circuits: int = 512
    circuitsPerPeer: int = 16
    circuitsPerAddress: int = 64
    circuitsPerNetwork: int = 128
    duration: int | None = 120
    data: int | None = 128 * 1024
    idle: float = 300.0
    peerBurst: int = 60
    peerInterval: float = 2.0
    addressBurst: int = 240
    addressInterval: float = 0.5

    def __post_init__(self) -> None:
        """
        Check the values.

        @raise ConfigurationError: one of them makes no relay.
        """
        if self.lifetime < 60:
            raise ConfigurationError(
                f"lifetime={self.lifetime:g}: a reservation has at least 60 seconds"
            )
        for name, value in (("duration", self.duration), ("data", self.data)):
            if value is not None and value < 1:
                raise ConfigurationError(
                    f"{name}={value}: at least 1 is needed; None means no limit"
                )


@dataclass(slots=True)
class _Entry:
    """
    A reservation.

    @ivar connection: the connection that it belongs to.
    @ivar places: the places that it is counted at.
    @ivar expires: when it ends, in seconds since the epoch.
    """

    connection: IConnection
    places: tuple[Hashable, ...]
    expires: float


class Book:
    """
    The reservations and circuits of a relay.

    @ivar limits: the limits.
    @ivar circuits: how many circuits there are, or are being opened.
    @ivar given: how many reservations were given; C{len} counts those that have not
        ended.
    @ivar renewed: how many times one was renewed.
    """

    def __init__(self, limits: RelayLimits) -> None:
        """
        Begin empty.
        """
        self.limits = limits
        self.circuits = 0
        self.given = self.renewed = 0
        self._entries: dict[PeerID, _Entry] = {}
        self._reserved: Counter[Hashable] = Counter()
        self._sources: Counter[Hashable] = Counter()
        self._destinations: Counter[Hashable] = Counter()
        self._rates: OrderedDict[Hashable, Allowance] = OrderedDict()

    def __len__(self) -> int:
        """
        Return the number of reservations.
        """
        return len(self._entries)

    def __iter__(self) -> Iterator[PeerID]:
        """
        Iterate over the peers with a reservation.
        """
        return iter(list(self._entries))

    # Reservations

    def reserve(self, connection: IConnection, now: float) -> tuple[Status, float]:
        """
        Reserve a place for the peer of a connection, or renew its reservation.

        @return: the answer, and when the reservation ends.
        """
        self.expire(now)
        peer = connection.remotePeer
        places = placesOf(connection.remoteAddress)
        if not self._mayAsk(peer, places, now):
            return Status.RESOURCE_LIMIT_EXCEEDED, 0.0
        old = self._entries.pop(peer, None)
        if old is not None:
            self._count(self._reserved, old.places, -1)
        limits = self.limits
        if old is None and len(self._entries) >= limits.reservations:
            return Status.RESERVATION_REFUSED, 0.0
        most = (limits.reservationsPerAddress, limits.reservationsPerNetwork)
        if self._isFull(self._reserved, places, most):
            if old is not None:
                # A renewal from a crowded place leaves the old reservation.
                self._entries[peer] = old
                self._count(self._reserved, old.places, 1)
            return Status.RESERVATION_REFUSED, 0.0
        expires = now + limits.lifetime
        self._entries[peer] = _Entry(connection, places, expires)
        self._count(self._reserved, places, 1)
        if old is None:
            self.given += 1
        else:
            self.renewed += 1
        return Status.OK, expires

    def holder(self, peer: PeerID, now: float) -> IConnection | None:
        """
        Return the connection of a peer with a reservation; None without one.
        """
        entry = self._entries.get(peer)
        return None if entry is None or entry.expires <= now else entry.connection

    def closed(self, connection: IConnection, other: IConnection | None) -> bool:
        """
        End the reservation of a connection that has ended, or move it.

        @param other: another direct connection to the same peer; None without one.
        @return: whether a reservation has ended.
        """
        entry = self._entries.get(connection.remotePeer)
        if entry is None or entry.connection is not connection:
            return False
        if other is not None:
            entry.connection = other
            return False
        self._drop(connection.remotePeer)
        return True

    def expire(self, now: float) -> list[PeerID]:
        """
        End the reservations whose time is over.

        @return: their peers.
        """
        over = [peer for peer, each in self._entries.items() if each.expires <= now]
        for peer in over:
            self._drop(peer)
        return over

    def _drop(self, peer: PeerID) -> None:
        self._count(self._reserved, self._entries.pop(peer).places, -1)

    # Circuits

    def connect(self, source: IConnection, destination: PeerID, now: float) -> Status:
        """
        Count a circuit that is going to be opened; L{ended} gives it back.

        @param source: the connection of the peer that dials.
        """
        peer = source.remotePeer
        places = placesOf(source.remoteAddress)
        if not self._mayAsk(peer, places, now):
            return Status.RESOURCE_LIMIT_EXCEEDED
        if self.holder(destination, now) is None:
            return Status.NO_RESERVATION
        limits = self.limits
        if (
            self.circuits >= limits.circuits
            or self._sources[peer] >= limits.circuitsPerPeer
            or self._destinations[destination] >= limits.circuitsPerPeer
            or self._isFull(
                self._sources,
                places,
                (limits.circuitsPerAddress, limits.circuitsPerNetwork),
            )
        ):
            return Status.RESOURCE_LIMIT_EXCEEDED
        self.circuits += 1
        self._destinations[destination] += 1
        self._count(self._sources, (peer, *places), 1)
        return Status.OK

    def ended(self, source: IConnection, destination: PeerID) -> None:
        """
        Give back a circuit that L{connect} has counted.
        """
        self.circuits -= 1
        places = placesOf(source.remoteAddress)
        self._count(self._sources, (source.remotePeer, *places), -1)
        self._count(self._destinations, (destination,), -1)

    # Within

    def _mayAsk(self, peer: PeerID, places: tuple[Hashable, ...], now: float) -> bool:
        """
        Count a request, and check that a peer and its address have not asked too often.
        """
        limits = self.limits
        allowed = self._take(peer, limits.peerBurst, limits.peerInterval, now)
        for each in places[:1]:
            # A network of many peers is not slowed down by one of them.
            allowed = (
                self._take(each, limits.addressBurst, limits.addressInterval, now)
                and allowed
            )
        return allowed

    def _take(self, key: Hashable, burst: int, interval: float, now: float) -> bool:
        rates = self._rates
        rate = rates.pop(key, None)
        if rate is None:
            rate = Allowance(burst, interval, now)
        rates[key] = rate
        while len(rates) > MAX_REMEMBERED:
            rates.popitem(last=False)
        return rate.take(now)

    def _isFull(
        self,
        counts: Counter[Hashable],
        places: Iterable[Hashable],
        most: tuple[int, int],
    ) -> bool:
        return any(
            counts[place] >= limit for place, limit in zip(places, most, strict=False)
        )

    def _count(
        self, counts: Counter[Hashable], keys: Iterable[Hashable], by: int
    ) -> None:
        """
        Change counts; a count of zero is not kept.
        """
        for each in keys:
            counts[each] += by
            if not counts[each]:
                del counts[each]
