# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the options of a dial.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import (
    DialFailed,
    LimitedConnection,
    UnsupportedAddress,
    UpgradeTimeout,
)
from twisted_libp2p.events import OpenedConn
from twisted_libp2p.interfaces import DEFAULT_OPTIONS, DialOptions, Direction, Role
from twisted_libp2p.node.outgoing import DIRECT_TIME
from twisted_libp2p.protocols.echo import EchoFactory
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.transport import MemoryNetwork, MemoryTransport
from twisted_libp2p.transport.memory import MemoryAddress


class RelayTransport(MemoryTransport):
    """
    A transport whose connections seem to lead through a relay.
    """

    def listeningOn(self, address: Multiaddr, port: Any) -> list[Multiaddr]:
        """
        Return the address at which peers can dial.
        """
        return [Multiaddr(f"/memory/{port.getHost().number}")]

    def toMultiaddr(self, address: Any) -> Multiaddr | None:
        """
        Translate an address to one by way of a relay.
        """
        return Multiaddr(f"/memory/{address.number}/p2p-circuit")


class DialOptionsTests(SynchronousTestCase):
    """
    What a caller may ask of one dial.
    """

    def setUp(self) -> None:
        """
        Start two nodes.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.server, self.client = self.nodes.start(), self.nodes.start()
        self.address = self.server.addresses[0]

    def dial(self, **options: Any) -> Any:
        """
        Connect with options.
        """
        return self.nodes.result(
            self.client.connect(self.address, DialOptions(**options))
        )

    def test_default(self) -> None:
        """
        Our side is the client of the connections that it opens.
        """
        near, far = self.nodes.connect(self.client, self.server)
        self.assertEqual((near.direction, near.role), (Direction.OUTBOUND, Role.CLIENT))
        self.assertEqual((far.direction, far.role), (Direction.INBOUND, Role.SERVER))

    def test_local(self) -> None:
        """
        A connection can be opened from a given address.
        """
        connection = self.dial(local=Multiaddr("/memory/77"))
        self.assertEqual(str(connection.localAddress), "/memory/77")
        (far,) = self.server.connections.to(self.client.peerID)
        self.assertEqual(str(far.remoteAddress), "/memory/77")

    def test_foreignLocal(self) -> None:
        """
        A transport refuses an address from which it cannot dial.
        """
        error = self.assertRaises(
            DialFailed, self.dial, local=Multiaddr("/ip4/127.0.0.1/tcp/1")
        )
        ((_, cause),) = error.causes
        self.assertIsInstance(cause, UnsupportedAddress)

    def test_fresh(self) -> None:
        """
        A fresh connection is opened although one exists, for each caller that asks.
        """
        first = self.dial()
        self.assertIs(self.dial(), first)
        second = self.dial(fresh=True)
        self.assertIsNot(second, first)
        dials = [
            self.client.connect(self.address, DialOptions(fresh=True)) for _ in range(2)
        ]
        self.nodes.settle()
        third, fourth = map(self.successResultOf, dials)
        self.assertEqual(len({first, second, third, fourth}), 4)
        self.assertEqual(len(self.server.connections.to(self.client.peerID)), 4)

    def test_freshAddress(self) -> None:
        """
        So it is for an address without a peer id, whoever answers.
        """
        first = self.dial()
        bare = self.address.withoutPeer()
        self.assertIs(self.nodes.result(self.client.connect(bare)), first)
        options = DialOptions(fresh=True)
        fresh = self.nodes.result(self.client.connect(bare, options))
        self.assertIsNot(fresh, first)
        self.assertTrue(first.connected and fresh.connected)

    def test_timeout(self) -> None:
        """
        A caller waits no longer than it says; others that share the dial go on.
        """
        nodes = MemoryNodes(delay=3)
        self.addCleanup(nodes.stop)
        server, client = nodes.start(), nodes.start()
        (address,) = server.addresses
        hasty = client.connect(address, DialOptions(timeout=1))
        patient = client.connect(address)
        nodes.advance(1.1)
        error = self.failureResultOf(hasty, DialFailed).value
        ((_, cause),) = error.causes
        self.assertIsInstance(cause, UpgradeTimeout)
        self.assertEqual(cause.seconds, 1)
        self.assertNoResult(patient)
        nodes.advance(60)
        self.assertTrue(self.successResultOf(patient).remotePeer, server.peerID)

    def test_server(self) -> None:
        """
        Both sides may dial, one of them as the server: the connection is outbound on
        both sides, and streams work in both directions.
        """
        network = MemoryNetwork(self.nodes.clock)
        ends = []
        for node, other, role in (
            (self.client, self.server, Role.CLIENT),
            (self.server, self.client, Role.SERVER),
        ):
            upgrader = node._upgrader
            transport = MemoryTransport(network)
            upgrade = upgrader.outbound(transport, other.peerID, DialOptions(role=role))
            protocol: Any = upgrader.stack(upgrade).buildProtocol(MemoryAddress(1))
            ends.append((upgrade, protocol))
            node.registry.register("/echo", EchoFactory())
        (near, client), (far, server) = ends
        network.join(client, server, MemoryAddress(1))
        self.nodes.settle()
        for upgrade, role in ((near, Role.CLIENT), (far, Role.SERVER)):
            connection: Any = self.successResultOf(upgrade.connection)
            self.assertEqual(connection.direction, Direction.OUTBOUND)
            self.assertEqual(connection.role, role)
            self.nodes.result(connection.openStream("/echo", EchoFactory()))


class LimitedTests(SynchronousTestCase):
    """
    Connections that lead through a relay.
    """

    def setUp(self) -> None:
        """
        Connect two nodes, whose transports claim to lead through a relay.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        relay = [RelayTransport(self.nodes.network)]
        self.server = self.nodes.start(transports=relay)
        self.client = self.nodes.start(transports=relay, services=[])
        self.events: list[OpenedConn] = []
        self.client.events.subscribe(OpenedConn, self.events.append)
        self.near = self.nodes.result(self.client.connect(self.server.addresses[0]))
        for node in (self.server, self.client):
            node.registry.register("/echo", EchoFactory())

    def test_event(self) -> None:
        """
        The connection says that it is limited, and so does its event.
        """
        (event,) = self.events
        self.assertTrue(self.near.limited and event.limited)

    def test_refused(self) -> None:
        """
        No stream is opened on it, unless that is asked for.
        """
        refused = self.near.openStream("/echo", EchoFactory())
        error = self.failureResultOf(refused, LimitedConnection).value
        self.assertIn("pass allowLimited=True", str(error))
        self.assertEqual(len(self.near.streams), 0)
        self.nodes.result(
            self.near.openStream("/echo", EchoFactory(), allowLimited=True)
        )

    def test_node(self) -> None:
        """
        The options of a node's dial say the same.
        """
        for options in (DEFAULT_OPTIONS, DialOptions(allowLimited=True)):
            opening = self.client.openStream(
                self.server.peerID, "/echo", EchoFactory(), options
            )
            self.nodes.settle()
            if options.allowLimited:
                self.successResultOf(opening)
            else:
                self.failureResultOf(opening, LimitedConnection)

    def test_waits(self) -> None:
        """
        An endpoint waits for a direct connection, but not for ever.
        """
        endpoint = self.client.connector(self.server.peerID, "/echo")
        waiting, late = (endpoint.connect(EchoFactory()) for _ in range(2))
        late.cancel()
        self.failureResultOf(late, CancelledError)
        self.nodes.advance(DIRECT_TIME - 1)
        self.assertNoResult(waiting)
        self.nodes.advance(2)
        error = self.failureResultOf(waiting, LimitedConnection).value
        self.assertIn("no direct connection within 10 s", str(error))

    def test_becomesDirect(self) -> None:
        """
        As soon as there is a direct connection an endpoint uses it.
        """
        waiting = self.client.connector(self.server.peerID, "/echo").connect(
            EchoFactory()
        )
        self.nodes.settle()
        self.assertNoResult(waiting)
        self.near.limited, self.near.remoteAddress = False, None
        self.client.events.publish(replace(self.events[0], limited=False))
        self.nodes.settle()
        self.successResultOf(waiting)

    def test_registered(self) -> None:
        """
        A protocol that is registered so may be opened in any case, but no other one
        that is proposed with it.
        """
        self.client.registry.register("/talk", EchoFactory(), allowLimited=True)
        self.server.registry.register("/talk", EchoFactory())
        self.nodes.result(self.near.openStream("/talk", EchoFactory()))
        both = self.near.openStream(("/talk", "/echo"), EchoFactory())
        self.failureResultOf(both, LimitedConnection)

    def test_direct(self) -> None:
        """
        Other connections are not limited.
        """
        nodes = MemoryNodes()
        self.addCleanup(nodes.stop)
        near, far = nodes.connect(nodes.start(), nodes.start())
        self.assertFalse(near.limited or far.limited)
