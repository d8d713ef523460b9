# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Two nodes in memory that run on the real reactor: many of Twisted's servers take
their timers, threads and processes from nowhere else.
"""

from __future__ import annotations

from typing import Any, TypeVar

from twisted.internet import reactor
from twisted.internet.endpoints import connectProtocol
from twisted.internet.interfaces import IProtocol, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.trial.unittest import TestCase

from twisted_libp2p import Node
from twisted_libp2p.transport import MemoryNetwork, MemoryTransport

__all__ = ["PROTOCOL", "ServedTestCase"]

#: The protocol id of the server, if a test has only one.
PROTOCOL = "/served/1.0.0"

P = TypeVar("P", bound=IProtocol)


class ServedTestCase(TestCase):
    """
    A server of one node, and a client of the other.

    @ivar server: the node that serves.
    @ivar client: the node that opens streams.
    @ivar guest: the peer id of the client, which servers should show.
    """

    def setUp(self) -> None:
        """
        Start both nodes.
        """
        network = MemoryNetwork(reactor)
        self.server, self.client = (
            Node(
                reactor,
                listen=["/memory/0"],
                transports=[MemoryTransport(network)],
            )
            for _ in range(2)
        )
        for node in (self.client, self.server):
            node.startService()
            self.addCleanup(node.stopService)
        self.guest = str(self.client.peerID)

    async def serve(self, factory: Any, protocol: str = PROTOCOL) -> None:
        """
        Serve a protocol until the end of the test.
        """
        port = await self.server.listener(protocol).listen(factory)
        self.addCleanup(port.stopListening)

    def endpoint(self, protocol: str = PROTOCOL) -> IStreamClientEndpoint:
        """
        Return the endpoint of a served protocol, as the client sees it.
        """
        return self.client.connector(self.server.addresses[0], protocol)

    async def connect(self, client: P, protocol: str = PROTOCOL) -> P:
        """
        Connect a client's protocol with a server.
        """
        connected: P = await connectProtocol(self.endpoint(protocol), client)
        return connected

    async def connectFactory(self, factory: Any, protocol: str = PROTOCOL) -> Any:
        """
        Connect a client's factory with a server.
        """
        return await self.endpoint(protocol).connect(factory)

    def listenTCP(self, protocol: Any) -> int:
        """
        Serve a protocol on the loopback interface, where a server of Twisted
        connects by itself.

        @return: the port.
        """
        factory = Factory.forProtocol(protocol)
        factory.noisy = False
        return self.listenFactory(factory)

    def listenFactory(self, factory: Any) -> int:
        """
        Do the same with a factory.
        """
        listening: Any = reactor
        port = listening.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        number: int = port.getHost().port
        return number
