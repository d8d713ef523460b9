# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for what an ended connection keeps: the bytes that came whole for streams whose
applications have paused them.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import ConnectionClosing, PeerUnresponsive
from twisted_libp2p.events import ClosedConn, ClosedStream
from twisted_libp2p.limits import Limits
from twisted_libp2p.limits.limits import SHARES
from twisted_libp2p.testing.muxer import HalfCloseCollector
from twisted_libp2p.testing.nodes import MemoryNodes

PROTOCOL = "/paused/1.0.0"


class Paused(HalfCloseCollector):
    """
    Pauses its stream at once.
    """

    def connectionMade(self) -> None:
        """
        Pause.
        """
        self.stream.pauseProducing()


class UnreadTests(SynchronousTestCase):
    """
    A peer has sent something to a paused application, and closed its connection.
    """

    def setUp(self) -> None:
        """
        Connect, send, let a window of the stream grow, and close.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.server = self.nodes.start()
        self.client = self.nodes.start()
        self.built: list[Paused] = []

        def build() -> Paused:
            self.built.append(Paused())
            return self.built[-1]

        self.server.registry.register(PROTOCOL, Factory.forProtocol(build))
        self.ends: list[Any] = []
        for event in (ClosedStream, ClosedConn):
            self.server.events.subscribe(event, self.note)
        connection, self.accepted = self.nodes.connect(self.client, self.server)
        mine: Any = self.nodes.result(
            connection.openStream(PROTOCOL, Factory.forProtocol(HalfCloseCollector))
        )
        mine.stream.write(b"x" * 1000)
        mine.stream.loseWriteConnection()
        self.nodes.settle()
        (self.paused,) = self.built
        stream: Any = self.paused.stream
        session = stream.session
        window: Any = stream.receiveWindow
        window.size += 5000
        session._growth += 5000
        session.budget.hold(5000)
        connection.close()
        self.nodes.settle()

    def note(self, event: Any) -> None:
        """
        Note the end of a connection, and of a stream of ours.
        """
        if isinstance(event, ClosedConn) or event.protocolID == PROTOCOL:
            self.ends.append(type(event))

    def used(self) -> tuple[int, int]:
        """
        Return how many streams, and bytes of windows, are counted for the client.
        """
        limiter = self.server.connections.limiter
        scope = limiter.peers.get(self.client.peerID)
        system = (limiter.system.used.streams, limiter.system.used.memory)
        peer = (0, 0) if scope is None else (scope.used.streams, scope.used.memory)
        self.assertEqual(system, peer)
        return system

    def test_counted(self) -> None:
        """
        The limits go on counting the stream and its window until everything is read;
        the connection itself has left.
        """
        self.assertEqual(len(self.server.connections), 0)
        self.assertEqual(self.ends, [ClosedConn])
        self.assertEqual(self.used(), (1, 5000))
        self.assertEqual(list(self.accepted.streams), [self.paused.stream])
        self.assertFalse(self.accepted.connected)
        self.failureResultOf(
            self.accepted.openStream(PROTOCOL, Factory.forProtocol(HalfCloseCollector)),
            ConnectionClosing,
        )
        self.paused.stream.resumeProducing()
        self.nodes.settle()
        self.assertEqual(self.paused.data, b"x" * 1000)
        self.assertEqual(self.ends, [ClosedConn, ClosedStream])
        self.assertEqual(self.used(), (0, 0))
        self.assertNotIn(self.client.peerID, self.server.connections.limiter.peers)
        self.assertEqual(list(self.accepted.streams), [])

    def test_comesAgain(self) -> None:
        """
        What a peer has left unread counts for its next connection.
        """
        connection, _ = self.nodes.connect(self.client, self.server)
        self.nodes.settle()
        self.assertEqual(self.used(), (1, 5000))
        self.paused.stream.abortConnection()
        self.nodes.settle()
        self.assertEqual(self.used(), (0, 0))
        connection.close()
        self.nodes.settle()
        self.assertEqual(self.used(), (0, 0))

    def test_stopped(self) -> None:
        """
        A node that stops keeps nothing.
        """
        self.nodes.result(self.server.stopService())
        self.assertEqual(len(self.paused.reasons), 1)
        self.assertEqual(self.paused.data, b"")
        self.assertEqual(self.used(), (0, 0))


class UnresponsiveTests(SynchronousTestCase):
    """
    A peer has sent something to a paused application, and does not answer any longer.
    """

    def test_delivered(self) -> None:
        """
        What the peer has sent with its end is delivered, since nothing of it is
        missing, whatever the muxer is; what has not come to its end is not.
        """
        for muxer in ("yamux", "mplex"):
            nodes = MemoryNodes()
            server, client = nodes.start(muxers=[muxer]), nodes.start(muxers=[muxer])
            built: list[Paused] = []

            def build(built: list[Paused] = built) -> Paused:
                built.append(Paused())
                return built[-1]

            server.registry.register(PROTOCOL, Factory.forProtocol(build))
            connection, accepted = nodes.connect(client, server)
            for _ in range(2):
                mine: Any = nodes.result(
                    connection.openStream(
                        PROTOCOL, Factory.forProtocol(HalfCloseCollector)
                    )
                )
                mine.stream.write(b"x" * 1000)
            mine.stream.loseWriteConnection()
            nodes.settle()
            accepted.abort(Failure(PeerUnresponsive(30.0)))
            nodes.settle()
            cut, whole = built
            self.assertEqual((cut.data, len(cut.reasons)), (b"", 1))
            self.assertEqual(whole.reasons, [])
            whole.stream.resumeProducing()
            nodes.settle()
            self.assertEqual(whole.data, b"x" * 1000)
            [reason] = whole.reasons
            self.assertIsNotNone(reason.check(PeerUnresponsive))
            nodes.stop()


class AbsentTests(SynchronousTestCase):
    """
    Peers that leave streams with unread bytes, and go.
    """

    def test_giveWay(self) -> None:
        """
        Such streams keep no other peer from a protocol, or from the node.
        """
        nodes = MemoryNodes()
        limits = Limits.scaled(connections=64, memory=4 * 1024 * 1024)
        server = nodes.start(limits=limits)
        factory = Factory.forProtocol(HalfCloseCollector)
        for protocol in (PROTOCOL, "/other/1.0.0"):
            server.registry.register(protocol, Factory.forProtocol(Paused))
        used = server.connections.limiter.system
        for number in range(SHARES):
            absent = nodes.start()
            connection, _ = nodes.connect(absent, server)
            protocol = PROTOCOL if number % 2 else "/other/1.0.0"
            for _ in range(limits.peer.inboundStreams):
                opening: Any = connection.openStream(protocol, factory)
                stream = nodes.result(opening).stream
                stream.write(b"x")
                stream.loseWriteConnection()
            nodes.settle()
            connection.close()
            nodes.result(absent.stopService())
        self.assertEqual(len(server.connections), 0)
        self.assertEqual(used.streams, limits.system.inboundStreams)
        newcomer = nodes.start()
        connection, _ = nodes.connect(newcomer, server)
        self.assertIsNotNone(nodes.result(connection.openStream(PROTOCOL, factory)))
        nodes.stop()
