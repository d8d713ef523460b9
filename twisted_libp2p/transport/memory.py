# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A transport inside one process, for tests: no socket, no port, no wait but the
turn of the reactor.

Nodes that share a L{MemoryNetwork} reach each other by addresses such as
C{/memory/7}.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import (
    CannotListenError,
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
)
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IPushProducer,
    IReactorTime,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from twisted.internet.interfaces import ITransport as ITwistedTransport
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import UnsupportedAddress
from twisted_libp2p.interfaces import DEFAULT_OPTIONS, DialOptions, ITransport
from twisted_libp2p.pacing.below import Switchable

__all__ = ["MemoryAddress", "MemoryNetwork", "MemoryTransport"]

#: How many bytes may wait in one direction before the sender is paused.
HIGH_WATER = 65536


@implementer(IAddress)
@dataclass(frozen=True, slots=True)
class MemoryAddress:
    """
    One end of a connection in memory.

    @ivar number: the number of the listener, or of the dialer's end.
    """

    number: int


@implementer(ITwistedTransport, IConsumer, IPushProducer)
class _End(Switchable):
    """
    One end: what is written here is delivered at the other end, in a later
    turn of the clock, in pieces of at most L{HIGH_WATER} bytes.
    """

    other: _End

    def __init__(self, clock: IReactorTime, delay: float, host: IAddress) -> None:
        self._clock = clock
        self._delay = delay
        self._host = host
        self._outgoing: deque[tuple[float, bytes]] = deque()
        self._buffered = 0
        self._scheduled = False
        self._paused = False
        self._producer: Any = None
        self._streaming = False
        self._producerPaused = False
        self.protocol: IProtocol | None = None
        self.disconnecting = False
        self.connected = True
        self._aborted = False
        self._endsAt = 0.0

    # ITransport

    def write(self, data: bytes) -> None:
        # A close waits for what a producer still has to say.
        closing = self.disconnecting and self._producer is None
        if not self.connected or self._aborted or closing or not data:
            return
        self._outgoing.append((self._clock.seconds() + self._delay, bytes(data)))
        self._buffered += len(data)
        if self._buffered > HIGH_WATER:
            self._pauseProducer()
        self._schedule()

    def writeSequence(self, data: Any) -> None:
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        if self.connected and not self.disconnecting:
            self.disconnecting = True
            self._endsAt = self._clock.seconds() + self._delay
            self._schedule()

    def abortConnection(self) -> None:
        if self.connected and not self._aborted:
            self.disconnecting = True
            # Both ends deliver nothing more, not even an end in peace.
            self._aborted = self.other._aborted = True
            self._clock.callLater(0, self._lost, Failure(ConnectionAborted()))
            self._clock.callLater(
                self._delay, self.other._lost, Failure(ConnectionLost())
            )

    def getPeer(self) -> IAddress:
        return self.other._host

    def getHost(self) -> IAddress:
        return self._host

    # IConsumer

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        if self._producer is not None:
            raise RuntimeError("a producer is registered already")
        if not self.connected:
            producer.stopProducing()
            return
        self._producer = producer
        self._streaming = streaming
        self._producerPaused = not streaming
        if not streaming:
            producer.resumeProducing()

    def unregisterProducer(self) -> None:
        self._producer = None
        self._schedule()

    # IPushProducer: what the protocol of this end wants to receive.

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        if self._paused:
            self._paused = False
            self.other._schedule()

    def stopProducing(self) -> None:
        self.loseConnection()

    def _pauseProducer(self) -> None:
        if self._producer is not None and self._streaming and not self._producerPaused:
            self._producerPaused = True
            self._producer.pauseProducing()

    def _schedule(self) -> None:
        if not self._scheduled and self.connected:
            self._scheduled = True
            due = self._outgoing[0][0] if self._outgoing else self._endsAt
            self._clock.callLater(max(0.0, due - self._clock.seconds()), self._deliver)

    def _deliver(self) -> None:
        """
        Deliver the bytes that are due to the other end, unless it has paused.
        """
        self._scheduled = False
        other = self.other
        if not self.connected or self._aborted or other._paused:
            return
        now = self._clock.seconds()
        size = 0
        pieces = []
        while self._outgoing and self._outgoing[0][0] <= now and size < HIGH_WATER:
            pieces.append(self._outgoing.popleft()[1])
            size += len(pieces[-1])
        self._buffered -= size
        if pieces and other.protocol is not None:
            other.protocol.dataReceived(b"".join(pieces))
        if self._outgoing:
            self._schedule()
        elif self.connected and not self._aborted:
            self._drained(now)

    def _drained(self, now: float) -> None:
        """
        Ask the producer for more when everything is delivered; close if that is due.

        @param now: the time.
        """
        if self._producer is not None and self._producerPaused:
            self._producerPaused = not self._streaming
            self._producer.resumeProducing()
        elif self.disconnecting and self._producer is None:
            if self._endsAt > now:
                self._schedule()
                return
            self._lost(Failure(ConnectionDone()))
            self.other._lost(Failure(ConnectionDone()))
        if self._outgoing:
            self._schedule()

    def _lost(self, reason: Failure) -> None:
        if not self.connected:
            return
        self.connected = False
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            protocol.connectionLost(reason)


@implementer(IListeningPort)
class _Port:
    """
    A listener of a network in memory.
    """

    def __init__(
        self, network: MemoryNetwork, address: MemoryAddress, factory: IProtocolFactory
    ) -> None:
        self._network = network
        self._address = address
        self.factory = factory

    def startListening(self) -> None:
        """
        Accept connections.

        @raise CannotListenError: somebody else does at this address.
        """
        if self._address.number in self._network.ports:
            raise CannotListenError(
                "memory", self._address.number, OSError("address in use")
            )
        self._network.ports[self._address.number] = self
        self.factory.doStart()

    def stopListening(self) -> Deferred[None]:
        """
        Accept no more.
        """
        if self._network.ports.pop(self._address.number, None) is not None:
            self.factory.doStop()
        return succeed(None)

    def getHost(self) -> MemoryAddress:
        """
        Give the address on which this listens.
        """
        return self._address


class MemoryNetwork:
    """
    What connects the nodes that share it.

    @ivar ports: who listens, by number.
    """

    def __init__(self, clock: IReactorTime, delay: float = 0.0) -> None:
        """
        @param clock: the reactor whose turns deliver the bytes.
        @param delay: seconds that bytes are on their way, in one direction.
        """
        self.clock = clock
        self.delay = delay
        self.ports: dict[int, _Port] = {}
        self._last = 0

    def free(self) -> int:
        """
        Give a number that no end has yet.
        """
        self._last += 1
        while self._last in self.ports:
            self._last += 1
        return self._last

    def join(
        self,
        client: IProtocol,
        server: IProtocol,
        number: int,
        source: IAddress | None = None,
    ) -> None:
        """
        Connect two protocols: the server's first, as with sockets.

        @param number: where the server listens.
        @param source: where the client comes from; None is a free number.
        """
        host = MemoryAddress(self.free()) if source is None else source
        near = _End(self.clock, self.delay, host)
        far = _End(self.clock, self.delay, MemoryAddress(number))
        near.other, far.other = far, near
        near.protocol, far.protocol = client, server
        server.makeConnection(far)
        client.makeConnection(near)


@implementer(IStreamClientEndpoint)
class _ClientEndpoint:
    """
    Connects to a number in a network.
    """

    def __init__(
        self, network: MemoryNetwork, number: int, source: MemoryAddress | None
    ) -> None:
        self._network = network
        self._number = number
        self._source = source

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect after a round trip, or fail.
        """
        if not self._network.delay:
            return self._connect(protocolFactory)
        arriving: Deferred[Any] = deferLater(
            self._network.clock, 2 * self._network.delay
        )
        return arriving.addCallback(lambda _: self._connect(protocolFactory))

    def _connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        port = self._network.ports.get(self._number)
        address = MemoryAddress(self._number)
        server = None if port is None else port.factory.buildProtocol(address)
        if server is None:
            return fail(ConnectionRefusedError(f"nobody listens at {address}"))
        client = protocolFactory.buildProtocol(address)
        if client is None:
            return fail(ConnectionRefusedError("the factory gave no protocol"))
        self._network.join(client, server, self._number, self._source)
        return succeed(client)


@implementer(IStreamServerEndpoint)
class _ServerEndpoint:
    """
    Listens at a number in a network; 0 takes a free one.
    """

    def __init__(self, network: MemoryNetwork, number: int) -> None:
        self._network = network
        self._number = number

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Listen at once, or fail at once.
        """
        number = self._number or self._network.free()
        port = _Port(self._network, MemoryAddress(number), protocolFactory)
        try:
            port.startListening()
        except CannotListenError:
            return fail()
        return succeed(port)


@implementer(ITransport)
class MemoryTransport:
    """
    Dials, and listens on, C{/memory} addresses of one network.
    """

    name = "memory"
    byteStream = True

    def __init__(self, network: MemoryNetwork) -> None:
        """
        @param network: whom to reach.
        """
        self._network = network

    def canDial(self, address: Multiaddr) -> bool:
        """
        Tell whether the address is one of memory, and no more.
        """
        return address.names == ("memory",)

    canListen = canDial

    def clientEndpoint(
        self, address: Multiaddr, options: DialOptions = DEFAULT_OPTIONS
    ) -> IStreamClientEndpoint:
        """
        Return the endpoint that connects to an address.

        @raise UnsupportedAddress: C{options.local} is not an address of memory.
        """
        source = None
        if options.local is not None:
            source = MemoryAddress(self._number(options.local))
        return _ClientEndpoint(self._network, self._number(address), source)

    def serverEndpoint(self, address: Multiaddr) -> IStreamServerEndpoint:
        """
        Give the endpoint that listens on an address.
        """
        return _ServerEndpoint(self._network, self._number(address))

    def listeningOn(self, address: Multiaddr, port: IListeningPort) -> list[Multiaddr]:
        """
        Give the address of a listener.
        """
        host = self.toMultiaddr(port.getHost())
        return [] if host is None else [host]

    def toMultiaddr(self, address: IAddress) -> Multiaddr | None:
        """
        Translate an address of memory.
        """
        if isinstance(address, MemoryAddress):
            return Multiaddr(f"/memory/{address.number}")
        return None

    def _number(self, address: Multiaddr) -> int:
        if not self.canDial(address):
            raise UnsupportedAddress(
                f"{address} is no address of memory: /memory/7 is one"
            )
        return int(address.value("memory") or 0)
