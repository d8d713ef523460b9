# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What the tests of protocols begin with: two nodes in memory, connected.
"""

from __future__ import annotations

from typing import TypeVar

from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.testing.nodes import MemoryNodes

__all__ = ["ConnectedTestCase"]

P = TypeVar("P", bound=Protocol)


class ConnectedTestCase(SynchronousTestCase):
    """
    A test with two nodes.

    @ivar server: the node that serves.
    @ivar client: the node that has dialed it.
    @ivar connection: the client's end of the connection.
    @ivar accepted: the server's end of it.
    """

    def setUp(self) -> None:
        """
        Connect two nodes, which identify each other.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.server = self.nodes.start()
        self.client = self.nodes.start()
        self.connection, self.accepted = self.nodes.connect(self.client, self.server)

    def open(self, protocolID: str, protocol: P) -> P:
        """
        Open a stream to the server, and connect a protocol with it.
        """
        self.nodes.result(
            self.connection.openStream(
                protocolID, Factory.forProtocol(lambda: protocol)
            )
        )
        return protocol
