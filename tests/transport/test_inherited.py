# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.transport.inherited}, and for listening on such sockets.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.interfaces import IReactorTCP
from twisted.internet.protocol import Factory
from twisted.trial.unittest import SynchronousTestCase, TestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import IInheritsPorts
from twisted_libp2p.node import Node
from twisted_libp2p.transport.inherited import (
    InheritedSocket,
    activated,
    bindingOf,
    initialEnvironment,
    matched,
)
from twisted_libp2p.transport.ports import InheritedPorts

PID = 77


def activation(count: int, names: str = "") -> dict[str, str]:
    """
    Return the environment that systemd makes.
    """
    return {"LISTEN_PID": str(PID), "LISTEN_FDS": str(count), "LISTEN_FDNAMES": names}


class InheritedTestCase(SynchronousTestCase):
    """
    A test with sockets that somebody has opened.
    """

    def opened(self, kind: int = socket.SOCK_STREAM) -> tuple[socket.socket, str]:
        """
        Open a socket.

        @return: it, and its port.
        """
        made = socket.socket(socket.AF_INET, kind)
        self.addCleanup(made.close)
        made.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            made.listen()
        return made, str(made.getsockname()[1])


class ActivationTests(InheritedTestCase):
    """
    The sockets of systemd.
    """

    def test_sockets(self) -> None:
        """
        Sockets of TCP and UDP are addresses to listen on; programs that this process
        starts do not inherit them.
        """
        tcp, port = self.opened()
        os.set_inheritable(tcp.fileno(), True)
        (found,) = activated(activation(1, "p2p"), PID, tcp.fileno())
        self.assertEqual(str(found.address), f"/ip4/127.0.0.1/tcp/{port}")
        self.assertEqual((found.name, found.requested), ("p2p", int(port)))
        self.assertFalse(os.get_inheritable(tcp.fileno()))
        udp, port = self.opened(socket.SOCK_DGRAM)
        (found,) = activated(activation(1), PID, udp.fileno())
        self.assertEqual(str(found.address), f"/ip4/127.0.0.1/udp/{port}/quic-v1")

    def test_none(self) -> None:
        """
        There are none for another process, or without a service manager.
        """
        for environment in (
            {},
            {**activation(1), "LISTEN_PID": "1"},
            {**activation(1), "LISTEN_FDS": "x"},
        ):
            self.assertEqual(activated(environment, PID), [])
        self.assertEqual(activated(initialEnvironment(), -1), [])

    def test_unusable(self) -> None:
        """
        Any other descriptor is an error of one line, or left alone if the user names
        the addresses.
        """
        unix = socket.socket(socket.AF_UNIX)
        accepted = socket.socket()
        pipe, end = os.pipe()
        for each in (unix, accepted):
            self.addCleanup(each.close)
        for descriptor, part in (
            (unix.fileno(), "ListenStream="),
            (accepted.fileno(), "Accept=no"),
            (pipe, "is not a socket"),
        ):
            error = self.assertRaises(
                ConfigurationError, activated, activation(1), PID, descriptor
            )
            self.assertIn(part, str(error))
            self.assertEqual(
                activated(activation(1), PID, descriptor, lenient=True), []
            )
        os.close(pipe)
        os.close(end)

    def test_matched(self) -> None:
        """
        An address gets its socket; of WebSockets, that of its port.
        """
        sockets = [
            InheritedSocket(number, "127.0.0.1", number, "tcp", number)
            for number in (3, 4)
        ]
        addresses = Multiaddr.several(["/ip4/127.0.0.1/tcp/4/ws", "/unix/a"])
        found, others = matched(sockets, addresses)
        self.assertEqual((found, others), ([sockets[1]], [sockets[0]]))
        self.assertIsNone(bindingOf(addresses[1]))
        self.assertEqual(
            bindingOf(Multiaddr("/ip6/::1/udp/9/quic-v1")), ("udp", "::1", 9)
        )


class PortsTests(InheritedTestCase):
    """
    A reactor with such sockets.
    """

    def test_tcp(self) -> None:
        """
        A port with a socket is that socket; if there are several of port 0, each is
        listened on once; any other address is bound.
        """
        sockets = []
        for _ in range(2):
            made, port = self.opened()
            sockets.append(
                InheritedSocket(made.fileno(), "127.0.0.1", int(port), "tcp", 0)
            )
        ports = InheritedPorts(reactor, sockets)
        opened = [ports.listenTCP(0, Factory(), 50, "127.0.0.1") for _ in range(2)]
        opened.append(ports.listenTCP(0, Factory(), 50, "127.0.0.2"))
        for each in opened:
            self.addCleanup(each.stopListening)
        found: list[Any] = [each.getHost() for each in opened]
        self.assertEqual(
            {each.port for each in found[:2]}, {each.port for each in sockets}
        )
        self.assertEqual(found[2].host, "127.0.0.2")
        self.assertTrue(IReactorTCP.providedBy(ports))

    def test_udp(self) -> None:
        """
        A UDP socket is copied.
        """
        made, port = self.opened(socket.SOCK_DGRAM)
        ports = InheritedPorts(reactor, [InheritedSocket.of(made.fileno())])
        self.assertTrue(IInheritsPorts.providedBy(ports))
        copy = ports.datagramSocket("127.0.0.1", int(port))
        assert copy is not None
        with copy:
            self.assertEqual(copy.getsockname(), made.getsockname())
        self.assertIsNone(ports.datagramSocket("127.0.0.1", 1))


class NodeTests(TestCase):
    """
    A node on sockets of systemd.
    """

    timeout = 600

    async def test_connect(self) -> None:
        """
        It listens on a TCP and on a UDP socket, and leaves them open when it stops.
        """
        sockets = [
            socket.socket(socket.AF_INET, kind)
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)
        ]
        for each in sockets:
            self.addCleanup(each.close)
            each.bind(("127.0.0.1", 0))
        sockets[0].listen()
        inherited = [InheritedSocket.of(each.fileno()) for each in sockets]
        addresses = [str(each.address) for each in inherited]
        node = Node(InheritedPorts(reactor, inherited), listen=addresses)
        client = Node(reactor)
        for peer in (node, client):
            peer.startService()
            self.addCleanup(peer.stopService)
        await node.whenListening()
        for address in addresses:
            connection = await client.connect(f"{address}/p2p/{node.peerID}")
            self.assertEqual(connection.remotePeer, node.peerID)
            await connection.close()
        await node.stopService()
        for each, address in zip(sockets, addresses, strict=True):
            self.assertIn(str(each.getsockname()[1]), address)
