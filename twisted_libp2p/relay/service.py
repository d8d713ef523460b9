# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The relay for other peers: reserves places, and connects peers with each other.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IProtocol
from twisted.python.failure import Failure
from zope.interface import Interface, implementer

from twisted_libp2p.address import Multiaddr, Scope
from twisted_libp2p.connection.building import StreamFactory
from twisted_libp2p.connection.connection import isRelayed
from twisted_libp2p.errors import ErrorCode, Libp2pError, ProtocolViolation
from twisted_libp2p.events import ClosedConn
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    IConnection,
    IDrainable,
    IHost,
    IHostService,
    IRegistration,
    ISubscription,
)
from twisted_libp2p.logger import Logger
from twisted_libp2p.pacing import Deadlines
from twisted_libp2p.relay.book import Book, RelayLimits
from twisted_libp2p.relay.events import CircuitClosed, CircuitOpened
from twisted_libp2p.relay.messages import (
    HOP,
    STOP,
    Hop,
    HopType,
    Limit,
    Reservation,
    Status,
    Stop,
    StopType,
)
from twisted_libp2p.relay.splice import Splice
from twisted_libp2p.relay.talk import Talk
from twisted_libp2p.relay.voucher import Voucher

__all__ = ["IRelayAccess", "OpenAccess", "RelayService"]

#: Seconds that a peer has for its request, and the peer with the reservation for its
#: answer.
MESSAGE_TIME: Final = 15.0

#: The tag by which a peer with a reservation is protected.
TAG: Final = "relay-reservation"

#: Seconds after which a relay looks for reservations whose time is over.
SWEEP: Final = 60.0

#: How many of our addresses are stated in a reservation.
MAX_STATED: Final = 16


# The refusals of the peer with the reservation that the dialing peer is given.
_PASSED_ON: Final[dict[int | None, Status]] = {
    each: each for each in (Status.PERMISSION_DENIED, Status.RESOURCE_LIMIT_EXCEEDED)
}


class IRelayAccess(Interface):
    """
    Decides who may use a relay.
    """

    def mayReserve(peer: PeerID, address: Multiaddr | None) -> bool:
        """
        Decide whether a peer may have a reservation.

        @param address: the address from which it is connected.
        """

    def mayConnect(
        source: PeerID, address: Multiaddr | None, destination: PeerID
    ) -> bool:
        """
        Decide whether a peer may be connected with another, which has a reservation.

        @param address: the address from which C{source} is connected.
        """


@implementer(IRelayAccess)
class OpenAccess:
    """
    Lets everybody use the relay.
    """

    def mayReserve(self, peer: PeerID, address: Multiaddr | None) -> bool:
        """
        Let everybody reserve.
        """
        return True

    def mayConnect(
        self, source: PeerID, address: Multiaddr | None, destination: PeerID
    ) -> bool:
        """
        Let everybody connect.
        """
        return True


class _Connecting:
    """
    A circuit that is being opened.
    """

    def __init__(
        self, service: RelayService, source: Talk, destination: PeerID
    ) -> None:
        self._service = service
        self._source = source
        self._destination = destination
        self._talk: Talk | None = None
        self._opening: Deferred[IProtocol] | None = None
        self._done = False

    def begin(self, holder: IConnection) -> None:
        """
        Ask the peer with the reservation.
        """
        service = self._service
        limit = service.limit
        source = self._source
        source.lost = self._given
        request = Stop(
            StopType.CONNECT, source.transport.connection.remotePeer, limit=limit
        ).toBytes()
        self._talk = Talk(
            service.deadlines, STOP, self._answered, self._failed, request
        )
        self._opening = holder.openStream(
            STOP, StreamFactory(lambda: self._talk), allowLimited=False
        )
        self._opening.addErrback(self._failed)

    def _answered(self, talk: Talk, answer: bytes) -> None:
        try:
            message = Stop.fromBytes(answer)
        except ProtocolViolation:
            self._refuse(Status.CONNECTION_FAILED)
            return
        if message.type is not StopType.STATUS or message.status != Status.OK:
            self._refuse(_PASSED_ON.get(message.status, Status.CONNECTION_FAILED))
            return
        if not self._done:
            self._done = True
            self._service.spliced(self._source, talk, self._destination)

    def _failed(self, reason: Failure) -> None:
        if not reason.check(Libp2pError, CancelledError):
            _log.failure("no circuit to {peer}", reason, peer=self._destination)
        self._refuse(Status.CONNECTION_FAILED)

    def _refuse(self, status: Status) -> None:
        """
        Answer the peer that has dialed.
        """
        if not self._done:
            self._end()
            self._source.lost = None
            self._source.close(Hop(HopType.STATUS, status=status).toBytes())

    def _given(self) -> None:
        """
        End, because the peer that has dialed is gone.
        """
        if not self._done:
            self._end()

    def _end(self) -> None:
        self._done = True
        talk = self._talk
        if talk is not None and talk.transport is not None:
            talk.transport.abortConnection(ErrorCode.NONE)
        if self._opening is not None:
            self._opening.cancel()
        self._service.unused(self._source, self._destination)


_log = Logger()


@implementer(IDrainable, IHostService)
class RelayService(Service):
    """
    A relay for other peers: C{node.add(RelayService())}.

    It answers only peers that are connected directly.  It dials nobody.

    @ivar book: its reservations and circuits.
    @ivar splices: the open circuits.
    @ivar deadlines: the time for each message.
    @ivar relayed: the number of bytes that were passed on by circuits that have ended.
    @ivar answers: the number of answers by kind of request and status.
    """

    name = "relay"

    def __init__(
        self,
        limits: RelayLimits | None = None,
        access: IRelayAccess | None = None,
    ) -> None:
        """
        @param limits: the limits; by default those of go-libp2p and rust-libp2p, the
            stricter of both.
        @param access: decides who may use the relay; by default everybody.
        """
        self.book = Book(limits or RelayLimits())
        self.splices: set[Splice] = set()
        self.relayed = 0
        self.answers: dict[tuple[str, Status], int] = {}
        self._access: IRelayAccess = access or OpenAccess()
        self._sweep: IDelayedCall | None = None
        self._registration: IRegistration | None = None
        self._subscription: ISubscription | None = None

    def attach(self, host: IHost) -> None:
        """
        Take the node.
        """
        self._host = host
        self.deadlines = Deadlines(host.clock, MESSAGE_TIME)

    @property
    def limit(self) -> Limit | None:
        """
        The limits of a circuit; None without any.
        """
        limits = self.book.limits
        if limits.duration is None and limits.data is None:
            return None
        return Limit(limits.duration, limits.data)

    def startService(self) -> None:
        """
        Serve.
        """
        super().startService()
        host = self._host
        self._registration = host.registry.register(
            HOP,
            StreamFactory(
                lambda: Talk(self.deadlines, HOP, self._asked, lambda _: None)
            ),
        )
        self._subscription = host.events.subscribe(ClosedConn, self._closed)

    def drain(self) -> None:
        """
        Give no places and open no circuits any longer; open circuits go on.
        """
        if self._registration is not None:
            self._registration.cancel()

    def stopService(self) -> None:
        """
        Serve no longer, and end all circuits.
        """
        super().stopService()
        if self._registration is not None:
            self._registration.cancel()
        if self._subscription is not None:
            self._subscription.cancel()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for each in list(self.splices):
            each.stop(None)
        for peer in self.book:
            self._host.connections.unprotect(peer, TAG)
        self.deadlines.stop()
        self.book = Book(self.book.limits)

    # Requests

    def _asked(self, talk: Talk, request: bytes) -> None:
        """
        Answer a request.
        """
        try:
            message = Hop.fromBytes(request)
        except ProtocolViolation:
            self._answer(talk, "malformed", Status.MALFORMED_MESSAGE)
            return
        if message.type is HopType.RESERVE:
            self._reserve(talk)
        elif message.type is HopType.CONNECT and message.peer is not None:
            self._connect(talk, message.peer)
        else:
            self._answer(talk, "malformed", Status.UNEXPECTED_MESSAGE)

    def _answer(self, talk: Talk, kind: str, status: Status) -> None:
        self._count(kind, status)
        talk.close(Hop(HopType.STATUS, status=status).toBytes())

    def _count(self, kind: str, status: Status) -> None:
        key = kind, status
        self.answers[key] = self.answers.get(key, 0) + 1

    def _reserve(self, talk: Talk) -> None:
        connection: IConnection = talk.transport.connection
        peer, address = connection.remotePeer, connection.remoteAddress
        if isRelayed(address) or not self._access.mayReserve(peer, address):
            self._answer(talk, "reserve", Status.PERMISSION_DENIED)
            return
        host = self._host
        now = host.clock.seconds()
        self._expire()
        status, expires = self.book.reserve(connection, now)
        if status is not Status.OK:
            self._answer(talk, "reserve", status)
            return
        host.connections.protect(peer, TAG, redial=False)
        if self._sweep is None:
            self._sweep = host.clock.callLater(SWEEP, self._sweepAgain)
        expire = int(expires)
        self._count("reserve", status)
        talk.close(
            Hop(
                HopType.STATUS,
                status=Status.OK,
                reservation=Reservation(
                    expire,
                    tuple(self._stated()),
                    Voucher(host.peerID, peer, expire).seal(host.identity),
                ),
                limit=self.limit,
            ).toBytes()
        )

    def _expire(self) -> None:
        """
        End the reservations whose time is over.
        """
        host = self._host
        for each in self.book.expire(host.clock.seconds()):
            host.connections.unprotect(each, TAG)

    def _sweepAgain(self) -> None:
        self._sweep = None
        self._expire()
        if len(self.book):
            self._sweep = self._host.clock.callLater(SWEEP, self._sweepAgain)

    def _stated(self) -> list[Multiaddr]:
        """
        Return the addresses of this relay: the public ones, if it has any.
        """
        direct = [each for each in self._host.addresses if not isRelayed(each)]
        public = [
            each
            for each in direct
            if each.host is None or Scope.of(each) is Scope.PUBLIC
        ]
        return (public or direct)[:MAX_STATED]

    def _connect(self, talk: Talk, destination: PeerID) -> None:
        connection: IConnection = talk.transport.connection
        peer, address = connection.remotePeer, connection.remoteAddress
        if (
            isRelayed(address)
            or destination == peer
            or not self._access.mayConnect(peer, address, destination)
        ):
            self._answer(talk, "connect", Status.PERMISSION_DENIED)
            return
        now = self._host.clock.seconds()
        status = self.book.connect(connection, destination, now)
        if status is not Status.OK:
            self._answer(talk, "connect", status)
            return
        holder = self.book.holder(destination, now)
        assert holder is not None
        _Connecting(self, talk, destination).begin(holder)

    # Circuits

    def unused(self, source: Talk, destination: PeerID) -> None:
        """
        Give back a circuit that was not opened.
        """
        self._count("connect", Status.CONNECTION_FAILED)
        self.book.ended(source.transport.connection, destination)

    def spliced(self, source: Talk, talk: Talk, destination: PeerID) -> None:
        """
        Join two streams.
        """
        host = self._host
        connection: IConnection = source.transport.connection
        book = self.book
        splice = Splice(
            host.clock,
            self.limit,
            book.limits.idle,
            partial(self._ended, book, connection, destination),
        )
        self.splices.add(splice)
        self._count("connect", Status.OK)
        source.answer(Hop(HopType.STATUS, status=Status.OK, limit=self.limit).toBytes())
        host.events.publish(
            CircuitOpened(
                time=host.clock.seconds(),
                source=connection.remotePeer,
                destination=destination,
            )
        )
        splice.join(source, talk)

    def _ended(
        self, book: Book, source: IConnection, destination: PeerID, splice: Splice
    ) -> None:
        self.splices.discard(splice)
        self.relayed += splice.forth + splice.back
        book.ended(source, destination)
        host = self._host
        host.events.publish(
            CircuitClosed(
                time=host.clock.seconds(),
                source=source.remotePeer,
                destination=destination,
                forth=splice.forth,
                back=splice.back,
                seconds=splice.age,
                limit=splice.limit,
            )
        )

    # Connections

    def _closed(self, event: ClosedConn) -> None:
        """
        End the reservation of a connection that has ended.
        """
        host = self._host
        other = next(
            (
                each
                for each in host.connections.to(event.peer)
                if each is not event.connection and not isRelayed(each.remoteAddress)
            ),
            None,
        )
        if self.book.closed(event.connection, other):
            host.connections.unprotect(event.peer, TAG)
