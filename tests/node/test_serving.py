# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the endpoints of a node.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Factory

from tests.node.memory import Client, CountingFactory, NodeTestCase
from twisted_libp2p.errors import (
    ConfigurationError,
    UnsupportedProtocol,
)
from twisted_libp2p.protocols.echo import PROTOCOL_ID


class EndpointTests(NodeTestCase):
    """
    A node gives endpoints in both directions.
    """

    def test_roundTrip(self) -> None:
        """
        A factory is served by one node's listener and reached by another's
        connector.
        """
        server, client = self.nodes.start(), self.nodes.start()
        factory = CountingFactory()
        port = self.nodes.result(server.listener(PROTOCOL_ID).listen(factory))
        connector = client.connector(server.addresses[0], PROTOCOL_ID)
        quiet = Factory.forProtocol(Client)
        quiet.noisy = False
        protocol: Any = self.nodes.result(connector.connect(quiet))
        self.assertEqual(protocol.received, b"word")
        host: Any = port.getHost()
        self.assertEqual(str(host), str(server.addresses[0]))
        self.assertEqual(host.protocolID, PROTOCOL_ID)
        self.assertEqual((factory.started, factory.stopped), (1, 0))

    def test_stopListening(self) -> None:
        """
        A protocol that is served no more refuses new streams; those that are
        open go on.
        """
        server, client = self.nodes.start(), self.nodes.start()
        factory = CountingFactory()
        port = self.nodes.result(server.listener(PROTOCOL_ID).listen(factory))
        quiet = Factory.forProtocol(Client)
        quiet.noisy = False
        connector = client.connector(server.addresses[0], PROTOCOL_ID)
        protocol: Any = self.nodes.result(connector.connect(quiet))
        port.stopListening()
        port.stopListening()
        self.assertEqual((factory.started, factory.stopped), (1, 1))
        refused = connector.connect(quiet)
        self.nodes.settle()
        self.failureResultOf(refused, UnsupportedProtocol)
        protocol.transport.write(b"more")
        self.nodes.settle()
        self.assertEqual(protocol.received, b"wordmore")

    def test_taken(self) -> None:
        """
        A protocol is served once.
        """
        node = self.nodes.start()
        self.nodes.result(node.listener("/a").listen(CountingFactory()))
        self.failureResultOf(
            node.listener("/a").listen(CountingFactory()), ConfigurationError
        )

    def test_anonymous(self) -> None:
        """
        A node that listens nowhere has a host address without a place.
        """
        node = self.nodes.start(listen=())
        port = self.nodes.result(node.listener("/a").listen(CountingFactory()))
        self.assertEqual(str(port.getHost()), f"/p2p/{node.peerID}")
