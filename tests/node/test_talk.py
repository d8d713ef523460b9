# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of streams for coroutines, between two nodes in memory.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionClosed
from twisted.internet.protocol import Protocol

from tests.node.memory import NodeTestCase
from twisted_libp2p import Talk
from twisted_libp2p.errors import ProtocolViolation, StreamReset, UnsupportedProtocol

ID = "/talk/1.0.0"
R = TypeVar("R")


class Plain(Protocol):
    """
    The other side, played by the test.
    """

    transport: Any

    def connectionMade(self) -> None:
        self.received = b""

    def dataReceived(self, data: bytes) -> None:
        self.received += data


class TalkTests(NodeTestCase):
    """
    L{Talk}: C{node.open}, and a coroutine function that is served.
    """

    def setUp(self) -> None:
        super().setUp()
        self.near, self.far = self.nodes.start(), self.nodes.start()
        self.nodes.connect(self.near, self.far)

    def run_(self, work: Coroutine[Any, Any, R]) -> Deferred[R]:
        """
        Start a coroutine, and let the bytes flow.
        """
        running = Deferred.fromCoroutine(work)
        self.nodes.settle()
        return running

    def played(self) -> tuple[Talk, Plain]:
        """
        Open a stream whose other side is played by the test.
        """
        served: list[Plain] = []

        def build() -> Plain:
            served.append(Plain())
            return served[-1]

        self.far.serve(ID, build)
        opening = self.near.openStream(self.far.peerID, ID, Talk)
        self.nodes.settle()
        return self.successResultOf(opening), served[0]

    def test_both(self) -> None:
        """
        A served function and a block understand each other, each by all its reads, and
        both sides are closed at the end.
        """

        async def serve(talk: Talk) -> None:
            self.assertEqual(talk.peer, self.near.peerID)
            line = await talk.readLine()
            await talk.write(line + await talk.readExactly(3))
            async for data in talk:
                await talk.write(data.upper())

        async def use() -> list[bytes]:
            async with self.near.open(self.far.peerID, ID) as talk:
                await talk.write(b"one\ntwo")
                got = [await talk.readExactly(6)]
                await talk.write(b"three")
                got += [await talk.read(2), await talk.readExactly(3)]
                talk.end()
                return [*got, await talk.read()]

        self.far.serve(ID, serve)
        using = self.run_(use())
        expected = [b"onetwo", b"TH", b"REE", b""]
        self.assertEqual(self.successResultOf(using), expected)
        for node in (self.near, self.far):
            (connection,) = node.connections
            self.assertEqual(
                [each for each in connection.streams if each.protocolID == ID], []
            )

    def test_slowReader(self) -> None:
        """
        A write waits for a peer that does not read, and goes on when it does.
        """
        talk, plain = self.played()
        plain.transport.pauseProducing()

        async def write() -> None:
            for _ in range(40):
                await talk.write(bytes(50_000))

        writing = self.run_(write())
        self.assertNoResult(writing)
        plain.transport.resumeProducing()
        self.nodes.settle()
        self.successResultOf(writing)
        self.assertEqual(len(plain.received), 2_000_000)

    def test_slowConsumer(self) -> None:
        """
        A peer is held back as long as nothing is read, and nothing is lost.
        """
        talk, plain = self.played()
        plain.transport.write(bytes(3_000_000))
        self.nodes.settle()
        self.assertGreater(plain.transport.unsentSize, 0)
        plain.transport.loseConnection()

        async def read() -> int:
            size = len(await talk.readExactly(1_000_000))
            async for data in talk:
                size += len(data)
            return size

        self.assertEqual(self.successResultOf(self.run_(read())), 3_000_000)

    def test_short(self) -> None:
        """
        A peer that ends too early, or sends a line without an end, is at fault.
        """
        talk, plain = self.played()
        reading = self.run_(talk.readLine(4))
        plain.transport.write(b"12345")
        self.nodes.settle()
        self.failureResultOf(reading, ProtocolViolation)
        exact = self.run_(talk.readExactly(9))
        plain.transport.loseConnection()
        self.nodes.settle()
        self.failureResultOf(exact, ProtocolViolation)
        self.failureResultOf(self.run_(talk.readLine(9)), ProtocolViolation)
        self.assertEqual(self.successResultOf(self.run_(talk.read())), b"12345")

    def test_reset(self) -> None:
        """
        A reset fails the waiting read and write, and all later ones.
        """
        talk, plain = self.played()
        plain.transport.pauseProducing()

        async def write() -> None:
            while True:
                await talk.write(bytes(100_000))

        reading, writing = self.run_(talk.read()), self.run_(write())
        plain.transport.abortConnection()
        self.nodes.settle()
        for each in (reading, writing, self.run_(talk.read()), self.run_(write())):
            self.failureResultOf(each, StreamReset)

    def test_cancel(self) -> None:
        """
        A block that is cancelled resets its stream; a read that is cancelled ends, and
        the next one goes on.
        """
        ended: list[object] = []

        async def serve(talk: Talk) -> None:
            try:
                await Deferred()
            except BaseException as error:
                ended.append(error)
                raise

        async def use() -> None:
            async with self.near.open(self.far.peerID, ID) as talk:
                await talk.write(b"x")
                await talk.read()

        self.far.serve(ID, serve)
        using = self.run_(use())
        using.cancel()
        self.failureResultOf(using, CancelledError)
        self.nodes.settle()
        self.assertIsInstance(ended[0], CancelledError)
        self.far.serve("/other/1.0.0", Plain)
        opening = self.near.openStream(self.far.peerID, "/other/1.0.0", Talk)
        self.nodes.settle()
        talk = self.successResultOf(opening)
        first = self.run_(talk.read())
        first.cancel()
        self.failureResultOf(first, CancelledError)
        second = self.run_(talk.read())
        talk.dataReceived(b"y")
        self.assertEqual(self.successResultOf(second), b"y")

    def test_two(self) -> None:
        """
        A second coroutine cannot read at the same time.
        """
        talk, plain = self.played()
        first = self.run_(talk.read())
        self.failureResultOf(self.run_(talk.read()), RuntimeError)
        plain.transport.write(b"x")
        self.nodes.settle()
        self.assertEqual(self.successResultOf(first), b"x")

    def test_failed(self) -> None:
        """
        The error of a served function resets the stream, and is logged; that
        of a peer is not logged.
        """

        async def serve(talk: Talk) -> None:
            if await talk.readExactly(1) == b"!":
                raise ZeroDivisionError

        async def use(data: bytes) -> bytes:
            async with self.near.open(self.far.peerID, ID) as talk:
                await talk.write(data)
                talk.end()
                return await talk.read()

        self.far.serve(ID, serve)
        for data in (b"!", b""):
            self.failureResultOf(self.run_(use(data)), StreamReset)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.successResultOf(self.run_(use(b"."))), b"")

    def test_unknown(self) -> None:
        """
        A peer that does not serve the protocol fails the block before it begins.
        """

        async def use() -> None:
            async with self.near.open(self.far.peerID, ID) as talk:
                await talk.readLine()

        reason = self.failureResultOf(self.run_(use()), UnsupportedProtocol)
        self.assertNotIsInstance(reason.value, ConnectionClosed)
