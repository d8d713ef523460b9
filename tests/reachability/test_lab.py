# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of reachability behind the routers of a laboratory.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from tests.lab.case import LabTestCase
from tests.lab.lab import Router
from tests.lab.nat import NAT, Filtering, Mapping
from tests.lab.reactor import ReactorIn
from tests.lab.space import Space
from tests.lab.wire import Link
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.events import ReachabilityChanged
from twisted_libp2p.interfaces import Confidence, Reachability, Verdict
from twisted_libp2p.node import Node
from twisted_libp2p.reachability import observed

#: The port of the routers' forwarding.
FORWARDING = NAT(forwards=(("tcp", 4001, "10.1.0.2"),))


class ReachabilityTests(LabTestCase):
    """
    A node behind a router, and some servers of AutoNAT in different networks.
    """

    link = Link(0.005)

    def node(self, space: Space, address: str, **options: Any) -> Node:
        """
        Start a node in a place.
        """
        node = Node(
            ReactorIn(reactor, space),
            listen=[f"/ip4/{address}/tcp/4001"],
            transports=["tcp"],
            **options,
        )
        node.startService()
        self.addCleanup(node.stopService)
        return node

    async def servers(self, count: int) -> list[Node]:
        """
        Start servers.
        """
        found = []
        for each in range(1, count + 1):
            address = f"45.45.{each}.10"
            node = self.node(self.lab.site(f"server{each}", address), address)
            await node.whenListening()
            found.append(node)
        return found

    async def home(self, nat: NAT) -> tuple[Router, Node]:
        """
        Start a router, and a node behind it.
        """
        router = self.lab.router("home", "45.46.1.1", "10.1.0", nat, link=self.link)
        node = self.node(self.lab.host(router), "10.1.0.2")
        await node.whenListening()
        return router, node

    def untilIs(
        self, node: Node, wanted: Reachability
    ) -> Deferred[ReachabilityChanged]:
        """
        Wait for a verdict on a node.
        """
        found: Deferred[ReachabilityChanged] = Deferred()

        def happened(event: ReachabilityChanged) -> None:
            if not found.called and event.reachability is wanted:
                found.callback(event)

        node.events.subscribe(ReachabilityChanged, happened)
        return found

    async def verdict(
        self, nat: NAT, wanted: Reachability, count: int = 3
    ) -> tuple[Router, Node, list[Node]]:
        """
        Wait for a verdict on a node behind a router.
        """
        servers = await self.servers(count)
        router, node = await self.home(nat)
        waiting = self.untilIs(node, wanted)
        for each in servers:
            await node.connect(each.addresses[0])
        await waiting
        return router, node, servers

    async def test_forwarded(self) -> None:
        """
        A forwarded port makes a node public: peers are given the address at the
        router, and it is told who has tried it.
        """
        _, node, _ = await self.verdict(FORWARDING, Reachability.PUBLIC)
        outer = Multiaddr("/ip4/45.46.1.1/tcp/4001")
        self.assertIn(outer.withPeer(node.peerID), node.addresses)
        self.assertIs(node.reachability.state, Reachability.PUBLIC)
        (own,) = (each for each in node.ownAddresses.all() if each.address == outer)
        self.assertIs(own.confidence, Confidence.CONFIRMED)
        text = node.reachability.explain()
        self.assertIn(f"reachable    {outer}", text)
        self.assertIn("reached by", text)
        self.assertIn("AutoNAT v2", text)

    async def test_closed(self) -> None:
        """
        Behind a router that forwards nothing a node is private, and peers are not
        given the address that others see.
        """
        _, node, _ = await self.verdict(NAT(), Reachability.PRIVATE)
        outer = Multiaddr("/ip4/45.46.1.1/tcp/4001")
        self.assertNotIn(outer.withPeer(node.peerID), node.addresses)
        self.assertIn("not reached by", node.reachability.explain())

    async def test_symmetric(self) -> None:
        """
        A router that gives each connection another port is noticed at once.
        """
        nat = NAT(Mapping.SYMMETRIC)
        _, node, _ = await self.verdict(nat, Reachability.PRIVATE)
        self.assertIs(node.reachability.mapping, observed.Mapping.DEPENDENT)

    async def test_open(self) -> None:
        """
        A router that lets in everybody at the port that it has chosen is as good as
        none.
        """
        nat = NAT(Mapping.TRANSLATING, Filtering.NONE)
        _, node, _ = await self.verdict(nat, Reachability.PUBLIC)
        (found,) = (
            each for each in node.addresses if str(each).startswith("/ip4/45.46.1.1/")
        )
        self.assertNotEqual(found.value("tcp"), "4001")

    async def test_public(self) -> None:
        """
        Nodes without a router confirm each other.
        """
        one, two, three = await self.servers(3)
        waiting = self.untilIs(one, Reachability.PUBLIC)
        for each in (two, three):
            await one.connect(each.addresses[0])
        await waiting
        self.assertTrue(one.reachability.server.serving)

    async def test_rebooted(self) -> None:
        """
        When a router forgets its forwarding, and gets it back, the verdict follows each
        time the connections are made anew.
        """
        router, node, servers = await self.verdict(FORWARDING, Reachability.PUBLIC)
        for nat, wanted in (
            (NAT(), Reachability.PRIVATE),
            (FORWARDING, Reachability.PUBLIC),
        ):
            waiting = self.untilIs(node, wanted)
            router.become(nat)
            for each in servers:
                for connection in each.connections.to(node.peerID):
                    await connection.close()
            for connection in list(node.connections):
                await connection.whenClosed()
            for each in servers:
                # It may still have the last connection from the same port: then it is
                # reached from another one.
                await node.connect(each.addresses[0])
            await waiting
        self.assertIn(Verdict.REACHABLE, dict(node.reachability.verdicts).values())
