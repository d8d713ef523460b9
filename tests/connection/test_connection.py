# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the life of a connection, as its events report it.
"""

from __future__ import annotations

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.connection.recorders import Recorders
from twisted_libp2p.errors import (
    Libp2pError,
)
from twisted_libp2p.events import (
    ClosedConn,
    ClosedStream,
    Event,
    Identified,
    Listen,
    OpenedConn,
    OpenedStream,
    PeerConnected,
    PeerDisconnected,
)
from twisted_libp2p.protocols.echo import PROTOCOL_ID, EchoFactory
from twisted_libp2p.testing.nodes import MemoryNodes


class EventTests(SynchronousTestCase):
    """
    SD-26: what the event bus tells of a node's life.
    """

    def setUp(self) -> None:
        """
        Have two nodes, and subscribers from the beginning.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.server, self.client = self.nodes.start(), self.nodes.start()
        self.server.registry.register(PROTOCOL_ID, EchoFactory())
        self.heard: dict[str, list[Event]] = {"server": [], "client": []}
        for name, node in (("server", self.server), ("client", self.client)):
            node.events.subscribe(
                Event,
                self.heard[name].append,
                lambda event: not isinstance(event, PeerConnected | PeerDisconnected),
            )

    def test_life(self) -> None:
        """
        Openings and endings pair up, streams within their connection, on both
        sides, with their facts.
        """
        near, far = self.nodes.connect(self.client, self.server)
        factory = Recorders(b"x")
        self.nodes.result(near.openStream(PROTOCOL_ID, factory))
        factory.made[0].transport.loseConnection()
        self.nodes.settle()
        self.nodes.result(near.close())
        for side, connection in (("client", near), ("server", far)):
            heard = self.heard[side]
            opened, closed = heard[0], heard[-1]
            assert isinstance(opened, OpenedConn) and isinstance(closed, ClosedConn)
            self.assertIs(opened.connection, connection)
            self.assertIs(closed.connection, connection)
            self.assertEqual(opened.peer, connection.remotePeer)
            self.assertEqual(opened.direction, connection.direction)
            self.assertEqual(opened.remoteKey, connection.remoteKey)
            self.assertTrue(opened.early)
            self.assertEqual(opened.upgradeTime, connection.upgradeTime)
            self.assertEqual(opened.security, "/noise")
            self.assertEqual(opened.muxer, "/yamux/1.0.0")
            self.assertEqual(opened.localAddress, connection.localAddress)
            self.assertEqual(opened.remoteAddress, connection.remoteAddress)
            self.assertIsInstance(closed.reason, Failure)
            starts = [e.stream for e in heard if isinstance(e, OpenedStream)]
            ends = [e.stream for e in heard if isinstance(e, ClosedStream)]
            self.assertEqual(len(starts), len(set(starts)))
            self.assertEqual(set(starts), set(ends))
            self.assertEqual(len(starts), len(ends))
            for event in heard:
                if isinstance(event, OpenedStream) and event.protocolID == PROTOCOL_ID:
                    self.assertEqual(
                        event.direction, "outbound" if side == "client" else "inbound"
                    )
            self.assertEqual(sum(isinstance(event, Identified) for event in heard), 1)

    def test_reason(self) -> None:
        """
        The reason tells who ended it: here in peace, and there by force.
        """
        near, _ = self.nodes.connect(self.client, self.server)
        self.nodes.result(near.close())
        self.assertTrue(near.reason is not None and near.reason.check(ConnectionDone))
        near, far = self.nodes.connect(self.client, self.server)
        mine = Failure(RuntimeError("enough"))
        near.abort(mine)
        self.nodes.settle()
        last = self.heard["client"][-1]
        assert isinstance(last, ClosedConn)
        self.assertIs(last.reason, mine)
        self.assertIsNotNone(far.reason)

    def test_closeInsideOpened(self) -> None:
        """
        A subscriber that closes at once does not turn the order around.
        """
        order: list[str] = []
        self.client.events.subscribe(OpenedConn, lambda e: e.connection.close())
        for kind in (OpenedConn, ClosedConn):
            self.client.events.subscribe(kind, lambda e: order.append(type(e).__name__))
        dialing = self.client.connect(self.server.addresses[0])
        self.nodes.settle()
        self.assertEqual(order, ["OpenedConn", "ClosedConn"])
        self.assertFalse(self.successResultOf(dialing).connected)

    def test_listen(self) -> None:
        """
        Listening tells the full address, and so does its end.
        """
        heard: list[Event] = []
        self.server.events.subscribe(Event, heard.append)
        self.nodes.result(self.server.listenOn("/memory/77"))
        self.nodes.result(self.server.stopListeningOn("/memory/77"))
        self.assertEqual(
            [type(e).__name__ for e in heard],
            ["Listen", "AddressesChanged", "ListenClose", "AddressesChanged"],
        )
        assert isinstance(heard[0], Listen)
        self.assertEqual(heard[0].address.peerID, self.server.peerID)

    def test_failedPeerIsSilent(self) -> None:
        """
        Who fails to authenticate never appears.
        """
        stranger = self.nodes.start(muxers=["mplex"])
        loner = self.nodes.start(muxers=["yamux"])
        heard: list[Event] = []
        loner.events.subscribe(Event, heard.append)
        dialing = stranger.connect(loner.addresses[0])
        self.nodes.settle()
        self.failureResultOf(dialing, Libp2pError)
        self.assertEqual(heard, [])
