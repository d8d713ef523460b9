# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the services of a node.
"""

from __future__ import annotations

from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyClass, verifyObject

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.events import OpenedConn
from twisted_libp2p.interfaces import (
    IConnection,
    IConnections,
    IEventBus,
    IHost,
    IHostService,
    IRegistration,
    IRegistry,
)
from twisted_libp2p.node.running import SERVICES_TIME
from twisted_libp2p.protocols.echo import PROTOCOL_ID, EchoFactory
from twisted_libp2p.protocols.identify import IdentifyService
from twisted_libp2p.protocols.ping import PingService
from twisted_libp2p.testing import MemoryNodes


@implementer(IHostService)
class Recorder(Service):
    """
    Records its life, and the connections of its node.
    """

    name = "recorder"

    def __init__(self) -> None:
        self.host: Any = None
        self.life: list[str] = []
        self.peers: list[Any] = []

    def attach(self, host: IHost) -> None:
        """
        Follow the connections, and serve echo.
        """
        self.host = host
        self.life.append("attached")
        host.registry.register(PROTOCOL_ID, EchoFactory())
        host.events.subscribe(OpenedConn, lambda event: self.peers.append(event.peer))

    def startService(self) -> None:
        """
        Record the start, and whether the node listens by then.
        """
        super().startService()
        self.life.append(f"started with {len(self.host.addresses)} addresses")

    def stopService(self) -> None:
        """
        Record the end.
        """
        super().stopService()
        self.life.append("stopped")


class ServicesTests(SynchronousTestCase):
    """
    Services are attached, started and stopped with their node.
    """

    def setUp(self) -> None:
        """
        Have a network.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)

    def test_given(self) -> None:
        """
        A service that a node is made with is attached at once, starts before the node
        listens, and stops with it.
        """
        service = Recorder()
        node = self.nodes.start(services=[service])
        self.assertIs(service.host, node)
        self.nodes.result(node.stopService())
        self.assertEqual(
            service.life, ["attached", "started with 0 addresses", "stopped"]
        )

    def test_added(self) -> None:
        """
        A service that a running node gets starts at once.
        """
        service = Recorder()
        node, peer = self.nodes.start(), self.nodes.start()
        node.add(service)
        self.assertEqual(service.life, ["attached", "started with 1 addresses"])
        self.nodes.connect(peer, node)
        self.assertEqual(service.peers, [peer.peerID])
        self.assertIn(PROTOCOL_ID, peer.peerstore.protocols(node.peerID))

    def test_refused(self) -> None:
        """
        A service whose protocol is served already is no service of the node.
        """
        node = self.nodes.start()
        node.registry.register(PROTOCOL_ID, EchoFactory())
        self.assertRaises(ConfigurationError, node.add, Recorder())
        self.assertRaises(ConfigurationError, node.service, Recorder)

    def test_service(self) -> None:
        """
        A service is found by its class; the error for a missing one says how to add
        it.
        """
        node = self.nodes.start()
        self.assertIsInstance(node.service(PingService), PingService)
        self.assertIsInstance(node.service(IdentifyService), IdentifyService)
        error = self.assertRaises(ConfigurationError, node.service, Recorder)
        self.assertIn("node.add(Recorder(...))", str(error))

    def test_contracts(self) -> None:
        """
        A node and its parts fulfil the contracts that services rely on.
        """
        node, peer = self.nodes.start(), self.nodes.start()
        near, _ = self.nodes.connect(peer, node)
        verifyObject(IHost, node)
        verifyObject(IConnections, node.connections)
        verifyObject(IConnection, near)
        verifyObject(IEventBus, node.events)
        verifyObject(IRegistry, node.registry)
        verifyObject(IRegistration, node.registry.register("/x", EchoFactory()))
        for kind in (IdentifyService, PingService, Recorder):
            verifyClass(IHostService, kind)
        self.assertEqual(node.limits, node.connections.limiter.limits)

    def test_openStream(self) -> None:
        """
        A service opens a stream to a peer by its id, over a new connection.
        """
        node, peer = self.nodes.start(), self.nodes.start()
        peer.registry.register(PROTOCOL_ID, EchoFactory())
        factory = Factory.forProtocol(Protocol)
        factory.noisy = False
        protocol: Any = self.nodes.result(
            node.openStream(peer.addresses[0], ["/none", PROTOCOL_ID], factory)
        )
        self.assertEqual(protocol.transport.protocolID, PROTOCOL_ID)
        protocol.transport.loseConnection()


@implementer(IHostService)
class Farewell(Service):
    """
    Takes its time to stop.

    @ivar stopping: fires when it has stopped.
    @ivar connections: the number of connections at its stop.
    """

    name = "farewell"
    host: Any = None

    def __init__(self) -> None:
        self.stopping: Deferred[None] = Deferred()
        self.connections = 0

    def attach(self, host: IHost) -> None:
        """
        Keep the node.
        """
        self.host = host

    def stopService(self) -> Deferred[None]:
        """
        Record the connections, and wait for the test.
        """
        super().stopService()
        self.connections = len(self.host.connections)
        return self.stopping


class StoppingTests(SynchronousTestCase):
    """
    Services end before the connections of their node.
    """

    def setUp(self) -> None:
        """
        Connect a node with such a service.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.service = Farewell()
        self.node = self.nodes.start(services=[self.service])
        peer = self.nodes.start()
        self.nodes.connect(peer, self.node)

    def test_waits(self) -> None:
        """
        The connections stay until a service has stopped.
        """
        stopping = self.node.stopService()
        self.nodes.settle()
        self.assertEqual(self.service.connections, 1)
        self.assertEqual(len(self.node.connections), 1)
        self.service.stopping.callback(None)
        self.nodes.result(stopping)
        self.assertEqual(len(self.node.connections), 0)

    def test_late(self) -> None:
        """
        A service that takes longer than a second is cancelled.
        """
        stopping = self.node.stopService()
        self.nodes.advance(SERVICES_TIME - 0.1)
        self.assertNoResult(stopping)
        self.nodes.advance(0.1)
        self.nodes.result(stopping)
        self.assertTrue(self.service.stopping.called)
        self.assertEqual(len(self.node.connections), 0)

    def test_fails(self) -> None:
        """
        The error of a service is logged, and keeps the node from nothing.
        """
        self.service.stopping.errback(ZeroDivisionError())
        self.nodes.result(self.node.stopService())
        self.assertEqual(len(self.node.connections), 0)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
