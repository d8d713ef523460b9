# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The events of a node, and the bus that delivers them to subscribers.

The events are those of the I{Connection Lifecycle} draft (C{OpenedConn},
C{ClosedConn}, C{Listen}, C{ListenClose}) and of go-libp2p's notifier
(C{OpenedStream}, C{ClosedStream}); further ones report news about a peer.

L{PeerConnected} and L{PeerDisconnected} follow the first L{OpenedConn} and the last
L{ClosedConn} of a peer.  Three promises about the order:

  1. Every L{OpenedConn} is followed by its L{ClosedConn}, every
     L{OpenedStream} by its L{ClosedStream}, and a connection's streams are
     closed before it is.  Only a stream that its application has paused, and
     whose peer had ended its half, is closed later: when the application has
     read all received data, or leaves.
  2. All subscribers see the events in the order in which they happened.  An
     event that is caused inside a subscriber waits until all subscribers
     have seen the present one.
  3. An event is delivered before the reactor does anything else, and
     L{OpenedConn} before any data of the connection is delivered.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.identity import PeerID, PublicKey
from twisted_libp2p.interfaces import (
    Connection,
    Direction,
    Ending,
    IEventBus,
    ISubscription,
    Reachability,
    Resource,
    ScopeKind,
    Stream,
    Verdict,
)
from twisted_libp2p.logger import Logger
from twisted_libp2p.printable import brief

__all__ = [
    "AddressesChanged",
    "ClosedConn",
    "ClosedStream",
    "ConnectionTrimmed",
    "Event",
    "EventBus",
    "Identified",
    "LimitReached",
    "Listen",
    "ListenClose",
    "OpenedConn",
    "OpenedStream",
    "PeerConnected",
    "PeerDisconnected",
    "ProtocolsChanged",
    "ReachabilityChanged",
    "Subscription",
]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Event:
    """
    The base class of all events.

    @ivar time: the time of the event, in seconds since the epoch.
    """

    time: float

    def __repr__(self) -> str:
        return brief(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _ConnectionEvent(Event):
    """
    The common attributes of all events of a connection.

    @ivar connection: the connection.
    @ivar peer: the peer at the other end.
    @ivar localAddress: the address of our end; None if the transport has no
        addresses.
    @ivar remoteAddress: the address of the peer's end, or None.
    @ivar direction: which side opened it; equal to C{"inbound"} or C{"outbound"}.
    @ivar limited: whether it leads through a relay, which limits its time and bytes.
    @ivar security: the security protocol.
    @ivar muxer: the muxer.
    """

    connection: Connection
    peer: PeerID
    localAddress: Multiaddr | None
    remoteAddress: Multiaddr | None
    direction: Direction
    limited: bool = False
    security: str
    muxer: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OpenedConn(_ConnectionEvent):
    """
    A connection is authenticated, multiplexed, and ready.

    @ivar remoteKey: the key of the peer, which the handshake has proven.
    @ivar early: whether the muxer was negotiated inside the security handshake.
    @ivar upgradeTime: seconds from the transport's connect to readiness.
    """

    remoteKey: PublicKey
    early: bool
    upgradeTime: float


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ClosedConn(_ConnectionEvent):
    """
    A connection has ended.

    @ivar reason: which side ended it, and why.
    """

    reason: Failure


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PeerConnected(Event):
    """
    A peer has its first connection to this node.

    @ivar peer: the peer.
    @ivar connection: the connection.
    """

    peer: PeerID
    connection: Connection


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PeerDisconnected(Event):
    """
    The last connection to a peer has ended.

    @ivar peer: the peer.
    @ivar connection: the connection.
    @ivar ending: whether the peer has left in good order, or was lost, as in a crash,
        or our side has closed the connection.
    @ivar reason: which side ended it, and why.
    """

    peer: PeerID
    connection: Connection
    ending: Ending
    reason: Failure


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ConnectionTrimmed(_ConnectionEvent):
    """
    A connection is about to be closed, because there are too many and this is the
    most expendable one.  Its L{ClosedConn} follows.

    @ivar value: the value of its peer.
    """

    value: float


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _StreamEvent(Event):
    """
    The common attributes of all events of a stream.

    @ivar stream: the stream.
    @ivar connection: the connection that carries it.
    @ivar peer: the peer at the other end.
    @ivar protocolID: the negotiated protocol.
    @ivar direction: which side opened it; equal to C{"inbound"} or C{"outbound"}.
    """

    stream: Stream
    connection: Connection
    peer: PeerID
    protocolID: str
    direction: Direction


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OpenedStream(_StreamEvent):
    """
    The protocol of a stream was negotiated.
    """


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ClosedStream(_StreamEvent):
    """
    Both directions of a stream have ended.

    @ivar reason: which side ended it, and why.
    """

    reason: Failure


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Listen(Event):
    """
    We have started to listen on an address.

    @ivar address: the actual address, with our peer id at its end.
    """

    address: Multiaddr


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ListenClose(Event):
    """
    We have stopped listening on an address.

    @ivar address: the address of the L{Listen} event.
    @ivar reason: the error that ended it; None if the node or its user has.
    """

    address: Multiaddr
    reason: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Identified(Event):
    """
    A peer has described itself (identify), or announced a change (push).

    @ivar connection: the connection on which the message arrived.
    @ivar peer: the peer id of the peer.
    @ivar agent: the name and version of its program; empty if the peer gives none.
    @ivar protocolVersion: the application network that the peer names; empty if it
        names none.
    @ivar protocols: the protocols that the peer serves.
    @ivar listenAddresses: the addresses on which the peer says it listens.
    @ivar observedAddress: the address of our end, as the peer sees it.
    @ivar record: the verified signed record of the peer, unchanged; None without one.
    @ivar push: whether the peer sent the message unasked, after a change.
    """

    connection: Connection
    peer: PeerID
    agent: str
    protocolVersion: str
    protocols: tuple[str, ...]
    listenAddresses: tuple[Multiaddr, ...]
    observedAddress: Multiaddr | None
    record: bytes | None = None
    push: bool


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class LimitReached(Event):
    """
    A connection or stream was refused because a limit was reached.  At most one
    such event is published in a second for each limit.

    @ivar scope: the used-up resource and its scope, in words.
    @ivar limit: how much may be in use.
    @ivar current: how much was in use.
    @ivar option: the option that changes the limit.
    @ivar kind: the kind of the scope.
    @ivar resource: the used-up resource.
    @ivar direction: inbound if the limit is one on inbound connections or streams;
        None if it counts both directions.
    @ivar peer: the refused peer, if it is known.
    @ivar count: number of refusals since the last event of this option.
    """

    scope: str
    limit: int
    current: int
    option: str
    kind: ScopeKind
    resource: Resource
    direction: Direction | None
    peer: PeerID | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ProtocolsChanged(Event):
    """
    The protocols that an identified peer, or this node, serves have changed.

    @ivar peer: the peer id; our own if this node has changed.
    @ivar added: the protocols that are new.
    @ivar removed: the protocols that are no longer served.
    """

    peer: PeerID
    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AddressesChanged(Event):
    """
    The addresses of an identified peer, or of this node, have changed.

    @ivar peer: the peer id; our own if this node has changed.
    @ivar addresses: all its addresses now.
    """

    peer: PeerID
    addresses: tuple[Multiaddr, ...]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ReachabilityChanged(Event):
    """
    The verdict on this node, or on one of its addresses, has changed.

    @ivar reachability: whether peers in the internet can dial this node.
    @ivar verdicts: the addresses that are judged, each with its verdict.
    """

    reachability: Reachability
    verdicts: tuple[tuple[Multiaddr, Verdict], ...]


E = TypeVar("E", bound=Event)


def _ignore(event: Event) -> None:
    """
    Take an event for a subscription that was cancelled while it was delivered.
    """


@implementer(ISubscription)
class Subscription(Generic[E]):
    """
    One subscriber of one type of event (and of the types derived from it).

    @ivar type: the type.
    """

    __slots__ = ("_bus", "_callback", "_where", "type")

    def __init__(
        self,
        bus: EventBus,
        type: type[E],
        callback: Callable[[E], object],
        where: Callable[[E], bool] | None,
    ) -> None:
        self._bus: EventBus | None = bus
        self.type = type
        self._callback = callback
        self._where = where

    def cancel(self) -> None:
        """
        End the subscription; waiting events are not delivered either.  Further calls
        do nothing.
        """
        bus, self._bus = self._bus, None
        if bus is not None:
            # They may refer to the subscription: a cycle would be left.
            self._callback, self._where = _ignore, None
            bus._remove(self)

    def _deliver(self, event: E) -> None:
        if self._bus is not None and (self._where is None or self._where(event)):
            self._callback(event)


class _Subscribers(dict[type[Event], tuple[Subscription[Any], ...]]):
    """
    The subscriptions for exactly one type of event each: found when an event is
    published, and kept until the subscriptions change.
    """

    def __init__(self, bus: EventBus) -> None:
        super().__init__()
        self._bus = bus

    def __missing__(self, type: type[Event]) -> tuple[Subscription[Any], ...]:
        found = self[type] = tuple(
            [each for each in self._bus._subscriptions if issubclass(type, each.type)]
        )
        return found


@implementer(IEventBus)
class EventBus:
    """
    Delivers each published event to its subscribers.

    @ivar subscribers: the subscriptions for exactly this type of event, so that
        frequent events are not made without one.
    """

    _log = Logger()

    def __init__(self) -> None:
        self._subscriptions: list[Subscription[Any]] = []
        self.subscribers = _Subscribers(self)
        self._pending: deque[Event] = deque()
        self._delivering = False

    def subscribe(
        self,
        type: type[E],
        callback: Callable[[E], object],
        where: Callable[[E], bool] | None = None,
    ) -> Subscription[E]:
        """
        Call a function for each event of a type.

        An exception of the function is logged, and does not affect other subscribers.

        @param type: an event class; a base class includes all classes below it.
        @param callback: called with the event.
        @param where: selects events; by default all of them.
        @return: the subscription, which can be cancelled.
        """
        subscription = Subscription(self, type, callback, where)
        self._subscriptions = [*self._subscriptions, subscription]
        self.subscribers.clear()
        return subscription

    def next(
        self, type: type[E], where: Callable[[E], bool] | None = None
    ) -> Deferred[E]:
        """
        Wait for one event.

        @return: fires with the event; cancelling it ends the wait.
        """

        def happened(event: E) -> None:
            subscription.cancel()
            waiting.callback(event)

        waiting: Deferred[E] = Deferred(lambda _: subscription.cancel())
        subscription = self.subscribe(type, happened, where)
        return waiting

    def watched(self) -> Counter[type[Event]]:
        """
        Return the number of subscriptions for each type of event.
        """
        return Counter(each.type for each in self._subscriptions)

    def publish(self, *events: Event) -> None:
        """
        Deliver events to all their subscribers, in the order that the module promises.
        An event that a subscriber causes comes after all of them.
        """
        self._pending.extend(events)
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._pending:
                event = self._pending.popleft()
                for subscription in self.subscribers[type(event)]:
                    try:
                        subscription._deliver(event)
                    except Exception:
                        self._log.failure(
                            "a subscriber of {name} failed",
                            name=type(event).__name__,
                        )
        finally:
            self._delivering = False

    def _remove(self, subscription: Subscription[Any]) -> None:
        self._subscriptions = [
            each for each in self._subscriptions if each is not subscription
        ]
        self.subscribers.clear()
