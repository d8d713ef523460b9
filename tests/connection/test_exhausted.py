# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for a connection whose stream ids are used up.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Factory
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import ConnectionClosing
from twisted_libp2p.testing.muxer import Echo, HalfCloseCollector
from twisted_libp2p.testing.nodes import MemoryNodes

PROTOCOL = "/echo/test"


class ExhaustedTests(SynchronousTestCase):
    """
    yamux has 2**31 ids for the streams of one side.
    """

    def test_connectsAgain(self) -> None:
        """
        The peer stays reachable, by another connection; the streams of the first one
        go on, and it is closed with the last of them.
        """
        nodes = MemoryNodes()
        self.addCleanup(nodes.stop)
        server, client = nodes.start(), nodes.start()
        server.registry.register(PROTOCOL, Factory.forProtocol(Echo))
        first, _ = nodes.connect(client, server)
        session: Any = first._session
        session._nextID = 2**32 - 1
        last: Any = nodes.result(
            first.openStream(PROTOCOL, Factory.forProtocol(HalfCloseCollector))
        )
        self.assertFalse(first.connected)
        nodes.settle()
        factory = Factory.forProtocol(HalfCloseCollector)
        self.failureResultOf(first.openStream(PROTOCOL, factory), ConnectionClosing)
        second = nodes.result(client.connect(server.addresses[0]))
        self.assertIsNot(second, first)
        nodes.result(second.openStream(PROTOCOL, factory))
        last.stream.write(b"still")
        nodes.settle()
        self.assertEqual(last.data, b"still")
        last.stream.loseConnection()
        nodes.settle()
        nodes.clock.pump([1.0] * 10)
        self.assertIsNotNone(first.reason)
        self.assertTrue(second.connected)
