# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of what a slow reader does to a fast writer, in another process.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections import deque
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Factory, ProcessProtocol, Protocol
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from tests.account import residentBytes
from tests.amounts import amount
from tests.slow_reader import UNREAD
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import PROTOCOL_ID

MIB = 1024 * 1024


class Child(ProcessProtocol):
    """
    The reader's process, asked line by line.
    """

    transport: Any

    def __init__(self) -> None:
        self._buffer = b""
        self._waiting: deque[Deferred[str]] = deque()
        self.ended: Deferred[None] = Deferred()

    def ask(self, question: str = "") -> Deferred[str]:
        """
        Send a line, if there is one, and wait for a line.
        """
        answer: Deferred[str] = Deferred()
        self._waiting.append(answer)
        if question:
            self.transport.write(question.encode("ascii") + b"\n")
        return answer

    def outReceived(self, data: bytes) -> None:
        self._buffer += data
        while b"\n" in self._buffer:
            line, self._buffer = self._buffer.split(b"\n", 1)
            self._waiting.popleft().callback(line.decode("ascii").strip())

    def errReceived(self, data: bytes) -> None:
        sys.stderr.write(data.decode("utf-8", "replace"))

    def processEnded(self, reason: object) -> None:
        self.ended.callback(None)


@implementer(IPushProducer)
class Offer(Protocol):
    """
    Offers many bytes, in writes of one size, as fast as it may.
    """

    transport: Any

    def __init__(self, size: int, piece: int) -> None:
        self.left = size
        self.piece = os.urandom(piece)
        self.digest = hashlib.sha256()
        self.paused = False
        self.lost: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        self.transport.registerProducer(self, True)
        self.resumeProducing()

    def resumeProducing(self) -> None:
        self.paused = False
        while self.left and not self.paused:
            piece = self.piece[: self.left]
            self.left -= len(piece)
            self.digest.update(piece)
            self.transport.write(piece)
        if not self.left:
            self.transport.unregisterProducer()
            self.transport.loseWriteConnection()

    def pauseProducing(self) -> None:
        self.paused = True

    def stopProducing(self) -> None:
        self.left = 0

    def connectionLost(self, reason: Any = None) -> None:
        self.lost.callback(None)


class Once(Protocol):
    """
    Sends a word and waits for it to come back.
    """

    transport: Any

    def connectionMade(self) -> None:
        self.answer: Deferred[bytes] = Deferred()
        self.transport.write(b"word")

    def dataReceived(self, data: bytes) -> None:
        self.answer.callback(data)
        self.transport.loseConnection()


class PressureTests(TestCase):
    """
    A slow reader bounds the sender, and nobody else.
    """

    timeout = 600

    async def _offer(self, muxer: str, size: int, piece: int) -> None:
        child = Child()
        loop: Any = reactor
        loop.spawnProcess(
            child,
            sys.executable,
            [sys.executable, "-m", "tests.slow_reader", muxer],
            env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
        )
        node = Node(reactor, muxers=[muxer])
        node.startService()
        try:
            address = await child.ask()
            connection = await node.connect(address)
            await node.ping(address)
            before, beforeThere = (
                residentBytes(os.getpid()),
                int(await child.ask("rss")),
            )
            offer = Offer(size, piece)
            factory = Factory()
            factory.noisy = False
            factory.buildProtocol = lambda addr: offer  # type: ignore[method-assign]
            await connection.openStream(UNREAD, factory)
            # The sender comes to a stand: a whole round trip moves no byte.
            left = -1
            while left != offer.left:
                left = offer.left
                await node.ping(address)
            self.assertGreater(offer.left, size - 64 * MIB)
            self.assertTrue(offer.paused)
            self.assertLess(residentBytes(os.getpid()) - before, 64 * MIB)
            self.assertLess(int(await child.ask("rss")) - beforeThere, 64 * MIB)
            # Other streams of the same connection go on.
            other: Any = await connection.openStream(
                PROTOCOL_ID, Factory.forProtocol(Once)
            )
            self.assertEqual(await other.answer, b"word")
            # Everything arrives once the reading starts.
            answer = await child.ask("read")
            self.assertEqual(answer, f"{size} {offer.digest.hexdigest()}")
            await offer.lost
            self.assertLess(residentBytes(os.getpid()) - before, 64 * MIB)
            self.assertLess(int(await child.ask("rss")) - beforeThere, 64 * MIB)
        finally:
            await node.stopService()
            child.transport.closeStdin()
            await child.ended

    async def test_yamux(self) -> None:
        """
        A gibibyte is offered over yamux; the writes do not divide the window.  Two of
        the bounds are enough to pass each, for one who has none.
        """
        await self._offer("yamux", amount(1024, 128) * MIB, 65507)

    async def test_smallWrites(self) -> None:
        """
        Writes of 1400 bytes arrive whole.
        """
        await self._offer("yamux", 100 * MIB, 1400)
