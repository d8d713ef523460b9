# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Applications that record their calls, and a pair of connections.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import PeerAddress
from twisted_libp2p.testing.nodes import MemoryNodes

__all__ = ["ConnectionTestCase", "Hasty", "Recorder", "Recorders"]


class Recorder(Protocol):
    """
    Notes what happens to it.
    """

    transport: Any

    def __init__(self, first: bytes = b"") -> None:
        self.first = first
        self.received = b""
        self.made = 0
        self.lost: list[Failure] = []

    def connectionMade(self) -> None:
        self.made += 1
        if self.first:
            self.transport.write(self.first)

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost.append(reason)


class Hasty(Recorder):
    """
    Closes as soon as it has said all.
    """

    def connectionMade(self) -> None:
        super().connectionMade()
        self.transport.loseConnection()


class Recorders(Factory):
    """
    Makes recorders, and keeps them and the addresses they were made for.
    """

    noisy = False

    def __init__(self, first: bytes = b"") -> None:
        self.first = first
        self.made: list[Recorder] = []
        self.addresses: list[PeerAddress] = []

    def buildProtocol(self, addr: Any) -> Any:
        self.addresses.append(addr)
        self.made.append(Recorder(self.first))
        return self.made[-1]


class ConnectionTestCase(SynchronousTestCase):
    """
    Two connected nodes in memory.
    """

    muxers: tuple[str, ...] = ("yamux",)

    def setUp(self) -> None:
        """
        Connect, and let both sides be identified.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.server = self.nodes.start(muxers=self.muxers)
        self.client = self.nodes.start(muxers=self.muxers)
        self.near, self.far = self.nodes.connect(self.client, self.server)
