# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Raw peers, and a network, for tests of upgrades.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.endpoints import connectProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import ILogObserver, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.node import Node
from twisted_libp2p.security.noise import Noise
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.transport import MemoryTransport

__all__ = ["OtherSecurity", "Raw", "RawFactory", "ThirdSecurity", "UpgradeTestCase"]


class Raw(Protocol):
    """
    A peer that says what a test tells it to say.
    """

    transport: Any

    def __init__(self) -> None:
        self.received = b""
        self.lost: Failure | None = None

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = reason


class RawFactory(Factory):
    """
    Makes raw peers, and keeps them.
    """

    noisy = False

    def __init__(self) -> None:
        self.peers: list[Raw] = []

    def buildProtocol(self, addr: object) -> Any:
        self.peers.append(Raw())
        return self.peers[-1]


class OtherSecurity(Noise):
    """
    Noise under another name, which nobody else knows.
    """

    protocolID = "/other/1.0.0"


class ThirdSecurity(Noise):
    """
    Noise under yet another name.
    """

    protocolID = "/secio/1.0.0"


class UpgradeTestCase(SynchronousTestCase):
    """
    Nodes in memory, and raw peers among them.
    """

    def setUp(self) -> None:
        """
        Have a network, and keep what is logged.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.logged: list[Any] = []
        observer = cast(ILogObserver, self.logged.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def dialRaw(self, node: Node) -> Raw:
        """
        Connect a raw peer to a node.
        """
        endpoint = MemoryTransport(self.nodes.network).clientEndpoint(
            node.addresses[0].withoutPeer()
        )
        raw: Raw = self.nodes.result(connectProtocol(endpoint, Raw()))
        return raw

    def listenRaw(self, number: int = 999) -> tuple[RawFactory, Multiaddr]:
        """
        Let raw peers listen.
        """
        factory = RawFactory()
        address = Multiaddr(f"/memory/{number}")
        transport = MemoryTransport(self.nodes.network)
        self.nodes.result(transport.serverEndpoint(address).listen(factory))
        return factory, address

    def messages(self, word: str) -> list[str]:
        """
        What was logged about something.
        """
        texts = [
            event["log_format"].format(**event)
            for event in self.logged
            if event.get("log_format")
        ]
        return [text for text in texts if word in text]
