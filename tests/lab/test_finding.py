# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Two machines behind routers that know nothing but one peer, and reach each other by the
id alone.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    clientFromString,
    connectProtocol,
    serverFromString,
)
from twisted.internet.protocol import Factory
from twisted.protocols.wire import Echo

from tests.lab.case import LabTestCase
from tests.lab.nat import NAT, Mapping
from tests.lab.reactor import ReactorIn
from tests.lab.space import Space
from tests.lab.wire import Link
from tests.processes import TWIST, Program
from tests.relay.case import Reader
from twisted_libp2p.connection.connection import isRelayed
from twisted_libp2p.dht.service import KademliaDHT
from twisted_libp2p.endpoints import nodeOf
from twisted_libp2p.events import AddressesChanged
from twisted_libp2p.identity import PeerID
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import EchoFactory
from twisted_libp2p.relay import autorelay
from twisted_libp2p.relay.service import RelayService


class FindingTests(LabTestCase):
    """
    A peer in the internet, which is a server of a DHT and a relay, and two machines
    behind routers.

    @ivar middle: the peer.
    @ivar place: its address, the only thing that the machines know.
    @ivar hosts: the machines.
    """

    middle: Node
    place: str
    hosts: list[Space]
    timeout = 240

    async def setUp(self) -> None:  # type: ignore[override]
        super().setUp()
        site = self.lab.site("middle", "45.45.0.10", link=Link(0.01))
        self.middle = Node(
            ReactorIn(reactor, site),
            listen=["/ip4/45.45.0.10/tcp/4001"],
            transports=["tcp"],
            services=[RelayService(), KademliaDHT("/lab", "server")],
        )
        self.middle.startService()
        self.addCleanup(self.middle.stopService)
        await self.middle.whenListening()
        self.place = str(self.middle.addresses[0])
        self.hosts = [
            self.lab.host(
                self.lab.router(
                    f"home{number}",
                    f"45.46.{number}.1",
                    f"10.{number}.0",
                    NAT(Mapping.TRANSLATING),
                    link=Link(0.01),
                )
            )
            for number in (1, 2)
        ]

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
        ssh = ReactorIn(reactor, self.hosts[0]).listenTCP(
            22, Factory.forProtocol(Echo), interface="127.0.0.1"
        )
        self.addCleanup(ssh.stopListening)
        relayed = self.relayed()
        server = self.program(
            self.hosts[0], *TWIST, "--log-format=text", "libp2p",
            "--serve", "/ssh/1.0.0=tcp:localhost:22", "--relay", self.place,
            "--dht", "auto", "--dht-prefix", "/lab", "--bootstrap", self.place,
        )  # fmt: skip
        peer = await server.says(r"listening on \S+/p2p-circuit/p2p/(\S+)")
        self.assertEqual((await relayed).peer, PeerID.of(peer))
        began = reactor.seconds()
        pipe = self.program(
            self.hosts[1], "-m", "twisted_libp2p", "pipe", peer, "/ssh/1.0.0",
            "--dht-prefix", "/lab", "--bootstrap", self.place,
        )  # fmt: skip
        pipe.transport.write(b"hello\n")
        await pipe.says("(hello)")
        took = reactor.seconds() - began
        print(f"the first bytes came back {took:.1f} s after the start of the pipe")
        await self.middle.stopService()
        pipe.transport.write(b"still there\n")
        await pipe.says("(still there)")
        self.assertNotIn(b"no direct connection", pipe.err)
        pipe.transport.closeStdin()
        self.assertEqual(await pipe.ends(), 0)

    def program(self, space: Space, *arguments: str) -> Program:
        """
        Start a program in a place; it is stopped after the test.
        """
        program = Program()
        ReactorIn(reactor, space).spawnProcess(
            program, sys.executable, [sys.executable, *arguments], env=None
        )
        self.addCleanup(program.stop)
        return program
