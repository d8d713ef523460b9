# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What happens to connections and streams, told to whoever wants to know.

The events are the ones of the I{Connection Lifecycle} draft (C{OpenedConn},
C{ClosedConn}, C{Listen}, C{ListenClose}) and of go-libp2p's notifier
(C{OpenedStream}, C{ClosedStream}); further ones tell what was learnt of a peer.

Three promises about the order:

  1. Every L{OpenedConn} is followed by its L{ClosedConn}, every
     L{OpenedStream} by its L{ClosedStream}, and a connection's streams are
     closed before it is.  Only a stream that its application has paused, and
     whose peer had ended its half, is closed later: when the application has
     read what came, or leaves.
  2. All subscribers see the events in the order in which they happened.  An
     event that is caused inside a subscriber waits until all subscribers
     have seen the present one.
  3. An event is delivered before the reactor takes up anything else, and
     L{OpenedConn} before any data of the connection is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.identity import PeerID, PublicKey
from twisted_libp2p.interfaces import (
    Direction,
    IConnection,
    IEventBus,
    IStream,
    ISubscription,
    Resource,
    ScopeKind,
)
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
    "ProtocolsChanged",
    "Subscription",
]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Event:
    """
    Something that happened.

    @ivar time: when, in seconds since the epoch.
    """

    time: float

    def __repr__(self) -> str:
        return brief(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _ConnectionEvent(Event):
    """
    What all events of a connection tell.

    @ivar connection: the connection.
    @ivar peer: the peer at the other end.
    @ivar localAddress: our end of it; None where the transport has no address.
    @ivar remoteAddress: the peer's end of it; None likewise.
    @ivar direction: which side opened it; equal to C{"inbound"} or C{"outbound"}.
    @ivar limited: whether it leads through a relay, which limits its time and bytes.
    @ivar security: the security protocol.
    @ivar muxer: the muxer.
    """

    connection: IConnection
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

    @ivar remoteKey: the key that has proven who the peer is.
    @ivar early: whether the muxer was agreed inside the security handshake.
    @ivar upgradeTime: seconds from the transport's connect to readiness.
    """

    remoteKey: PublicKey
    early: bool
    upgradeTime: float


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ClosedConn(_ConnectionEvent):
    """
    A connection has ended.

    @ivar reason: who ended it, and why.
    """

    reason: Failure


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ConnectionTrimmed(_ConnectionEvent):
    """
    There were too many connections, and this one was the most expendable: it
    is about to be closed, and its L{ClosedConn} will follow.

    @ivar value: what its peer was worth.
    """

    value: float


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _StreamEvent(Event):
    """
    What all events of a stream tell.

    @ivar stream: the stream.
    @ivar connection: the connection that carries it.
    @ivar peer: the peer at the other end.
    @ivar protocolID: the negotiated protocol.
    @ivar direction: which side opened it; equal to C{"inbound"} or C{"outbound"}.
    """

    stream: IStream
    connection: IConnection
    peer: PeerID
    protocolID: str
    direction: Direction


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OpenedStream(_StreamEvent):
    """
    The protocol of a stream was agreed.
    """


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ClosedStream(_StreamEvent):
    """
    Both directions of a stream have ended.

    @ivar reason: who ended it, and why.
    """

    reason: Failure


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Listen(Event):
    """
    We have started to listen on an address.

    @ivar address: the real one, with our peer id at its end.
    """

    address: Multiaddr


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ListenClose(Event):
    """
    We have stopped listening on an address.

    @ivar address: the one that L{Listen} told.
    @ivar reason: why, if it was not asked for.
    """

    address: Multiaddr
    reason: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Identified(Event):
    """
    A peer has told what it is (identify), or what has changed (push).

    @ivar connection: the connection on which it told.
    @ivar peer: who.
    @ivar agent: the software it says it is; empty if it does not say.
    @ivar protocolVersion: the network it says it belongs to; empty likewise.
    @ivar protocols: the protocols it serves.
    @ivar listenAddresses: where it says it listens.
    @ivar observedAddress: how it sees our end of the connection.
    @ivar record: its signed record, verified, as it came; None without one.
    @ivar push: whether it told by itself, after a change.
    """

    connection: IConnection
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
    A connection or stream was refused because a limit was reached.  There is no more
    than one such event a second for each limit.

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
    A peer that was identified serves other protocols now; or we ourselves do.

    @ivar peer: who; our own id if it is us.
    @ivar added: what it serves since now.
    @ivar removed: what it serves no more.
    """

    peer: PeerID
    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AddressesChanged(Event):
    """
    A peer that was identified listens elsewhere now; or we ourselves do.

    @ivar peer: who; our own id if it is us.
    @ivar addresses: where it listens now.
    """

    peer: PeerID
    addresses: tuple[Multiaddr, ...]


E = TypeVar("E", bound=Event)


@implementer(ISubscription)
class Subscription(Generic[E]):
    """
    One subscriber of one type of event (and of the types derived from it).
    """

    __slots__ = ("_bus", "_callback", "_type", "_where")

    def __init__(
        self,
        bus: EventBus,
        type: type[E],
        callback: Callable[[E], object],
        where: Callable[[E], bool] | None,
    ) -> None:
        self._bus: EventBus | None = bus
        self._type = type
        self._callback = callback
        self._where = where

    def cancel(self) -> None:
        """
        Hear no more, not even of what has happened already; again is fine.
        """
        bus, self._bus = self._bus, None
        if bus is not None:
            bus._remove(self)

    def _deliver(self, event: E) -> None:
        if self._bus is not None and (self._where is None or self._where(event)):
            self._callback(event)


@implementer(IEventBus)
class EventBus:
    """
    Where events are published, and whence they reach the subscribers.
    """

    _log = Logger()

    def __init__(self) -> None:
        self._subscriptions: list[Subscription[Any]] = []
        # What was asked for each type of event, until somebody comes or goes.
        self._wanted: dict[type[Event], bool] = {}
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

        What the function raises is logged, and touches nobody else.

        @param type: an event class; a base class stands for all below it.
        @param callback: called with the event.
        @param where: which of the events are wanted; all, by default.
        @return: what ends it again.
        """
        subscription = Subscription(self, type, callback, where)
        self._subscriptions = [*self._subscriptions, subscription]
        self._wanted.clear()
        return subscription

    def next(
        self, type: type[E], where: Callable[[E], bool] | None = None
    ) -> Deferred[E]:
        """
        Wait for one event.

        @return: fires with the event; to cancel it is to wait no more.
        """

        def happened(event: E) -> None:
            subscription.cancel()
            waiting.callback(event)

        waiting: Deferred[E] = Deferred(lambda _: subscription.cancel())
        subscription = self.subscribe(type, happened, where)
        return waiting

    def wants(self, type: type[Event]) -> bool:
        """
        Tell whether anybody would hear an event of this very type, so that
        frequent ones need not be made for nobody.
        """
        wanted = self._wanted.get(type)
        if wanted is None:
            wanted = self._wanted[type] = any(
                issubclass(type, each._type) for each in self._subscriptions
            )
        return wanted

    def publish(self, event: Event) -> None:
        """
        Tell all subscribers; see the module on the order.
        """
        self._pending.append(event)
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._pending:
                event = self._pending.popleft()
                for subscription in self._subscriptions:
                    if isinstance(event, subscription._type):
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
        self._wanted.clear()
