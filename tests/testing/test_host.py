# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the node without a network.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import NoAddresses, StreamReset, UnsupportedProtocol
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import IConnection, IConnections, IHost
from twisted_libp2p.protocols.echo import PROTOCOL_ID, EchoFactory
from twisted_libp2p.protocols.ping import PROTOCOL_ID as PING
from twisted_libp2p.protocols.ping import PingService
from twisted_libp2p.testing import HostDouble

#: The address of a peer at a relay.  Such a connection may have no limits.
UNLIMITED = f"/ip4/45.45.0.1/tcp/1/p2p/{Identity.generate().peerID}/p2p-circuit"


class HostDoubleTests(SynchronousTestCase):
    """
    Tests for L{HostDouble}.
    """

    def setUp(self) -> None:
        """
        Make one, with one connection.
        """
        self.host = HostDouble()
        self.peer = Identity.generate()
        self.connection = self.host.meet(
            self.peer, "/ip4/192.0.2.1/tcp/1", serves=[PROTOCOL_ID]
        )
        self.factory = Factory.forProtocol(Protocol)

    def test_contracts(self) -> None:
        """
        It fulfils the contract of a node.
        """
        verifyObject(IHost, self.host)
        verifyObject(IConnections, self.host.connections)
        verifyObject(IConnection, self.connection)

    def test_serve(self) -> None:
        """
        A stream of a peer reaches the registered factory.
        """
        self.host.registry.register(PROTOCOL_ID, EchoFactory())
        stream = self.host.serve(self.connection, PROTOCOL_ID)
        stream.protocol.dataReceived(b"hello")
        self.assertEqual(stream.value(), b"hello")
        self.assertEqual(stream.getPeer().peerID, self.peer.peerID)
        self.assertRaises(
            UnsupportedProtocol, self.host.serve, self.connection, "/none"
        )

    def test_whenDirect(self) -> None:
        """
        A connection through a relay is not direct.
        """
        peer = self.peer.peerID
        self.assertIs(
            self.successResultOf(self.host.whenDirect(peer, 1.0)), self.connection
        )
        self.connection.limited = True
        self.assertIsNone(self.successResultOf(self.host.whenDirect(peer, 1.0)))
        other = self.host.meet(address=UNLIMITED).remotePeer
        self.assertIsNone(self.successResultOf(self.host.whenDirect(other, 1.0)))

    def test_open(self) -> None:
        """
        A stream of ours is opened if the peer is connected and serves the protocol.
        """
        target = Multiaddr("/ip4/192.0.2.1/tcp/1").withPeer(self.peer.peerID)
        for each in (target, str(target), self.peer.peerID, str(self.peer.peerID)):
            opening = self.host.openStream(each, ["/none", PROTOCOL_ID], self.factory)
            protocol: Any = self.successResultOf(opening)
            self.assertIs(protocol.transport, self.connection.opened[-1])
            self.assertEqual(protocol.transport.protocolID, PROTOCOL_ID)
        self.failureResultOf(
            self.host.openStream(target, "/none", self.factory), UnsupportedProtocol
        )
        self.failureResultOf(self.host.connect("/ip4/192.0.2.2/tcp/1"), NoAddresses)
        self.assertEqual(len(self.host.asked), 6)

    def test_connections(self) -> None:
        """
        A connection that has ended is not there any longer; protection is recorded.
        """
        peer = self.peer.peerID
        other = self.host.meet()
        self.assertEqual(self.host.connections.to(peer), [self.connection])
        self.assertEqual(len(self.host.connections), 2)
        self.successResultOf(self.connection.close())
        other.abort(Failure(StreamReset(7)))
        self.assertEqual(len(self.host.connections), 0)
        self.host.connections.protect(peer, "a")
        self.host.connections.protect(peer, "b")
        self.assertTrue(self.host.connections.unprotect(peer, "a"))
        self.assertFalse(self.host.connections.unprotect(peer, "b"))

    def test_service(self) -> None:
        """
        A service of the package works on it: two streams of pings are served, and a
        third one is refused.
        """
        PingService().attach(self.host)
        streams = [self.host.serve(self.connection, PING) for _ in range(3)]
        self.assertIsNone(streams[2].protocol)
        streams[0].protocol.dataReceived(bytes(32))
        self.assertEqual(streams[0].value(), bytes(32))
        for each in streams[:2]:
            each.protocol.connectionLost()
