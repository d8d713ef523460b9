# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of ports that processes share, with real processes.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorTCP, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from tests.processes import Program, ProgramTestCase
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.node import Node
from twisted_libp2p.transport.ports import SharedPorts


class Reader(Protocol):
    """
    Reads all that there is.
    """

    def __init__(self) -> None:
        self.data = b""
        self.all: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.all.callback(self.data)


def freePort() -> int:
    """
    Find a port that nobody listens on.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class SharedPortsTests(ProgramTestCase):
    """
    Processes with one identity listen on one address.
    """

    async def serve(self, port: int) -> tuple[Program, str]:
        """
        Start a process, and wait until it listens.

        @return: the process and its full address.
        """
        program = self.start(
            "-m", "tests.transport.sharing", "key", f"/ip4/127.0.0.1/tcp/{port}"
        )
        return program, await program.says(r"(/ip4/\S+)\n")

    async def ask(self, address: str) -> bytes:
        """
        Connect as somebody new, and ask which process answers.
        """
        node = Node(reactor)
        node.startService()
        reader = Reader()
        factory: Any = Factory()
        factory.noisy = False
        factory.buildProtocol = lambda addr: reader
        try:
            connection = await node.connect(address)
            await connection.openStream("/pid", factory)
            return await reader.all
        finally:
            await node.stopService()

    async def test_processes(self) -> None:
        """
        Both answer at the same address, as the same peer; when one ends, the
        other one takes all that come.
        """
        port = freePort()
        first, address = await self.serve(port)
        second, other = await self.serve(port)
        self.assertEqual(address, other)
        pids = {str(each.transport.pid).encode() for each in (first, second)}
        # The system chooses by a hash of the addresses: 40 equal choices in a row
        # are as likely as to guess 39 bits.
        self.assertEqual({await self.ask(address) for _ in range(40)}, pids)
        await second.stop()
        left = str(first.transport.pid).encode()
        self.assertEqual({await self.ask(address) for _ in range(8)}, {left})

    def test_taken(self) -> None:
        """
        A port that somebody has for himself is not shared.
        """
        loop: Any = reactor
        alone = loop.listenTCP(0, Factory(), interface="127.0.0.1")
        self.addCleanup(alone.stopListening)
        shared = SharedPorts(reactor)
        self.assertRaises(
            CannotListenError,
            shared.listenTCP,
            alone.getHost().port,
            Factory(),
            interface="127.0.0.1",
        )

    async def test_ipv6(self) -> None:
        """
        Ports of IPv6 can be shared as well.
        """
        shared = SharedPorts(reactor)
        first: Any = shared.listenTCP(0, Factory(), interface="::1")
        self.addCleanup(first.stopListening)
        port = first.getHost().port
        second = shared.listenTCP(port, Factory(), interface="::1")
        self.addCleanup(second.stopListening)
        self.assertEqual(second.getHost(), first.getHost())

    def test_reactor(self) -> None:
        """
        In everything else it is the reactor.
        """
        shared: Any = SharedPorts(reactor)
        self.assertTrue(IReactorTCP.providedBy(shared))
        self.assertTrue(IReactorTime.providedBy(shared))
        self.assertEqual(shared.callLater, reactor.callLater)

    def test_unsupported(self) -> None:
        """
        Where the system has no such ports, that is said.
        """
        self.patch(socket, "SO_REUSEPORT", None)
        del socket.SO_REUSEPORT
        self.assertRaises(ConfigurationError, SharedPorts, reactor)
