# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Two machines behind routers that know nothing but one peer, and reach each other by the
id alone.
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

from tests.lab.homes import HomesTestCase
from tests.lab.reactor import ReactorIn
from tests.processes import TWIST
from tests.relay.case import Reader
from twisted_libp2p.connection.connection import isRelayed
from twisted_libp2p.dht.service import KademliaDHT
from twisted_libp2p.endpoints import nodeOf
from twisted_libp2p.events import AddressesChanged
from twisted_libp2p.identity import PeerID
from twisted_libp2p.protocols.echo import EchoFactory
from twisted_libp2p.relay import autorelay
from twisted_libp2p.relay.service import RelayService


class FindingTests(HomesTestCase):
    """
    The peer in the internet, which is a server of a DHT and a relay, is the only thing
    that the machines know.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        super().setUp()
        await self.begin(RelayService(), KademliaDHT("/lab", "server"))

    def relayed(self) -> Deferred[AddressesChanged]:
        """
        Wait until the peer in the middle knows a relayed address of another.
        """
        return self.middle.events.next(
            AddressesChanged, lambda event: any(map(isRelayed, event.addresses))
        )

    async def test_strings(self) -> None:
        """
        Two endpoint strings, of which one names the other by its id, meet through the
        relay, and get a direct connection.
        """
        # No peer can be asked whether a node is reachable: it has one address.
        self.patch(autorelay, "UNKNOWN_DELAY", 1.0)
        network = f"bootstrap={self.place}:dht=/lab"
        here, there = (ReactorIn(reactor, each) for each in self.hosts)
        relayed = self.relayed()
        with self.hosts[0].entered():
            server: Any = serverFromString(
                here, f"libp2p:/ip4/10.1.0.2/tcp/4001:protocol=/e/1.0.0:{network}"
            )
            listening = server.listen(EchoFactory())
        port = await listening
        peer = nodeOf(here).peerID
        for each in (here, there):
            self.addCleanup(nodeOf(each).stopService)
        self.addCleanup(port.stopListening)
        self.assertEqual((await relayed).peer, peer)
        reader = Reader()
        received: Deferred[None] = Deferred()
        reader.dataReceived = (  # type: ignore[method-assign]
            lambda data: received.callback(None)
        )
        with self.hosts[1].entered():
            connecting = connectProtocol(
                clientFromString(there, f"libp2p:{peer}:protocol=/e/1.0.0:{network}"),
                reader,
            )
        await connecting
        reader.transport.write(b"hello")
        await received
        connection = reader.transport.connection
        self.assertFalse(connection.limited)
        self.assertFalse(isRelayed(connection.remoteAddress))
        reader.transport.loseConnection()

    async def test_commands(self) -> None:
        """
        C{twist libp2p} behind one router, and C{libp2p pipe} behind another: the pipe
        names the node by its id.
        """
        self.listen()
        relayed = self.relayed()
        server = self.program(
            self.hosts[0], *TWIST, "--log-format=text", "libp2p",
            "--serve", "/ssh/1.0.0=tcp:localhost:22", "--relay", self.place,
            "--dht", "auto", "--dht-prefix", "/lab", "--bootstrap", self.place,
        )  # fmt: skip
        peer = await server.says(r"listening on \S+/p2p-circuit/p2p/(\S+)")
        self.assertEqual((await relayed).peer, PeerID.of(peer))
        await self.pipe(peer, "--dht-prefix", "/lab", "--bootstrap", self.place)
