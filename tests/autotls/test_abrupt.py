# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of L{twisted_libp2p.autotls.abrupt}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from twisted_libp2p.autotls.abrupt import AbruptEndpoint


@implementer(IStreamClientEndpoint)
class Endpoint:
    """
    Connects to a transport in memory.
    """

    def __init__(self) -> None:
        self.transport = StringTransport()

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect.
        """
        protocol: Any = protocolFactory.buildProtocol(None)  # type: ignore[arg-type]
        protocol.makeConnection(self.transport)
        return succeed(protocol)


class AbruptTests(SynchronousTestCase):
    """
    A client that loses its connection.
    """

    def test_ended(self) -> None:
        """
        What the client writes is sent; when it loses the connection, that is aborted.
        """
        endpoint = Endpoint()
        client: Any = self.successResultOf(
            AbruptEndpoint(endpoint).connect(Factory.forProtocol(Protocol))
        )
        client.transport.write(b"asked")
        self.assertEqual(endpoint.transport.value(), b"asked")
        self.assertFalse(endpoint.transport.disconnected)
        client.transport.loseConnection()
        self.assertTrue(endpoint.transport.disconnected)
