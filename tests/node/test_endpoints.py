# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of nodes that listen on, and connect with, endpoints of Twisted.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import (
    AdoptedStreamServerEndpoint,
    ProcessEndpoint,
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    UNIXClientEndpoint,
    UNIXServerEndpoint,
    serverFromString,
)
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IStreamClientEndpoint
from zope.interface import implementer

from tests.transport.unix.folder import SocketFolder
from twisted_libp2p.errors import (
    ConfigurationError,
    Libp2pError,
    UnsupportedAddress,
    UpgradeTimeout,
)
from twisted_libp2p.events import ListenClose, OpenedConn
from twisted_libp2p.interfaces import DialOptions
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.perf import PROTOCOL_ID as PERF
from twisted_libp2p.protocols.perf import PerfFactory, measure
from twisted_libp2p.transport.private import PrivateNetwork

#: A node that listens on the standard streams.
PIPED = """
import sys
from twisted.internet import reactor
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.perf import PROTOCOL_ID, PerfFactory
node = Node(reactor, listen=["endpoint:stdio:"])
node.registry.register(PROTOCOL_ID, PerfFactory(reactor))
node.startService()
from twisted_libp2p.events import ClosedConn
node.events.subscribe(ClosedConn, lambda event: reactor.stop())
reactor.run()
"""


@implementer(IStreamClientEndpoint)
class Never:
    """
    An endpoint that never connects.
    """

    def connect(self, protocolFactory: object) -> Deferred[Any]:
        """
        Return a Deferred that does not fire.
        """
        return Deferred()


class EndpointTests(SocketFolder):
    """
    Endpoints in place of addresses.
    """

    def node(self, **options: Any) -> Node:
        """
        Start a node, which is stopped after the test.
        """
        node = Node(reactor, **options)
        node.registry.register(PERF, PerfFactory(reactor))
        node.startService()
        self.addCleanup(node.stopService)
        return node

    # Listening

    async def test_tcp(self) -> None:
        """
        The port of a plain endpoint has an address, which peers dial; the endpoint may
        be an object or a text, and is closed by the same.
        """
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        text = "tcp:0:interface=127.0.0.1"
        node = self.node(listen=[endpoint, f"endpoint:{text}"])
        await node.whenListening()
        more = await node.listenOn(endpoint=text)
        self.assertEqual(more, node.addresses[2:])
        opened: list[OpenedConn] = []
        node.events.subscribe(OpenedConn, opened.append)
        closed: list[ListenClose] = []
        node.events.subscribe(ListenClose, closed.append)
        self.assertEqual(len(set(node.addresses)), 3)
        for address in node.addresses:
            client = self.node()
            near = await client.connect(address)
            await client.identify(address)
            self.assertEqual(near.remoteAddress, address.withoutPeer())
            self.assertEqual(opened[-1].remoteAddress, near.localAddress)
            self.assertEqual(opened[-1].connection.transport, "endpoint")
        await node.stopListeningOn(endpoint=text)
        self.assertEqual(len(node.addresses), 1)
        await node.stopListeningOn(endpoint=endpoint)
        self.assertEqual(node.addresses, [])
        self.assertEqual(len(closed), 3)

    async def test_wildcard(self) -> None:
        """
        An endpoint on all interfaces has the addresses of these.
        """
        node = self.node(listen=["endpoint:tcp:0"])
        addresses = await node.whenListening()
        self.assertNotIn("0.0.0.0", " ".join(map(str, addresses)))
        loopback = [each for each in addresses if each.value("ip4") == "127.0.0.1"]
        await self.node().connect(loopback[0])

    async def test_adopted(self) -> None:
        """
        A socket that was opened before, as by systemd, is listened on.
        """
        with socket.socket() as passed:
            passed.bind(("127.0.0.1", 0))
            passed.listen()
            passed.setblocking(False)
            number = passed.getsockname()[1]
            endpoint = AdoptedStreamServerEndpoint(
                reactor, os.dup(passed.fileno()), socket.AF_INET
            )
        node = self.node(listen=[endpoint])
        (address,) = await node.whenListening()
        self.assertEqual(address.value("tcp"), str(number))
        await self.node().connect(address)

    async def test_unix(self) -> None:
        """
        The clients of a Unix socket have its path.
        """
        endpoint = UNIXServerEndpoint(reactor, self.path("node"))
        node = self.node(listen=[endpoint])
        opened: list[OpenedConn] = []
        node.events.subscribe(OpenedConn, opened.append)
        (address,) = await node.whenListening()
        self.assertEqual(address.withoutPeer(), self.socket("node"))
        await self.node().identify(address)
        self.assertEqual(opened[0].remoteAddress, self.socket("node"))

    async def test_unknown(self) -> None:
        """
        If something else may be at an endpoint, such as a proxy, peers get no address;
        a trusted proxy states the address of its client.
        """
        endpoint = serverFromString(reactor, "haproxy:tcp:0:interface=127.0.0.1")
        ports: list[Any] = []
        listen = endpoint.listen

        def keep(port: Any) -> Any:
            ports.append(port)
            return port

        endpoint.listen = lambda factory: listen(factory).addCallback(keep)
        node = self.node(listen=[endpoint], proxies=["127.0.0.1"])
        opened: list[OpenedConn] = []
        node.events.subscribe(OpenedConn, opened.append)
        self.assertEqual(await node.whenListening(), [])

        class Proxied(TCP4ClientEndpoint):
            def connect(self, protocolFactory: Any) -> Any:
                """
                Send the header of a proxy first.
                """

                def build(addr: Any) -> Any:
                    protocol = built(addr)
                    make = protocol.makeConnection

                    def made(transport: Any) -> None:
                        transport.write(b"PROXY TCP4 192.0.2.7 192.0.2.1 7 80\r\n")
                        make(transport)

                    protocol.makeConnection = made
                    return protocol

                built = protocolFactory.buildProtocol
                protocolFactory.buildProtocol = build
                return super().connect(protocolFactory)

        number = ports[0].getHost().port
        client = self.node()
        near = await client.connect(Proxied(reactor, "127.0.0.1", number))
        await client.identify(near.remotePeer)
        self.assertEqual(str(opened[0].remoteAddress), "/ip4/192.0.2.7/tcp/7")

    async def test_private(self) -> None:
        """
        In a private network endpoints are private too.
        """
        network = PrivateNetwork(bytes(32))
        node = self.node(listen=["endpoint:tcp:0:interface=127.0.0.1"], network=network)
        (address,) = await node.whenListening()
        number = int(address.value("tcp") or 0)
        inside = TCP4ClientEndpoint(reactor, "127.0.0.1", number)
        await self.node(network=network).connect(inside)
        with self.assertRaises(Libp2pError):
            await self.node().connect(inside, DialOptions(timeout=3))

    def test_wrong(self) -> None:
        """
        A text that describes no endpoint is one line.
        """
        for listen, hint in (
            ("endpoint:nothing:1", "endpoint:tcp:4001 has one: Unknown endpoint type"),
            ("endpoint:tcp:x", "is not a server endpoint"),
            ("endpoint:", "is not a server endpoint"),
        ):
            error = self.assertRaises(
                ConfigurationError, Node, reactor, listen=[listen]
            )
            self.assertIn(hint, str(error))
            self.assertNotIn("\n", str(error))
        node = Node(reactor)
        self.assertRaises(ConfigurationError, node.listenOn)
        self.assertRaises(ConfigurationError, node.listenOn, endpoint=7)
        self.assertRaises(
            ConfigurationError, node.listenOn, "/ip4/127.0.0.1/tcp/0", endpoint="tcp:0"
        )

    # Connecting

    async def test_connect(self) -> None:
        """
        A node connects with client endpoints, objects and texts; a peer that is
        connected keeps its connection.
        """
        server = self.node(listen=["/ip4/127.0.0.1/tcp/0", self.socket("node")])
        await server.whenListening()
        number = int(server.addresses[0].value("tcp") or 0)
        for target in (
            TCP4ClientEndpoint(reactor, "127.0.0.1", number),
            f"endpoint:tcp:127.0.0.1:{number}",
            UNIXClientEndpoint(reactor, self.path("node")),
        ):
            client = self.node()
            near = await client.connect(target)
            self.assertEqual(near.remotePeer, server.peerID)
            self.assertIs(await client.connect(target), near)
            fresh = await client.connect(target, DialOptions(fresh=True))
            self.assertIsNot(fresh, near)
            await client.ping(server.peerID)

    async def test_process(self) -> None:
        """
        A node connects with another that listens on its standard streams; neither has
        an address.
        """
        endpoint = ProcessEndpoint(
            reactor,
            sys.executable,
            [sys.executable, "-c", PIPED],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        node = self.node()
        # The transport connects before the program has begun to load its modules, which
        # takes more than 10 s on a busy machine.
        node._upgrader.upgrades.deadlines.seconds = 50.0
        near = await node.connect(endpoint)
        self.assertIsNone(near.remoteAddress)
        self.assertIsNone(near.localAddress)
        measured = await measure(reactor, near, 300_000, 300_000)
        self.assertEqual(measured.downloaded, 300_000)
        await near.close()

    async def test_failures(self) -> None:
        """
        The error of an endpoint, or of the upgrade, reaches the caller.
        """
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            dead = TCP4ClientEndpoint(reactor, "127.0.0.1", taken.getsockname()[1])
            with self.assertRaises(ConnectionRefusedError):
                await self.node().connect(dead)
        with self.assertRaises(UpgradeTimeout):
            await self.node().connect(Never(), DialOptions(timeout=0.01))
        with self.assertRaises(ConfigurationError):
            await self.node().connect("endpoint:nothing:1")
        with self.assertRaises(UnsupportedAddress) as caught:
            await self.node(dialThrough="socks5://127.0.0.1:1").connect(Never())
        self.assertIn("around the proxy", str(caught.exception))

    async def test_stop(self) -> None:
        """
        A node that stops gives up.
        """
        node = self.node()
        connecting = node.connect(Never())
        await node.stopService()
        with self.assertRaises(CancelledError):
            await connecting
