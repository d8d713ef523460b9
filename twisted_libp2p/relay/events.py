# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The events of relays.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.events import Event
from twisted_libp2p.identity import PeerID

__all__ = [
    "CircuitClosed",
    "CircuitOpened",
    "ReservationAnswered",
    "ReservationHeld",
    "ReservationLost",
]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ReservationAnswered(Event):
    """
    A request for a place at a relay has ended.

    @ivar relay: the relay.
    @ivar renewal: whether this node has a place there, which has to be renewed.
    @ivar status: the status that the relay has answered, such as 100 for success; None
        if the request failed in another way.
    """

    relay: PeerID
    renewal: bool
    status: int | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ReservationHeld(Event):
    """
    A relay has reserved a place for this node.

    @ivar relay: the relay.
    @ivar addresses: the addresses that lead here through it, without our id.
    """

    relay: PeerID
    addresses: tuple[Multiaddr, ...]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ReservationLost(Event):
    """
    This node has lost its place at a relay, or has given it up.

    @ivar relay: the relay.
    @ivar reason: the error that has ended it; None if our side has.
    """

    relay: PeerID
    reason: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CircuitOpened(Event):
    """
    This node, as a relay, has connected two peers.

    @ivar source: the peer that has dialed.
    @ivar destination: the peer that has a reservation here.
    """

    source: PeerID
    destination: PeerID


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CircuitClosed(Event):
    """
    A circuit of this node, as a relay, has ended.

    @ivar source: the peer that has dialed.
    @ivar destination: the peer that has a reservation here.
    @ivar forth: the number of bytes from the source to the destination.
    @ivar back: the number of bytes from the destination to the source.
    @ivar seconds: its duration.
    @ivar limit: the limit that has ended it, C{"data"}, C{"duration"} or C{"idle"};
        None if a peer has.
    """

    source: PeerID
    destination: PeerID
    forth: int
    back: int
    seconds: float
    limit: str | None
