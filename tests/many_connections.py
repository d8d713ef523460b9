# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A program for L{tests.test_endurance}: two nodes that connect, echo a word over
one stream, and close, over and over, in a process that has done nothing else.

Usage: C{python -m tests.many_connections ROUNDS}. It prints one JSON object a
line: the account of the process after a quarter of the rounds, its account
after all of them, and the count of each event.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections import Counter
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import react

from tests.account import openFiles, residentBytes
from twisted_libp2p.events import (
    ClosedConn,
    ClosedStream,
    Event,
    OpenedConn,
    OpenedStream,
)
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import PROTOCOL_ID, EchoFactory

EVENTS: tuple[type[Event], ...] = (OpenedConn, ClosedConn, OpenedStream, ClosedStream)


class Once(Protocol):
    """
    Sends a word, waits for it to come back, and closes.
    """

    transport: Any

    def connectionMade(self) -> None:
        self.closed: Deferred[bytes] = Deferred()
        self.answer = b""
        self.transport.write(b"word")

    def dataReceived(self, data: bytes) -> None:
        self.answer += data
        self.transport.loseConnection()

    def connectionLost(self, reason: Any = None) -> None:
        self.closed.callback(self.answer)


def account(reactor: Any) -> dict[str, int]:
    """
    Count what the process holds: bytes of memory, blocks of Python's
    allocator, files, and pending calls.
    """
    gc.collect()
    return {
        "memory": residentBytes(os.getpid()),
        "blocks": sys.getallocatedblocks(),
        "files": openFiles(os.getpid()),
        "calls": len(reactor.getDelayedCalls()),
    }


async def run(reactor: Any, rounds: int) -> None:
    """
    Connect, echo and close, and print the accounts.
    """
    server = Node(reactor, listen=["/ip4/127.0.0.1/tcp/0"])
    server.registry.register(PROTOCOL_ID, EchoFactory())
    client = Node(reactor)
    counts: Counter[str] = Counter()
    for node in (server, client):
        for kind in EVENTS:
            node.events.subscribe(kind, lambda e: counts.update([type(e).__name__]))
        node.startService()
    (address,) = await server.whenListening()
    factory = Factory.forProtocol(Once)
    factory.noisy = False
    for done in range(1, rounds + 1):
        connection = await client.connect(address)
        stream: Any = await connection.openStream(PROTOCOL_ID, factory)
        if await stream.closed != b"word":
            raise AssertionError(f"round {done}: {stream.answer!r} came back")
        await connection.close()
        if done in (rounds // 4, rounds):
            print(json.dumps(account(reactor)))
    await client.stopService()
    await server.stopService()
    print(json.dumps({**counts, "open": len(server.connections)}))


if __name__ == "__main__":
    react(lambda reactor: ensureDeferred(run(reactor, int(sys.argv[1]))))
