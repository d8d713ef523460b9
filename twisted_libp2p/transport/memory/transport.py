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
from twisted_libp2p.transport.memory.numbers import MemoryNumbers, MemoryPort

__all__ = ["MemoryNetwork", "MemoryTransport"]


class _ClockedEnd(MemoryEnd):
    """
    One end whose bytes arrive after the delay of the network, at most L{HIGH_WATER} of
    them in one turn of the clock.
    """

    def __init__(
        self, clock: IReactorTime, delay: float, host: IAddress, protocol: IProtocol
    ) -> None:
        super().__init__(host, protocol, delay)
        self._clock = clock
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
        self._scheduled = False
        silent = self.disconnected or self._aborted or self.stalled
        if silent or not self.other._reading:
            return
        self._settle(self._deliver(HIGH_WATER) > 0)
        if self._written or (self.disconnecting and self._endsAt > self._now()):
            self._schedule()

    def _cut(self) -> None:
        self._clock.callLater(0, self.lose, ConnectionAborted())
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
    ) -> None:
        """
        Connect two protocols: the server's first, as with sockets.

        @param address: the address of the server.
        @param source: the address of the client; None is a free number.
        """
        host = self.free() if source is None else source
        near = _ClockedEnd(self.clock, self.delay, host, client)
        far = _ClockedEnd(self.clock, self.delay, address, server)
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
        address: MemoryAddress,
        source: MemoryAddress | None,
    ) -> None:
        self._network = network
        self._address = address
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
        address = self._address
        factory = self._network.receiver(address)
        server = None if factory is None else factory.buildProtocol(address)
        if server is None:
            return fail(ConnectionRefusedError(f"nobody listens at {address}"))
        client = protocolFactory.buildProtocol(address)
        if client is None:
            return fail(ConnectionRefusedError("the factory gave no protocol"))
        self._network.join(client, server, address, self._source)
        return succeed(client)


@implementer(IStreamServerEndpoint)
class _ServerEndpoint:
    """
    Listens at a number in a network; 0 takes a free one.
    """

    def __init__(self, network: MemoryNetwork, address: MemoryAddress) -> None:
        self._network = network
        self._address = address

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Listen at once, or fail at once.
        """
        return self._network.listen(self._address, protocolFactory)


@implementer(ITransport, IKeepsToProxy)
class MemoryTransport(MemoryAddressing):
    """
    Dials, and listens on, C{/memory} addresses of one network.
    """

    name = "memory"
    byteStream = True

    def __init__(self, network: MemoryNetwork) -> None:
        """
        @param network: the network of the peers to reach.
        """
        self._network = network

    def clientEndpoint(
        self, address: Multiaddr, options: DialOptions = DEFAULT_OPTIONS
    ) -> IStreamClientEndpoint:
        """
        Return the endpoint that connects to an address.

        @raise UnsupportedAddress: C{options.local} is not an address of memory.
        """
        local = options.local
        source = None if local is None else MemoryAddress.of(local)
        return _ClientEndpoint(self._network, MemoryAddress.of(address), source)

    def serverEndpoint(self, address: Multiaddr) -> IStreamServerEndpoint:
        """
        Return the endpoint that listens on an address.
        """
        return _ServerEndpoint(self._network, MemoryAddress.of(address))
