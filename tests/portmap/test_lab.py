# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of port mapping by miniupnpd, on the routers of a laboratory.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from tests.lab.case import LabTestCase
from tests.lab.gateway import Daemon, missing
from tests.lab.lab import Router
from tests.lab.reactor import ReactorIn
from tests.lab.space import Space
from tests.needs import skipWithout
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import DoubleNAT
from twisted_libp2p.interfaces import DialOptions
from twisted_libp2p.node import Node
from twisted_libp2p.portmap import service
from twisted_libp2p.portmap.events import (
    PortMapped,
    PortMappingFailed,
)
from twisted_libp2p.portmap.gateway import defaultGateway
from twisted_libp2p.portmap.lease import Gateway
from twisted_libp2p.portmap.service import PortMapping


class PortMappingTests(LabTestCase):
    """
    A node behind a router with miniupnpd, and a peer in the internet.
    """

    listen = ("/ip4/10.1.0.2/tcp/4001", "/ip4/10.1.0.2/udp/4001/quic-v1")

    def setUp(self) -> None:
        """
        Skip the tests if there is no such router.
        """
        super().setUp()
        reason = missing()
        if reason is not None:
            skipWithout("miniupnpd", reason)

    async def start(self, **ways: bool) -> Daemon:
        """
        Start the router and the node.

        @param ways: as for L{Daemon}.
        """
        site = self.lab.site("peer", "45.45.0.10")
        self.router = self.lab.router("home", "45.45.0.1", "10.1.0")
        daemon = await self.daemon(self.router, **ways)
        self.host = self.lab.host(self.router)
        self.node = Node(
            ReactorIn(reactor, self.host),
            listen=self.listen,
            transports=["tcp", "quic"],
            services=[PortMapping(self.find)],
        )
        self.site = site
        self.begin(self.node, self.host)
        return daemon

    def begin(self, node: Node, space: Space) -> None:
        """
        Start a node; the sockets of QUIC are made by the thread itself.
        """
        with space.entered():
            node.startService()
        self.addCleanup(node.stopService)

    async def daemon(self, router: Router, **ways: bool) -> Daemon:
        """
        Start the daemon of a router.
        """
        daemon = Daemon(reactor, router, **ways)
        self.addCleanup(lambda: Deferred.fromCoroutine(daemon.close()))
        await daemon.start()
        return daemon

    def find(self) -> Gateway | None:
        """
        Find the gateway of the node.
        """
        with self.host.entered():
            return defaultGateway()

    async def mapped(self, event: type[Any] = PortMapped, count: int = 2) -> list[Any]:
        """
        Wait for events of port mapping.
        """
        found: list[Any] = []
        enough: Deferred[None] = Deferred()

        def happened(each: Any) -> None:
            found.append(each)
            if len(found) == count:
                enough.callback(None)

        subscription = self.node.events.subscribe(event, happened)
        await enough
        subscription.cancel()
        return found

    def public(self) -> list[Multiaddr]:
        """
        Return the public addresses of the node.
        """
        return [each for each in self.node.addresses if str(each).startswith("/ip4/45")]

    async def dial(self, address: Multiaddr) -> Any:
        """
        Connect a peer in the internet with the node, at this address and no other.
        """
        transport = "quic" if "quic-v1" in address.names else "tcp"
        listen = {"tcp": "/tcp/0", "quic": "/udp/0/quic-v1"}[transport]
        peer = Node(
            ReactorIn(reactor, self.site),
            listen=[f"/ip4/45.45.0.10{listen}"],
            transports=[transport],
        )
        self.begin(peer, self.site)
        await peer.whenListening()
        return await peer.connect(address, DialOptions(timeout=2.0))

    async def check(self, way: str, **ways: bool) -> None:
        """
        Check that TCP and QUIC of the node are reached, and that its end deletes the
        mappings.
        """
        await self.start(**ways)
        events = await self.mapped()
        self.assertEqual({each.way for each in events}, {way})
        addresses = self.public()
        self.assertEqual(len(addresses), 2)
        for address in addresses:
            connection = await self.dial(address)
            self.assertEqual(connection.remoteAddress, address.withoutPeer())
        await self.node.stopService()
        rules = self.router.run("nft list table inet upnp")
        self.assertNotIn("4001", rules)

    async def test_PCP(self) -> None:
        """
        By PCP.
        """
        await self.check("PCP", upnp=False)

    async def test_UPnP(self) -> None:
        """
        By UPnP.
        """
        await self.check("UPnP", natpmp=False)

    async def test_double(self) -> None:
        """
        A router behind another one, as of a provider, is reported.
        """
        for wan, ways in (("192.168.7.1", {}), ("100.64.0.1", {"natpmp": False})):
            outer = f"home{wan}"
            self.router = self.lab.router(outer, wan, "10.1.0")
            await self.daemon(self.router, **ways)
            self.host = self.lab.host(self.router)
            self.node = Node(
                ReactorIn(reactor, self.host),
                listen=self.listen[:1],
                transports=["tcp"],
                services=[PortMapping(self.find)],
            )
            self.begin(self.node, self.host)
            (event,) = await self.mapped(PortMappingFailed, 1)
            self.assertIsInstance(event.reason, DoubleNAT)
            self.assertEqual(self.public(), [])

    async def test_restarted(self) -> None:
        """
        A router that restarts and has forgotten its mappings maps the ports again.
        """
        self.patch(service, "LOOK_INTERVAL", 1.0)
        daemon = await self.start(natpmp=False)
        await self.mapped()
        await daemon.kill()
        await daemon.start()
        # The ports are mapped one after the other.
        await daemon.wait(b"redirecting port 4001 to 10.1.0.2:4001 protocol UDP")
        await self.dial(self.public()[0])
