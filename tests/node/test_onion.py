# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of nodes that are onion services of Tor, whose network is played by a proxy.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IStreamServerEndpoint
from txtorcon.endpoints import TorOnionListeningPort
from zope.interface import implementer

from tests.transport.proxy.servers import ProxyTestCase, SocksServer
from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.events import OpenedConn
from twisted_libp2p.node import Node
from twisted_libp2p.transport import endpoint
from twisted_libp2p.transport.onion import Tor

KEY = "vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd"
ONION = Multiaddr(f"/onion3/{KEY}:4001")


@implementer(IStreamServerEndpoint)
class OnionEndpoint:
    """
    The endpoint C{onion:} of txtorcon, when its service is announced: its port is that
    package's own.

    @ivar local: the port to which Tor would connect.
    """

    def listen(self, protocolFactory: Any) -> Any:
        """
        Listen on a port of loopback.
        """

        def listening(local: Any) -> Any:
            self.local = local.getHost().port
            service = SimpleNamespace(hostname=f"{KEY}.onion")
            return TorOnionListeningPort(local, 4001, service, self)

        local = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        return local.listen(protocolFactory).addCallback(listening)


class OnionTests(ProxyTestCase):
    """
    A node with an onion service.
    """

    def node(self, **options: Any) -> Node:
        """
        Start a node, which is stopped after the test.
        """
        node = Node(reactor, **options)
        node.startService()
        self.addCleanup(node.stopService)
        return node

    async def test_service(self) -> None:
        """
        The address is that of the service; its connections have it at both ends, and
        lead no nearer to this host; the peer gets no other address of the node.
        """
        service = OnionEndpoint()
        node = self.node(listen=[service, "/ip4/127.0.0.1/tcp/0"])
        opened: list[OpenedConn] = []
        node.events.subscribe(OpenedConn, opened.append)
        addresses = await node.whenListening()
        self.assertEqual(addresses[0], ONION.withPeer(node.peerID))
        tor = SocksServer()
        tor.names = {f"{KEY}.onion": ("127.0.0.1", service.local)}
        client = self.node(transports=[Tor(f"127.0.0.1:{self.serve(tor)}")])
        described = await client.identify(addresses[0])
        self.assertEqual(described.listenAddresses, (ONION,))
        self.assertIsNone(described.observedAddress)
        self.assertEqual(opened[0].remoteAddress, ONION)
        self.assertEqual(opened[0].connection.localAddress, ONION)
        self.assertIs(Origin.of(opened[0].remoteAddress), Origin.PUBLIC)

    def test_wrongSocks(self) -> None:
        """
        A SOCKS port of Tor without its port is refused, as no default is right for
        both Tor and its browser.
        """
        for text in ("tor.example", "127.0.0.1:", ""):
            error = self.assertRaises(
                ConfigurationError, Node, reactor, transports=[Tor(text)]
            )
            self.assertEqual(
                str(error),
                f"--tor-socks: {text!r} is not HOST:PORT, such as 127.0.0.1:9050",
            )

    def test_missing(self) -> None:
        """
        Without the package the error names the extra.
        """
        self.patch(endpoint, "requireModule", lambda name: None)
        error = self.assertRaises(
            ConfigurationError, Node, reactor, listen=["endpoint:onion:4001"]
        )
        self.assertIn("twisted-libp2p[tor]", str(error))
