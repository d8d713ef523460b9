# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The stranger's test: a service, a routing and transports of other packages, each short,
work without any change of this one.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import ensureDeferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.python.reflect import namedAny
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyClass

from tests.test_architecture import imports
from tests.test_plugin import EXAMPLE, GuestFactory, Site
from twisted_libp2p import Node
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connmanager import ListGater
from twisted_libp2p.errors import DialFailed, NoAddresses, UnsupportedAddress
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import (
    AnyTransport,
    DialOptions,
    IHostService,
    IMuxedTransport,
    INativeSession,
    IPeerRouting,
    ITransport,
    ITransportProvider,
)
from twisted_libp2p.muxer.yamux.frame import PROTOCOL_ID as YAMUX
from twisted_libp2p.plugin import providers
from twisted_libp2p.protocols.echo import PROTOCOL_ID, EchoFactory
from twisted_libp2p.testing import HostDouble, MemoryNodes
from twisted_libp2p.testing.transport import TransportConformance
from twisted_libp2p.transport import MemoryNetwork, MemoryTransport, TCPTransport


class StrangerTestCase(SynchronousTestCase):
    """
    A network of nodes, and the packages of strangers.
    """

    def setUp(self) -> None:
        """
        Install the packages.
        """
        Site(self).installExample()
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)


class ShapeTests(SynchronousTestCase):
    """
    The packages are as short as they are meant to be.
    """

    def test_short(self) -> None:
        """
        Each has fewer than 150 lines, and uses no private name of this package.
        """
        for path in EXAMPLE.glob("*.py"):
            source = path.read_text()
            self.assertLess(len(source.splitlines()), 150, path.name)
            for found in imports(source, ""):
                self.assertNotIn("._", found.name, path.name)


class GuestbookTests(StrangerTestCase):
    """
    A service.
    """

    def setUp(self) -> None:
        """
        Start two nodes with a guestbook.
        """
        super().setUp()
        self.Guestbook = namedAny("guestbook.Guestbook")
        self.books = [self.Guestbook("from Rome"), self.Guestbook("from Oslo")]
        self.rome, self.oslo = (
            self.nodes.start(services=[book]) for book in self.books
        )

    def test_contract(self) -> None:
        """
        It is a service of a node.
        """
        verifyClass(IHostService, self.Guestbook)

    def test_greetings(self) -> None:
        """
        Two peers that meet have each other's greeting; a peer without a guestbook
        leaves none.
        """
        self.nodes.connect(self.rome, self.oslo)
        self.nodes.connect(self.rome, self.nodes.start())
        self.nodes.settle()
        rome, oslo = self.books
        self.assertEqual(rome.greetings, {self.oslo.peerID: "from Oslo"})
        self.assertEqual(oslo.greetings, {self.rome.peerID: "from Rome"})

    def test_bounded(self) -> None:
        """
        A book keeps the last thousand greetings.
        """
        host = HostDouble()
        book = self.Guestbook("hello")
        book.attach(host)
        connections = [host.meet(Identity.generate()) for _ in range(3)]
        self.patch(namedAny("guestbook"), "PAGES", 2)
        for connection in connections:
            stream = host.serve(connection, "/guestbook/1.0.0")
            stream.protocol.dataReceived(b"\x02hi")
            self.assertEqual(stream.value(), b"\x05hello")
        self.assertEqual(
            list(book.greetings), [each.remotePeer for each in connections[1:]]
        )


class PhonebookTests(StrangerTestCase):
    """
    A routing.
    """

    def setUp(self) -> None:
        """
        Start a directory, and a node that asks it.
        """
        super().setUp()
        self.directory = self.nodes.start(services=[namedAny("phonebook.Directory")()])
        self.Phonebook = namedAny("phonebook.Phonebook")
        self.node = self.nodes.start(
            services=[self.Phonebook(self.directory.addresses[0])]
        )

    def test_contracts(self) -> None:
        """
        It is a service and a routing.
        """
        verifyClass(IHostService, self.Phonebook)
        verifyClass(IPeerRouting, self.Phonebook)

    def test_found(self) -> None:
        """
        A peer that the directory knows is reached by its id alone.
        """
        peer = self.nodes.start()
        self.nodes.connect(peer, self.directory)
        connection = self.nodes.result(self.node.connect(peer.peerID))
        self.assertEqual(connection.remotePeer, peer.peerID)

    def test_moved(self) -> None:
        """
        The directory is asked again when all known addresses have failed.
        """
        peer = self.nodes.start(listen=["/memory/5"])
        near, _ = self.nodes.connect(self.node, peer)
        self.nodes.result(near.close())
        self.nodes.result(peer.stopListeningOn("/memory/5"))
        self.nodes.result(peer.listenOn("/memory/6"))
        self.nodes.connect(peer, self.directory)
        connection = self.nodes.result(self.node.connect(peer.peerID))
        self.assertEqual(str(connection.remoteAddress), "/memory/6")

    def test_unknown(self) -> None:
        """
        A peer that the directory does not know fails the dial, and so does a directory
        that is not there; no routing asks itself.
        """
        stranger = Identity.generate().peerID
        with self.assertRaises((NoAddresses, DialFailed)):
            self.nodes.result(self.node.connect(stranger))
        self.nodes.result(self.directory.stopService())
        with self.assertRaises((NoAddresses, DialFailed)):
            self.nodes.result(self.node.connect(stranger))


class BurrowTests(TestCase):
    """
    A transport of bytes.
    """

    def setUp(self) -> None:
        """
        Have a folder whose name is short enough for a socket.
        """
        Site(self).installExample()
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        self.patch(os, "environ", {**os.environ, "BURROW": folder})

    def start(self, *listen: str) -> Node:
        """
        Start a node that has this transport alone, by its name.
        """
        node = Node(reactor, listen=listen, transports=["burrow"])
        node.startService()
        self.addCleanup(node.stopService)
        return node

    def test_contract(self) -> None:
        """
        It is a transport, and found by its name.
        """
        verifyClass(ITransport, namedAny("burrow.Burrow"))
        self.assertIn("burrow", providers(ITransportProvider))

    def test_local(self) -> None:
        """
        It cannot choose the address from which it dials.
        """
        transport = namedAny("burrow.Burrow")(reactor, "/none")
        options = DialOptions(local=Multiaddr("/memory/3"))
        self.assertRaises(
            UnsupportedAddress,
            transport.clientEndpoint,
            Multiaddr("/memory/1"),
            options,
        )

    async def test_echo(self) -> None:
        """
        Two nodes reach each other over it, by a number or by a free one.
        """
        server, client = self.start("/memory/7", "/memory/0"), self.start()
        server.registry.register(PROTOCOL_ID, EchoFactory())
        addresses = await server.whenListening()
        self.assertEqual(
            [str(each.withoutPeer()) for each in addresses], ["/memory/7", "/memory/1"]
        )
        for address in addresses:
            connection = await client.connect(address, DialOptions(fresh=True))
            guest: Any = await connection.openStream(PROTOCOL_ID, GuestFactory())
            self.assertEqual(await guest.answered, b"hello")
            self.assertEqual(connection.transport, "burrow")
            self.assertEqual(connection.remoteAddress, address.withoutPeer())


class StraightTests(SynchronousTestCase):
    """
    A transport that is secure and multiplexed by itself.
    """

    def setUp(self) -> None:
        """
        Have a network, and nodes that have this transport alone.
        """
        Site(self).installExample()
        self.clock = Clock()
        self.network = MemoryNetwork(self.clock)
        self.Straight = namedAny("straight.Straight")
        self.server, self.client = self.start("/memory/7"), self.start()

    def start(self, *listen: str, **options: Any) -> Node:
        """
        Start a node.
        """
        below = MemoryTransport(self.network)
        transport = self.Straight(below, self.clock)
        node = Node(
            self.clock,
            listen=listen,
            transports=[transport],
            random=lambda: 0.0,
            **options,
        )
        node.startService()
        self.addCleanup(self.stop, node)
        return node

    def stop(self, node: Node) -> None:
        """
        Stop a node.
        """
        self.result(node.stopService())

    def result(self, waiting: Any) -> Any:
        """
        Let everything happen, and return the result.
        """
        deferred = ensureDeferred(waiting)
        for _ in range(20):
            self.clock.advance(0)
        return self.successResultOf(deferred)

    def test_contracts(self) -> None:
        """
        Its contracts are those of a transport that is muxed natively.
        """
        verifyClass(IMuxedTransport, self.Straight)
        verifyClass(INativeSession, namedAny("straight.StraightSession"))

    def test_services(self) -> None:
        """
        Two nodes connect over it, identify and ping each other, and serve a protocol:
        nothing is negotiated before the streams.
        """
        self.server.registry.register(PROTOCOL_ID, EchoFactory())
        connection = self.result(self.client.connect(self.server.addresses[0]))
        self.assertEqual(connection.transport, "straight")
        self.assertEqual(connection.remotePeer, self.server.peerID)
        self.assertEqual((connection.security, connection.muxer), ("/noise", YAMUX))
        told = self.result(self.client.identify(self.server.peerID))
        self.assertIn(PROTOCOL_ID, told.protocols)
        self.assertGreater(self.result(self.client.ping(self.server.peerID)), 0.0)
        guest = self.result(connection.openStream(PROTOCOL_ID, GuestFactory()))
        self.assertEqual(self.result(guest.answered), b"hello")
        self.result(connection.close())
        self.assertEqual(len(self.server.connections), 0)

    def test_mismatch(self) -> None:
        """
        Another peer than the expected one is not connected.
        """
        address = Multiaddr("/memory/7").withPeer(Identity.generate().peerID)
        dialing = self.client.connect(address)
        for _ in range(20):
            self.clock.advance(0)
        error: Any = self.failureResultOf(dialing, DialFailed).value
        self.assertIn("PeerMismatch", repr(error.causes))

    def test_gated(self) -> None:
        """
        The gater is asked, as for any transport.
        """
        gated = self.start(gater=ListGater(blocked=[self.server.peerID]))
        dialing = gated.connect("/memory/7")
        for _ in range(20):
            self.clock.advance(0)
        error: Any = self.failureResultOf(dialing, DialFailed).value
        self.assertIn("Gated", repr(error.causes))
        self.assertEqual(len(gated.connections), 0)

    def test_silent(self) -> None:
        """
        A peer that says nothing is given up at the deadline of the upgrade.
        """
        port: Any = self.successResultOf(
            MemoryTransport(self.network)
            .serverEndpoint(Multiaddr("/memory/8"))
            .listen(Factory.forProtocol(Protocol))
        )
        dialing = self.client.connect("/memory/8")
        self.clock.pump([0.1] * 130)
        error: Any = self.failureResultOf(dialing, DialFailed).value
        self.assertIn("UpgradeTimeout", repr(error.causes))
        port.stopListening()

    def test_cancelled(self) -> None:
        """
        A dial that is cancelled leaves nothing behind.
        """
        dialing = self.client.connect("/memory/7")
        dialing.cancel()
        self.failureResultOf(dialing)
        for _ in range(20):
            self.clock.advance(0)
        self.assertEqual(len(self.server.connections), 0)


class BurrowConformanceTests(TransportConformance, TestCase):
    """
    Unix sockets are a transport.
    """

    reactor = reactor
    listenAddress = "/memory/0"

    def setUp(self) -> None:
        """
        Have a folder for the sockets.
        """
        Site(self).installExample()
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def makeTransport(self) -> AnyTransport:
        """
        Make a transport of the folder.
        """
        transport: AnyTransport = namedAny("burrow.Burrow")(reactor, self.folder)
        return transport

    def deadAddress(self) -> Multiaddr:
        """
        Return an address without a socket.
        """
        return Multiaddr("/memory/99")


class StraightConformanceTests(TransportConformance, TestCase):
    """
    Noise and yamux at once are a transport that is muxed natively.
    """

    reactor = reactor
    listenAddress = "/ip4/127.0.0.1/tcp/0"
    wildcardAddress = "/ip4/0.0.0.0/tcp/0"
    localAddress = "/ip4/127.0.0.3/tcp/0"

    def setUp(self) -> None:
        """
        Install the package.
        """
        Site(self).installExample()

    def makeTransport(self) -> AnyTransport:
        """
        Make a transport over TCP.
        """
        below = TCPTransport(reactor)
        transport: AnyTransport = namedAny("straight.Straight")(below, reactor)
        return transport

    def deadAddress(self) -> Multiaddr:
        """
        Return an address whose port is free.
        """
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            return Multiaddr(f"/ip4/127.0.0.1/tcp/{taken.getsockname()[1]}")
