# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.endpoints}: what endpoint strings mean, and that
any Twisted server and client can be told one.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import clientFromString, serverFromString
from twisted.internet.error import CannotListenError, ConnectionDone
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.client import (
    Agent,
    HTTPConnectionPool,
    RedirectAgent,
    readBody,
)
from twisted.web.iweb import IAgentEndpointFactory
from twisted.web.server import Site
from twisted.web.static import File
from zope.interface import implementer
from zope.interface.verify import verifyObject

from twisted_libp2p.address import Multiaddr, PeerAddress
from twisted_libp2p.endpoints import (
    Libp2pClientEndpoint,
    Libp2pServerEndpoint,
    nodeOf,
    parseClient,
    parseServer,
)
from twisted_libp2p.errors import (
    ConfigurationError,
    UnsupportedAddress,
    UnsupportedProtocol,
)
from twisted_libp2p.identity import Identity
from twisted_libp2p.protocols.echo import EchoFactory
from twisted_libp2p.testing.nodes import MemoryNodes

PEER = Identity.generate().peerID
LOCAL = "libp2p:/ip4/127.0.0.1/tcp/0:protocol="
MIB = 1 << 20


class ParserTests(SynchronousTestCase):
    """
    Endpoint strings, as Twisted finds them.
    """

    def setUp(self) -> None:
        """
        Have a reactor that connects nothing.
        """
        self.reactor: Any = MemoryReactorClock()

    def server(self, description: str) -> Libp2pServerEndpoint:
        """
        Parse a string for a server.
        """
        endpoint = serverFromString(self.reactor, description)
        assert isinstance(endpoint, Libp2pServerEndpoint)
        return endpoint

    def client(self, description: str) -> Libp2pClientEndpoint:
        """
        Parse a string for a client.
        """
        endpoint = clientFromString(self.reactor, description)
        assert isinstance(endpoint, Libp2pClientEndpoint)
        return endpoint

    def refused(self, description: str) -> str:
        """
        Both kinds of strings are refused for the same reason, in one line.
        """
        told = []
        for parse in (serverFromString, clientFromString):
            with self.assertRaises(ValueError) as caught:
                parse(self.reactor, description)
            told.append(str(caught.exception))
        self.assertEqual(told[0], told[1])
        self.assertNotIn("\n", told[0])
        return told[0]

    def test_interfaces(self) -> None:
        """
        The strings give endpoints.
        """
        verifyObject(IStreamServerEndpoint, self.server(LOCAL + "/a"))
        verifyObject(IStreamClientEndpoint, self.client(f"libp2p:{PEER}:protocol=/a"))

    def test_listen(self) -> None:
        """
        A server listens where its string says, and takes over the node's
        other protocols.
        """
        endpoint = self.server("libp2p:/ip4/127.0.0.1/tcp/4001:protocol=/a")
        port = self.successResultOf(endpoint.listen(EchoFactory()))
        verifyObject(IListeningPort, port)
        ((number, _, _, interface),) = self.reactor.tcpServers
        self.assertEqual((interface, number), ("127.0.0.1", 4001))
        self.assertIn("/a", nodeOf(self.reactor).registry.protocols())

    def test_connect(self) -> None:
        """
        A client dials what its string says.
        """
        self.client(f"libp2p:/ip4/1.2.3.4/tcp/4001/p2p/{PEER}:protocol=/a").connect(
            EchoFactory()
        )
        ((host, number, *_),) = self.reactor.tcpClients
        self.assertEqual((host, number), ("1.2.3.4", 4001))

    def test_ip6(self) -> None:
        """
        The colons of an IPv6 address need no escape, but may have one.
        """
        for text in ("/ip6/::1/tcp/4001", r"/ip6/\:\:1/tcp/4001"):
            self.setUp()
            self.server(f"libp2p:{text}:protocol=/a").listen(EchoFactory())
            ((number, _, _, interface),) = self.reactor.tcpServers
            self.assertEqual((interface, number), ("::1", 4001))
            self.client(f"libp2p:{text}/p2p/{PEER}:protocol=/a").connect(EchoFactory())
            ((host, number, *_),) = self.reactor.tcpClients
            self.assertEqual((host, number), ("::1", 4001))

    def test_order(self) -> None:
        """
        The keywords may come in any order, and before the address.
        """
        for description in (
            "libp2p:/ip4/127.0.0.1/tcp/4001:node=x:protocol=/a",
            "libp2p:protocol=/a:node=x:/ip4/127.0.0.1/tcp/4001",
            "LIBP2P:protocol=/a:/ip6/::1/tcp/4001:node=x",
        ):
            self.setUp()
            self.server(description).listen(EchoFactory())
            self.assertEqual(len(self.reactor.tcpServers), 1)
            self.assertIn("/a", nodeOf(self.reactor, "x").registry.protocols())

    def test_unknownKeyword(self) -> None:
        """
        A keyword that does not exist is named, whatever its name is.
        """
        for keyword in ("protocl", "reactor", "self", "address", "/unix/a"):
            told = self.refused(f"libp2p:{PEER}:protocol=/a:{keyword}=/b")
            self.assertIn(f"{keyword}=", told)

    def test_joining(self) -> None:
        """
        The network to join is checked as the string is read.
        """
        place = f"/ip4/192.0.2.1/tcp/4001/p2p/{PEER}"
        for network, right in (
            ("bootstrap=there", "libp2p: bootstrap=there: it is neither a file"),
            ("bootstrap=", "libp2p: bootstrap=: "),
            ("dht=/a", "dht= needs bootstrap="),
            (f"bootstrap={place}:dht=a", "'a' is not the prefix of a DHT"),
        ):
            self.assertIn(right, self.refused(f"libp2p:{place}:protocol=/a:{network}"))

    def test_noProtocol(self) -> None:
        """
        Without a protocol there is nothing to speak.
        """
        for description in (
            "libp2p:",
            "libp2p:/ip4/127.0.0.1/tcp/4001",
            "libp2p:/ip4/127.0.0.1/tcp/4001:protocol=",
        ):
            self.assertIn("protocol=", self.refused(description))

    def test_noAddress(self) -> None:
        """
        A client has to know whom to connect to.
        """
        with self.assertRaises(ValueError) as caught:
            self.client("libp2p:protocol=/a")
        self.assertIn("the peer to connect to", str(caught.exception))

    def test_badAddress(self) -> None:
        """
        What is no multiaddr is told as such.
        """
        for address in ("/ip4/1.2.3/tcp/1", "/nonsense", "/ip4/1.2.3.4/tcp"):
            self.assertIn(
                address.split("/")[1], self.refused(f"libp2p:{address}:protocol=/a")
            )

    def test_badPeer(self) -> None:
        """
        So is what is no peer id.
        """
        with self.assertRaises(ValueError):
            self.client("libp2p:localhost:protocol=/a")

    def test_badIdentity(self) -> None:
        """
        A file that holds no key is told at once.
        """
        garbage = self.mktemp()
        with open(garbage, "w") as file:
            file.write("garbage")
        for path in (garbage, os.path.dirname(garbage), garbage + "/none"):
            self.assertIn(path, self.refused(f"{LOCAL}/a:identity={path}"))
        # As from a variable that is not set.
        self.assertIn("identity=node.key", self.refused(f"{LOCAL}/a:identity="))

    def test_unsupportedAddress(self) -> None:
        """
        An address that no transport serves fails the listening, and leaves
        nothing behind.
        """
        endpoint = self.server("libp2p:/ip4/127.0.0.1/udp/4001:protocol=/a")
        self.failureResultOf(endpoint.listen(EchoFactory()), UnsupportedAddress)
        self.assertNotIn("/a", nodeOf(self.reactor).registry.protocols())

    def test_taken(self) -> None:
        """
        A protocol of a node is served once.
        """
        self.successResultOf(self.server(LOCAL + "/a").listen(EchoFactory()))
        self.failureResultOf(
            self.server(LOCAL + "/a").listen(EchoFactory()), ConfigurationError
        )

    def test_identity(self) -> None:
        """
        The node is who the file says; the file is made if it is not there.
        """
        path = self.mktemp()
        self.server(f"{LOCAL}/a:identity={path}").listen(EchoFactory())
        peer = nodeOf(self.reactor).peerID
        self.assertEqual(peer, Identity.fromFile(path).peerID)
        # Another reactor is another process, as far as nodes are concerned.
        self.setUp()
        address = f"/ip4/1.2.3.4/tcp/1/p2p/{PEER}"
        parseClient(self.reactor, address, protocol="/a", identity=path).connect(
            EchoFactory()
        )
        self.assertEqual(nodeOf(self.reactor).peerID, peer)

    def test_otherIdentity(self) -> None:
        """
        One node cannot be two peers; another one can be the other.
        """
        self.server(LOCAL + "/a").listen(EchoFactory())
        path = self.mktemp()
        self.failureResultOf(
            self.server(f"{LOCAL}/b:identity={path}").listen(EchoFactory()),
            ConfigurationError,
        )
        self.failureResultOf(
            self.client(f"libp2p:{PEER}:protocol=/b:identity={path}").connect(
                EchoFactory()
            ),
            ConfigurationError,
        )
        self.successResultOf(
            self.server(f"{LOCAL}/b:identity={path}:node=b").listen(EchoFactory())
        )
        self.assertNotEqual(
            nodeOf(self.reactor).peerID, nodeOf(self.reactor, "b").peerID
        )


class NodeOfTests(SynchronousTestCase):
    """
    Tests for L{nodeOf}.
    """

    def test_shared(self) -> None:
        """
        There is one node for each reactor and name.
        """
        first: Any = MemoryReactorClock()
        second: Any = MemoryReactorClock()
        self.assertIs(nodeOf(first), nodeOf(first))
        self.assertIsNot(nodeOf(first), nodeOf(first, "name"))
        self.assertIsNot(nodeOf(first), nodeOf(second))

    def test_shutdown(self) -> None:
        """
        The node runs until the reactor stops.
        """
        memory: Any = MemoryReactorClock()
        node = nodeOf(memory)
        self.assertTrue(node.running)
        (stop,) = memory.triggers["before"]["shutdown"]
        function, arguments, keywords = stop
        self.successResultOf(function(*arguments, **keywords))
        self.assertFalse(node.running)
        self.assertIsNot(nodeOf(memory), node)

    def test_again(self) -> None:
        """
        A node that was stopped is started when it is needed again: with the
        same identity, and nothing left of what it listened on.
        """
        memory: Any = MemoryReactorClock()
        node = nodeOf(memory)
        endpoint = parseServer(memory, "/ip4/127.0.0.1/tcp/4001", protocol="/a")
        port = self.successResultOf(endpoint.listen(EchoFactory()))
        addresses = node.addresses
        self.successResultOf(node.stopService())
        self.successResultOf(maybeDeferred(port.stopListening))
        self.assertIs(nodeOf(memory), node)
        self.assertTrue(node.running)
        self.successResultOf(endpoint.listen(EchoFactory()))
        self.assertEqual(node.addresses, addresses)


class ServerTests(SynchronousTestCase):
    """
    Server endpoints of a node in memory.
    """

    def setUp(self) -> None:
        """
        Start a node that does not listen.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.node = self.nodes.start(listen=())

    def listen(self, address: str | None, protocol: str) -> Any:
        """
        Serve a protocol.
        """
        endpoint = Libp2pServerEndpoint(
            self.nodes.clock, address, protocol, node=self.node
        )
        return self.nodes.result(endpoint.listen(EchoFactory()))

    def listening(self) -> list[str]:
        """
        Tell where the node listens.
        """
        return [str(each.withoutPeer()) for each in self.node.addresses]

    def test_shared(self) -> None:
        """
        Protocols that are served at one address share it; it is closed with
        the last of them, however often one is stopped.
        """
        first = self.listen("/memory/7", "/a")
        second = self.listen("/memory/7", "/b")
        third = self.listen("/memory/8", "/c")
        self.assertEqual(self.listening(), ["/memory/7", "/memory/8"])
        for _ in range(2):
            self.nodes.result(first.stopListening())
            self.assertEqual(self.listening(), ["/memory/7", "/memory/8"])
        self.assertNotIn("/a", self.node.registry.protocols())
        self.nodes.result(second.stopListening())
        self.assertEqual(self.listening(), ["/memory/8"])
        self.nodes.result(third.stopListening())
        self.assertEqual(self.listening(), [])

    def test_ofNode(self) -> None:
        """
        An address on which the node listens by itself may be shared, and
        survives that.
        """
        self.nodes.result(self.node.listenOn("/memory/7"))
        port = self.listen("/memory/7", "/a")
        self.nodes.result(port.stopListening())
        self.assertEqual(self.listening(), ["/memory/7"])

    def test_withoutAddress(self) -> None:
        """
        A server without an address opens none.
        """
        port = self.listen(None, "/a")
        self.assertEqual(self.listening(), [])
        self.assertEqual(port.getHost(), PeerAddress(self.node.peerID, None, "/a"))
        self.nodes.result(port.stopListening())
        self.assertNotIn("/a", self.node.registry.protocols())

    def test_getHost(self) -> None:
        """
        Each port tells its own address, and its protocol.
        """
        for address, protocol in (("/memory/7", "/a"), ("/memory/8", "/b")):
            port = self.listen(address, protocol)
            self.assertEqual(
                port.getHost(),
                PeerAddress(self.node.peerID, Multiaddr(address), protocol),
            )

    def test_failed(self) -> None:
        """
        Where the address cannot be had, the protocol is not served either.
        """
        self.nodes.start(listen=["/memory/7"])
        with self.assertRaises(CannotListenError):
            self.listen("/memory/7", "/a")
        self.assertNotIn("/a", self.node.registry.protocols())

    def test_foreign(self) -> None:
        """
        An address that ends in another peer's id is no address of this node.
        """
        with self.assertRaises(ConfigurationError):
            self.listen(f"/memory/7/p2p/{PEER}", "/a")


class Greeter(Protocol):
    """
    Tells both ends of its transport, and closes.
    """

    def connectionMade(self) -> None:
        """
        Tell them.
        """
        transport: Any = self.transport
        self.factory.ends = (transport.getHost(), transport.getPeer())
        transport.write(b"hello")
        transport.loseConnection()


class Reader(Protocol):
    """
    Reads to the end.
    """

    def __init__(self) -> None:
        self.received = b""
        self.done: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        """
        Keep it.
        """
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Tell what it was.
        """
        if reason.check(ConnectionDone):
            self.done.callback(self.received)
        else:
            self.done.errback(reason)


class LoopbackTestCase(TestCase):
    """
    Two nodes of the real reactor, on loopback.
    """

    def setUp(self) -> None:
        """
        The reactor is to be clean afterwards.
        """
        self.server = nodeOf(reactor, "server")
        self.client = nodeOf(reactor, "client")
        for node in (self.server, self.client):
            self.addCleanup(node.stopService)

    async def listen(self, protocol: str, factory: IProtocolFactory) -> tuple[Any, str]:
        """
        Serve a protocol.

        @return: the port, and the string of a client.
        """
        endpoint = serverFromString(reactor, f"{LOCAL}{protocol}:node=server")
        port: Any = await endpoint.listen(factory)
        self.addCleanup(port.stopListening)
        host = port.getHost()
        return port, f"libp2p:{host}:protocol={protocol}:node=client"


class LoopbackTests(LoopbackTestCase):
    """
    Endpoint strings over TCP.
    """

    async def test_roundTrip(self) -> None:
        """
        A client connects to a server; each knows who is at the other end, and
        where.
        """
        greeters: Any = Factory.forProtocol(Greeter)
        port, address = await self.listen("/greeter", greeters)
        readers = Factory.forProtocol(Reader)
        reader: Any = await clientFromString(reactor, address).connect(readers)
        self.assertEqual(await reader.done, b"hello")
        host, peer = greeters.ends
        client = self.client.peerID
        self.assertEqual(host, port.getHost())
        self.assertEqual((peer.peerID, peer.protocolID), (client, "/greeter"))
        self.assertEqual(peer.multiaddr.value("ip4"), "127.0.0.1")
        self.assertEqual(reader.transport.getPeer(), port.getHost())
        self.assertEqual(
            reader.transport.getHost(),
            PeerAddress(client, peer.multiaddr, "/greeter"),
        )
        self.assertEqual(str(peer), f"{peer.multiaddr}/p2p/{client}")
        self.assertEqual(len(self.server.connections), 1)

    async def test_oneConnection(self) -> None:
        """
        Several protocols share the address, the identity and the connection.
        """
        greeters = Factory.forProtocol(Greeter)
        greeters.noisy = False
        first, address = await self.listen("/a", greeters)
        second, other = await self.listen("/b", greeters)
        self.assertEqual(first.getHost().multiaddr, second.getHost().multiaddr)
        for each in (address, other):
            reader: Any = await clientFromString(reactor, each).connect(
                Factory.forProtocol(Reader)
            )
            self.assertEqual(await reader.done, b"hello")
        self.assertEqual(len(self.client.connections), 1)
        await first.stopListening()
        with self.assertRaises(UnsupportedProtocol):
            await clientFromString(reactor, address).connect(
                Factory.forProtocol(Protocol)
            )
        await second.stopListening()
        self.assertEqual(self.server.addresses, [])

    async def test_clean(self) -> None:
        """
        A server that nobody has connected to leaves nothing in the reactor
        when it stops to listen, though its node goes on.
        """
        endpoint = serverFromString(reactor, LOCAL + "/a:node=clean")
        port: Any = await endpoint.listen(EchoFactory())
        await port.stopListening()
        self.assertTrue(nodeOf(reactor, "clean").running)
        # The rest is trial's to see.


@implementer(IAgentEndpointFactory)
class _Endpoints:
    """
    Gives an agent the same endpoint for all URIs.
    """

    def __init__(self, description: str) -> None:
        self._description = description

    def endpointForURI(self, uri: Any) -> IStreamClientEndpoint:
        """
        Give it.
        """
        endpoint: IStreamClientEndpoint = clientFromString(reactor, self._description)
        return endpoint


class WebTests(LoopbackTestCase):
    """
    Twisted's own web server and client, over libp2p.
    """

    def setUp(self) -> None:
        """
        Have something to serve.
        """
        super().setUp()
        root = self.mktemp()
        os.makedirs(os.path.join(root, "folder"))
        self.content = os.urandom(MIB)
        with open(os.path.join(root, "large"), "wb") as file:
            file.write(self.content)
        with open(os.path.join(root, "folder", "index.html"), "w") as file:
            file.write("<p>hello</p>")
        self.log = self.mktemp()
        self.site = Site(File(root), logPath=self.log.encode())

    async def agent(self, persistent: bool) -> Any:
        """
        Serve, and give a client.
        """
        _, description = await self.listen("/http/1.1", self.site)
        pool = HTTPConnectionPool(reactor, persistent)
        self.addCleanup(pool.closeCachedConnections)
        return Agent.usingEndpointFactory(reactor, _Endpoints(description), pool=pool)

    async def check_requests(self, persistent: bool) -> None:
        """
        Pages, their headers, and large files can be had one after the other.
        """
        agent = await self.agent(persistent)
        for _ in range(2):
            response = await agent.request(b"GET", b"http://peer/folder/")
            self.assertEqual(response.code, 200)
            self.assertEqual(await readBody(response), b"<p>hello</p>")
        response = await agent.request(b"HEAD", b"http://peer/large")
        self.assertEqual(
            response.headers.getRawHeaders(b"content-length"), [b"%d" % MIB]
        )
        self.assertEqual(await readBody(response), b"")
        response = await agent.request(b"GET", b"http://peer/large")
        self.assertEqual(await readBody(response), self.content)
        response = await agent.request(b"GET", b"http://peer/none")
        self.assertEqual(response.code, 404)
        await readBody(response)

    async def test_single(self) -> None:
        """
        Each request may have a stream of its own.
        """
        await self.check_requests(False)

    async def test_persistent(self) -> None:
        """
        All requests may share one stream.
        """
        await self.check_requests(True)

    async def test_log(self) -> None:
        """
        The access log has a line for each request.
        """
        await self.check_requests(False)
        self.site.stopFactory()
        with open(self.log) as file:
            lines = file.read().splitlines()
        self.assertEqual(len(lines), 5)
        self.assertIn('"GET /folder/ HTTP/1.1" 200 12', lines[0])
        self.site.startFactory()

    async def test_redirect(self) -> None:
        """
        A server that tells where it is, as it does of a folder without its
        slash, does so in a way that leads there.
        """
        agent = RedirectAgent(await self.agent(False))
        response = await agent.request(b"GET", b"http://peer/folder")
        self.assertEqual(await readBody(response), b"<p>hello</p>")
