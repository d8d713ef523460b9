# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.tunnel.tunnel} and L{twisted_libp2p.tunnel.served}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from tests.protocols.connected import ConnectedTestCase
from tests.protocols.test_forward import Endpoint
from twisted_libp2p.errors import ConfigurationError, StreamReset
from twisted_libp2p.identity import Identity
from twisted_libp2p.protocols.echo import PROTOCOL_ID as ECHO
from twisted_libp2p.protocols.echo import EchoFactory
from twisted_libp2p.testing.muxer import HalfCloseCollector
from twisted_libp2p.tunnel.prefaces import naming
from twisted_libp2p.tunnel.served import ServedPort
from twisted_libp2p.tunnel.tunnel import Tunnel

SSH = "/ssh/1.0.0"


class TunnelTests(ConnectedTestCase):
    """
    A port of the client is the echo of the server.
    """

    def setUp(self) -> None:
        """
        Make the tunnel.
        """
        super().setUp()
        self.server.registry.register(ECHO, EchoFactory())
        self.memory: Any = MemoryReactorClock()
        self.tunnel = Tunnel(
            self.memory, "tcp:2222", str(self.server.addresses[0]), ECHO
        )
        self.client.add(self.tunnel)

    def accept(self) -> tuple[Any, StringTransport]:
        """
        Let a program connect to the port.
        """
        port, factory, _, interface = self.memory.tcpServers[-1]
        self.assertEqual((port, interface), (2222, "127.0.0.1"))
        address = IPv4Address("TCP", "127.0.0.1", 12345)
        transport = StringTransport(peerAddress=address)
        protocol = factory.buildProtocol(address)
        protocol.makeConnection(transport)
        self.nodes.settle()
        return protocol, transport

    def test_bytes(self) -> None:
        """
        Bytes and ends pass both ways, and are counted.
        """
        protocol, transport = self.accept()
        self.assertTrue(IHalfCloseableProtocol.providedBy(protocol))
        protocol.dataReceived(b"hello")
        self.nodes.settle()
        self.assertEqual(transport.value(), b"hello")
        traffic = self.tunnel.traffic
        self.assertEqual((traffic.opened, traffic.open), (1, 1))
        self.assertEqual((traffic.received, traffic.sent), (5, 5))
        protocol.readConnectionLost()
        self.nodes.settle()
        self.assertTrue(transport.disconnecting)
        protocol.connectionLost(Failure(ConnectionDone()))
        self.nodes.settle()
        self.assertEqual((traffic.opened, traffic.open, traffic.failed), (1, 0, 0))

    def test_addresses(self) -> None:
        """
        The given addresses of a peer do not expire while it is away.
        """
        place = self.server.addresses[0].withoutPeer()
        self.nodes.crash(self.server)
        self.nodes.advance(3 * 3600.0)
        self.assertEqual(self.tunnel.state, "away")
        self.assertEqual(self.client.peerstore.addresses(self.server.peerID), [place])

    def test_state(self) -> None:
        """
        The tunnel knows how its peer is connected, and keeps it connected.
        """
        self.assertEqual(self.tunnel.state, "direct")
        self.connection.close()
        self.nodes.settle()
        self.assertEqual(self.tunnel.state, "away")
        self.nodes.advance(120.0)
        self.assertEqual(self.tunnel.state, "direct")

    def test_refused(self) -> None:
        """
        A program whose peer does not speak the protocol is cut off.
        """
        self.server.registry._exact[ECHO].cancel()
        _, transport = self.accept()
        self.nodes.advance(60.0)
        self.assertTrue(transport.disconnected)
        traffic = self.tunnel.traffic
        self.assertEqual((traffic.opened, traffic.failed), (1, 1))
        self.assertIn(ECHO, traffic.error)

    def test_stop(self) -> None:
        """
        A tunnel that is stopped no longer keeps its peer.
        """
        self.nodes.result(self.tunnel.stopService())
        self.connection.close()
        self.nodes.advance(120.0)
        self.assertEqual(self.tunnel.state, "away")

    def test_drain(self) -> None:
        """
        When the node drains, the port is closed, an open stream goes on, and the node
        ends when the stream does.
        """
        protocol, transport = self.accept()
        draining = self.client.drain(60.0)
        self.nodes.settle()
        self.failureResultOf(self.tunnel.whenListening(), ConfigurationError)
        self.assertFalse(self.client.connections.tags.protected(self.server.peerID))
        self.nodes.advance(10)
        protocol.dataReceived(b"hello")
        self.nodes.settle()
        self.assertEqual(transport.value(), b"hello")
        self.assertNoResult(draining)
        protocol.connectionLost(Failure(ConnectionDone()))
        self.nodes.advance(10)
        self.successResultOf(draining)

    def test_wrong(self) -> None:
        """
        A peer without an id, or none at all, is a line.
        """
        for target in ("/ip4/192.0.2.1/tcp/1", "nobody"):
            error = self.assertRaises(
                ConfigurationError, Tunnel, self.memory, "tcp:1", target, ECHO
            )
            self.assertIn("a tunnel needs", str(error))


class ServedTests(ConnectedTestCase):
    """
    A protocol of the server is a port of its machine.
    """

    def serve(self, **options: Any) -> tuple[Endpoint, HalfCloseCollector]:
        """
        Serve it, and open a stream.
        """
        endpoint = Endpoint()
        self.server.add(ServedPort(SSH, endpoint, "tcp:localhost:22", **options))
        return endpoint, self.open(SSH, HalfCloseCollector())

    def request(self, way: str, data: bytes) -> tuple[bytes, StringTransport, Any]:
        """
        Send data to the server, which is given the name of the peer in some way.

        @return: the bytes that reach it, its transport, and the caller.
        """
        endpoint, caller = self.serve(preface=naming(way))
        caller.stream.write(data)
        self.nodes.settle()
        transport = StringTransport()
        endpoint.connected(transport)
        self.nodes.settle()
        return transport.value(), transport, caller

    def test_named(self) -> None:
        """
        The server is given the id of the peer before all data.
        """
        sent, _, _ = self.request("proxy", b"data")
        self.assertEqual(sent[:13], b"\r\n\r\n\0\r\nQUIT\n\x21")
        self.assertTrue(sent.endswith(str(self.client.peerID).encode() + b"data"))

    def test_malformed(self) -> None:
        """
        A request whose peer could not be named is refused, and nothing of it reaches
        the server.
        """
        sent, transport, caller = self.request(
            "http", b"GET / HTTP/1.1\r\nA: b\nX-Libp2p-Peer: me\r\n\r\n"
        )
        self.assertEqual(sent, b"")
        self.assertTrue(transport.disconnected)
        caller.reasons[0].trap(StreamReset)

    def test_listed(self) -> None:
        """
        A peer that is not on the list is told so, and the endpoint is not connected.
        """
        friend = Identity.generate().peerID
        error = self.assertRaises(
            StreamReset, self.serve, allow=lambda peer: peer == friend
        )
        self.assertIn("GATED", str(error))
