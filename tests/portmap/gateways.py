# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Gateways in memory, which speak PCP and NAT-PMP.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from struct import pack, unpack
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from twisted_libp2p.portmap.lease import Gateway

__all__ = ["GATEWAY", "GatewayReactor", "MemoryGateway"]

#: The gateway, and the host of the tests.
GATEWAY = Gateway(IPv4Address("10.1.0.1"), IPv4Address("10.1.0.2"))

#: The public address of the gateway.
PUBLIC = IPv4Address("45.45.0.1")


class MemoryGateway:
    """
    A gateway.

    @ivar address: its public address.
    @ivar ways: the protocols that it speaks.
    @ivar began: when it has begun.
    @ivar result: the result of all requests for a port.
    @ivar lifetime: the maximum lifetime of a mapping.
    @ivar mappings: public ports by protocol and port.
    @ivar requests: all requests.
    """

    def __init__(self, clock: Clock, *ways: str) -> None:
        self.address = PUBLIC
        self.ways = ways
        self.began = 0.0
        self.result = 0
        self.lifetime = 3600
        self.mappings: dict[tuple[int, int], int] = {}
        self.requests: list[bytes] = []
        self._clock = clock

    def restart(self) -> None:
        """
        Forget all mappings.
        """
        self.began = self._clock.seconds()
        self.mappings.clear()

    def _grant(self, protocol: int, port: int, public: int, lifetime: int) -> int:
        """
        Map a port, or delete its mapping.

        @return: the public port.
        """
        if self.result:
            return 0
        if not lifetime:
            self.mappings.pop((protocol, port), None)
            return 0
        taken = {each for key, each in self.mappings.items() if key[1] != port}
        while public in taken:
            public += 1
        self.mappings[protocol, port] = public
        return public

    def receive(self, data: bytes) -> bytes | None:
        """
        Answer a request.

        @return: None if it does not.
        """
        self.requests.append(data)
        epoch = int(self._clock.seconds() - self.began)
        if data[0] == 2:
            if "PCP" in self.ways:
                return self._receivePCP(data, epoch)
            if "NAT-PMP" in self.ways:
                return pack(">BBHI", 0, 129, 1, epoch)
        elif "NAT-PMP" in self.ways:
            return self._receiveNATPMP(data, epoch)
        return None

    def _receivePCP(self, data: bytes, epoch: int) -> bytes:
        (lifetime,) = unpack(">I", data[4:8])
        protocol, port, public = unpack(">B3xHH", data[36:44])
        lifetime = min(lifetime, self.lifetime)
        granted = self._grant(protocol, port, public, lifetime)
        return (
            pack(">BBxBII12x", 2, 129, self.result, lifetime, epoch)
            + data[24:42]
            + pack(">H", granted)
            + bytes(10)
            + b"\xff\xff"
            + self.address.packed
        )

    def _receiveNATPMP(self, data: bytes, epoch: int) -> bytes:
        if data[1] == 0:
            return pack(">BBHI", 0, 128, 0, epoch) + self.address.packed
        operation, port, public, lifetime = unpack(">xBxxHHI", data)
        lifetime = min(lifetime, self.lifetime)
        granted = self._grant({1: 17, 2: 6}[operation], port, public, lifetime)
        head = pack(">BBHI", 0, 128 + operation, self.result, epoch)
        return head + pack(">HHI", port, granted, lifetime)


class _Socket:
    """
    A UDP socket that is connected with a gateway.
    """

    def __init__(self, reactor: GatewayReactor, protocol: Any) -> None:
        self._reactor = reactor
        self._protocol = protocol
        self.peer: tuple[str, int] | None = None

    def connect(self, host: str, port: int) -> None:
        """
        Take datagrams of this host alone.
        """
        self.peer = host, port

    def setOutgoingInterface(self, address: str) -> Deferred[int]:
        """
        Send multicasts there.
        """
        return succeed(1)

    def write(self, data: bytes, address: tuple[str, int] | None = None) -> None:
        """
        Send a datagram.
        """
        self._reactor.sent.append((data, address or self.peer))
        if address is None and self._reactor.failing is not None:
            raise self._reactor.failing
        gateway = self._reactor.gateway
        if address is None and gateway is not None:
            answer = gateway.receive(data)
            if answer is not None:
                self.deliver(answer)

    def deliver(self, data: bytes, source: tuple[str, int] | None = None) -> None:
        """
        Deliver a datagram, in the next turn of the reactor.
        """
        self._reactor.callLater(
            0, self._protocol.datagramReceived, data, source or self.peer
        )

    def refuse(self) -> None:
        """
        Deliver that nobody listens at the gateway.
        """
        self._protocol.connectionRefused()

    def stopListening(self) -> None:
        """
        Close.
        """
        self._reactor.sockets.remove(self)


class GatewayReactor(Clock):
    """
    A reactor whose UDP sockets lead to a gateway.

    @ivar gateway: the gateway; None for one that never answers.
    @ivar sockets: the open sockets.
    @ivar sent: all datagrams, each with its destination.
    @ivar failing: the error of each write to the gateway; None without one.
    """

    def __init__(self, *ways: str) -> None:
        """
        @param ways: the protocols that the gateway speaks.
        """
        super().__init__()
        self.gateway: MemoryGateway | None = MemoryGateway(self, *ways)
        self.sockets: list[_Socket] = []
        self.sent: list[tuple[bytes, tuple[str, int] | None]] = []
        self.failing: OSError | None = None

    def listenUDP(self, port: int, protocol: Any, **options: Any) -> _Socket:
        """
        Open a socket.
        """
        socket = _Socket(self, protocol)
        self.sockets.append(socket)
        protocol.transport = socket
        protocol.startProtocol()
        return socket

    listenMulticast: Callable[..., _Socket] = listenUDP
