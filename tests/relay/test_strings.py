# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of endpoint strings and tools with addresses that lead through a relay.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    clientFromString,
    connectProtocol,
    serverFromString,
)

from tests.processes import ProgramTestCase
from tests.relay.case import Reader
from twisted_libp2p.endpoints import nodeOf
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import EchoFactory
from twisted_libp2p.relay.book import RelayLimits
from twisted_libp2p.relay.events import ReservationHeld
from twisted_libp2p.relay.service import RelayService


class StringTests(ProgramTestCase):
    """
    A relay without limits, on loopback.
    """

    async def relay(self) -> str:
        """
        Start the relay.

        @return: the address of a place at it.
        """
        node = Node(
            reactor,
            listen="/ip4/127.0.0.1/tcp/0",
            services=[RelayService(RelayLimits(data=None, duration=None))],
        )
        node.startService()
        self.addCleanup(node.stopService)
        (address,) = await node.whenListening()
        return f"{address}/p2p-circuit"

    async def test_endpoints(self) -> None:
        """
        A server string listens at the relay, and a client string connects through it.
        """
        place = await self.relay()
        node, near = (nodeOf(reactor, each) for each in ("behind", "before"))
        for each in (node, near):
            self.addCleanup(each.stopService)
        server = f"libp2p:{place}:protocol=/e/1.0.0:node=behind"
        port: Any = await serverFromString(reactor, server).listen(EchoFactory())
        self.addCleanup(port.stopListening)
        if not node.addresses:
            await node.events.next(ReservationHeld)
        (address,) = node.addresses
        self.assertEqual(str(address), f"{place}/p2p/{node.peerID}")
        client = clientFromString(
            reactor, f"libp2p:{address}:protocol=/e/1.0.0:node=before"
        )
        reader = Reader()
        received: Deferred[None] = Deferred()
        reader.dataReceived = (  # type: ignore[method-assign]
            lambda data: received.callback(None)
        )
        await connectProtocol(client, reader)
        reader.transport.write(b"hello")
        await received
        reader.transport.loseConnection()

    async def test_tool(self) -> None:
        """
        A tool takes such an address, and says that there is no way around the relay.
        """
        place = await self.relay()
        listener = Node(reactor, listen=place)
        held = listener.events.next(ReservationHeld)
        listener.startService()
        self.addCleanup(listener.stopService)
        await held
        (address,) = map(str, listener.addresses)
        code, out, err = await self.execute("-m", "twisted_libp2p", "identify", address)
        self.assertEqual(code, 0, err)
        self.assertIn("no direct connection\n", err)
        self.assertIn(str(listener.peerID), out)
