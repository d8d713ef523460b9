# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The client of AutoNAT: asks servers to dial us, and knows what to believe.

A success is believed only if we have seen it: in version 2 the number has to arrive, on
a connection of the right kind; in version 1 a connection from the server's host has to
come meanwhile.  A failure is believed only if the server says that it has dialed.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from typing import Final

from twisted.internet.defer import CancelledError, Deferred

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection.building import StreamFactory
from twisted_libp2p.events import OpenedConn
from twisted_libp2p.interfaces import (
    Direction,
    IConnection,
    IHost,
    IRegistration,
    ISubscription,
)
from twisted_libp2p.pacing import Deadlines, addTimeout
from twisted_libp2p.protocols.exchange import Exchange
from twisted_libp2p.reachability.asking import AskingStream
from twisted_libp2p.reachability.dialback import DialedBack
from twisted_libp2p.reachability.messages import (
    AUTONAT,
    DIAL_BACK,
    DIAL_REQUEST,
    MAX_MESSAGE,
    Answer1,
    DialRequest,
    DialStatus,
    Request1,
    Status,
    Status1,
)
from twisted_libp2p.reachability.servers import Server
from twisted_libp2p.reachability.tracker import Evidence

__all__ = ["Outcome", "Prober"]

#: Seconds of a server for its answer: it may wait for data, and before it dials.
ANSWER_TIME: Final = 30.0

#: Seconds for a connection that a server opens to send its number, and seconds after
#: the answer for the number to arrive.
NONCE_TIME: Final = 5.0

#: Seconds until the same server is asked again: it answers twelve times a minute.
PAUSE: Final = 6.0

#: Seconds until a server is asked again that did not answer or was of no use, and until
#: it is asked again for an address that it does not dial.
BACKOFF: Final = 300.0
REFUSED: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    The outcome of a question.

    @ivar reached: whether we were reached; None if nothing was learnt.
    @ivar evidence: how it was obtained.
    @ivar reason: why nothing was learnt, or the answer as text.
    """

    reached: bool | None
    evidence: Evidence
    reason: str


@dataclass(slots=True, eq=False)
class _Expected:
    """
    A number that a server has to send back.

    @ivar nonce: the number.
    @ivar address: the address that is probed.
    @ivar arrived: fires when it arrives.
    """

    nonce: int
    address: Multiaddr
    arrived: Deferred[None] = field(default_factory=lambda: Deferred(lambda _: None))


class Prober:
    """
    Asks servers.
    """

    def __init__(self, host: IHost) -> None:
        """
        Prepare to ask servers.

        @param host: the node that is dialed.
        """
        self._host = host
        clock = host.clock
        self._asking = Deadlines(clock, ANSWER_TIME)
        self._dialed = Deadlines(clock, NONCE_TIME)
        self._exchange = Exchange(
            AUTONAT, clock, timeout=ANSWER_TIME, maximum=MAX_MESSAGE
        )
        self._expected: list[_Expected] = []
        # For each question of version 1: the host of the server, and whether a
        # connection has come from there.
        self._arrivals: list[list[bytes | bool | None]] = []
        self._registration: IRegistration | None = None
        self._subscription: ISubscription | None = None

    def start(self) -> None:
        """
        Accept the connections of servers.
        """
        if self._registration is None:
            host = self._host
            self._registration = host.registry.register(
                DIAL_BACK, StreamFactory(lambda: DialedBack(self._dialed, self._known))
            )
            self._subscription = host.events.subscribe(OpenedConn, self._opened)

    def stop(self) -> None:
        """
        Accept none any longer.
        """
        if self._registration is not None:
            self._registration.cancel()
        if self._subscription is not None:
            self._subscription.cancel()
        self._registration = self._subscription = None
        for each in (self._asking, self._dialed, self._exchange.deadlines):
            each.stop()

    def _known(self, nonce: int, connection: IConnection) -> bool:
        """
        Check a number that was sent.  It counts once, and on a connection over the
        transport of the address alone.
        """
        received = nonce.to_bytes(8, "big")
        for each in self._expected:
            if hmac.compare_digest(each.nonce.to_bytes(8, "big"), received):
                local = connection.localAddress
                fits = local is not None and local.names[:2] == each.address.names[:2]
                if fits and not each.arrived.called:
                    each.arrived.callback(None)
                    return True
        return False

    def _opened(self, event: OpenedConn) -> None:
        if event.direction is Direction.INBOUND and event.remoteAddress is not None:
            for each in self._arrivals:
                if each[0] == event.remoteAddress.host:
                    each[1] = True

    async def ask(self, server: Server, address: Multiaddr) -> Outcome:
        """
        Ask a server to dial an address of ours, and record when it may be asked again.

        @return: the outcome; errors are outcomes as well.
        """
        seconds = self._host.clock.seconds
        ask = self._ask2 if server.version == 2 else self._ask1
        server.busy = True
        try:
            outcome = await ask(server, address)
        except CancelledError:
            raise
        except Exception as error:
            evidence = Evidence.AUTONAT_2 if server.version == 2 else Evidence.AUTONAT_1
            outcome = Outcome(None, evidence, str(error))
        finally:
            server.busy = False
            server.notBefore = seconds() + PAUSE
        if outcome.reached is None and address not in server.refused:
            server.notBefore = seconds() + BACKOFF
        return outcome

    async def _ask2(self, server: Server, address: Multiaddr) -> Outcome:
        """
        Ask in version 2.
        """
        clock = self._host.clock
        expected = _Expected(secrets.randbits(64), address)
        self._expected.append(expected)
        try:
            stream = AskingStream(
                self._asking,
                DialRequest((address,), expected.nonce),
                lambda: server.mayBePaid(clock.seconds()),
            )
            server.connection.openStream(
                DIAL_REQUEST, StreamFactory(lambda: stream)
            ).addErrback(stream.failed)
            response = await stream.result
            status, dial = response.status, response.dialStatus
            if status == Status.OK and dial == DialStatus.OK:
                if not expected.arrived.called:
                    await addTimeout(expected.arrived, NONCE_TIME, clock)
                return Outcome(True, Evidence.AUTONAT_2, "dialed, the number arrived")
        finally:
            self._expected.remove(expected)
        now = clock.seconds()
        arrived = expected.arrived.called
        reached: bool | None = None
        reason = f"status {status}, {dial}"
        if status == Status.DIAL_REFUSED:
            server.refuses(address, now, now + REFUSED)
            reason = "this server does not dial it"
        elif status == Status.REQUEST_REJECTED:
            reason = "too many requests"
        elif status == Status.OK and dial == DialStatus.DIAL_BACK_ERROR and arrived:
            reached, reason = True, "the number arrived"
        elif status == Status.OK and dial == DialStatus.DIAL_ERROR and not arrived:
            reached, reason = False, "dialed without success"
        return Outcome(reached, Evidence.AUTONAT_2, reason)

    async def _ask1(self, server: Server, address: Multiaddr) -> Outcome:
        """
        Ask in version 1.
        """
        remote = server.connection.remoteAddress
        arrival: list[bytes | bool | None] = [remote.host if remote else None, False]
        self._arrivals.append(arrival)
        try:
            request = Request1(self._host.peerID, (address,)).toBytes()
            data = await self._exchange.ask(server.connection, request)
        finally:
            # Others may look the same.
            self._arrivals = [each for each in self._arrivals if each is not arrival]
        now = self._host.clock.seconds()
        answer = Answer1.fromBytes(data)
        reached: bool | None = None
        reason = f"status {answer.status}"
        if answer.status == Status1.OK:
            reached = True if arrival[1] else None
            reason = "dialed" if reached else "dialed, but no connection came"
        elif answer.status == Status1.DIAL_ERROR and not arrival[1]:
            reached, reason = False, "dialed without success"
        elif answer.status == Status1.DIAL_REFUSED:
            server.refuses(address, now, now + REFUSED)
            reason = "this server does not dial it"
        return Outcome(reached, Evidence.AUTONAT_1, reason)
