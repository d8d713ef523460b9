# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Transports in memory whose connections are cut, or slow.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.interfaces import DEFAULT_OPTIONS, DialOptions
from twisted_libp2p.transport import MemoryNetwork, MemoryTransport

__all__ = ["CutTransport", "SlowTransport"]


class _Factory(WrappingFactory[ProtocolWrapper]):
    """
    Builds the dialer's ends of connections.
    """

    noisy = False
    link: Any

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> ProtocolWrapper | None:
        """
        Build one, unless it is refused.
        """
        wrapped = self.wrappedFactory.buildProtocol(addr)
        return None if wrapped is None else self.link.end(self, wrapped)


@implementer(IStreamClientEndpoint)
class _Endpoint:
    """
    Connects by a link.
    """

    def __init__(self, link: LinkTransport, endpoint: IStreamClientEndpoint) -> None:
        self._link = link
        self._endpoint = endpoint

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect.
        """
        factory = _Factory(protocolFactory)
        factory.link = self._link
        connecting: Deferred[Any] = self._endpoint.connect(factory)
        return connecting.addCallback(lambda connection: connection.wrappedProtocol)


class LinkTransport(MemoryTransport):
    """
    Dials in memory, by links that do something to the bytes.

    @cvar end: the type of their ends.
    """

    end: ClassVar[type[ProtocolWrapper]]

    def clientEndpoint(
        self, address: Multiaddr, options: DialOptions = DEFAULT_OPTIONS
    ) -> IStreamClientEndpoint:
        """
        Give the endpoint that connects to an address.
        """
        return _Endpoint(self, super().clientEndpoint(address, options))


class _CutEnd(ProtocolWrapper):
    """
    The dialer's end of a connection that is cut.
    """

    factory: Any
    transport: Any
    _cut = False

    def makeConnection(self, transport: Any) -> None:
        """
        Begin to count.
        """
        self.factory.link.passed = {"sent": 0, "received": 0}
        super().makeConnection(transport)

    def write(self, data: bytes) -> None:
        """
        Send, as far as it goes.
        """
        self._pass("sent", data, self.transport.write)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """
        Send, as far as it goes.
        """
        self.write(b"".join(data))

    def dataReceived(self, data: bytes) -> None:
        """
        Receive, as far as it goes.
        """
        self._pass("received", data, super().dataReceived)

    def _pass(self, way: str, data: bytes, on: Any) -> None:
        if self._cut:
            return
        link = self.factory.link
        if way == link.way:
            left = link.count - link.passed[way]
            self._cut = len(data) >= left
            data = data[:left]
        link.passed[way] += len(data)
        if data:
            on(data)
        if self._cut:
            # A producer would keep the connection open.
            self.transport.unregisterProducer()
            if link.clean:
                self.transport.loseConnection()
            else:
                self.transport.abortConnection()


class CutTransport(LinkTransport):
    """
    Cuts what it has dialed.

    @ivar way: which bytes count, C{sent} or C{received}; none at first.
    @ivar count: after how many of these a connection is cut.
    @ivar clean: whether it is closed, rather than reset.
    @ivar passed: how many bytes went each way, on the last connection.
    """

    end = _CutEnd

    way = ""
    count = 0
    clean = False
    passed: dict[str, int]


class _SlowEnd(ProtocolWrapper):
    """
    The dialer's end of a connection on which it reads slowly.
    """

    factory: Any
    transport: Any
    _call: IDelayedCall | None = None

    def makeConnection(self, transport: Any) -> None:
        """
        Nothing is held yet.
        """
        self._held = bytearray()
        super().makeConnection(transport)

    def dataReceived(self, data: bytes) -> None:
        """
        Receive, or hold.
        """
        link = self.factory.link
        if not link.slow:
            super().dataReceived(data)
            return
        self._held += data
        # It goes on when all of this is read; until then the sender has to wait.
        self.transport.pauseProducing()
        if link.pace is not None and self._call is None:
            self._call = link.clock.callLater(link.pace, self._read)

    def _read(self) -> None:
        self._call = None
        link = self.factory.link
        byte = bytes(self._held[:1])
        del self._held[:1]
        if self._held:
            self._call = link.clock.callLater(link.pace, self._read)
        else:
            self.transport.resumeProducing()
        super().dataReceived(byte)

    def write(self, data: bytes) -> None:
        """
        Send.
        """
        if not self.factory.link.mute:
            self.transport.write(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """
        Send.
        """
        self.write(b"".join(data))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Read no more.
        """
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
        super().connectionLost(reason)


class SlowTransport(LinkTransport):
    """
    Reads slowly what it has dialed.

    @ivar slow: whether it does so; it reads as fast as it can at first.
    @ivar pace: seconds from one byte to the next; None reads nothing.
    @ivar mute: whether it sends nothing, either.
    """

    end = _SlowEnd

    slow = False
    mute = False
    pace: float | None = None

    def __init__(self, network: MemoryNetwork) -> None:
        """
        @param network: whom to reach.
        """
        super().__init__(network)
        self.clock = network.clock
