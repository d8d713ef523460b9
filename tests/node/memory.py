# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The test case of nodes in memory, a client, and a factory that counts its starts.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.protocols.echo import Echo
from twisted_libp2p.testing.nodes import MemoryNodes


class Client(Protocol):
    """
    Sends a word and notes what comes.
    """

    transport: Any

    def connectionMade(self) -> None:
        self.received = b""
        self.lost: list[Failure] = []
        self.transport.write(b"word")

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost.append(reason)


class CountingFactory(Factory):
    """
    Counts its starts and stops.
    """

    noisy = False
    protocol = Echo
    started = stopped = 0

    def startFactory(self) -> None:
        self.started += 1

    def stopFactory(self) -> None:
        self.stopped += 1


class NodeTestCase(SynchronousTestCase):
    """
    Nodes in memory.
    """

    def setUp(self) -> None:
        """
        Have a network.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
