# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Nodes in memory, one of which is a relay.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import DialOptions
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import PROTOCOL_ID, EchoFactory
from twisted_libp2p.relay.book import RelayLimits
from twisted_libp2p.relay.client import RelayClient
from twisted_libp2p.relay.service import RelayService
from twisted_libp2p.relay.transport import CircuitTransport
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.transport import MemoryTransport
from twisted_libp2p.transport.private import PrivateNetwork

__all__ = ["LIMITED", "Reader", "Readers", "RelayTestCase"]

#: The options of a dial whose stream may run over a relay.
LIMITED = DialOptions(allowLimited=True)


class Reader(Protocol):
    """
    Keeps what it receives.

    @ivar data: the received bytes.
    @ivar reason: the reason of the end; None so far.
    """

    transport: Any

    def __init__(self) -> None:
        self.data = b""
        self.reason: Failure | None = None

    def dataReceived(self, data: bytes) -> None:
        """
        Keep the bytes.
        """
        self.data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Keep the reason.
        """
        self.reason = reason


class Readers(Factory):
    """
    Builds readers.

    @ivar made: all of them.
    """

    noisy = False

    def __init__(self) -> None:
        self.made: list[Reader] = []

    def buildProtocol(self, addr: object) -> Reader:
        """
        Build one.
        """
        self.made.append(Reader())
        return self.made[-1]


class RelayTestCase(SynchronousTestCase):
    """
    Nodes in memory, one of which is a relay.

    @ivar identity: the identity of the relay.
    """

    def setUp(self) -> None:
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.identity = Identity.generate()

    def node(self, **options: Any) -> Node:
        """
        Start a node that may use relays.
        """
        memory = MemoryTransport(self.nodes.network)
        options.setdefault("listen", [])
        node = self.nodes.start(transports=[memory, "relay"], **options)
        self.nodes.settle()
        return node

    def relay(self, network: PrivateNetwork | None = None, **limits: Any) -> Node:
        """
        Start the relay.
        """
        service = RelayService(RelayLimits(**limits))
        return self.node(
            identity=self.identity,
            listen=["/memory/77"],
            services=[service],
            network=network,
        )

    @property
    def place(self) -> str:
        """
        The address to listen on at the relay.
        """
        return f"/memory/77/p2p/{self.identity.peerID}/p2p-circuit"

    def listener(self, **options: Any) -> Node:
        """
        Start a node that listens at the relay, and serves echo.
        """
        node = self.node(listen=[self.place], **options)
        node.registry.register(PROTOCOL_ID, EchoFactory())
        return node

    def client(self, node: Node) -> RelayClient:
        """
        Return the part of a node that uses relays.
        """
        (client,) = (
            each.client
            for each in node._transports
            if isinstance(each, CircuitTransport)
        )
        return client

    def echo(self, dialer: Node, listener: Node, data: bytes = b"hello") -> Reader:
        """
        Send bytes to be echoed.
        """
        reader = Reader()
        opening = dialer.openStream(
            self.address(listener),
            PROTOCOL_ID,
            Factory.forProtocol(lambda: reader),
            LIMITED,
        )
        self.nodes.result(opening)
        reader.transport.write(data)
        self.nodes.settle()
        return reader

    def address(self, listener: Node) -> str:
        """
        Return the address of a node at the relay.
        """
        return f"{self.place}/p2p/{listener.peerID}"
