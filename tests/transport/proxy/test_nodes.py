# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of nodes that dial through proxies, on real sockets.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import reactor

from tests.transport.proxy.servers import ConnectServer, ProxyTestCase, SocksServer
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import (
    DialFailed,
    ProxyFailed,
    ProxyRefused,
    UnsupportedAddress,
)
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.perf import PROTOCOL_ID as PERF
from twisted_libp2p.protocols.perf import PerfFactory, measure
from twisted_libp2p.testing.memorymuxed import (
    MemoryMuxedNetwork,
    MemoryMuxedTransport,
)
from twisted_libp2p.transport.onion import OnionTransport, Tor
from twisted_libp2p.transport.proxy import Proxy

KEY = "vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd"


class ProxiedNodeTests(ProxyTestCase):
    """
    Dials through SOCKS5 and through CONNECT.
    """

    def node(self, **options: Any) -> Node:
        """
        Start a node, which is stopped after the test.
        """
        node = Node(reactor, **options)
        node.startService()
        self.addCleanup(node.stopService)
        return node

    async def server(self) -> tuple[Node, tuple[str, int]]:
        """
        Start a node that listens.

        @return: the node, and the place of its TCP listener.
        """
        server = self.node(listen=["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0/ws"])
        server.registry.register(PERF, PerfFactory(reactor))
        await server.whenListening()
        port = server.addresses[0].value("tcp")
        assert port is not None
        return server, ("127.0.0.1", int(port))

    async def cause(self, node: Node, target: str) -> Exception:
        """
        Return the one cause for which a dial fails.
        """
        with self.assertRaises(DialFailed) as caught:
            await node.connect(target)
        ((_, cause),) = caught.exception.causes
        assert isinstance(cause, Exception)
        return cause

    async def test_through(self) -> None:
        """
        TCP and WebSocket are dialed through the proxy, by address and by name; names
        are resolved by the proxy, and the connection has the dialed address.
        """

        def forbidden(*args: object) -> None:
            raise AssertionError("a name was resolved")

        server, place = await self.server()
        ws = server.addresses[1].value("tcp")
        assert ws is not None
        self.patch(socket, "getaddrinfo", forbidden)
        for proxy, kind in ((SocksServer(), "socks5"), (ConnectServer(), "http")):
            proxy.names = {"tcp.example": place, "ws.example": ("127.0.0.1", int(ws))}
            url = f"{kind}://127.0.0.1:{self.serve(proxy)}"
            for target, asked in (
                (f"/ip4/127.0.0.1/tcp/{place[1]}", place),
                ("/dns/tcp.example/tcp/4001", ("tcp.example", 4001)),
                ("/dns4/ws.example/tcp/80/ws", ("ws.example", 80)),
            ):
                node = self.node(dialThrough=url)
                near = await node.connect(f"{target}/p2p/{server.peerID}")
                self.assertEqual(proxy.asked[-1], asked)
                self.assertEqual(str(near.remoteAddress), target)
                self.assertIsNone(near.localAddress)
                await node.ping(server.peerID)

    async def test_backPressure(self) -> None:
        """
        Megabytes go through, in both directions.
        """
        server, _ = await self.server()
        for proxy, kind in ((SocksServer(), "socks5"), (ConnectServer(), "http")):
            node = self.node(dialThrough=f"{kind}://127.0.0.1:{self.serve(proxy)}")
            near = await node.connect(server.addresses[0])
            size = 4 << 20
            measured = await measure(reactor, near, size, size)
            self.assertEqual((measured.uploaded, measured.downloaded), (size, size))

    async def test_login(self) -> None:
        """
        A proxy may ask for a user and a password; wrong ones are the fault of our side,
        which is not held against the address.
        """
        server, _ = await self.server()
        address = server.addresses[0]
        socks = SocksServer()
        socks.credentials = ("me", "right")
        port = self.serve(socks)
        await self.node(dialThrough=f"socks5://me:right@127.0.0.1:{port}").connect(
            address
        )
        for login, hint in (("me:wrong@", "refuses our user"), ("", "needs a user")):
            node = self.node(dialThrough=f"socks5://{login}127.0.0.1:{port}")
            for _ in range(2):
                cause = await self.cause(node, str(address))
                self.assertIsInstance(cause, ProxyFailed)
                self.assertIn(hint, str(cause))
                self.assertNotIn("wrong", str(cause))

    async def test_failures(self) -> None:
        """
        A proxy that refuses, or that nobody runs, is a line.
        """
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            dead = taken.getsockname()[1]
        target = f"/ip4/127.0.0.1/tcp/{dead}"
        socks, http = self.serve(SocksServer()), self.serve(ConnectServer())
        for url, kind, hint in (
            (f"socks5://127.0.0.1:{socks}", ProxyRefused, "connection was refused"),
            (f"http://127.0.0.1:{http}", ProxyRefused, "status 502 Bad Gateway"),
            (f"socks5://127.0.0.1:{dead}", ProxyFailed, "cannot be reached"),
        ):
            cause = await self.cause(self.node(dialThrough=url), target)
            self.assertIsInstance(cause, kind)
            self.assertIn(hint, str(cause))

    async def test_around(self) -> None:
        """
        Nothing goes around the proxy: transports that cannot use it only listen, and no
        name server is asked.  Each refusal says why.
        """
        proxy = SocksServer()
        url = f"socks5://127.0.0.1:{self.serve(proxy)}"
        network = MemoryMuxedNetwork(reactor)
        muxed = MemoryMuxedTransport(network)
        node = self.node(
            dialThrough=url, transports=["tcp", muxed], listen=["/memory/7"]
        )
        await node.whenListening()
        cause = await self.cause(node, "/memory/8")
        self.assertIsInstance(cause, UnsupportedAddress)
        self.assertIn("would go around the proxy socks5:tcp:127.0.0.1", str(cause))
        cause = await self.cause(node, "/dnsaddr/bootstrap.example")
        self.assertIn("a DNS query would go around the proxy", str(cause))
        # A listener is reached as without the proxy.
        other = self.node(transports=[MemoryMuxedTransport(network)])
        await other.connect("/memory/7")
        self.assertEqual(proxy.asked, [])

    async def test_foreignNames(self) -> None:
        """
        A name that a peer has announced is left out: nobody could judge where the proxy
        would connect us.
        """
        proxy = SocksServer()
        node = self.node(dialThrough=f"socks5://127.0.0.1:{self.serve(proxy)}")
        peer = self.node().peerID
        node.peerstore.addAddresses(peer, ["/dns/inside.example/tcp/1"])
        with self.assertRaises(DialFailed):
            await node.connect(peer)
        self.assertEqual(proxy.asked, [])

    # Tor

    async def test_onion(self) -> None:
        """
        An onion service is dialed by its name, through the SOCKS port of Tor or the
        proxy of the node; no name is resolved here.
        """

        def forbidden(*args: object) -> None:
            raise AssertionError("a name was resolved")

        self.patch(socket, "getaddrinfo", forbidden)
        server, place = await self.server()
        tor = SocksServer()
        tor.names = {f"{KEY}.onion": place}
        port = self.serve(tor)
        for options in (
            {"transports": ["tcp", Tor(f"127.0.0.1:{port}")]},
            {"dialThrough": f"socks5://127.0.0.1:{port}"},
        ):
            target = f"/onion3/{KEY}:4001"
            near = await self.node(**options).connect(f"{target}/p2p/{server.peerID}")
            self.assertEqual(tor.asked, [(f"{KEY}.onion", 4001)])
            self.assertEqual(str(near.remoteAddress), target)
            self.assertEqual(near.transport, "onion3")
            tor.asked.clear()

    async def test_onionFails(self) -> None:
        """
        Each reply of Tor is a line.
        """
        tor = SocksServer()
        node = self.node(transports=[Tor(f"127.0.0.1:{self.serve(tor)}")])
        for code, hint in (
            (0xF0, "descriptor of the onion service was not found"),
            (0xF6, "onion address is invalid"),
            (4, "the host is unreachable"),
        ):
            tor.answer = bytes((5, code, 0, 1)) + bytes(6)
            cause = await self.cause(node, f"/onion3/{KEY}:{code}")
            self.assertIsInstance(cause, ProxyRefused)
            self.assertIn(hint, str(cause))

    def test_onionForms(self) -> None:
        """
        Only addresses of the third version are dialed.
        """
        transport = OnionTransport(reactor, Proxy.of("socks5://127.0.0.1:1", ""))
        self.assertTrue(transport.canDial(Multiaddr(f"/onion3/{KEY}:1")))
        for text in ("/onion/aaimaq4ygg2iegci:80", f"/onion3/{KEY}:1/ws"):
            self.assertFalse(transport.canDial(Multiaddr(text)))
            self.assertRaises(
                UnsupportedAddress, transport.clientEndpoint, Multiaddr(text)
            )
        error = self.assertRaises(
            UnsupportedAddress,
            transport.serverEndpoint,
            Multiaddr(f"/onion3/{KEY}:1"),
        )
        self.assertIn("endpoint:onion:", str(error))
