# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the ping service.
"""

from __future__ import annotations

from typing import Any

from twisted.python.failure import Failure

from tests.protocols.connected import ConnectedTestCase
from twisted_libp2p.errors import (
    StreamReset,
)


class NodePingTests(ConnectedTestCase):
    """
    Both sides together.
    """

    def test_many(self) -> None:
        """
        Any number of pings travel on one stream, with a peer that shares it.
        """
        pinger = self.nodes.result(self.client.pinger(self.server.peerID))
        waiting = [pinger.ping() for _ in range(1000)]
        self.nodes.settle()
        for each in waiting:
            self.assertGreaterEqual(self.successResultOf(each), 0.0)
        transport: Any = pinger.transport
        transport.loseConnection()

    def test_severed(self) -> None:
        """
        When the connection ends, those who wait are told why.
        """
        pinger = self.nodes.result(self.client.pinger(self.server.peerID))
        waiting = pinger.ping()
        self.connection.abort(Failure(StreamReset(7)))
        self.nodes.settle()
        self.assertEqual(self.failureResultOf(waiting, StreamReset).value.code, 7)
