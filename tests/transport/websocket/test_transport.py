# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.transport.websocket.transport} and its endpoints, on sockets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from tests.transport.websocket.authority import Authority
from tests.transport.websocket.frames import Recorder
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError, DialFailed, UnsupportedAddress
from twisted_libp2p.interfaces import DialOptions, ITransport, ITransportProvider
from twisted_libp2p.node import Node
from twisted_libp2p.transport.private import PrivateNetwork
from twisted_libp2p.transport.websocket import transport as module
from twisted_libp2p.transport.websocket.transport import (
    SecureWebSockets,
    WebSocketTransport,
)

HOST = "/ip4/192.0.2.1/tcp/4001"


class AddressTests(SynchronousTestCase):
    """
    Multiaddrs of both transports.
    """

    def setUp(self) -> None:
        self.plain = WebSocketTransport(MemoryReactorClock())
        self.secure = WebSocketTransport(MemoryReactorClock(), secure=True)

    def test_interface(self) -> None:
        """
        Both are transports of bytes, and C{SecureWebSockets} provides one.
        """
        for each in (self.plain, self.secure):
            verifyObject(ITransport, each)
            self.assertTrue(each.byteStream)
        self.assertEqual((self.plain.name, self.secure.name), ("ws", "wss"))
        verifyObject(ITransportProvider, SecureWebSockets())

    def test_kinds(self) -> None:
        """
        Each takes its own addresses, and listens on those of an IP address and a port.
        """
        for text, plain, listens in (
            (f"{HOST}/ws", True, True),
            (f"{HOST}/wss", False, True),
            (f"{HOST}/tls/ws", False, True),
            (f"{HOST}/tls/sni/example.com/ws", False, True),
            (f"{HOST}/ws/http-path/a", True, True),
            ("/dns/example.com/tcp/443/wss", False, False),
            ("/dns4/example.com/ws", True, False),
        ):
            address = Multiaddr(text)
            right, wrong = self.plain, self.secure
            if not plain:
                right, wrong = wrong, right
            self.assertTrue(right.canDial(address), text)
            self.assertEqual(right.canListen(address), listens, text)
            self.assertFalse(wrong.canDial(address), text)
            self.assertFalse(wrong.canListen(address), text)
            error = self.assertRaises(UnsupportedAddress, wrong.clientEndpoint, address)
            self.assertIn("is no WebSocket: /ip4/127.0.0.1/tcp/4001/", str(error))
        self.assertFalse(self.plain.canDial(Multiaddr(HOST)))

    def test_toMultiaddr(self) -> None:
        """
        The ends of a connection have addresses of WebSockets.
        """
        address = IPv4Address("TCP", "192.0.2.1", 4001)
        self.assertEqual(self.plain.toMultiaddr(address), Multiaddr(f"{HOST}/ws"))
        self.assertEqual(self.secure.toMultiaddr(address), Multiaddr(f"{HOST}/tls/ws"))
        self.assertIsNone(self.plain.toMultiaddr(UNIXAddress("a")))

    def test_local(self) -> None:
        """
        A WebSocket can be dialed from an address with a port.
        """
        clock = MemoryReactorClock()
        transport = WebSocketTransport(clock)
        options = DialOptions(local=Multiaddr("/ip4/192.0.2.7/tcp/9"))
        transport.clientEndpoint(Multiaddr(f"{HOST}/ws"), options).connect(Factory())
        self.assertEqual(clock.tcpClients[0][4], ("192.0.2.7", 9))

    def test_noPackage(self) -> None:
        """
        Without the package C{websockets} one line names the extra, when it is needed.
        """
        self.patch(module, "requireModule", lambda name: None)
        address = Multiaddr(f"{HOST}/ws")
        self.assertTrue(self.plain.canDial(address))
        for method in (self.plain.clientEndpoint, self.plain.serverEndpoint):
            error = self.assertRaises(UnsupportedAddress, method, address)
            self.assertEqual(
                str(error),
                "WebSocket needs the extra websocket:"
                " pip install 'twisted-libp2p[websocket]'",
            )

    def test_noCertificate(self) -> None:
        """
        Listening with TLS needs a certificate; the error names the options.
        """
        error = self.assertRaises(
            ConfigurationError, self.secure.serverEndpoint, Multiaddr(f"{HOST}/wss")
        )
        self.assertIn("--tls-certificate", str(error))


class NodeTests(TestCase):
    """
    Nodes that dial each other by WebSockets.
    """

    def setUp(self) -> None:
        self.authority = Authority(Path(self.mktemp()))

    def node(self, *listen: str, **options: Any) -> Node:
        """
        Start a node, which is stopped after the test.
        """
        node = Node(reactor, listen=listen, **options)
        node.startService()
        self.addCleanup(node.stopService)
        return node

    def secure(self, *names: str) -> list[Any]:
        """
        Return the transports of a node with a certificate.
        """
        certificate = self.authority.server(*names)
        return ["ws", SecureWebSockets(self.authority.roots, certificate)]

    async def met(self, listening: Node, dialing: Node, target: Multiaddr) -> Any:
        """
        Dial, ping, and check the addresses of both ends.
        """
        connection = await dialing.connect(target)
        self.assertEqual(connection.remotePeer, listening.peerID)
        await dialing.ping(listening.peerID)
        await listening.ping(dialing.peerID)
        (accepted,) = list(listening.connections)
        self.assertEqual(accepted.remoteAddress, connection.localAddress)
        return connection

    async def test_plain(self) -> None:
        """
        C{/ws}, with a path or without one.
        """
        for listen in (
            "/ip4/127.0.0.1/tcp/0/ws",
            "/ip4/127.0.0.1/tcp/0/ws/http-path/a",
        ):
            listening = self.node(listen)
            (address,) = await listening.whenListening()
            self.assertIn(Multiaddr(listen).names, [address.withoutPeer().names])
            connection = await self.met(listening, self.node(), address)
            self.assertEqual(connection.transport, "ws")

    async def test_sharedPort(self) -> None:
        """
        TCP dials from a port that a WebSocket has opened, if both listen there.
        """
        near = self.node("/ip4/127.0.0.2/tcp/0/ws", "/ip4/127.0.0.2/tcp/0")
        _, own = await near.whenListening()
        far = self.node("/ip4/127.0.0.3/tcp/0")
        (address,) = await far.whenListening()
        connection = await near.connect(address, DialOptions(fromListener=True))
        self.assertEqual(connection.localAddress, own.withoutPeer())

    async def test_wrongPath(self) -> None:
        """
        A listener with a path refuses others, and the dialer hears of it.
        """
        listening = self.node("/ip4/127.0.0.1/tcp/0/ws/http-path/a")
        (address,) = await listening.whenListening()
        wrong = address.decapsulate("/http-path/a").withPeer(listening.peerID)
        error = await self.assertFailure(self.node().connect(wrong), DialFailed)
        self.assertIn("404 Not Found", str(error))

    async def test_secure(self) -> None:
        """
        All forms of TLS, by an IP address that the certificate has.
        """
        transports = self.secure("127.0.0.1")
        for kind in ("/wss", "/tls/ws"):
            listening = self.node(
                f"/ip4/127.0.0.1/tcp/0{kind}", transports=transports, security="noise"
            )
            (address,) = await listening.whenListening()
            self.assertIn(kind, str(address))
            dialing = self.node(transports=transports)
            connection = await self.met(listening, dialing, address)
            self.assertEqual(connection.transport, "wss")

    async def test_name(self) -> None:
        """
        A name that the dialer resolves is the name that the certificate has to have;
        C{/sni} may name another one.
        """
        transports = self.secure("localhost")
        listening = self.node("/ip4/127.0.0.1/tcp/0/wss", transports=transports)
        (address,) = await listening.whenListening()
        port = address.value("tcp")
        for target in (
            f"/dns4/localhost/tcp/{port}/wss",
            f"/dns4/localhost/tcp/{port}/tls/ws",
            f"/ip4/127.0.0.1/tcp/{port}/tls/sni/localhost/ws",
        ):
            dialing = self.node(transports=transports)
            connection = await dialing.connect(
                Multiaddr(target).withPeer(listening.peerID)
            )
            self.assertEqual(
                str(connection.remoteAddress), f"/ip4/127.0.0.1/tcp/{port}/tls/ws"
            )
            await dialing.ping(listening.peerID)
        dialing = self.node(transports=transports)
        error = await self.assertFailure(dialing.connect(address), DialFailed)
        self.assertIn("certificate is not for 127.0.0.1", str(error))

    async def test_plainName(self) -> None:
        """
        A plain WebSocket that is dialed by a name is asked for by that name, and one
        that is dialed by an address by that address.
        """
        heads: list[bytes] = []
        for host, asked in (
            ("/dns4/localhost", b"localhost"),
            ("/ip4/127.0.0.1", b"127.0.0.1"),
        ):

            class Refusing(Protocol):
                """
                Refuses each request.
                """

                transport: Any

                def dataReceived(self, data: bytes) -> None:
                    """
                    Record the request.
                    """
                    heads.append(data)
                    self.transport.write(b"HTTP/1.1 404 Not Found\r\n\r\n")

            factory = Factory.forProtocol(Refusing)
            factory.noisy = False
            port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(
                factory
            )
            self.addCleanup(port.stopListening)
            number = port.getHost().port
            target = Multiaddr(f"{host}/tcp/{number}/ws")
            await self.assertFailure(self.node().connect(target), DialFailed)
            self.assertIn(b"\r\nHost: %s:%d\r\n" % (asked, number), heads.pop())

    async def test_strangeAuthority(self) -> None:
        """
        A certificate of an authority that the dialer does not trust is refused, before
        anything of libp2p is sent.
        """
        listening = self.node("/ip4/127.0.0.1/tcp/0/wss", transports=self.secure("a.b"))
        (address,) = await listening.whenListening()
        error = await self.assertFailure(self.node().connect(address), DialFailed)
        self.assertIn("authority that is not trusted", str(error))

    async def test_privateNetwork(self) -> None:
        """
        A private network works inside WebSockets.
        """
        network = PrivateNetwork(bytes(32))
        listening = self.node("/ip4/127.0.0.1/tcp/0/ws", network=network)
        (address,) = await listening.whenListening()
        await self.met(listening, self.node(network=network), address)
        error = await self.assertFailure(self.node().connect(address), DialFailed)
        self.assertIn(str(address.withoutPeer()), str(error))

    async def test_healthCheck(self) -> None:
        """
        A health check gets an answer of HTTP and the end of the connection.
        """
        listening = self.node("/ip4/127.0.0.1/tcp/0/ws")
        (address,) = await listening.whenListening()
        recorder = Recorder()
        recorder.first = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
        ended: Deferred[None] = Deferred()
        recorder.connectionLost = lambda *_: ended.callback(None)  # type: ignore[method-assign]

        class One(Factory):
            noisy = False

            def buildProtocol(self, addr: Any) -> Any:
                return recorder

        endpoint = TCP4ClientEndpoint(
            reactor, "127.0.0.1", int(address.value("tcp") or 0)
        )
        with capturedLogs():
            await endpoint.connect(One())
            await ended
        self.assertTrue(recorder.received.startswith(b"HTTP/1.1 426 "))

    async def test_stopped(self) -> None:
        """
        A node that stops leaves no connection whose opening handshake is under way.
        """
        listening = self.node("/ip4/127.0.0.1/tcp/0/ws")
        (address,) = await listening.whenListening()
        recorder = Recorder()
        recorder.first = b"GET /"
        lost: Deferred[None] = Deferred()
        recorder.connectionLost = lambda *_: lost.callback(None)  # type: ignore[method-assign]

        class One(Factory):
            noisy = False

            def buildProtocol(self, addr: Any) -> Any:
                return recorder

        endpoint = TCP4ClientEndpoint(
            reactor, "127.0.0.1", int(address.value("tcp") or 0)
        )
        await endpoint.connect(One())
        await listening.stopService()
        await lost
        self.assertEqual(recorder.received, b"")
