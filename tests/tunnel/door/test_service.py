# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.tunnel.door.service}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from tests.protocols.connected import ConnectedTestCase
from twisted_libp2p.identity import Identity
from twisted_libp2p.protocols.echo import PROTOCOL_ID as ECHO
from twisted_libp2p.protocols.echo import EchoFactory
from twisted_libp2p.tunnel.door.places import Places
from twisted_libp2p.tunnel.door.service import REQUEST_TIME, Door

SOCKS = b"\x05\x01\x00\x05\x01\x00\x03\x08home.p2p\x00\x07"
CONNECT = b"CONNECT home.p2p:7 HTTP/1.1\r\n\r\n"


class DoorTests(ConnectedTestCase):
    """
    A door of the client leads to the echo of the server.
    """

    def setUp(self) -> None:
        """
        Make the door.
        """
        super().setUp()
        self.server.registry.register(ECHO, EchoFactory())
        self.memory: Any = MemoryReactorClock()
        known = {"home": (self.server.peerID, self.server.addresses)}
        places = Places(known.get, {7: ECHO, 8: "/nothing/1.0.0"})
        self.door = Door(self.memory, "tcp:1080", places)
        self.client.add(self.door)

    def ask(self, *sent: bytes) -> tuple[Any, StringTransport]:
        """
        Let a program connect to the port, and send.
        """
        port, factory, _, interface = self.memory.tcpServers[-1]
        self.assertEqual((port, interface), (1080, "127.0.0.1"))
        address = IPv4Address("TCP", "127.0.0.1", 12345)
        transport = StringTransport(peerAddress=address)
        protocol = factory.buildProtocol(address)
        protocol.makeConnection(transport)
        for data in sent:
            protocol.dataReceived(data)
        self.nodes.settle()
        return protocol, transport

    def test_socks(self) -> None:
        """
        Bytes and ends pass both ways, and are counted; the handshake is not.
        """
        protocol, transport = self.ask(SOCKS + b"he")
        protocol.dataReceived(b"llo")
        self.nodes.settle()
        self.assertEqual(
            transport.value(), b"\x05\x00\x05\x00\x00\x01" + bytes(6) + b"hello"
        )
        traffic = self.door.traffic
        self.assertEqual((traffic.open, traffic.received, traffic.sent), (1, 5, 5))
        protocol.readConnectionLost()
        self.nodes.settle()
        self.assertTrue(transport.disconnecting)
        protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual((traffic.open, traffic.opened, traffic.failed), (0, 1, 0))

    def test_http(self) -> None:
        """
        The same port speaks HTTP.
        """
        _, transport = self.ask(CONNECT[:9], CONNECT[9:] + b"hello")
        self.assertEqual(transport.value(), b"HTTP/1.1 200 Connected\r\n\r\nhello")
        _, transport = self.ask(b"GET http://home.p2p:7/ HTTP/1.1\r\n\r\n")
        self.assertTrue(transport.value().startswith(b"GET / HTTP/1.1\r\n"))

    def test_notServed(self) -> None:
        """
        A peer that does not speak the protocol refuses the program.
        """
        _, transport = self.ask(SOCKS[:-1] + b"\x08")
        self.nodes.advance(60.0)
        self.assertEqual(transport.value()[:4], b"\x05\x00\x05\x05")
        self.assertTrue(transport.disconnecting)
        self.assertEqual(self.door.traffic.failed, 1)
        self.assertIn("/nothing/1.0.0", self.door.traffic.error)

    def test_unreachable(self) -> None:
        """
        So does a peer without an address.
        """
        nobody = str(Identity.generate().peerID).encode()
        _, transport = self.ask(b"CONNECT " + nobody + b":7 HTTP/1.1\r\n\r\n")
        self.assertTrue(transport.value().startswith(b"HTTP/1.1 502 "))
        self.assertIn(nobody, transport.value())
        self.assertTrue(transport.disconnecting)

    def test_expired(self) -> None:
        """
        A known peer is reached again after its addresses have expired.
        """
        self.ask(SOCKS)
        self.client.peerstore.forget(self.server.peerID)
        self.connection.close()
        self.nodes.settle()
        _, transport = self.ask(SOCKS)
        self.assertEqual(transport.value()[:4], b"\x05\x00\x05\x00")

    def test_foreign(self) -> None:
        """
        No other host is reached.
        """
        _, transport = self.ask(b"CONNECT example.com:7 HTTP/1.1\r\n\r\n")
        self.assertTrue(transport.value().startswith(b"HTTP/1.1 403 "))
        self.assertTrue(transport.disconnecting)

    def test_late(self) -> None:
        """
        A program that asks for nothing is cut off in time, but not after its request.
        """
        _, silent = self.ask(SOCKS[:5])
        _, asking = self.ask(SOCKS)
        self.nodes.advance(REQUEST_TIME + 1)
        self.assertTrue(silent.disconnected)
        self.assertFalse(asking.disconnected)

    def test_drain(self) -> None:
        """
        A node that drains accepts no further program; the stream of an open one goes
        on.
        """
        protocol, transport = self.ask(SOCKS)
        self.door.drain()
        self.nodes.settle()
        self.assertFalse(self.door.running)
        protocol.dataReceived(b"hello")
        self.nodes.settle()
        self.assertTrue(transport.value().endswith(b"hello"))
        self.assertFalse(transport.disconnecting)

    def test_early(self) -> None:
        """
        A program may end before it has asked.
        """
        protocol, transport = self.ask(SOCKS[:5])
        protocol.readConnectionLost()
        self.assertTrue(transport.disconnecting)
        protocol.connectionLost(Failure(ConnectionDone()))
        self.nodes.advance(REQUEST_TIME + 1)
        self.assertFalse(transport.disconnected)
        self.assertEqual(self.door.traffic.open, 0)
