# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Connections that are none, and nodes in memory that have IP addresses.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.base import DelayedCall
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import (
    IAddress,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connmanager import ConnectionManager
from twisted_libp2p.errors import ClosedHere
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import DEFAULT_OPTIONS, DialOptions, Direction
from twisted_libp2p.transport import MemoryNetwork, MemoryTransport
from twisted_libp2p.transport.memory import MemoryAddress


def peer(number: int) -> PeerID:
    """
    Make up a peer.
    """
    return PeerID(b"\x00\x04" + number.to_bytes(4, "big"))


class _Call(DelayedCall):
    """
    A call that moves when it is reset.
    """

    clock: CrowdedClock

    def reset(self, secondsFromNow: float) -> None:
        """
        Wait for so many seconds from now.
        """
        self.clock.take(self)
        self.time = self.seconds() + secondsFromNow
        self.clock.put(self)


class CrowdedClock(Clock):
    """
    A clock for thousands of calls: it puts each in its place, where C{Clock}
    sorts them all.
    """

    def callLater(
        self, delay: float, callable: Callable[..., object], *args: object, **kw: object
    ) -> Any:
        """
        Wait.
        """
        time, now = self.seconds() + delay, self.seconds
        call = _Call(time, callable, args, kw, self.take, lambda _: None, now)
        call.clock = self
        self.put(call)
        return call

    def put(self, call: _Call) -> None:
        """
        Add a call, behind those of the same time.
        """
        insort(self.calls, call, key=DelayedCall.getTime)

    def take(self, call: Any) -> None:
        """
        Remove a call.
        """
        index = bisect_left(self.calls, call.getTime(), key=DelayedCall.getTime)
        while self.calls[index] is not call:
            index += 1
        del self.calls[index]

    def _sortCalls(self) -> None:
        """
        They are in order.
        """


class FakeStream:
    """
    A stream that has a protocol, and nothing else.
    """

    def __init__(self, protocolID: str | None = "/a") -> None:
        self.protocolID = protocolID


class FakeConnection:
    """
    A connection as its manager sees it.
    """

    localAddress = remoteAddress = None
    security, muxer, early = "/noise", "/yamux/1.0.0", True
    keepsAlive = True
    localPeer = peer(0)
    remoteKey = None
    limited = False
    transport, upgradeTime = "memory", 0.0

    def __init__(
        self, manager: ConnectionManager, remotePeer: PeerID, initiator: bool = False
    ) -> None:
        self._manager = manager
        self.remotePeer = remotePeer
        self.direction = Direction.OUTBOUND if initiator else Direction.INBOUND
        self.openedAt = manager.limiter.now()
        self.streams: list[FakeStream] = []
        self.connected = True
        self.reason: Failure | None = None
        self.codes: list[int] = []
        self.pings: list[Deferred[float]] = []
        if initiator:
            self.scope = manager.dialed()
        else:
            self.scope = manager.accepted(None, self.drop)

    def drop(self, error: Exception) -> None:
        """
        Make room for another.
        """
        self.lose(Failure(error))

    def open(self) -> FakeConnection:
        """
        Be ready.
        """
        self._manager.opened(self)  # type: ignore[arg-type]
        return self

    def close(self, code: int = 0) -> Deferred[None]:
        """
        Begin to end; a test ends it by L{lose}.
        """
        self.connected = False
        self.codes.append(code)
        self.reason = Failure(ClosedHere(code)) if code else connectionDone
        return succeed(None)

    def abort(self, reason: Failure) -> None:
        """
        End.
        """
        self.reason = None
        self.lose(reason)

    def lose(self, reason: Failure = connectionDone) -> None:
        """
        Have ended.
        """
        self.connected = False
        self.reason = self.reason or reason
        self._manager.closed(self, self.reason)  # type: ignore[arg-type]
        self.scope.close()

    def ping(self) -> Deferred[float]:
        """
        Ask a muxer that has no such message.
        """
        return fail(NotImplementedError())


@implementer(IStreamClientEndpoint)
class _Endpoint:
    """
    Connects from an IP address to a number.
    """

    def __init__(self, network: MemoryNetwork, source: IAddress, number: int) -> None:
        self._network = network
        self._source = source
        self._number = number

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect at once, or be refused.
        """
        server = self._network.ports[self._number].receiver.buildProtocol(self._source)
        if server is None:
            return fail(ConnectionRefusedError("refused when it was accepted"))
        address = MemoryAddress(self._number)
        client = protocolFactory.buildProtocol(address)
        assert client is not None
        self._network.join(client, server, address, self._source)
        return succeed(client)


class HostTransport(MemoryTransport):
    """
    The transport of a node that may have an IP address when it dials.
    """

    def __init__(self, network: MemoryNetwork, host: str | None = None) -> None:
        super().__init__(network)
        self._source: IAddress | None = None
        if host is not None:
            kind = IPv6Address if ":" in host else IPv4Address
            self._source = kind("TCP", host, 4001)

    def clientEndpoint(
        self, address: Multiaddr, options: DialOptions = DEFAULT_OPTIONS
    ) -> Any:
        """
        Connect from our address, if there is one.
        """
        if self._source is None:
            return super().clientEndpoint(address, options)
        number = int(address.value("memory") or 0)
        return _Endpoint(self.network, self._source, number)

    def toMultiaddr(self, address: IAddress) -> Multiaddr | None:
        """
        Translate both kinds.
        """
        if isinstance(address, IPv4Address):
            return Multiaddr(f"/ip4/{address.host}/tcp/{address.port}")
        if isinstance(address, IPv6Address):
            return Multiaddr(f"/ip6/{address.host}/tcp/{address.port}")
        return super().toMultiaddr(address)
