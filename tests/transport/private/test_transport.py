# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.transport.private.transport}.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from tests.transport.private.doubles import (
    KEY,
    NONCE,
    PLAINTEXT,
    Asking,
    HalfCloseable,
    Prepared,
    Recorder,
)
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError, DialFailed
from twisted_libp2p.events import ClosedConn, OpenedConn
from twisted_libp2p.interfaces import ITransport
from twisted_libp2p.node import Node
from twisted_libp2p.protocols import echo
from twisted_libp2p.transport import MemoryNetwork, MemoryTransport, TCPTransport
from twisted_libp2p.transport.private.layer import PrivateConnection
from twisted_libp2p.transport.private.network import PrivateNetwork
from twisted_libp2p.transport.private.transport import PrivateTransport, protect


class Packets(MemoryTransport):
    """
    A transport whose connections are secured already.
    """

    name = "packets"
    byteStream = False


class PrivateTransportTests(SynchronousTestCase):
    """
    Tests for L{PrivateTransport} and L{protect}, in memory.
    """

    def setUp(self) -> None:
        """
        Have a clock and what connects nodes.
        """
        self.clock = Clock()
        self.memory = MemoryNetwork(self.clock)
        self.network = PrivateNetwork(KEY)
        self.events: list[type] = []

    def node(self, network: PrivateNetwork | None, *listen: str) -> Node:
        """
        Start a node of a network, or of none.
        """
        node = Node(
            self.clock,
            listen=listen,
            transports=protect([MemoryTransport(self.memory)], network, {}),
        )
        for event in (OpenedConn, ClosedConn):
            node.events.subscribe(event, lambda told: self.events.append(type(told)))
        node.startService()
        self.clock.advance(0)
        return node

    def stop(self, *nodes: Node) -> None:
        """
        Stop nodes, and check that they have left nothing.
        """
        for node in nodes:
            stopped = node.stopService()
            self.clock.advance(3)
            self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_interface(self) -> None:
        """
        It is a transport, of the same name and with the same addresses.
        """
        inner = MemoryTransport(self.memory)
        transport = PrivateTransport(inner, self.network)
        verifyObject(ITransport, transport)
        self.assertEqual(transport.name, "memory")
        for text, can in (("/memory/1", True), ("/ip4/127.0.0.1/tcp/1", False)):
            self.assertEqual(transport.canDial(Multiaddr(text)), can)
            self.assertEqual(transport.canListen(Multiaddr(text)), can)
        address = Multiaddr("/memory/7")
        listening = transport.serverEndpoint(address).listen(Prepared(Recorder()))
        port = self.successResultOf(listening)
        self.assertEqual(transport.listeningOn(address, port), [address])
        self.assertEqual(transport.toMultiaddr(port.getHost()), address)

    def test_endpoints(self) -> None:
        """
        What the endpoints connect are the protocols of the given factories,
        inside the network.
        """
        transport = PrivateTransport(MemoryTransport(self.memory), self.network)
        address = Multiaddr("/memory/7")
        near, far = Recorder(), Recorder()
        self.successResultOf(transport.serverEndpoint(address).listen(Prepared(far)))
        connecting = transport.clientEndpoint(address).connect(Prepared(near))
        self.assertIs(self.successResultOf(connecting), near)
        for sender, receiver in ((near, far), (far, near)):
            self.assertIsInstance(sender.transport, PrivateConnection)
            sender.transport.write(PLAINTEXT)
            self.clock.advance(0)
            self.assertEqual(receiver.received, PLAINTEXT)

    def test_notAStream(self) -> None:
        """
        A transport that does not say that it is a plain stream is refused by
        its name.
        """

        for wrap in (
            lambda: PrivateTransport(Packets(self.memory), self.network),
            lambda: protect([Packets(self.memory)], self.network, {}),
        ):
            error = self.assertRaises(ConfigurationError, wrap)
            self.assertIn("packets", str(error))
            self.assertNotIn("\n", str(error))

    def test_leftOut(self) -> None:
        """
        If nobody has asked for it, it is left out, with one line in the log.
        """
        given = [Packets(self.memory), MemoryTransport(self.memory)]
        with capturedLogs() as logged:
            (private,) = protect(given, self.network, {}, chosen=False)
        self.assertEqual(private.name, "memory")
        (event, _) = logged
        self.assertIn("packets is left out", formatEvent(event))

    def test_protect(self) -> None:
        """
        Without a network the transports are left as they are, unless the
        environment forbids it.
        """
        transports = [MemoryTransport(self.memory)]
        for environment in ({}, {"LIBP2P_FORCE_PNET": "0"}):
            self.assertEqual(protect(transports, None, environment), transports)
        forced = {"LIBP2P_FORCE_PNET": "1"}
        error = self.assertRaises(ConfigurationError, protect, transports, None, forced)
        self.assertIn("LIBP2P_FORCE_PNET", str(error))
        (private,) = protect(transports, self.network, forced)
        self.assertIsInstance(private, PrivateTransport)

    def test_fingerprintLogged(self) -> None:
        """
        The log tells which network it is.
        """
        with capturedLogs() as logged:
            protect([], self.network, {})
        (event,) = logged
        self.assertEqual(event["fingerprint"], self.network.fingerprint)
        self.assertEqual(event["log_level"], LogLevel.info)

    def test_members(self) -> None:
        """
        Nodes of one network connect, and know each other.
        """
        server = self.node(self.network, "/memory/1")
        client = self.node(self.network)
        connecting = client.connect(server.addresses[0])
        self.clock.advance(0)
        connection = self.successResultOf(connecting)
        self.assertEqual(connection.remotePeer, server.peerID)
        self.assertEqual(self.events.count(OpenedConn), 2)
        self.stop(client, server)
        self.assertEqual(self.events.count(ClosedConn), 2)

    def strangers(
        self,
    ) -> Iterator[tuple[PrivateNetwork | None, PrivateNetwork | None]]:
        """
        Give pairs of networks that are not the same.
        """
        yield self.network, None
        yield None, self.network
        # Among so many, some garbage begins as a negotiation does.
        for number in range(600):
            yield self.network, PrivateNetwork(number.to_bytes(32, "little"))

    def test_strangers(self) -> None:
        """
        A node of another network, or of none, learns nobody's id, and neither
        does the member; no connection is left when the deadline of the upgrade
        has passed.
        """
        # The nonces decide what the garbage is.
        nonces = iter(range(1 << 32))
        self.patch(os, "urandom", lambda size: next(nonces).to_bytes(size, "big"))
        for listens, dials in self.strangers():
            server = self.node(listens, "/memory/1")
            client = self.node(dials)
            connecting = client.connect(server.addresses[0])
            self.clock.advance(0)
            self.clock.advance(10)
            self.failureResultOf(connecting, DialFailed)
            self.assertEqual(self.events, [])
            for node, other in ((server, client), (client, server)):
                self.assertEqual(node.connections.to(other.peerID), [])
            self.stop(client, server)

    def test_closedAtOnce(self) -> None:
        """
        Who speaks with another key is not waited for: garbage closes.
        """
        server = self.node(self.network, "/memory/1")
        other = PrivateTransport(
            MemoryTransport(self.memory), PrivateNetwork(bytes(32))
        )
        self.patch(os, "urandom", lambda size: NONCE[:size])
        stranger = Recorder()
        other.clientEndpoint(Multiaddr("/memory/1")).connect(Prepared(stranger))
        stranger.transport.write(PLAINTEXT)
        self.clock.advance(0)
        self.assertEqual(stranger.received, b"")
        (reason,) = stranger.reasons
        self.assertTrue(reason.check(ConnectionLost))
        self.stop(server)


class SocketTests(TestCase):
    """
    The same with real sockets on loopback.
    """

    async def test_nodes(self) -> None:
        """
        Two nodes of a network connect over TCP and echo.
        """

        class Talker(Recorder):
            """
            Says much, and waits until it has come back.
            """

            def __init__(self) -> None:
                super().__init__()
                self.done: Deferred[None] = Deferred()

            def connectionMade(self) -> None:
                """
                Say it.
                """
                self.transport.write(said)

            def dataReceived(self, data: bytes) -> None:
                """
                Wait for all.
                """
                super().dataReceived(data)
                if len(self.received) == len(said):
                    self.done.callback(None)

        said = bytes(range(256)) * 1000
        network = PrivateNetwork(KEY)
        nodes = server, client = [
            Node(
                reactor,
                listen=listen,
                transports=protect([TCPTransport(reactor)], network, {}),
            )
            for listen in (["/ip4/127.0.0.1/tcp/0"], [])
        ]
        server.registry.register(echo.PROTOCOL_ID, echo.EchoFactory())
        for node in nodes:
            node.startService()
        try:
            (address,) = await server.whenListening()
            talker = Talker()
            await client.connector(address, echo.PROTOCOL_ID).connect(Prepared(talker))
            await talker.done
            self.assertEqual(talker.received, said)
        finally:
            for node in nodes:
                await node.stopService()

    async def test_halfClose(self) -> None:
        """
        A side that has said all it has to say still hears the other, whichever
        side that is.
        """
        transport = PrivateTransport(TCPTransport(reactor), PrivateNetwork(KEY))
        for first in (0, 1):
            asking = Asking()
            ends: list[Protocol] = [asking, HalfCloseable()]
            address = Multiaddr("/ip4/127.0.0.1/tcp/0")
            port = await transport.serverEndpoint(address).listen(
                Prepared(ends[1 - first])
            )
            try:
                (listening,) = transport.listeningOn(address, port)
                await transport.clientEndpoint(listening).connect(Prepared(ends[first]))
                await asking.over
                self.assertEqual(asking.received, b"heard this")
            finally:
                await maybeDeferred(port.stopListening)
