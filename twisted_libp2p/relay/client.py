# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The use of relays by a node: circuits that it opens and accepts, and its reservations.
"""

from __future__ import annotations

from collections.abc import Callable
from random import random
from typing import Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IProtocol, IProtocolFactory
from twisted.python.failure import Failure

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.connection.building import StreamFactory
from twisted_libp2p.connection.connection import isRelayed
from twisted_libp2p.connmanager.keepalive import KeepAlive
from twisted_libp2p.errors import (
    CircuitRefused,
    LimitedConnection,
    ProtocolViolation,
)
from twisted_libp2p.events import ListenClose, OpenedConn
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IConnection, IHost, IRegistration, ISubscription
from twisted_libp2p.pacing import Deadlines
from twisted_libp2p.protocols.exchange import Exchange
from twisted_libp2p.relay.circuit import (
    CIRCUIT,
    Allowance,
    Circuit,
    CircuitAddress,
    throughRelay,
)
from twisted_libp2p.relay.holding import Holding
from twisted_libp2p.relay.messages import (
    HOP,
    MAX_MESSAGE,
    STOP,
    Hop,
    HopType,
    Limit,
    Status,
    Stop,
    StopType,
)
from twisted_libp2p.relay.port import CircuitPort
from twisted_libp2p.relay.talk import Talk

__all__ = ["RelayClient"]

#: Seconds that a relay has to connect us with a peer: it has to ask that peer.
CONNECT_TIME: Final = 20.0

#: Seconds that a relay has for its message on a stream that it opens, and for its
#: answer to a request for a reservation.
MESSAGE_TIME: Final = 15.0

#: Seconds between two pings of a relay that has granted a reservation, and for an
#: answer.  A router that has forgotten us, or a new address of ours, is noticed by
#: their loss: nobody could reach us until then.
RELAY_INTERVAL: Final = 5.0


#: How many circuits of one relay may wait for the proof of who their peers are: a relay
#: cannot take all the places of connections that are being upgraded.
MAX_UPGRADING: Final = 32

#: How many circuits of one relay are accepted, whoever their peers are: their addresses
#: are unknown, so the limits on networks do not apply to them.
MAX_CIRCUITS: Final = 128


class RelayClient:
    """
    Opens circuits, holds reservations, and accepts circuits of the relays that have
    granted these.

    @ivar ports: the wanted reservations, by relay.
    """

    def __init__(self, host: IHost, random: Callable[[], float] = random) -> None:
        """
        @param random: returns numbers from 0 to 1, which spread the renewals.
        """
        self._host = host
        self._random = random
        self._connecting = Deadlines(host.clock, CONNECT_TIME)
        self._accepting = Deadlines(host.clock, MESSAGE_TIME)
        self._exchange = Exchange(
            HOP, host.clock, timeout=MESSAGE_TIME, maximum=MAX_MESSAGE
        )
        self._keepAlive = KeepAlive(
            host.clock, RELAY_INTERVAL, lambda connection: connection.ping()
        )
        self.ports: dict[PeerID, CircuitPort] = {}
        self._serving: IRegistration | None = None
        self._watching: tuple[ISubscription, ...] = ()

    # Opening

    async def open(
        self,
        relay: PeerID,
        address: Multiaddr,
        peer: PeerID,
        factory: IProtocolFactory,
    ) -> IProtocol:
        """
        Open a circuit.

        @param relay: the relay.
        @param address: the address of the relay; empty if only its id is known.
        @param peer: the peer to reach.
        @param factory: builds the protocol that the circuit carries.
        @return: the circuit.
        """
        connection = await self._direct(relay, address)
        opened: Deferred[IProtocol] = Deferred(
            lambda _: talk.transport.abortConnection()
        )

        def failed(reason: Failure) -> None:
            if not opened.called:
                opened.errback(reason)

        def heard(talk: Talk, answer: bytes) -> None:
            try:
                limit = _agreed(answer)
                circuit = self._circuit(connection, None, limit, factory)
                if circuit is None:
                    raise CancelledError
            except Exception:
                talk.transport.abortConnection()
                failed(Failure())
            else:
                _carry(talk, circuit)
                opened.callback(circuit)

        request = Hop(HopType.CONNECT, peer).toBytes()
        talk = Talk(self._connecting, HOP, heard, failed, request)
        try:
            await connection.openStream(HOP, StreamFactory(lambda: talk))
            return await opened
        except BaseException:
            opened.addErrback(lambda _: None)
            raise

    async def _direct(self, relay: PeerID, address: Multiaddr) -> IConnection:
        """
        Connect to a relay, directly.

        @raise LimitedConnection: it is only reached through another relay.
        @raise twisted_libp2p.errors.AddressRefused: peers have named it too often.
        """
        for each in self._host.connections.to(relay):
            if not isRelayed(each.remoteAddress) and each.connected:
                return each
        if address:
            # A peer may have named it: the filter has judged it as part of the circuit.
            self._host.addressFilter.dialing(Origin.HOST, address)
        target = address.withPeer(relay) if address else relay
        found: IConnection = await self._host.connect(target)
        if isRelayed(found.remoteAddress):
            raise LimitedConnection(f"{relay} is only reached through another relay")
        return found

    def _circuit(
        self,
        connection: IConnection,
        peer: PeerID | None,
        limit: Limit | None,
        factory: IProtocolFactory,
    ) -> Circuit | None:
        """
        Make our end of a circuit.

        @param peer: the peer that has dialed, as the relay says.
        @return: None if the factory refuses it.
        """
        relay = connection.remotePeer
        allowance = None if limit is None else Allowance(self._host.clock, limit)
        through = throughRelay(relay, connection.remoteAddress)
        circuit = Circuit(
            factory,
            CircuitAddress(relay, CIRCUIT, None, allowance),
            CircuitAddress(relay, through, peer, allowance),
            allowance,
        )
        return None if circuit.wrappedProtocol is None else circuit

    # Listening

    def listen(
        self, address: Multiaddr, relay: PeerID, factory: IProtocolFactory
    ) -> CircuitPort:
        """
        Listen at a relay.

        @param address: the requested address.
        @param relay: the relay that it names.
        @raise CannotListenError: the node listens there already.
        """
        if relay in self.ports:
            raise CannotListenError(
                str(address), CIRCUIT, OSError("there is a reservation already")
            )
        known = address.decapsulate(CIRCUIT).withoutPeer()
        holding = Holding(
            self._host,
            self._exchange,
            relay,
            [known] if known else [],
            lambda: port.changed(),
            self._keepAlive,
            self._random,
        )
        port = CircuitPort(address, factory, holding, self._stopped)
        if not self.ports:
            self._serving = self._host.registry.register(
                STOP,
                StreamFactory(
                    lambda: Talk(self._accepting, STOP, self._asked, lambda _: None)
                ),
            )
            events = self._host.events
            self._watching = (
                events.subscribe(OpenedConn, self._opened),
                events.subscribe(ListenClose, self._moved),
            )
        self.ports[relay] = port
        holding.start()
        return port

    def _stopped(self, port: CircuitPort) -> None:
        """
        Forget a port.
        """
        del self.ports[port.holding.relay]
        if self.ports or self._serving is None:
            return
        self._serving.cancel()
        self._serving = None
        for each in self._watching:
            each.cancel()
        self._watching = ()

    # Accepting

    def _asked(self, talk: Talk, request: bytes) -> None:
        """
        Answer a relay that wants to connect a peer with us.
        """
        connection: IConnection = talk.transport.connection
        relay = connection.remotePeer
        port = self.ports.get(relay)
        try:
            message = Stop.fromBytes(request)
        except ProtocolViolation:
            talk.close(_status(Status.MALFORMED_MESSAGE))
            return
        if message.type is not StopType.CONNECT:
            talk.close(_status(Status.UNEXPECTED_MESSAGE))
        elif (
            port is None or not port.holding.held or isRelayed(connection.remoteAddress)
        ):
            talk.close(_status(Status.NO_RESERVATION))
        elif message.peer in (self._host.peerID, relay):
            talk.close(_status(Status.PERMISSION_DENIED))
        elif len(port.upgrading) >= MAX_UPGRADING or len(port.circuits) >= MAX_CIRCUITS:
            talk.close(_status(Status.RESOURCE_LIMIT_EXCEEDED))
        else:
            circuit = self._circuit(
                connection, message.peer, message.limit, port.factory
            )
            if circuit is None:
                talk.close(_status(Status.RESOURCE_LIMIT_EXCEEDED))
            else:
                port.accept(circuit)
                talk.answer(_status(Status.OK))
                _carry(talk, circuit)

    def _opened(self, event: OpenedConn) -> None:
        """
        Count a circuit no longer whose peer has proven who it is.
        """
        if not isRelayed(event.remoteAddress):
            return
        for port in self.ports.values():
            for each in port.upgrading:
                if each.getPeer().peer == event.peer:
                    port.upgrading.discard(each)
                    return

    def _moved(self, event: ListenClose) -> None:
        """
        Look after the relays to which the connection had a local address that is gone.
        """
        host = event.address.host
        if host is not None and not isRelayed(event.address):
            for port in list(self.ports.values()):
                port.holding.doubt(host)


def _carry(talk: Talk, circuit: Circuit) -> None:
    """
    Let the stream of a talk carry a circuit.
    """
    stream = talk.transport
    rest = talk.give(circuit)
    if rest:
        stream.unread(rest)
    stream.resumeProducing()


def _agreed(answer: bytes) -> Limit | None:
    """
    Read the answer of a relay to a CONNECT.

    @return: its limits.
    @raise CircuitRefused: it does not connect us.
    @raise ProtocolViolation: the answer is another message.
    """
    message = Hop.fromBytes(answer)
    if message.type is not HopType.STATUS or message.status is None:
        raise ProtocolViolation(HOP, "the answer is not a status")
    if message.status != Status.OK:
        raise CircuitRefused(message.status, Status.nameOf(message.status))
    return message.limit


def _status(status: Status) -> bytes:
    """
    Return an answer to a relay.
    """
    return Stop(StopType.STATUS, status=status).toBytes()
