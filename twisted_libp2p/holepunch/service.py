# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The service that upgrades relayed connections to direct ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.connection.building import StreamFactory
from twisted_libp2p.connection.connection import isRelayed
from twisted_libp2p.errors import Libp2pError, NoAddresses
from twisted_libp2p.events import ClosedConn, Identified, OpenedConn
from twisted_libp2p.holepunch.events import DirectConnection, HolePunchFailed
from twisted_libp2p.holepunch.exchange import (
    DCUTR,
    Answerer,
    Asker,
    punchable,
)
from twisted_libp2p.holepunch.record import ANSWERING, ASKING, PunchRecord
from twisted_libp2p.holepunch.stream import AnsweringStream, AskingStream
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    AddressSource,
    Direction,
    IConnection,
    IDrainable,
    IHost,
    IHostService,
    IRegistration,
    ISubscription,
    Role,
)
from twisted_libp2p.logger import Logger
from twisted_libp2p.pacing import Deadlines

__all__ = ["HolePunching"]

#: Seconds for an exchange.
EXCHANGE_TIME: Final = 15.0

#: Seconds for the dials after an exchange, and for those without one.
PUNCH_TIME: Final = 5.0

#: How many exchanges there are, as in go-libp2p and rust-libp2p.
ATTEMPTS: Final = 3

#: The most exchanges of a relayed connection that are answered: no peer makes us dial
#: the hosts that it names for ever.
MAX_ANSWERS: Final = 5


class _Running:
    """
    The upgrade of one relayed connection.

    @ivar work: fires at the end.
    @ivar attempts: the number of exchanges.
    @ivar theirs: the addresses of the peer, in the last of them.
    @ivar reversed: whether the peer could be dialed.
    @ivar since: the time of the beginning.
    """

    def __init__(self, since: float) -> None:
        self.since = since
        self.attempts = 0
        self.theirs: Sequence[Multiaddr] = ()
        self.reversed = False
        self.work: Deferred[None] | None = None
        self.reversal: Deferred[Any] | None = None


@implementer(IDrainable, IHostService)
class HolePunching(Service):
    """
    Gives relayed connections a direct one beside them, where the routers let it.

    The side that was reached through the relay begins: it dials the public addresses of
    the peer, and exchanges addresses with it at the same time; then both dial at the
    same moment.  The protocol is served from the first relayed connection on.

    @ivar record: the attempts that have ended.
    """

    name = "holepunch"
    _log = Logger()

    def __init__(self) -> None:
        self.record = PunchRecord()
        self._running: dict[PeerID, _Running] = {}
        self._punching: dict[PeerID, Deferred[Any]] = {}
        self._asked: set[PeerID] = set()
        self._answered: Counter[IConnection] = Counter()
        self._registration: IRegistration | None = None
        self._subscriptions: list[ISubscription] = []

    def attach(self, host: IHost) -> None:
        """
        Take the node.
        """
        self._host = host
        self._deadlines = Deadlines(host.clock, EXCHANGE_TIME)

    def startService(self) -> None:
        """
        Wait for relayed connections.
        """
        super().startService()
        events = self._host.events
        self._subscriptions = [
            events.subscribe(OpenedConn, self._opened),
            events.subscribe(ClosedConn, self._closed),
            events.subscribe(Identified, self._identified),
        ]

    def drain(self) -> None:
        """
        Give up: a direct connection would come too late.
        """
        self.stopService()

    def stopService(self) -> None:
        """
        Give up.
        """
        super().stopService()
        for each in self._subscriptions:
            each.cancel()
        for peer in list(self._running):
            self._stop(peer)
        for punch in list(self._punching.values()):
            punch.cancel()
        registration, self._registration = self._registration, None
        if registration is not None:
            registration.cancel()
        self._deadlines.stop()
        self._answered.clear()

    # Addresses

    def addresses(self, origin: Origin = Origin.PUBLIC) -> list[Multiaddr]:
        """
        Return our addresses at which a hole may be punched.

        @param origin: the place of the relay.
        """
        own = [
            each
            for each in self._host.ownAddresses.all()
            if each.source is not AddressSource.RELAYED
        ]
        # What peers see is worth more than what we can tell.
        own.sort(key=lambda each: each.source is not AddressSource.OBSERVED)
        return punchable((each.address for each in own), origin)

    # Events

    def _opened(self, event: OpenedConn) -> None:
        if not isRelayed(event.remoteAddress):
            if event.peer in self._running:
                # Not now: the connection is not announced to everybody yet.
                self._host.clock.callLater(0, self._succeeded, event.peer)
        elif self._registration is None:
            self._registration = self._host.registry.register(
                DCUTR, StreamFactory(self._serve), allowLimited=True
            )

    def _closed(self, event: ClosedConn) -> None:
        if isRelayed(event.remoteAddress):
            self._answered.pop(event.connection, None)
            self._stop(event.peer)

    def _identified(self, event: Identified) -> None:
        connection = event.connection
        if (
            isRelayed(connection.remoteAddress)
            and connection.direction is Direction.INBOUND
            and event.peer not in self._running
            and not self._isDirect(event.peer)
        ):
            running = _Running(self._host.clock.seconds())
            self._running[event.peer] = running
            running.work = Deferred.fromCoroutine(
                self._upgrade(connection, event.listenAddresses, running)
            )
            running.work.addErrback(self._failed, event.peer, running)

    def _isDirect(self, peer: PeerID) -> bool:
        return any(
            not isRelayed(each.remoteAddress)
            for each in self._host.connections.to(peer)
        )

    # The side that begins

    async def _upgrade(
        self, connection: IConnection, known: Iterable[Multiaddr], running: _Running
    ) -> None:
        """
        Try to get a direct connection.
        """
        host, peer = self._host, connection.remotePeer
        origin = _originOf(connection)
        public = punchable(known)
        if public:
            running.reversal = host.punch(
                peer, public, Role.CLIENT, None, PUNCH_TIME, origin
            )
            running.reversal.addCallbacks(
                lambda _: self._reversed(running), self._notReversed
            )
        problem: Exception = NoAddresses("the peer has no public address")
        for _ in range(ATTEMPTS):
            running.attempts += 1
            asker = await self._ask(connection)
            assert asker.addresses is not None
            running.theirs = asker.addresses
            # The dials of the peer do not arrive.  Its router may let ours in, although
            # it has not named these addresses before.
            last = running.attempts == ATTEMPTS
            try:
                await deferLater(host.clock, asker.roundTrip / 2)
                await host.punch(
                    peer,
                    asker.addresses,
                    Role.CLIENT if last else Role.SERVER,
                    None if last else asker.roundTrip,
                    PUNCH_TIME,
                    origin,
                )
            except CancelledError:
                raise
            except Libp2pError as error:
                problem = error
            else:
                return
            if self._isDirect(peer):
                return
        raise problem

    def _reversed(self, running: _Running) -> None:
        running.reversed = True
        self.record.dialed(True)

    def _notReversed(self, reason: Failure) -> None:
        if not reason.check(CancelledError):
            self.record.dialed(False)

    def _count(
        self, side: str, exchanges: int, peer: PeerID, theirs: Iterable[Multiaddr]
    ) -> None:
        """
        Count an attempt that has ended.
        """
        direct = next(
            (
                each.localAddress
                for each in self._host.connections.to(peer)
                if not isRelayed(each.remoteAddress)
            ),
            None,
        )
        self.record.ended(side, exchanges, self.addresses(), theirs, direct)

    def _ask(self, connection: IConnection) -> Deferred[Asker]:
        """
        Exchange addresses.
        """
        origin = _originOf(connection)
        asker = Asker(self.addresses(origin), origin)
        result: Deferred[Asker] = Deferred(lambda _: None)

        def done(reason: Failure | None) -> None:
            if result.called:
                return
            if reason is None:
                result.callback(asker)
            else:
                result.errback(reason)

        stream = AskingStream(asker, self._deadlines, self._host.clock.seconds, done)
        connection.openStream(
            DCUTR, StreamFactory(lambda: stream), allowLimited=True
        ).addErrback(done)
        return result

    def _succeeded(self, peer: PeerID) -> None:
        running = self._running.get(peer)
        if running is None or not self._isDirect(peer):
            return
        if not running.reversed:
            self._count(ASKING, running.attempts, peer, running.theirs)
        self._stop(peer)
        now = self._host.clock.seconds()
        self._log.info(
            "connected directly with {peer} after {seconds:.1f} s",
            peer=peer,
            seconds=now - running.since,
        )
        self._host.events.publish(
            DirectConnection(
                time=now,
                peer=peer,
                seconds=now - running.since,
                attempts=running.attempts,
            )
        )

    def _failed(self, reason: Failure, peer: PeerID, running: _Running) -> None:
        if self._running.get(peer) is not running or reason.check(CancelledError):
            return
        del self._running[peer]
        self._count(ASKING, running.attempts, peer, running.theirs)
        if not reason.check(Libp2pError):
            self._log.failure("no hole was punched", reason)
        assert reason.value is not None
        self._host.events.publish(
            HolePunchFailed(
                time=self._host.clock.seconds(),
                peer=peer,
                reason=reason.value,
                attempts=running.attempts,
            )
        )

    def _stop(self, peer: PeerID) -> None:
        running = self._running.pop(peer, None)
        if running is not None:
            for each in (running.work, running.reversal):
                if each is not None:
                    each.cancel()

    # The side that answers

    def _serve(self) -> AnsweringStream:
        return AnsweringStream(
            self._deadlines,
            self._host.clock.seconds,
            self._answer,
            self._punch,
            lambda stream: self._asked.discard(stream.transport.connection.remotePeer),
        )

    def _answer(self, stream: AnsweringStream) -> Answerer | None:
        """
        Answer only on a connection that our side has opened through a relay, and one
        stream at a time.
        """
        connection: IConnection = stream.transport.connection
        peer = connection.remotePeer
        if (
            not isRelayed(connection.remoteAddress)
            or connection.direction is not Direction.OUTBOUND
            or peer in self._asked
            or self._answered[connection] >= MAX_ANSWERS
        ):
            return None
        self._answered[connection] += 1
        self._asked.add(peer)
        origin = _originOf(connection)
        return Answerer(self.addresses(origin), origin)

    def _punch(self, stream: AnsweringStream) -> None:
        """
        Dial the peer, which dials us now.
        """
        answerer = stream.answerer
        connection: IConnection = stream.transport.connection
        peer = connection.remotePeer
        if answerer is None or not answerer.addresses or self._isDirect(peer):
            return
        theirs, exchanges = answerer.addresses, self._answered[connection]
        # It has given up its dials of the exchange before, a moment earlier than we.
        former = self._punching.pop(peer, None)
        if former is not None:
            former.cancel()
        punch = self._host.punch(
            peer,
            theirs,
            Role.CLIENT,
            answerer.roundTrip,
            PUNCH_TIME,
            _originOf(connection),
        )
        self._punching[peer] = punch

        def over(result: object) -> None:
            isLast = self._punching.get(peer) is punch
            if isLast:
                del self._punching[peer]
            stopped = isinstance(result, Failure) and result.check(CancelledError)
            if not stopped or not isLast:
                self._count(ANSWERING, exchanges, peer, theirs)

        punch.addBoth(over)


def _originOf(connection: IConnection) -> Origin:
    """
    Return the place of the relay of a connection, as far as it counts for the addresses
    of its other peer: a network of ours, or anywhere.
    """
    remote = connection.remoteAddress
    if remote is None or not isRelayed(remote):
        return Origin.PUBLIC
    place = Origin.of(remote.decapsulate("/p2p-circuit").withoutPeer())
    return Origin.NETWORK if place is Origin.NETWORK else Origin.PUBLIC
