# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A transport inside one process: bytes arrive in the next turn of the reactor.

Nodes that share a L{MemoryNetwork} reach each other by addresses such as
C{/memory/7}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import (
    ConnectionAborted,
    ConnectionLost,
    ConnectionRefusedError,
)
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from twisted.internet.task import deferLater
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.interfaces import (
    DEFAULT_OPTIONS,
    DialOptions,
    IKeepsToProxy,
    ITransport,
)
from twisted_libp2p.transport.memory.addresses import MemoryAddress, MemoryAddressing
from twisted_libp2p.transport.memory.end import HIGH_WATER, MemoryEnd
from twisted_libp2p.transport.memory.life import Life
from twisted_libp2p.transport.memory.link import Link
from twisted_libp2p.transport.memory.numbers import MemoryNumbers, MemoryPort

__all__ = ["MemoryNetwork", "MemoryTransport"]


class _ClockedEnd(MemoryEnd):
    """
    One end whose bytes arrive after the delay of the network, at most L{HIGH_WATER} of
    them in one turn of the clock, and not while the link is cut.
    """

    def __init__(
        self,
        clock: IReactorTime,
        delay: float,
        link: Link,
        host: IAddress,
        protocol: IProtocol,
    ) -> None:
        super().__init__(host, protocol, delay)
        self._clock = clock
        self._link = link
        self._scheduled = False

    def _now(self) -> float:
        now: float = self._clock.seconds()
        return now

    def _schedule(self) -> None:
        if not self._scheduled and not self.disconnected:
            self._scheduled = True
            due = self._written[0][0] if self._written else self._endsAt
            self._clock.callLater(max(0.0, due - self._now()), self._turn)

    def _turn(self) -> None:
        """
        Deliver once, unless the other end has paused.
        """
        if self._link.isCut:
            self._link.whenOpen().addCallback(self._resume)
            return
        self._scheduled = False
        if self.silent or self.stalled or not self.other._reading:
            return
        self._settle(self._deliver(HIGH_WATER) > 0)
        if self._written or (self.life is Life.CLOSING and self._endsAt > self._now()):
            self._schedule()

    def _resume(self, opened: None) -> None:
        """
        Deliver again: the link was repaired.
        """
        self._scheduled = False
        self._schedule()

    def abortConnection(self) -> None:
        """
        Drop the written bytes and close at once, also if the other end was aborted and
        the news of that has not arrived.
        """
        if self.life in (Life.CUT, Life.ABORTED):
            self._move("close")
            self._clock.callLater(0, self.lose, ConnectionAborted())
        else:
            super().abortConnection()

    def _cut(self) -> None:
        self._clock.callLater(0, self.lose, ConnectionAborted())
        self._link.whenOpen().addCallback(self._sendAbort)

    def _sendAbort(self, opened: None) -> None:
        """
        Let the other end see the abort, after the delay.
        """
        self._clock.callLater(self._delay, self.other.lose, ConnectionLost())


class _FactoryPort(MemoryPort[IProtocolFactory]):
    """
    A listener that builds the protocols of its connections.
    """

    def startListening(self) -> None:
        """
        Accept connections.
        """
        super().startListening()
        self.receiver.doStart()

    def stopListening(self) -> Deferred[None]:
        """
        Accept no further connections.
        """
        if self._network.ports.get(self._address.number) is self:
            self.receiver.doStop()
        return super().stopListening()


class MemoryNetwork(MemoryNumbers[IProtocolFactory]):
    """
    The network of the nodes that share it; it carries bytes.
    """

    def __init__(self, clock: IReactorTime, delay: float = 0.0) -> None:
        super().__init__(clock, delay)
        # By the transports of their two nodes; and the transport of each listener.
        self._links: dict[frozenset[object], Link] = {}
        self._places: dict[int, object] = {}

    def link(self, one: object, other: object) -> Link:
        """
        Return the link between the nodes of two transports.
        """
        return self._links.setdefault(frozenset((one, other)), Link())

    def linkTo(self, transport: object, address: MemoryAddress) -> Link:
        """
        Return the link from the node of a transport to the node that listens, or has
        listened, on an address.
        """
        return self.link(transport, self._places.get(address.number))

    def listenFor(
        self, transport: object, address: MemoryAddress, factory: IProtocolFactory
    ) -> Deferred[IListeningPort]:
        """
        Listen at once, or fail at once, for the node of a transport.
        """

        def note(port: IListeningPort) -> IListeningPort:
            host = port.getHost()
            assert isinstance(host, MemoryAddress)
            self._places[host.number] = transport
            return port

        return self.listen(address, factory).addCallback(note)

    def port(
        self, address: MemoryAddress, receiver: IProtocolFactory
    ) -> MemoryPort[IProtocolFactory]:
        """
        Make a listener.
        """
        return _FactoryPort(self, address, receiver)

    def join(
        self,
        client: IProtocol,
        server: IProtocol,
        address: MemoryAddress,
        source: IAddress | None = None,
        link: Link | None = None,
    ) -> None:
        """
        Connect two protocols: the server's first, as with sockets.

        @param address: the address of the server.
        @param source: the address of the client; None is a free number.
        @param link: the way between them; None is never cut.
        """
        host = self.free() if source is None else source
        link = link or Link()
        near = _ClockedEnd(self.clock, self.delay, link, host, client)
        far = _ClockedEnd(self.clock, self.delay, link, address, server)
        near.other, far.other = far, near
        server.makeConnection(far)
        client.makeConnection(near)


@implementer(IStreamClientEndpoint)
class _ClientEndpoint:
    """
    Connects to a number in a network.
    """

    def __init__(
        self,
        network: MemoryNetwork,
        transport: MemoryTransport,
        address: MemoryAddress,
        source: MemoryAddress | None,
    ) -> None:
        self._network = network
        self._transport = transport
        self._address = address
        self._source = source

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect after a round trip, and not while the link is cut; or fail.
        """
        link = self._network.linkTo(self._transport, self._address)
        if not self._network.delay:
            arriving: Deferred[Any] = link.whenOpen()
        else:
            arriving = deferLater(self._network.clock, 2 * self._network.delay)
            arriving.addCallback(lambda _: link.whenOpen())
        return arriving.addCallback(lambda _: self._connect(protocolFactory, link))

    def _connect(
        self, protocolFactory: IProtocolFactory, link: Link
    ) -> Deferred[IProtocol]:
        address = self._address
        factory = self._network.receiver(address)
        server = None if factory is None else factory.buildProtocol(address)
        if server is None:
            return fail(ConnectionRefusedError(f"nobody listens at {address}"))
        client = protocolFactory.buildProtocol(address)
        if client is None:
            return fail(ConnectionRefusedError("the factory gave no protocol"))
        self._network.join(client, server, address, self._source, link)
        return succeed(client)


@implementer(IStreamServerEndpoint)
class _ServerEndpoint:
    """
    Listens at a number in a network; 0 takes a free one.
    """

    def __init__(
        self, network: MemoryNetwork, transport: MemoryTransport, address: MemoryAddress
    ) -> None:
        self._network = network
        self._transport = transport
        self._address = address

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Listen at once, or fail at once.
        """
        return self._network.listenFor(self._transport, self._address, protocolFactory)


@implementer(ITransport, IKeepsToProxy)
class MemoryTransport(MemoryAddressing):
    """
    Dials, and listens on, C{/memory} addresses of one network, for one node: the links
    of the network lead from transport to transport.

    @ivar network: the network of the peers to reach.
    """

    name = "memory"
    byteStream = True

    def __init__(self, network: MemoryNetwork) -> None:
        """
        @param network: the network of the peers to reach.
        """
        self.network = network

    def clientEndpoint(
        self, address: Multiaddr, options: DialOptions = DEFAULT_OPTIONS
    ) -> IStreamClientEndpoint:
        """
        Return the endpoint that connects to an address.

        @raise UnsupportedAddress: C{options.local} is not an address of memory.
        """
        local = options.local
        source = None if local is None else MemoryAddress.of(local)
        return _ClientEndpoint(self.network, self, MemoryAddress.of(address), source)

    def serverEndpoint(self, address: Multiaddr) -> IStreamServerEndpoint:
        """
        Return the endpoint that listens on an address.
        """
        return _ServerEndpoint(self.network, self, MemoryAddress.of(address))
