# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The suite of transports, over each transport.
"""

from __future__ import annotations

import socket
from itertools import count
from shutil import rmtree
from tempfile import mkdtemp
from urllib.parse import quote

from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.trial.unittest import TestCase

from tests.transport.proxy.servers import ConnectServer, ProxyTestCase, SocksServer
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.interfaces import AnyTransport
from twisted_libp2p.node import Node
from twisted_libp2p.testing.memorymuxed import (
    MemoryMuxedNetwork,
    MemoryMuxedTransport,
)
from twisted_libp2p.testing.transport import TransportConformance
from twisted_libp2p.transport import MemoryNetwork, MemoryTransport, TCPTransport
from twisted_libp2p.transport.private import PrivateNetwork, PrivateTransport
from twisted_libp2p.transport.proxy import Proxy
from twisted_libp2p.transport.unix import UnixTransport


def _unusedPort() -> int:
    """
    Return a TCP port of loopback on which nobody listens.
    """
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


class TCPTests(TransportConformance, TestCase):
    """
    TCP over IPv4.
    """

    reactor = reactor
    listenAddress = "/ip4/127.0.0.1/tcp/0"
    wildcardAddress = "/ip4/0.0.0.0/tcp/0"
    localAddress = "/ip4/127.0.0.3/tcp/0"

    def makeTransport(self) -> AnyTransport:
        """
        Make a transport of the reactor.
        """
        return TCPTransport(reactor)

    def deadAddress(self) -> Multiaddr:
        """
        Return an address whose port is free.
        """
        return Multiaddr(f"/ip4/127.0.0.1/tcp/{_unusedPort()}")


class PrivateTCPTests(TCPTests):
    """
    TCP inside a private network.
    """

    def makeTransport(self) -> AnyTransport:
        """
        Make a transport of the members of one network.
        """
        private: AnyTransport = PrivateTransport(
            TCPTransport(reactor), PrivateNetwork(bytes(32))
        )
        return private


class SocksTests(ProxyTestCase, TCPTests):
    """
    TCP through a SOCKS5 proxy.
    """

    wildcardAddress = None  # type: ignore[assignment]
    localAddress = None  # type: ignore[assignment]
    kind = "socks5"

    def setUp(self) -> None:
        """
        Run a proxy.
        """
        server = SocksServer() if self.kind == "socks5" else ConnectServer()
        self.port = self.serve(server)

    def makeTransport(self) -> AnyTransport:
        """
        Make a transport of the reactor, and of the proxy.
        """
        return TCPTransport(
            reactor, Proxy.of(f"{self.kind}://127.0.0.1:{self.port}", "")
        )


class ConnectTests(SocksTests):
    """
    TCP through an HTTP proxy.
    """

    kind = "http"


class UnixTests(TransportConformance, TestCase):
    """
    Unix sockets.
    """

    reactor = reactor
    foreignHost = IPv4Address("TCP", "192.0.2.1", 1)

    def setUp(self) -> None:
        """
        Make a folder.
        """
        # A path in the folder of the test may be too long for a socket.
        self.folder = mkdtemp()
        self.addCleanup(rmtree, self.folder)
        self.listenAddress = self.socket("first")
        self.otherAddress = self.socket("other")
        self.names = count()

    async def listening(self) -> Node:
        """
        Start a node that listens on a socket of its own.
        """
        self.listenAddress = self.socket(str(next(self.names)))
        return await super().listening()

    def socket(self, name: str) -> str:
        """
        Return the address of a socket in the folder.
        """
        return "/unix/" + quote(f"{self.folder}/{name}", safe="")

    def makeTransport(self) -> AnyTransport:
        """
        Make a transport of the reactor.
        """
        return UnixTransport(reactor)

    def deadAddress(self) -> Multiaddr:
        """
        Return the path of a file that does not exist.
        """
        return Multiaddr(self.socket("nothing"))


class PrivateUnixTests(UnixTests):
    """
    Unix sockets inside a private network.
    """

    def makeTransport(self) -> AnyTransport:
        """
        Make a transport of the members of one network.
        """
        private: AnyTransport = PrivateTransport(
            UnixTransport(reactor), PrivateNetwork(bytes(32))
        )
        return private


class MemoryTests(TransportConformance, TestCase):
    """
    A network in memory.
    """

    reactor = reactor
    listenAddress = "/memory/0"
    localAddress = "/memory/99"

    def setUp(self) -> None:
        """
        Make a network.
        """
        self.network = MemoryNetwork(reactor)

    def makeTransport(self) -> AnyTransport:
        """
        Make a transport of the network.
        """
        return MemoryTransport(self.network)

    def deadAddress(self) -> Multiaddr:
        """
        Return a number that no node has.
        """
        return Multiaddr("/memory/404")


class MemoryMuxedTests(TransportConformance, TestCase):
    """
    A network in memory that is muxed natively.
    """

    reactor = reactor
    listenAddress = "/memory/0"
    localAddress = "/memory/99"

    def setUp(self) -> None:
        """
        Make a network.
        """
        self.network = MemoryMuxedNetwork(reactor)

    def makeTransport(self) -> AnyTransport:
        """
        Make a transport of the network.
        """
        return MemoryMuxedTransport(self.network)

    def deadAddress(self) -> Multiaddr:
        """
        Return a number that no node has.
        """
        return Multiaddr("/memory/404")
