# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of connections that are cut, at every byte of their upgrade.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IReactorTime,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.faults import THOROUGH
from tests.faults.links import CutTransport
from tests.transport.websocket.authority import Authority
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import DialFailed, Libp2pError
from twisted_libp2p.events import ClosedConn, OpenedConn
from twisted_libp2p.interfaces import DEFAULT_OPTIONS, DialOptions
from twisted_libp2p.node import Node
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.transport import MemoryTransport
from twisted_libp2p.transport.private import PrivateNetwork
from twisted_libp2p.transport.websocket.certificate import ServerCertificate
from twisted_libp2p.transport.websocket.endpoints import (
    WebSocketClientEndpoint,
    WebSocketServerEndpoint,
)
from twisted_libp2p.transport.websocket.place import Place
from twisted_libp2p.transport.websocket.trust import NamedServer, Trust

#: How many bytes there are between two cuts.
STEP = 1 if THOROUGH else 29

#: By how many bytes the size of a handshake of TLS varies: it holds up to two
#: signatures of ECDSA each way, and zeros at the front of their numbers are left out.
SIGNATURES = 16

#: Seconds in which every timer that is shared has run out.
WHILE = 60.0


class _Cuts(SynchronousTestCase):
    """
    Wherever a connection is cut, both sides know why it has ended, and nothing is
    left of it.

    @ivar vague: by how many bytes the size of an upgrade varies.
    """

    vague = 0

    def setUp(self) -> None:
        """
        Have an address to dial.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)

    def pair(self, **options: Any) -> None:
        """
        Start a node that listens, and one whose connections are cut.
        """
        listening, self.scissors = self.transports()
        self.server = self.nodes.start(transports=[listening], **options)
        self.client = Node(self.nodes.clock, transports=[self.scissors], **options)
        self.client.startService()
        self.addCleanup(lambda: self.nodes.result(self.client.stopService()))
        self.opened: list[OpenedConn] = []
        self.closed: list[ClosedConn] = []
        for node in (self.server, self.client):
            node.events.subscribe(OpenedConn, self.opened.append)
            node.events.subscribe(ClosedConn, self.closed.append)

    def transports(self) -> tuple[MemoryTransport, CutTransport]:
        """
        Return the transport of the node that listens, and the one that is cut.
        """
        network = self.nodes.network
        return MemoryTransport(network), CutTransport(network)

    def measure(self) -> dict[str, int]:
        """
        Connect once, without a cut.

        @return: how many bytes go each way until both sides know each other.
        """
        connection = self.nodes.result(self.client.connect(self.server.addresses[0]))
        passed = dict(self.scissors.passed)
        self.nodes.result(connection.close())
        return passed

    def cut(self, way: str, count: int, clean: bool) -> None:
        """
        Connect, and be cut off.
        """
        scissors = self.scissors
        scissors.way, scissors.count, scissors.clean = way, count, clean
        results: list[Any] = []
        self.opened.clear()
        self.closed.clear()
        self.client.connect(self.server.addresses[0]).addBoth(results.append)
        self.nodes.settle()
        where = f"{way} {count} {clean}"
        self.assertEqual(scissors.passed[way], count, where)
        self.assertEqual(len(results), 1, where)
        if isinstance(results[0], Failure):
            error = results[0].value
            assert isinstance(error, DialFailed), where
            for _, cause in error.causes:
                self.assertIsInstance(cause, Libp2pError, where)
        self.assertEqual(len(self.opened), len(self.closed), where)
        for event in self.closed:
            kind = event.reason.check(
                Libp2pError, ConnectionDone, ConnectionLost, ConnectionAborted
            )
            self.assertIsNotNone(kind, where)
        for node in (self.server, self.client):
            self.assertEqual(len(node.connections), 0, where)
            limiter = node.connections.limiter
            for scope in (limiter.system, limiter.transient):
                self.assertFalse(any(scope.used), where)
        # What many share looks once more whether there is anybody left.
        self.nodes.advance(WHILE)
        self.assertEqual(self.nodes.clock.getDelayedCalls(), [], where)

    def cutAll(self, **options: Any) -> None:
        """
        Connect, and be cut off at every byte, each way, by turns in peace and by
        force.
        """
        self.pair(**options)
        for way, bytes in self.measure().items():
            self.assertGreater(bytes, 300)
            for count in range(1, bytes - self.vague, STEP):
                self.cut(way, count, clean=count % 4 > 1)


class CutTests(_Cuts):
    """
    The upgrade of a raw transport.
    """

    def test_noise(self) -> None:
        """
        With Noise, which agrees on the muxer, too.
        """
        self.cutAll(security=["noise"])

    def test_tls(self) -> None:
        """
        With TLS.
        """
        self.vague = SIGNATURES
        self.cutAll(security=["tls"])

    def test_bootstrap(self) -> None:
        """
        With the dialect of the draft, which has one negotiation more.
        """
        self.cutAll(security=["noise", "tls"], muxers=["mplex"], dialect="bootstrap")

    def test_private(self) -> None:
        """
        In a private network, with a nonce each way before all else.
        """
        network = PrivateNetwork(bytes(range(32)))
        self.cutAll(security=["noise"], muxers=["mplex"], network=network)

    def test_secio(self) -> None:
        """
        With SECIO, whose peer proves at last that it has read our nonce.
        """
        self.cutAll(security=["secio"])

    def test_plaintext(self) -> None:
        """
        With plaintext, behind which the muxer is negotiated.
        """
        self.cutAll(security=["insecure-plaintext"])


class _WebSockets(MemoryTransport):
    """
    WebSockets in memory, with TLS below them if there is an authority.
    """

    place = Place(
        Multiaddr("/memory/1"), Multiaddr("/ws"), False, "a.example", 80, None
    )
    clock: IReactorTime
    authority: Authority | None = None

    def clientEndpoint(
        self, address: Multiaddr, options: DialOptions = DEFAULT_OPTIONS
    ) -> IStreamClientEndpoint:
        """
        Return the endpoint that connects to an address.
        """
        server = None
        if self.authority is not None:
            server = NamedServer(Trust(self.authority.roots), "a.example")
        return WebSocketClientEndpoint(
            super().clientEndpoint(address, options), self.place, server, self.clock
        )

    def serverEndpoint(self, address: Multiaddr) -> IStreamServerEndpoint:
        """
        Return the endpoint that listens on an address.
        """
        certificate = None
        if self.authority is not None:
            certificate = ServerCertificate(
                self.clock, self.authority.server("a.example")
            )
        endpoint = super().serverEndpoint(address)
        return WebSocketServerEndpoint(
            endpoint, self.place, certificate, None, None, self.clock
        )


class _CutWebSockets(_WebSockets, CutTransport):
    """
    WebSockets whose bytes below are cut.
    """


class WebSocketCutTests(_Cuts):
    """
    The same below WebSockets.
    """

    authority: Authority | None = None

    def transports(self) -> tuple[MemoryTransport, CutTransport]:
        """
        Return WebSockets.
        """
        found = _WebSockets(self.nodes.network), _CutWebSockets(self.nodes.network)
        for each in found:
            each.authority = self.authority
            each.clock = self.nodes.clock
        return found

    def test_noise(self) -> None:
        """
        With Noise inside.
        """
        self.cutAll(security=["noise"])

    def test_private(self) -> None:
        """
        In a private network inside.
        """
        network = PrivateNetwork(bytes(range(32)))
        self.cutAll(security=["noise"], network=network)

    def test_secure(self) -> None:
        """
        Over TLS, at every byte of it.
        """
        self.vague = SIGNATURES
        self.authority = Authority(Path(self.mktemp()))
        self.cutAll(security=["noise"])
