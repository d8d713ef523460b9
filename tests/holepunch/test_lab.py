# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of hole punching through the routers of a laboratory.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory

from tests.lab.case import LabTestCase
from tests.lab.nat import NAT, Mapping
from tests.lab.reactor import ReactorIn
from tests.lab.space import Space
from tests.lab.wire import Link
from tests.relay.case import LIMITED, Reader
from twisted_libp2p.connection.connection import isRelayed
from twisted_libp2p.holepunch import service
from twisted_libp2p.holepunch.events import DirectConnection, HolePunchFailed
from twisted_libp2p.interfaces import Direction
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import PROTOCOL_ID, EchoFactory
from twisted_libp2p.relay.events import ReservationHeld
from twisted_libp2p.relay.service import RelayService


class HolePunchTests(LabTestCase):
    """
    Two peers behind routers, and a relay.
    """

    link = Link(0.01)

    def node(self, space: Space, address: str, **options: Any) -> Node:
        """
        Start a node in a place.
        """
        node = Node(
            ReactorIn(reactor, space),
            listen=[f"/ip4/{address}/tcp/4001"],
            transports=["tcp", "relay"],
            **options,
        )
        node.startService()
        self.addCleanup(node.stopService)
        return node

    async def meet(self, one: NAT, other: NAT) -> Any:
        """
        Connect two peers behind routers through the relay.

        @return: the dialer, the listener, and the event of the punch.
        """
        site = self.lab.site("relay", "45.45.0.10", link=self.link)
        relay = self.node(site, "45.45.0.10", services=[RelayService()])
        await relay.whenListening()
        nodes = []
        for number, nat in ((1, one), (2, other)):
            lan = f"10.{number}.0"
            router = self.lab.router(
                f"home{number}", f"45.46.{number}.1", lan, nat, link=self.link
            )
            node = self.node(self.lab.host(router), f"{lan}.2")
            await node.whenListening()
            nodes.append(node)
        listener, dialer = nodes
        held = listener.events.next(ReservationHeld)
        await listener.listenOn(f"{relay.addresses[0]}/p2p-circuit")
        await held
        listener.registry.register(PROTOCOL_ID, EchoFactory())
        await dialer.identify(relay.addresses[0])
        punched: Deferred[Any] = Deferred()
        for each in (DirectConnection, HolePunchFailed):
            listener.events.subscribe(each, punched.callback)
        (address,) = (each for each in listener.addresses if isRelayed(each))
        near = await dialer.connect(address)
        self.assertTrue(near.limited)
        return dialer, listener, await punched

    async def check(self, one: NAT, other: NAT) -> tuple[Any, DirectConnection]:
        """
        Check that two peers are connected directly, and that the direct connection
        works, with one client and one server.

        @return: the direct connection of the dialer, and the event of the punch.
        """
        dialer, listener, punched = await self.meet(one, other)
        self.assertIsInstance(punched, DirectConnection)
        reader = Reader()
        await dialer.openStream(
            listener.peerID,
            PROTOCOL_ID,
            Factory.forProtocol(lambda: reader),
        )
        connection = reader.transport.connection
        self.assertFalse(isRelayed(connection.remoteAddress))
        self.assertFalse(connection.limited)
        received: Deferred[None] = Deferred()
        reader.dataReceived = (  # type: ignore[method-assign]
            lambda data: received.callback(None)
        )
        reader.transport.write(b"hello")
        await received
        return connection, punched

    async def test_translating(self) -> None:
        """
        Routers that translate ports, and let in only the spoken port.
        """
        nat = NAT(Mapping.TRANSLATING)
        _, punched = await self.check(nat, nat)
        self.assertEqual(punched.attempts, 1)

    async def test_resets(self) -> None:
        """
        Routers that answer a dial that comes too early by a reset.
        """
        nat = NAT(resets=True)
        await self.check(nat, nat)

    async def test_reversal(self) -> None:
        """
        A peer with a forwarded port is simply dialed.
        """
        forwarding = NAT(forwards=(("tcp", 4001, "10.2.0.2"),))
        connection, _ = await self.check(NAT(Mapping.SYMMETRIC), forwarding)
        self.assertIs(connection.direction, Direction.INBOUND)

    async def test_symmetric(self) -> None:
        """
        Where no hole can be punched the relayed connection stays.
        """
        self.patch(service, "PUNCH_TIME", 0.5)
        nat = NAT(Mapping.SYMMETRIC, resets=True)
        dialer, listener, failed = await self.meet(nat, nat)
        self.assertIsInstance(failed, HolePunchFailed)
        self.assertEqual(failed.attempts, 3)
        reader = Reader()
        await dialer.openStream(
            listener.peerID,
            PROTOCOL_ID,
            Factory.forProtocol(lambda: reader),
            LIMITED,
        )
        self.assertTrue(reader.transport.connection.limited)
