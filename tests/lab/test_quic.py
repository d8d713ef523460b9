# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of QUIC in a laboratory: addresses that change during a transfer, and links that
have no addresses but their own.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol

from tests.lab.case import LabTestCase
from tests.lab.nat import NAT, Mapping
from tests.lab.reactor import ReactorIn
from tests.lab.space import Space
from tests.lab.wire import Link
from tests.quic.native import requireNative
from twisted_libp2p.interfaces import IConnection
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import PROTOCOL_ID, EchoFactory
from twisted_libp2p.quic.transport import QuicProvider

#: Bytes of a transfer, and those after which something happens to it.
SIZE, EARLY = 400_000, 50_000

SERVER = "45.45.0.10"


class _Echo(Protocol):
    """
    Sends bytes to an echo, and takes the answers.
    """

    transport: Any

    def __init__(self) -> None:
        self.data = bytearray()
        self._wanted: list[tuple[int, Deferred[None]]] = []

    def received(self, size: int) -> Deferred[None]:
        """
        Wait for so many bytes.
        """
        wanted: Deferred[None] = Deferred()
        self._wanted.append((size, wanted))
        return wanted

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        for each in list(self._wanted):
            size, wanted = each
            if len(self.data) >= size:
                self._wanted.remove(each)
                wanted.callback(None)

    def connectionLost(self, reason: Any = None) -> None:
        for _, wanted in self._wanted:
            wanted.errback(reason)


class QuicTests(LabTestCase):
    """
    Over aioquic.
    """

    backend = "aioquic"

    async def node(self, space: Space, address: str) -> Node:
        """
        Start a node.

        @param address: where it listens.
        """
        node = Node(
            ReactorIn(reactor, space),
            listen=[f"{address}/udp/4001/quic-v1"],
            transports=[QuicProvider(self.backend)],
        )
        node.registry.register(PROTOCOL_ID, EchoFactory())
        # The sockets of QUIC are made by the transport itself.
        with space.entered():
            node.startService()
        self.addCleanup(node.stopService)
        await node.whenListening()
        return node

    async def server(self) -> str:
        """
        Start a node in the internet.

        @return: its address.
        """
        site = self.lab.site("server", SERVER, link=Link(delay=0.005))
        node = await self.node(site, f"/ip4/{SERVER}")
        return str(node.addresses[0])

    async def transfer(
        self, connection: IConnection, change: Callable[[], object]
    ) -> None:
        """
        Have bytes echoed, and change something in the middle.
        """
        factory = Factory.forProtocol(_Echo)
        echo: Any = await connection.openStream(PROTOCOL_ID, factory)
        data = Random(1).randbytes(SIZE)
        early, all = echo.received(EARLY), echo.received(SIZE)
        echo.transport.write(data)
        await early
        change()
        await all
        self.assertEqual(bytes(echo.data), data)
        echo.transport.loseConnection()

    async def test_rebinding(self) -> None:
        """
        A router that forgets its mappings during a transfer, and makes others, breaks
        nothing.
        """
        address = await self.server()
        nat = NAT(mapping=Mapping.SYMMETRIC)
        router = self.lab.router("home", "45.45.0.1", "10.1.0", nat)
        client = await self.node(self.lab.host(router), "/ip4/0.0.0.0")
        connection = await client.connect(address)
        await self.transfer(connection, lambda: router.become(nat))
        await self.transfer(connection, lambda: router.become(NAT()))

    async def test_ownAddress(self) -> None:
        """
        A host that loses the address of a connection, and has another one, goes on with
        that.
        """
        address = await self.server()
        site = self.lab.site("client", "45.45.0.20", "45.45.0.21")
        client = await self.node(site, "/ip4/0.0.0.0")
        connection = await client.connect(address)

        def change() -> None:
            site.run("ip address del 45.45.0.20/32 dev wan")

        await self.transfer(connection, change)

    async def test_linkLocal(self) -> None:
        """
        Peers on one link reach each other by their link-local addresses.
        """
        router = self.lab.router("home", "45.45.0.1", "10.1.0")
        nodes = []
        for number in (1, 2):
            host = self.lab.host(router)
            host.run(f"ip address add fe80::{number}/64 dev eth0 nodad")
            nodes.append(await self.node(host, "/ip6/::"))
        server, client = nodes
        # Names of interfaces are those of the namespace of this thread.
        index = host.run("ip -oneline link show eth0").partition(":")[0]
        near = f"/ip6zone/{index}/ip6/fe80::1/udp/4001/quic-v1/p2p/{server.peerID}"
        connection = await client.connect(near)
        await self.transfer(connection, lambda: None)


class NativeQuicTests(QuicTests):
    """
    Over the native backend.
    """

    backend = "native"

    def setUp(self) -> None:
        """
        Look for the backend.
        """
        requireNative()
        super().setUp()
