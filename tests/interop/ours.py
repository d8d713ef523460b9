# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Our own side of the tests: what the foreign peers serve and do, done by a node.

The protocols and the tasks are those of C{peers/README.rst}.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.errors import StreamReset
from twisted_libp2p.events import (
    ClosedConn,
    ClosedStream,
    Event,
    Identified,
    OpenedConn,
    OpenedStream,
)
from twisted_libp2p.interfaces import IConnection
from twisted_libp2p.node import Node
from twisted_libp2p.protocols import echo, perf

__all__ = [
    "BACK",
    "ECHO",
    "RESET",
    "SINK",
    "Client",
    "Tasks",
    "Watch",
    "doAll",
    "serve",
]

ECHO = echo.PROTOCOL_ID
RESET = "/test/reset/1.0.0"
SINK = "/test/sink/1.0.0"
BACK = "/test/back/1.0.0"


class QuietFactory(Factory):
    """
    Builds protocols by a function, without a word in the log.
    """

    noisy = False

    def __init__(self, build: Callable[[], Protocol]) -> None:
        self._build = build

    def buildProtocol(self, addr: object) -> Any:
        return self._build()


@implementer(IHalfCloseableProtocol)
class Half(Protocol):
    """
    Knows of half-closes; by default the peer's is answered by a close.
    """

    transport: Any

    def readConnectionLost(self) -> None:
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        pass


class Reset(Half):
    """
    Reads one byte, then resets the stream.
    """

    def dataReceived(self, data: bytes) -> None:
        self.transport.abortConnection()


class Sink(Half):
    """
    Reads to the end, then sends the count.
    """

    count = 0

    def dataReceived(self, data: bytes) -> None:
        self.count += len(data)

    def readConnectionLost(self) -> None:
        self.transport.write(str(self.count).encode("ascii"))
        self.transport.loseConnection()


class Back(Half):
    """
    Opens an echo stream back, and says how that went.
    """

    def connectionMade(self) -> None:
        connection = self.transport.connection
        Deferred.fromCoroutine(Tasks(connection).echo(1000)).addCallbacks(
            lambda _: self.answer(b"ok"), lambda _: self.answer(b"bad")
        )

    def answer(self, text: bytes) -> None:
        self.transport.write(text)
        self.transport.loseConnection()

    def readConnectionLost(self) -> None:
        """
        The answer is still to come.
        """


def serve(node: Node) -> None:
    """
    Serve what the foreign dialers ask for.
    """
    node.registry.register(ECHO, echo.EchoFactory())
    node.registry.register(perf.PROTOCOL_ID, perf.PerfFactory(node.reactor))
    for protocol, kind in ((RESET, Reset), (SINK, Sink), (BACK, Back)):
        node.registry.register(protocol, QuietFactory(kind))


E = TypeVar("E", bound=Event)


class Watch:
    """
    Keeps what a node tells of its connections and streams, from now on.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.events: list[Event] = []
        for kind in (OpenedConn, ClosedConn, OpenedStream, ClosedStream, Identified):
            node.events.subscribe(kind, self.events.append)

    def seen(self, kind: type[E], where: Callable[[E], bool] | None = None) -> list[E]:
        """
        Give the events of a type so far.
        """
        return [
            each
            for each in self.events
            if isinstance(each, kind) and (where is None or where(each))
        ]

    async def event(self, kind: type[E], where: Callable[[E], bool]) -> E:
        """
        Wait for an event, which may have come already.
        """
        for each in self.seen(kind, where):
            return each
        return await self._node.events.next(kind, where)

    async def closed(self, opened: OpenedConn) -> ClosedConn:
        """
        Wait until a connection has ended.
        """
        return await self.event(
            ClosedConn, lambda each: each.connection is opened.connection
        )

    def balanced(self) -> None:
        """
        Check that everything that was opened was closed, once, and the streams
        of a connection before it.
        """
        opened = [each.connection for each in self.seen(OpenedConn)]
        closed = [each.connection for each in self.seen(ClosedConn)]
        assert sorted(map(id, opened)) == sorted(map(id, closed)), (opened, closed)
        assert len(set(map(id, closed))) == len(closed), closed
        streams = [id(each.stream) for each in self.seen(OpenedStream)]
        ended = [id(each.stream) for each in self.seen(ClosedStream)]
        assert sorted(streams) == sorted(ended), (len(streams), len(ended))
        over: set[int] = set()
        for each in self.events:
            if isinstance(each, ClosedConn):
                over.add(id(each.connection))
            elif isinstance(each, ClosedStream):
                assert id(each.connection) not in over, each


class Client(Half):
    """
    A stream of ours: what was received, and how it ended.

    @ivar ended: fires when the peer has half-closed, or fails with what ended
        the stream.
    """

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.size = 0
        self._wanted: list[tuple[int, Deferred[None]]] = []
        self.ended: Deferred[None] = Deferred()

    @property
    def received(self) -> bytes:
        """
        All that was received.
        """
        return b"".join(self.pieces)

    def when(self, size: int) -> Deferred[None]:
        """
        Wait until so many bytes are received.
        """
        waiting: Deferred[None] = Deferred()
        self._wanted.append((size, waiting))
        self._tell()
        return waiting

    def _tell(self) -> None:
        for each in list(self._wanted):
            if self.size >= each[0]:
                self._wanted.remove(each)
                each[1].callback(None)

    def dataReceived(self, data: bytes) -> None:
        self.pieces.append(data)
        self.size += len(data)
        self._tell()

    def readConnectionLost(self) -> None:
        self.ended.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.ended.called:
            self.ended.errback(reason)


class Upload(Client):
    """
    Sends bytes as fast as it may, then half-closes.
    """

    def __init__(self, data: bytes, piece: int = 65507) -> None:
        super().__init__()
        self._data = memoryview(data)
        self._piece = piece
        self._paused = False

    def connectionMade(self) -> None:
        self.transport.registerProducer(self, True)
        self.resumeProducing()

    def resumeProducing(self) -> None:
        self._paused = False
        while self._data and not self._paused:
            piece, self._data = self._data[: self._piece], self._data[self._piece :]
            self.transport.write(bytes(piece))
        if not self._data:
            self.transport.unregisterProducer()
            self.transport.loseWriteConnection()

    def pauseProducing(self) -> None:
        self._paused = True

    def stopProducing(self) -> None:
        self._data = memoryview(b"")


class Tasks:
    """
    What a dialer does on a connection; each raises if it goes wrong.
    """

    def __init__(self, connection: IConnection) -> None:
        self._connection = connection

    async def open(self, protocol: str, client: Client) -> Any:
        """
        Open a stream.
        """
        factory = QuietFactory(lambda: client)
        try:
            return await self._connection.openStream(protocol, factory)
        except Exception:
            # Nobody will wait for the end.
            client.ended.addErrback(lambda reason: None)
            raise

    async def echo(self, size: int) -> None:
        """
        Send bytes, half-close, and get the same bytes back to the end.
        """
        data = os.urandom(size)
        client = await self.open(ECHO, Upload(data))
        await client.ended
        client.transport.loseConnection()
        assert client.received == data

    async def halfClose(self, size: int) -> None:
        """
        Send bytes, half-close, and get their number.
        """
        client = await self.open(SINK, Upload(bytes(size)))
        await client.ended
        client.transport.loseConnection()
        assert client.received == str(size).encode("ascii"), client.received

    async def reset(self) -> None:
        """
        Reset a stream on which bytes went both ways.
        """
        client = await self.open(ECHO, Client())
        client.transport.write(b"0123456789")
        await client.when(10)
        client.transport.abortConnection()
        client.ended.addErrback(lambda reason: None)

    async def remoteReset(self) -> Failure:
        """
        Have the peer reset a stream.

        @return: what the stream was lost for.
        """
        client = await self.open(RESET, Client())
        client.transport.write(b"x")
        try:
            await client.ended
        except Exception:
            return Failure()
        raise AssertionError("the stream ended without a reset")

    async def back(self) -> None:
        """
        Have the peer open a stream to us.
        """
        client = await self.open(BACK, Upload(b""))
        await client.ended
        client.transport.loseConnection()
        assert client.received == b"ok", client.received

    async def many(self, count: int = 100) -> None:
        """
        Have many streams open at once, and use them all.
        """
        clients = []
        for _ in range(count):
            client = Client()
            clients.append(await self.open(ECHO, client))
            client.transport.write(b"a" * 500)
        for client in clients:
            client.transport.write(b"b" * 500)
            client.transport.loseWriteConnection()
        await gatherResults([client.ended for client in clients])
        for client in clients:
            client.transport.loseConnection()
            assert client.received == b"a" * 500 + b"b" * 500


async def doAll(node: Node, address: str, peer: str) -> None:
    """
    Dial a peer whose address names its certificate, and do every task.
    """
    connection = await node.connect(address)
    assert str(connection.remotePeer) == peer
    assert connection.security == "/noise"
    told = await node.identify(connection.remotePeer)
    assert told.agent
    assert await node.ping(connection.remotePeer) < 10
    tasks = Tasks(connection)
    await tasks.echo(1_000_000)
    await tasks.halfClose(100_000)
    await tasks.reset()
    assert (await tasks.remoteReset()).check(StreamReset)
    await tasks.back()
    await tasks.many()
    await connection.close()
