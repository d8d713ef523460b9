# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of what is left behind by thousands of connections.
"""

from __future__ import annotations

import gc
import os
from collections import Counter
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

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

MIB = 1024 * 1024


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


class EnduranceTests(TestCase):
    """
    Connect, one echo stream, close, over and over.
    """

    timeout = 600

    #: Ten thousand are the measure; a short run has fewer.
    rounds = int(os.environ.get("LIBP2P_ROUNDS", "2000"))

    async def test_connections(self) -> None:
        """
        Connections leave no memory, no socket, no pending call and no
        connection behind, and their events pair up.
        """
        server = Node(reactor, listen=["/ip4/127.0.0.1/tcp/0"])
        server.registry.register(PROTOCOL_ID, EchoFactory())
        client = Node(reactor)
        counts: Counter[type[Event]] = Counter()
        for node in (server, client):
            for kind in (OpenedConn, ClosedConn, OpenedStream, ClosedStream):
                node.events.subscribe(kind, lambda e: counts.update([type(e)]))
            node.startService()
        (address,) = await server.whenListening()
        factory = Factory.forProtocol(Once)
        factory.noisy = False

        async def once() -> None:
            connection = await client.connect(address)
            stream: Any = await connection.openStream(PROTOCOL_ID, factory)
            self.assertEqual(await stream.closed, b"word")
            await connection.close()

        async def rounds(count: int) -> tuple[int, int, int]:
            for _ in range(count):
                await once()
            gc.collect()
            loop: Any = reactor
            own = os.getpid()
            return residentBytes(own), openFiles(own), len(loop.getDelayedCalls())

        try:
            memory, files, _ = await rounds(500)
            laterMemory, laterFiles, calls = await rounds(self.rounds - 500)
            self.assertLess(laterMemory - memory, 8 * MIB)
            self.assertLessEqual(laterFiles, files + 4)
            self.assertLess(calls, 20)
        finally:
            await client.stopService()
            await server.stopService()
        self.assertEqual(len(server.connections), 0)
        self.assertEqual(len(client.connections), 0)
        self.assertEqual(counts[OpenedConn], 2 * self.rounds)
        self.assertEqual(counts[ClosedConn], 2 * self.rounds)
        self.assertEqual(counts[OpenedStream], counts[ClosedStream])
        self.assertGreaterEqual(counts[OpenedStream], 2 * self.rounds)
