# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of a node that drains: it takes nothing new, and ends with its streams.
"""

from __future__ import annotations

from typing import Any

from twisted.application.service import Service
from twisted.internet.protocol import Factory
from zope.interface import implementer

from tests.node.memory import Client, NodeTestCase
from twisted_libp2p.connmanager.departure import INTERVAL, QUIET
from twisted_libp2p.errors import ConfigurationError, DialFailed, NodeStopping
from twisted_libp2p.events import AddressesChanged, ClosedConn, ListenClose
from twisted_libp2p.interfaces import IDrainable, IHost, IHostService
from twisted_libp2p.node import Node
from twisted_libp2p.node.life import Life
from twisted_libp2p.protocols.echo import PROTOCOL_ID, EchoFactory
from twisted_libp2p.relay.messages import HOP
from twisted_libp2p.relay.service import RelayService

#: Enough for an idle connection to be closed.
LONG = QUIET + 2 * INTERVAL


@implementer(IDrainable, IHostService)
class Announcer(Service):
    """
    Records its life.
    """

    name = "announcer"

    def __init__(self) -> None:
        self.life: list[str] = []

    def attach(self, host: IHost) -> None:
        """
        Take the node.
        """
        self.host: Any = host

    def drain(self) -> None:
        """
        Record it, with the addresses that the node gives by then.
        """
        self.life.append(f"drained with {len(self.host.ownAddresses.full())} addresses")

    def stopService(self) -> None:
        """
        Record the end.
        """
        super().stopService()
        self.life.append("stopped")


class DrainTests(NodeTestCase):
    """
    A node that drains.
    """

    def serving(self, **options: Any) -> Node:
        """
        Start a node that serves the echo.
        """
        node = self.nodes.start(**options)
        node.registry.register(PROTOCOL_ID, EchoFactory())
        return node

    def talk(self, connection: Any) -> Client:
        """
        Open a stream on a connection.
        """
        client = self.nodes.result(
            connection.openStream(PROTOCOL_ID, Factory.forProtocol(Client))
        )
        assert isinstance(client, Client)
        self.nodes.settle()
        return client

    def test_idle(self) -> None:
        """
        Without streams it closes its connections after a second, in good order, and
        stops.
        """
        node, peer = self.serving(), self.nodes.start()
        self.nodes.connect(peer, node)
        reasons: list[Any] = []
        peer.events.subscribe(ClosedConn, lambda event: reasons.append(event.reason))
        drained = node.drain(30.0)
        self.assertIs(node.life, Life.DRAINING)
        self.nodes.advance(QUIET / 2)
        self.assertEqual(len(node.connections), 1)
        self.nodes.advance(LONG)
        self.successResultOf(drained)
        self.assertIs(node.life, Life.STOPPED)
        self.assertEqual(
            [each.getErrorMessage() for each in reasons],
            ["Connection was closed cleanly."],
        )

    def test_withoutConnections(self) -> None:
        """
        Without connections it stops at once; and so does a node that does not run.
        """
        node = self.nodes.start()
        drained = node.drain(30.0)
        self.nodes.settle()
        self.successResultOf(drained)
        again = node.drain(30.0)
        self.nodes.settle()
        self.successResultOf(again)
        self.assertIs(node.life, Life.STOPPED)

    def test_streams(self) -> None:
        """
        Open streams end in their own time, and peers may open others as long as
        there is one.
        """
        node, peer = self.serving(), self.nodes.start()
        near, _ = self.nodes.connect(peer, node)
        first = self.talk(near)
        drained = node.drain(30.0)
        self.nodes.advance(5 * LONG)
        second = self.talk(near)
        self.assertEqual(second.received, b"word")
        for client in (first, second):
            client.transport.loseConnection()
            self.nodes.advance(QUIET / 2)
            self.assertNoResult(drained)
        self.nodes.advance(LONG)
        self.successResultOf(drained)
        self.assertEqual([each.getErrorMessage() for each in first.lost], [CLEAN])

    def test_bound(self) -> None:
        """
        Streams that do not end are lost when the time is over.
        """
        node, peer = self.serving(), self.nodes.start()
        near, _ = self.nodes.connect(peer, node)
        client = self.talk(near)
        drained = node.drain(10.0)
        self.nodes.advance(9.5)
        self.assertEqual((client.lost, node.life), ([], Life.DRAINING))
        self.nodes.advance(3.0)
        self.successResultOf(drained)
        self.assertEqual(len(client.lost), 1)

    def test_refuses(self) -> None:
        """
        It does not listen any longer, and nobody can connect; it connects itself, for
        the streams that it serves.
        """
        node, peer, other = self.serving(), self.nodes.start(), self.serving()
        address = node.addresses[0]
        near, _ = self.nodes.connect(peer, node)
        self.talk(near)
        closed: list[Any] = []
        node.events.subscribe(ListenClose, closed.append)
        drained = node.drain(30.0)
        self.assertEqual((len(closed), list(node.listeners)), (1, []))
        self.failureResultOf(node.listenOn("/memory/0"), NodeStopping)
        dial = other.connect(address)
        self.nodes.settle()
        self.failureResultOf(dial, DialFailed)
        self.nodes.result(node.connect(other.addresses[0]))
        self.nodes.result(node.stopService())
        self.successResultOf(drained)

    def test_tellsPeers(self) -> None:
        """
        Peers learn at once that it has no addresses, those of the user included.
        """
        node = self.serving(announce=["/dns4/a.example/tcp/1"])
        peer = self.nodes.start()
        near, _ = self.nodes.connect(peer, node)
        self.talk(near)
        self.assertTrue(self.nodes.result(peer.identify(node.peerID)).listenAddresses)
        changed: list[Any] = []
        peer.events.subscribe(
            AddressesChanged, lambda event: changed.append(event.addresses)
        )
        node.drain(30.0)
        self.nodes.settle()
        self.assertEqual((changed, node.addresses), ([()], []))

    def test_again(self) -> None:
        """
        A stop ends it at once, and a start too; the node is as before then.
        """
        node, peer = self.serving(), self.nodes.start()
        near, _ = self.nodes.connect(peer, node)
        self.talk(near)
        drained = node.drain(30.0)
        self.nodes.result(node.stopService())
        self.successResultOf(drained)
        node.startService()
        self.nodes.settle()
        near, _ = self.nodes.connect(peer, node)
        self.talk(near)
        drained = node.drain(30.0)
        node.startService()
        self.nodes.advance(3.0)
        self.successResultOf(drained)
        self.assertIs(node.life, Life.RUNNING)
        self.assertEqual(len(node.addresses), 1)
        self.nodes.connect(peer, node)

    def test_stopped(self) -> None:
        """
        A subscriber that stops the node while it begins to drain is obeyed.
        """
        node, peer = self.serving(), self.nodes.start()
        near, _ = self.nodes.connect(peer, node)
        self.talk(near)
        node.events.subscribe(ListenClose, lambda event: node.stopService())
        drained = node.drain(30.0)
        self.nodes.settle()
        self.successResultOf(drained)
        self.assertIs(node.life, Life.STOPPED)

    def test_protected(self) -> None:
        """
        A protected peer is not dialed again.
        """
        node, peer, other = self.serving(), self.nodes.start(), self.nodes.start()
        self.nodes.connect(node, peer)
        self.nodes.connect(node, other)
        self.talk(self.nodes.result(other.connect(node.addresses[0])))
        node.connections.protect(peer.peerID, "test")
        node.drain(600.0)
        self.nodes.advance(LONG)
        self.assertEqual(len(peer.connections), 0)
        self.nodes.advance(300.0)
        self.assertEqual(len(peer.connections), 0)
        self.assertIs(node.life, Life.DRAINING)

    def test_services(self) -> None:
        """
        A service that can drain is asked to when the node has no addresses any
        longer, and is stopped with the others.
        """
        service = Announcer()
        node, peer = self.serving(services=[service]), self.nodes.start()
        near, _ = self.nodes.connect(peer, node)
        self.talk(near)
        drained = node.drain(5.0)
        self.assertEqual(service.life, ["drained with 0 addresses"])
        self.nodes.advance(8.0)
        self.successResultOf(drained)
        self.assertEqual(service.life[1:], ["stopped"])

    def test_relay(self) -> None:
        """
        It gives no places as a relay, and opens no circuits.
        """
        node, peer = self.serving(services=[RelayService()]), self.nodes.start()
        near, _ = self.nodes.connect(peer, node)
        self.talk(near)
        self.assertIn(HOP, node.registry.protocols())
        node.drain(5.0)
        self.assertNotIn(HOP, node.registry.protocols())

    def test_badTime(self) -> None:
        """
        The time has to be a number of seconds.
        """
        node = self.nodes.start()
        for wrong in (-1.0, float("inf"), float("nan")):
            error = self.assertRaises(ConfigurationError, node.drain, wrong)
            self.assertIn("such as 30", str(error))
        self.assertIs(node.life, Life.RUNNING)


CLEAN = "Connection was closed cleanly."
