# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Nodes of this package as a listener and a dialer, as they are without options.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from benchmarks.peers.flood import flood
from benchmarks.peers.orders import Facts, Order, Work, inLanes
from twisted_libp2p.connmanager import ConnectionPolicy
from twisted_libp2p.interfaces import IConnection
from twisted_libp2p.limits import Limits
from twisted_libp2p.muxer.yamux import Yamux
from twisted_libp2p.node import Node
from twisted_libp2p.protocols import echo, perf, ping

__all__ = ["OurDialer", "OurListener"]

PING_SIZE = 32


class _Once(Factory):
    """
    Builds one protocol that is there already, without a word in the log.
    """

    noisy = False

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: object) -> Any:
        """
        Give it.
        """
        return self._protocol


class Echoed(Protocol):
    """
    Sends a few bytes and waits until they are back, time and again.
    """

    transport: Any

    def __init__(self) -> None:
        self._missing = 0
        self._back: Deferred[None] | None = None

    def send(self, data: bytes) -> Deferred[None]:
        """
        Send bytes, and wait for their echo.

        @return: fires when as many bytes have come back.
        """
        self._missing = len(data)
        self._back = Deferred()
        self.transport.write(data)
        return self._back

    def dataReceived(self, data: bytes) -> None:
        """
        Count what is back.
        """
        self._missing -= len(data)
        if not self._missing and self._back is not None:
            back, self._back = self._back, None
            back.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        What is missing does not come any more.
        """
        back, self._back = self._back, None
        if back is not None:
            back.errback(reason)


class EchoedOnce(Echoed):
    """
    Sends its bytes with the proposal of the protocol.

    @ivar back: fires when they are back; there as soon as it is connected.
    """

    back: Deferred[None]

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data

    def connectionMade(self) -> None:
        """
        Send them.
        """
        self.back = self.send(self._data)


@implementer(IHalfCloseableProtocol)
class Transfer(Protocol):
    """
    The client of perf, with blocks of any size.

    @ivar ended: fires with the number of bytes that came, when the peer has
        ended its half.
    """

    transport: Any

    def __init__(self, send: int, want: int, block: int) -> None:
        self._send = send
        self._want = want
        self._block = block
        self._got = 0
        self.ended: Deferred[int] = Deferred()

    def connectionMade(self) -> None:
        """
        Say what is wanted, send, and end our half.
        """
        self.transport.write(self._want.to_bytes(8, "big"))
        flood(
            self.transport,
            self._send,
            self._block,
            lambda: self.transport.loseWriteConnection(),
        )

    def dataReceived(self, data: bytes) -> None:
        """
        Count it.
        """
        self._got += len(data)

    def readConnectionLost(self) -> None:
        """
        All has come.
        """
        self.transport.loseConnection()
        self.ended.callback(self._got)

    def writeConnectionLost(self) -> None:
        """
        We have ended it.
        """

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        All has come, or will never.
        """
        if not self.ended.called:
            self.ended.errback(reason)


def makeNode(
    reactor: Any, security: str, muxer: str, crowd: int | None, **options: Any
) -> Node:
    """
    Make a node that speaks one stack.

    @param crowd: how many connections, or streams on one, it has to bear; None
        leaves its limits as they are.
    """
    if crowd is None:
        return Node(reactor, security=[security], muxers=[muxer], **options)
    limits, most = Limits.scaled(), 2 * crowd
    streams = {"streams": most, "inboundStreams": most}
    return Node(
        reactor,
        security=[security],
        muxers=[
            Yamux(reactor, maxInboundStreams=most, maxOutboundStreams=most)
            if muxer == "yamux"
            else muxer
        ],
        policy=ConnectionPolicy(lowWater=crowd, highWater=crowd),
        limits=replace(
            limits,
            system=limits.system._replace(
                connections=most, inboundConnections=most, **streams
            ),
            peer=limits.peer._replace(**streams),
            protocol=limits.protocol._replace(**streams),
        ),
        **options,
    )


class OurListener:
    """
    A node that serves echo, perf and ping.
    """

    def __init__(
        self,
        reactor: Any,
        host: str,
        transport: str,
        security: str,
        muxer: str,
        crowd: int | None,
    ) -> None:
        """
        @param host: the IPv4 address to listen on.
        @param transport: C{tcp}, C{ws} or C{quic}.
        @param crowd: as for L{makeNode}.
        """
        path = {"tcp": "tcp/0", "ws": "tcp/0/ws", "quic": "udp/0/quic-v1"}[transport]
        self.node = makeNode(
            reactor, security, muxer, crowd, listen=[f"/ip4/{host}/{path}"]
        )
        self.node.registry.register(echo.PROTOCOL_ID, echo.EchoFactory())
        self.node.registry.register(perf.PROTOCOL_ID, perf.PerfFactory(reactor))

    async def start(self) -> Facts:
        """
        Listen.

        @return: where.
        """
        self.node.startService()
        addresses = await self.node.whenListening()
        return {
            "peerId": str(self.node.peerID),
            "addrs": [str(address) for address in addresses],
        }


class OurDialer:
    """
    A node that does the works, and as many others as are wanted.
    """

    def __init__(
        self,
        reactor: Any,
        target: str,
        security: str,
        muxer: str,
        crowd: int | None,
    ) -> None:
        """
        @param target: the full address of the listener.
        @param crowd: as for L{makeNode}.
        """
        self._reactor = reactor
        self._target = target
        self._stack = (security, muxer)
        self._node = self._start(crowd)
        # What handshakes use, one for each lane, and what the crowd is.
        self._lanes: list[Node] = []
        self._crowd: list[Node] = []
        self._held: list[Echoed] = []

    @property
    def works(self) -> dict[str, Work]:
        """
        What can be done, by name.
        """
        return {
            "upload": self.upload,
            "download": self.download,
            "streams": self.streams,
            "handshakes": self.handshakes,
            "ping": self.ping,
            "crowd": self.crowd,
            "used crowd": self.usedCrowd,
            "hold": self.hold,
        }

    def _start(self, crowd: int | None = None) -> Node:
        node = makeNode(self._reactor, *self._stack, crowd)
        node.startService()
        return node

    async def _transferOn(
        self, connection: IConnection, send: int, want: int, block: int
    ) -> None:
        """
        Send and receive bytes on a stream of their own.
        """
        transfer = Transfer(send, want, block)
        await connection.openStream(perf.PROTOCOL_ID, _Once(transfer))
        if (got := await transfer.ended) != want:
            raise EOFError(f"{got} of {want} bytes came")

    async def _transfer(self, order: Order, send: int, want: int) -> Facts:
        connection = await self._node.connect(self._target)

        async def one(lane: int, left: Iterator[int]) -> None:
            await self._transferOn(connection, send, want, order.block)

        return await inLanes(order, one)

    async def upload(self, order: Order) -> Facts:
        """
        Send so many bytes.
        """
        return await self._transfer(order, order.share, 0)

    async def download(self, order: Order) -> Facts:
        """
        Receive so many bytes.
        """
        return await self._transfer(order, 0, order.share)

    async def _echoed(self, connection: IConnection, data: bytes) -> Echoed:
        """
        Have a few bytes echoed on a stream of their own.
        """
        echoed = EchoedOnce(data)
        await connection.openStream(echo.PROTOCOL_ID, _Once(echoed))
        await echoed.back
        return echoed

    async def streams(self, order: Order) -> Facts:
        """
        Open so many streams, have five bytes echoed on each, and close it.
        """
        connection = await self._node.connect(self._target)

        async def one(lane: int, left: Iterator[int]) -> None:
            for _ in left:
                echoed = await self._echoed(connection, b"12345")
                echoed.transport.loseConnection()

        return await inLanes(order, one)

    async def handshakes(self, order: Order) -> Facts:
        """
        Make so many connections, have one byte echoed on each, and close it.
        """
        while len(self._lanes) < order.lanes:
            self._lanes.append(self._start())
        times: list[float] = []

        async def one(lane: int, left: Iterator[int]) -> None:
            for _ in left:
                begin = time.perf_counter()
                echoed = EchoedOnce(b"1")
                await self._lanes[lane].openStream(
                    self._target, echo.PROTOCOL_ID, _Once(echoed)
                )
                await echoed.back
                times.append((time.perf_counter() - begin) * 1e6)
                echoed.transport.connection.close()

        return {**await inLanes(order, one), "times": times}

    async def ping(self, order: Order) -> Facts:
        """
        Ping so often on one stream.
        """
        connection = await self._node.connect(self._target)
        pinger = Echoed()
        await connection.openStream(ping.PROTOCOL_ID, _Once(pinger))
        times: list[float] = []

        async def one(lane: int, left: Iterator[int]) -> None:
            for _ in left:
                begin = time.perf_counter()
                await pinger.send(bytes(PING_SIZE))
                times.append((time.perf_counter() - begin) * 1e6)

        told = await inLanes(order, one)
        pinger.transport.loseConnection()
        return {**told, "times": times}

    async def crowd(self, order: Order) -> Facts:
        """
        Be so many peers, each with a connection, all of them identified.
        """
        return await self._gather(order, 0)

    async def usedCrowd(self, order: Order) -> Facts:
        """
        The same, and each connection has carried a block in each direction.
        """
        return await self._gather(order, order.block)

    async def _gather(self, order: Order, size: int) -> Facts:
        """
        Let the crowd grow.

        @param size: how many bytes each new connection carries in each direction.
        """
        new = [self._start() for _ in range(order.amount - len(self._crowd))]
        self._crowd += new

        async def one(lane: int, left: Iterator[int]) -> None:
            while new:
                node = new.pop()
                await node.identify(self._target)
                if size:
                    connection = await node.connect(self._target)
                    await self._transferOn(connection, size, size, order.block)

        told = await inLanes(order, one)
        # It is the listener that is looked at: here the collector need not go
        # through thousands of nodes time and again.
        gc.freeze()
        return told

    async def hold(self, order: Order) -> Facts:
        """
        Have so many streams open, and leave them so.
        """
        connection = await self._node.connect(self._target)
        missing = iter(range(order.amount - len(self._held)))

        async def one(lane: int, left: Iterator[int]) -> None:
            for _ in missing:
                self._held.append(await self._echoed(connection, b"1"))

        return await inLanes(order, one)
