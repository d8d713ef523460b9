# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A program for L{tests.quic.test_pressure}: a node in a process of its own, which offers
many bytes on streams that nobody reads, and has other bytes echoed meanwhile.

Its arguments are that of L{tests.slow_reader}, the address to dial, the number of
streams, the bytes that it offers on each, the window of a stream, and the bytes to be
echoed.  It prints a line of JSON when every window is full and all echoed bytes are
back; after a line of standard input it ends its streams, and prints the bytes of each.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from twisted.internet import task
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineReceiver
from zope.interface import implementer

from tests.account import residentBytes
from tests.slow_reader import UNREAD, makeNode
from twisted_libp2p.protocols.echo import PROTOCOL_ID

#: The bytes of one write.
PIECE = bytes(range(251)) * 261


@implementer(IPushProducer, IHalfCloseableProtocol)
class Offer(Protocol):
    """
    Writes as fast as it may.

    @ivar written: the bytes so far.
    @ivar received: those that came back.
    @ivar filled: fires when a window is full.
    @ivar lost: fires at the end.
    """

    transport: Any

    def __init__(self, size: int, window: int) -> None:
        """
        @param size: the bytes to write; after them our half ends.
        @param window: the bytes of a window.
        """
        self.written = self.received = 0
        self.filled: Deferred[None] = Deferred()
        self.lost: Deferred[None] = Deferred()
        self._size = size
        self._window = window
        self._paused = False

    def connectionMade(self) -> None:
        self.transport.registerProducer(self, True)
        self.resumeProducing()

    def resumeProducing(self) -> None:
        self._paused = False
        while self.written < self._size and not self._paused:
            self.written += len(PIECE)
            self.transport.write(PIECE)
        if self.written >= self._window and not self.filled.called:
            self.filled.callback(None)
        if self.written >= self._size:
            self.end()

    def pauseProducing(self) -> None:
        self._paused = True

    def stopProducing(self) -> None:
        self._size = 0

    def dataReceived(self, data: bytes) -> None:
        self.received += len(data)

    def end(self) -> None:
        """
        Write no longer.
        """
        self._size = 0
        self.transport.unregisterProducer()
        self.transport.loseWriteConnection()

    def readConnectionLost(self) -> None:
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        pass

    def connectionLost(self, reason: Any = None) -> None:
        self.lost.callback(None)


class Console(LineReceiver):
    """
    Waits for a line.
    """

    delimiter = b"\n"

    def __init__(self) -> None:
        self.line: Deferred[None] = Deferred()

    def lineReceived(self, line: bytes) -> None:
        self.line.callback(None)


class _Once(Factory):
    """
    Builds a protocol that is there already.
    """

    noisy = False

    def __init__(self, offer: Offer) -> None:
        self._offer = offer

    def buildProtocol(self, addr: object) -> Any:
        return self._offer


async def main(reactor: Any, path: str, target: str, *numbers: str) -> None:
    """
    Do all of it.
    """
    count, size, window, echoed = map(int, numbers)
    console = Console()
    StandardIO(console)
    node = makeNode(path)
    node.startService()
    connection = await node.connect(target)
    await node.ping(target)
    before = residentBytes(os.getpid())
    offers = [Offer(size, window) for _ in range(count)]
    for each in offers:
        await connection.openStream(UNREAD, _Once(each))
    await gatherResults([each.filled for each in offers])
    echo = Offer(echoed, 0)
    await connection.openStream(PROTOCOL_ID, _Once(echo))
    await echo.lost
    report = {
        "echoed": echo.received == echo.written >= echoed,
        "written": [each.written for each in offers],
        "grown": residentBytes(os.getpid()) - before,
    }
    console.sendLine(json.dumps(report).encode())
    await console.line
    console.sendLine(json.dumps([each.written for each in offers]).encode())
    for each in offers:
        each.end()
    await gatherResults([each.lost for each in offers])
    await node.stopService()


if __name__ == "__main__":
    task.react(
        lambda reactor, *a: Deferred.fromCoroutine(main(reactor, *a)), sys.argv[1:]
    )
