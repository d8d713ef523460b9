# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
One reservation at one relay: dials, asks, renews, and keeps its addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.connmanager.keepalive import KeepAlive
from twisted_libp2p.errors import (
    InvalidInput,
    InvalidMultiaddr,
    Libp2pError,
    LimitedConnection,
    ProtocolViolation,
    ReservationRefused,
)
from twisted_libp2p.events import ClosedConn, OpenedConn
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    Direction,
    IConnection,
    IHost,
    ISubscription,
    Source,
)
from twisted_libp2p.logger import Logger
from twisted_libp2p.protocols.exchange import Exchange
from twisted_libp2p.relay.circuit import throughRelay
from twisted_libp2p.relay.events import (
    ReservationAnswered,
    ReservationHeld,
    ReservationLost,
)
from twisted_libp2p.relay.messages import (
    HOP,
    MAX_ADDRESSES,
    Hop,
    HopType,
    Limit,
    Status,
)
from twisted_libp2p.relay.reserving import (
    MIN_LIFETIME,
    Effect,
    Event,
    Reserving,
    State,
)
from twisted_libp2p.relay.voucher import Voucher

__all__ = ["Holding"]

#: The tag by which the connection to a relay is protected.
TAG = "relay"


class Holding:
    """
    A reservation that is wanted.

    @ivar relay: the relay.
    @ivar addresses: the addresses that lead to us through it, without our id; empty
        without a reservation.
    @ivar limit: what the relay has stated as its limits; None without any.
    @ivar connection: the connection that holds the reservation, or is asked for it.
    @ivar reserving: its state.
    @ivar problem: the last error; None after a success.
    """

    _log = Logger()

    def __init__(
        self,
        host: IHost,
        exchange: Exchange,
        relay: PeerID,
        known: Iterable[Multiaddr],
        changed: Callable[[], object],
        keepAlive: KeepAlive,
        random: Callable[[], float],
    ) -> None:
        """
        Want nothing yet: L{start} does.

        @param exchange: the exchange of L{HOP}.
        @param known: addresses of the relay; without any the peerstore has them.
        @param changed: called after each change of C{addresses}.
        @param keepAlive: notices that the relay no longer hears us.
        @param random: returns numbers from 0 to 1.
        """
        self.relay = relay
        self.addresses: tuple[Multiaddr, ...] = ()
        self.limit: Limit | None = None
        self.connection: IConnection | None = None
        self.reserving = Reserving(random)
        self.problem: BaseException | None = None
        self._host = host
        self._exchange = exchange
        self._known = tuple(known)
        self._changed = changed
        self._keepAlive = keepAlive
        self._watched: IConnection | None = None
        self._pending: Deferred[Any] | None = None
        self._found: tuple[Multiaddr, ...] = ()
        self._due: IDelayedCall | None = None
        self._expiry: IDelayedCall | None = None
        self._subscriptions: list[ISubscription] = []

    @property
    def held(self) -> bool:
        """
        Whether there is a reservation.
        """
        return self.reserving.held

    def start(self) -> None:
        """
        Begin to want the reservation.
        """
        host = self._host
        if self._known:
            host.peerstore.addAddresses(
                self.relay, self._known, source=Source.CONFIGURED
            )
        self._subscriptions = [
            host.events.subscribe(ClosedConn, self._closed, self._isOurs),
            host.events.subscribe(OpenedConn, self._opened, self._isOurs),
        ]
        # The other listeners of the node are open by then, and the relay is dialed from
        # their port.
        self._due = host.clock.callLater(0, self._begin)

    def _begin(self) -> None:
        self._due = None
        self._happened(Event.WANTED)

    def stop(self) -> None:
        """
        Want it no longer.  The connection stays; the relay forgets us when it ends.
        """
        for each in self._subscriptions:
            each.cancel()
        self._subscriptions = []
        self._happened(Event.UNWANTED)
        self._cancel()

    # Events

    def _isOurs(self, event: OpenedConn | ClosedConn) -> bool:
        return event.peer == self.relay

    def _opened(self, event: OpenedConn) -> None:
        # A relay that has refused is left alone for its time.
        if not event.limited and self.reserving.status is None:
            self._met(event.connection)

    def _met(self, connection: IConnection) -> None:
        """
        Use a connection to the relay, if one is waited for.
        """
        if self.reserving.state in (State.CONNECTING, State.WAITING):
            self.connection = connection
            self._happened(Event.CONNECTED)

    def _closed(self, event: ClosedConn) -> None:
        if event.connection is self.connection:
            self.connection = None
            self.problem = event.reason.value
            self._happened(Event.LOST)

    def _happened(self, event: Event) -> None:
        self._obey(self.reserving.happened(event))

    def _obey(self, effects: Iterable[Effect]) -> None:
        for each in effects:
            self._EFFECTS[each](self)

    # Effects

    def _connect(self) -> None:
        self._await(self._host.connect(self.relay), self._connected)

    def _connected(self, connection: IConnection) -> None:
        direct = next(
            (
                each
                for each in self._host.connections.to(self.relay)
                if not each.limited
            ),
            None,
        )
        if direct is None:
            raise LimitedConnection(f"{self.relay} is only reached through a relay")
        self._met(direct)

    def _ask(self) -> None:
        assert self.connection is not None
        self._await(
            self._exchange.ask(self.connection, Hop(HopType.RESERVE).toBytes()),
            self._answered,
        )

    def _answered(self, answer: bytes) -> None:
        connection = self.connection
        assert connection is not None
        now = self._host.clock.seconds()
        message = Hop.fromBytes(answer)
        if message.type is not HopType.STATUS or message.status is None:
            raise ProtocolViolation(HOP, "the answer is not a status")
        if message.status != Status.OK:
            raise ReservationRefused(message.status, Status.nameOf(message.status))
        reservation = message.reservation
        if reservation is None:
            raise ProtocolViolation(HOP, "the answer has no reservation")
        if reservation.expire < now + MIN_LIFETIME:
            raise ProtocolViolation(HOP, "the reservation has expired already")
        if reservation.voucher is not None:
            self._check(Voucher.open(reservation.voucher))
        found = list(self._relayed(connection, reservation.addresses))
        if not found:
            raise ProtocolViolation(HOP, "the relay states no address of its own")
        self.limit = message.limit
        self.problem = None
        self._report(Status.OK)
        self._found = tuple(dict.fromkeys(found))[:MAX_ADDRESSES]
        self._obey(self.reserving.granted(now, float(reservation.expire)))

    def _check(self, voucher: Voucher) -> None:
        """
        Check that a voucher is about this reservation.
        """
        own = self._host.peerID
        if voucher.relay != self.relay or voucher.peer != own:
            raise ProtocolViolation(
                HOP, f"a voucher of {voucher.relay} for {voucher.peer}"
            )

    def _relayed(
        self, connection: IConnection, stated: Iterable[Multiaddr]
    ) -> Iterator[Multiaddr]:
        """
        Return the addresses that lead to us through the relay: those that it states,
        as far as it may name them, and the address at which we have dialed it.
        """
        origin = Origin.of(connection.remoteAddress)
        for each in stated:
            # go-libp2p 0.48 has added its id twice.
            while each.peerID == self.relay:
                each = each.withoutPeer()
            names = each.names
            if "p2p" in names or "p2p-circuit" in names or not each:
                continue
            if origin.refusal(each) is None:
                try:
                    yield throughRelay(self.relay, each)
                except InvalidMultiaddr:
                    continue
        dialed = connection.remoteAddress
        if connection.direction is Direction.OUTBOUND and dialed is not None:
            yield throughRelay(self.relay, dialed)

    def _announce(self) -> None:
        host = self._host
        host.connections.protect(self.relay, TAG, redial=False)
        if self.connection is not self._watched:
            self._unwatch()
            self._watched = self.connection
            if self._watched is not None:
                self._keepAlive.watch(self._watched)
        new = not self.addresses
        changed = self._found != self.addresses
        self.addresses = self._found
        if self._expiry is not None:
            self._expiry.cancel()
        now = host.clock.seconds()
        self._expiry = host.clock.callLater(
            max(0.0, self.reserving.expires - now), self._expired
        )
        if changed:
            self._changed()
        if new:
            self._log.info("a place is reserved at the relay {relay}", relay=self.relay)
            host.events.publish(
                ReservationHeld(time=now, relay=self.relay, addresses=self.addresses)
            )

    def _report(self, status: int | None) -> None:
        """
        Publish the end of a request.

        @param status: its status; None for any other error.
        """
        self._host.events.publish(
            ReservationAnswered(
                time=self._host.clock.seconds(),
                relay=self.relay,
                renewal=bool(self.addresses),
                status=status,
            )
        )

    def _expired(self) -> None:
        self._expiry = None
        self._happened(Event.EXPIRED)

    def _withdraw(self) -> None:
        host = self._host
        host.connections.unprotect(self.relay, TAG)
        self._unwatch()
        expiry, self._expiry = self._expiry, None
        if expiry is not None:
            expiry.cancel()
        if not self.addresses:
            return
        self.addresses = ()
        self.connection = None
        self._changed()
        self._log.info("the place at the relay {relay} is lost", relay=self.relay)
        host.events.publish(
            ReservationLost(
                time=host.clock.seconds(), relay=self.relay, reason=self.problem
            )
        )

    def doubt(self, host: bytes) -> None:
        """
        Ask the relay at once whether it hears us, because an address of ours is gone.

        @param host: the address.
        """
        watched = self._watched
        local = None if watched is None else watched.localAddress
        if watched is not None and local is not None and local.host == host:
            self._keepAlive.doubt(watched)

    def _unwatch(self) -> None:
        watched, self._watched = self._watched, None
        if watched is not None:
            self._keepAlive.closed(watched)

    def _wait(self) -> None:
        if not self.held:
            self.connection = None
        seconds = self.reserving.wait(self._host.clock.seconds())
        self._due = self._host.clock.callLater(seconds, self._isDue)

    def _isDue(self) -> None:
        self._due = None
        self._happened(Event.DUE)

    def _cancel(self) -> None:
        due, self._due = self._due, None
        if due is not None:
            due.cancel()
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()
        if not self.held:
            self.connection = None

    def _await(self, waiting: Deferred[Any], done: Callable[[Any], None]) -> None:
        """
        Wait for the relay.
        """
        self._pending = waiting

        def succeeded(result: Any) -> None:
            if self._pending is waiting:
                self._pending = None
                done(result)

        def failed(reason: Failure) -> None:
            if reason.check(CancelledError) or self._pending not in (waiting, None):
                return
            self._pending = None
            self._failed(reason)

        waiting.addCallback(succeeded).addErrback(failed)

    def _failed(self, reason: Failure) -> None:
        error = reason.value
        if not reason.check(Libp2pError):
            self._log.failure(
                "the relay {relay} was not asked", reason, relay=self.relay
            )
        elif self.reserving.failures == 0:
            self._log.info(
                "no place at the relay {relay}: {reason}",
                relay=self.relay,
                reason=str(error),
            )
        self.problem = error
        status = error.status if isinstance(error, ReservationRefused) else None
        if isinstance(error, ProtocolViolation | InvalidInput):
            status = Status.MALFORMED_MESSAGE
        self._report(status)
        self._obey(self.reserving.refused(status))

    _EFFECTS: ClassVar[dict[Effect, Callable[[Holding], None]]] = {
        Effect.CONNECT: _connect,
        Effect.ASK: _ask,
        Effect.CANCEL: _cancel,
        Effect.ANNOUNCE: _announce,
        Effect.WITHDRAW: _withdraw,
        Effect.WAIT: _wait,
    }
