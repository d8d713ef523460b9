# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of streams for coroutines, between two nodes in memory.
"""

from __future__ import annotations

import traceback
from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionClosed, ConnectionDone
from twisted.internet.protocol import Protocol

from tests.node.memory import NodeTestCase
from twisted_libp2p import Talk
from twisted_libp2p.errors import (
    ProtocolViolation,
    StreamAborted,
    StreamReset,
    UnsupportedProtocol,
)
from twisted_libp2p.muxer.table import LINGER

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

    def played(self, protocol: str = ID) -> tuple[Talk, Plain]:
        """
        Open a stream whose other side is played by the test.
        """
        served: list[Plain] = []

        def build() -> Plain:
            served.append(Plain())
            return served[-1]

        self.far.serve(protocol, build)
        opening = self.near.openStream(self.far.peerID, protocol, Talk)
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

    def test_bytes(self) -> None:
        """
        A line may come byte by byte.
        """
        talk, _ = self.played()
        for line in (b"one", b"", b"three"):
            reading = self.run_(talk.readLine(5))
            for each in line:
                talk.dataReceived(bytes((each,)))
                self.assertNoResult(reading)
            talk.dataReceived(b"\n")
            self.assertEqual(self.successResultOf(reading), line)

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

    def test_notTaken(self) -> None:
        """
        A block whose last bytes the peer does not take fails after a while; one that is
        cancelled at its end resets the stream.
        """

        async def use(talk: Talk) -> None:
            async with talk:
                talk.transport.write(bytes(1_000_000))

        for cancel, error in ((False, StreamAborted), (True, CancelledError)):
            talk, plain = self.played(f"/{cancel}/1.0.0")
            plain.transport.pauseProducing()
            using = self.run_(use(talk))
            self.assertNoResult(using)
            if cancel:
                using.cancel()
            else:
                self.nodes.advance(LINGER)
            self.nodes.settle()
            self.failureResultOf(using, error)
            self.assertTrue(plain.transport.disconnected)

    def test_leftWriting(self) -> None:
        """
        A waiting write does not keep the stream of a finished block or function open
        for a peer that reads nothing; nothing can be written after that.
        """
        writing: list[Deferred[None]] = []

        async def write(talk: Talk) -> None:
            while True:
                await talk.write(bytes(1_000_000))

        async def use(talk: Talk) -> None:
            await talk.read()
            writing.append(Deferred.fromCoroutine(write(talk)))

        async def block(talk: Talk) -> None:
            async with talk:
                await use(talk)

        self.far.serve("/used/1.0.0", use)
        opening = self.near.openStream(self.far.peerID, "/used/1.0.0", Plain)
        self.nodes.settle()
        talk, plain = self.played()
        using = self.run_(block(talk))
        for each in (plain, self.successResultOf(opening)):
            each.transport.pauseProducing()
            each.transport.write(b"x")
        self.nodes.settle()
        self.nodes.advance(LINGER)
        self.nodes.settle()
        self.failureResultOf(using, StreamAborted)
        self.assertEqual(len(writing), 2)
        for waiting in writing:
            self.failureResultOf(waiting, StreamAborted)

    def test_ended(self) -> None:
        """
        Nothing can be written after the end of our half, or of the block.
        """
        talk, _ = self.played()
        talk.end()
        self.failureResultOf(self.run_(talk.write(b"x")), ConnectionDone)
        late: list[Deferred[None]] = []

        async def fail() -> None:
            async with talk:
                raise ZeroDivisionError

        failing = Deferred.fromCoroutine(fail())
        late.append(Deferred.fromCoroutine(talk.write(b"x")))
        self.failureResultOf(failing, ZeroDivisionError)
        self.failureResultOf(late[0], ConnectionDone)

    def test_lostAgain(self) -> None:
        """
        The error of a lost stream keeps nothing of those who have met it.
        """
        talk, plain = self.played()
        plain.transport.abortConnection()
        self.nodes.settle()
        frames = []
        for _ in range(3):
            error = self.failureResultOf(self.run_(talk.write(b"x"))).value
            frames.append(len(traceback.extract_tb(error.__traceback__)))
        self.assertEqual(len(set(frames)), 1)

    def test_unwanted(self) -> None:
        """
        A read of many bytes that has ended lets the peer send no more than others do.
        """
        talk, plain = self.played()
        reading = self.run_(talk.readExactly(1_000_000))
        reading.cancel()
        self.failureResultOf(reading, CancelledError)
        plain.transport.write(bytes(1_000_000))
        self.nodes.settle()
        self.assertGreater(plain.transport.unsentSize, 0)

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
