# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of nodes behind proxies, on sockets: an HTTP proxy, the PROXY protocol on our own
listeners, and Twisted's endpoint C{haproxy:}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.logger import capturedLogs
from twisted.protocols.portforward import (
    ProxyClient,
    ProxyClientFactory,
    ProxyFactory,
    ProxyServer,
)
from twisted.trial.unittest import TestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connmanager import ListGater
from twisted_libp2p.errors import DialFailed
from twisted_libp2p.events import OpenedConn
from twisted_libp2p.node import Node

loop: Any = reactor

HEADER = b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 4001\r\n"


class _Outbound(ProxyClient):
    """
    The proxy's connection to the node.
    """

    peer: Any
    transport: Any

    def connectionMade(self) -> None:
        """
        Send the header of the PROXY protocol, if there is one.
        """
        header: bytes = self.peer.factory.header
        if header:
            self.transport.write(header)
        super().connectionMade()


class _OutboundFactory(ProxyClientFactory):
    protocol = _Outbound
    noisy = False


class _Inbound(ProxyServer):
    """
    The client's connection to the proxy.
    """

    clientProtocolFactory = _OutboundFactory
    factory: Proxy
    _begun = False

    def dataReceived(self, data: bytes) -> None:
        """
        Change the first bytes, which are the head of the request.
        """
        if not self._begun:
            self._begun = True
            data = self.factory.change(data)
        super().dataReceived(data)


class Proxy(ProxyFactory):
    """
    A proxy in front of a port.

    @ivar header: the bytes that it sends first.
    @ivar change: changes the first bytes of a client.
    """

    protocol = _Inbound
    noisy = False

    def __init__(
        self,
        port: int,
        header: bytes = b"",
        change: Callable[[bytes], bytes] = lambda data: data,
    ) -> None:
        super().__init__("127.0.0.1", port)
        self.header = header
        self.change = change


def forwarding(text: bytes) -> Callable[[bytes], bytes]:
    """
    Return a function that puts C{X-Forwarded-For} into a request.
    """
    line = b"\r\nX-Forwarded-For: " + text + b"\r\n\r\n"
    return lambda data: data.replace(b"\r\n\r\n", line, 1)


#: Twisted's endpoint for the PROXY protocol, on a free port.
HAPROXY = "endpoint:haproxy:tcp:0:interface=127.0.0.1"


class ProxyTests(TestCase):
    """
    Nodes behind a proxy.
    """

    timeout = 600

    def node(self, *listen: str, **options: Any) -> Node:
        """
        Start a node, which is stopped after the test.
        """
        node = Node(loop, listen=listen, **options)
        node.startService()
        self.addCleanup(node.stopService)
        return node

    async def through(self, node: Node, proxy: Proxy, kind: str = "") -> Any:
        """
        Dial a node through a proxy.

        @param kind: the end of the address of a WebSocket.
        @return: the connection at the node.
        """
        port = await TCP4ServerEndpoint(loop, 0, interface="127.0.0.1").listen(proxy)
        self.addCleanup(port.stopListening)
        dialing = self.node()
        host: Any = port.getHost()
        target = Multiaddr(f"/ip4/127.0.0.1/tcp/{host.port}{kind}")
        await dialing.connect(target.withPeer(node.peerID))
        await dialing.ping(node.peerID)
        (found,) = node.connections.to(dialing.peerID)
        return found

    async def listening(self, *listen: str, **options: Any) -> tuple[Node, int]:
        """
        Start a node that trusts proxies of loopback.

        @return: the node and its port.
        """
        options.setdefault("proxies", ["127.0.0.0/8"])
        node = self.node(*listen, **options)
        await node.whenListening()
        (port,) = {each.port.getHost().port for each in node.listeners}
        return node, port

    async def test_forwarded(self) -> None:
        """
        The client of an HTTP proxy is the peer of the connection: in its event, in the
        counts, and for the gater.  An address that the client has put first is not
        believed.
        """
        node, port = await self.listening(
            "/ip4/127.0.0.1/tcp/0/ws", gater=ListGater(blocked=["203.0.113.66"])
        )
        seen: list[str] = []
        node.events.subscribe(
            OpenedConn, lambda event: seen.append(str(event.connection.remoteAddress))
        )
        proxy = Proxy(port, change=forwarding(b"198.51.100.1, 203.0.113.9:4711"))
        connection = await self.through(node, proxy, "/ws")
        self.assertEqual(seen, ["/ip4/203.0.113.9/tcp/4711/ws"])
        self.assertEqual(str(connection.remoteAddress), seen[0])
        subnets = node.connections.limiter.subnets
        self.assertEqual([str(each) for each in subnets.counts], ["203.0.113.9/32"])
        with capturedLogs():
            blocked = Proxy(port, change=forwarding(b"203.0.113.9, 203.0.113.66"))
            await self.assertFailure(self._dialing(node, blocked, "/ws"), DialFailed)

    def _dialing(self, node: Node, proxy: Proxy, kind: str) -> Any:
        return Deferred.fromCoroutine(self.through(node, proxy, kind))

    async def test_untrusted(self) -> None:
        """
        By default no proxy is believed.
        """
        node, port = await self.listening("/ip4/127.0.0.1/tcp/0/ws", proxies=[])
        connection = await self.through(
            node, Proxy(port, change=forwarding(b"203.0.113.9")), "/ws"
        )
        self.assertEqual(connection.remoteAddress.value("ip4"), "127.0.0.1")

    async def test_proxyProtocol(self) -> None:
        """
        Our own listeners read the header of the PROXY protocol, of TCP and of
        WebSockets, also where they share a port.
        """
        tcp, ws = "/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0/ws"
        for listen, kinds in (
            ((tcp,), ("",)),
            ((ws,), ("/ws",)),
            ((tcp, ws), ("", "/ws")),
        ):
            node, port = await self.listening(*listen)
            for kind in kinds:
                connection = await self.through(node, Proxy(port, HEADER), kind)
                self.assertEqual(
                    str(connection.remoteAddress), f"/ip4/203.0.113.9/tcp/4711{kind}"
                )

    async def test_haproxy(self) -> None:
        """
        Twisted's endpoint C{haproxy:} reads the header too, and states the client of
        trusted proxies alone: any other peer remains the peer.
        """
        for proxies, remote in (
            (["127.0.0.1"], "203.0.113.9"),
            (["127.0.0.2"], "127.0.0.1"),
            ([], "127.0.0.1"),
        ):
            node, port = await self.listening(
                HAPROXY,
                proxies=proxies,
            )
            connection = await self.through(node, Proxy(port, HEADER))
            self.assertEqual(connection.remoteAddress.value("ip4"), remote, proxies)
            subnets = node.connections.limiter.subnets.counts
            self.assertEqual(len(subnets), int(remote == "203.0.113.9"))

    async def test_haproxyGated(self) -> None:
        """
        The gater is asked about the client that C{haproxy:} has found.
        """
        node, port = await self.listening(
            HAPROXY,
            gater=ListGater(blocked=["203.0.113.9"]),
        )
        with capturedLogs() as logs:
            await self.assertFailure(
                self._dialing(node, Proxy(port, HEADER), ""), DialFailed
            )
        self.assertIn("/ip4/203.0.113.9/tcp/4711", str(logs))
        self.assertEqual(len(node.connections), 0)
