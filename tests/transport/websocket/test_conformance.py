# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The suite of transports, over WebSockets.
"""

from __future__ import annotations

import socket
from pathlib import Path

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from tests.transport.websocket.authority import Authority
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.interfaces import AnyTransport
from twisted_libp2p.node import Node
from twisted_libp2p.testing.transport import TransportConformance
from twisted_libp2p.transport import TCPTransport
from twisted_libp2p.transport.private import PrivateNetwork, PrivateTransport
from twisted_libp2p.transport.websocket.transport import WebSocketTransport


class WebSocketTests(TransportConformance, TestCase):
    """
    WebSockets over TCP.
    """

    reactor = reactor
    kind = "/ws"
    listenAddress = "/ip4/127.0.0.1/tcp/0/ws"
    wildcardAddress = "/ip4/0.0.0.0/tcp/0/ws"
    localAddress = "/ip4/127.0.0.3/tcp/0"

    def makeTransport(self) -> AnyTransport:
        """
        Make a transport of the reactor.
        """
        return WebSocketTransport(reactor)

    def deadAddress(self) -> Multiaddr:
        """
        Return an address whose port is free.
        """
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        return Multiaddr(f"/ip4/127.0.0.1/tcp/{port}{self.kind}")


class SecureWebSocketTests(WebSocketTests):
    """
    WebSockets over TLS.
    """

    kind = "/tls/ws"
    listenAddress = "/ip4/127.0.0.1/tcp/0/tls/ws"
    wildcardAddress = "/ip4/0.0.0.0/tcp/0/tls/ws"

    def setUp(self) -> None:
        """
        Make a certificate.
        """
        self.authority = Authority(Path(self.mktemp()))
        self.certificate = self.authority.server("127.0.0.1")

    def makeTransport(self) -> AnyTransport:
        """
        Make a transport with a certificate.
        """
        return WebSocketTransport(
            reactor,
            secure=True,
            roots=self.authority.roots,
            certificate=self.certificate,
        )


class PrivateWebSocketTests(WebSocketTests):
    """
    WebSockets with a private network inside.
    """

    def makeTransport(self) -> AnyTransport:
        """
        Make a transport of the members of one network.
        """
        private: AnyTransport = PrivateTransport(
            WebSocketTransport(reactor), PrivateNetwork(bytes(32))
        )
        return private


class SharedPortTests(WebSocketTests):
    """
    WebSockets on a port that is one of TCP too.
    """

    async def listening(self) -> Node:
        """
        Start a node that listens with several transports on one port.
        """
        tested = self.makeTransport()
        transports = [
            tested,
            *(
                each
                for each in (TCPTransport(reactor), WebSocketTransport(reactor))
                if each.name != tested.name
            ),
        ]
        asked = ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0/ws"]
        if self.listenAddress not in asked:
            asked.append(self.listenAddress)
        node = self.node(transports=transports, listen=asked)
        addresses = await node.whenListening()
        self.assertEqual(len({each.value("tcp") for each in addresses}), 1)
        return node


class SharedPortTCPTests(SharedPortTests):
    """
    TCP on a port that is one of WebSockets too.
    """

    kind = ""
    listenAddress = "/ip4/127.0.0.1/tcp/0"
    wildcardAddress = "/ip4/0.0.0.0/tcp/0"

    def makeTransport(self) -> AnyTransport:
        """
        Make a transport of TCP.
        """
        return TCPTransport(reactor)


class SharedPortTLSTests(SharedPortTests, SecureWebSocketTests):
    """
    WebSockets over TLS on a port that is one of TCP and plain WebSockets too.
    """
