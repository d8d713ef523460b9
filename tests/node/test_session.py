# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of sessions between nodes, of kept peers, and of the events of both.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionAborted
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.node.memory import NodeTestCase
from twisted_libp2p.connmanager.presence import endingOf
from twisted_libp2p.errors import (
    ClosedHere,
    ConfigurationError,
    InvalidPeerID,
    SessionEnded,
    StreamReset,
    Truncated,
)
from twisted_libp2p.events import (
    ClosedConn,
    Event,
    ListenClose,
    OpenedConn,
    PeerConnected,
    PeerDisconnected,
)
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import DialOptions, Ending
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.session import FIRST, STEADY, Session

ID = "/room/1.0.0"


class Member(Protocol):
    """
    Notes what comes, and the end.
    """

    transport: Any
    ended: Failure | None = None
    received = b""

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended = reason


class SessionTestCase(NodeTestCase):
    """
    Nodes in the order of their ids.
    """

    def start(self, count: int = 2, **options: Any) -> list[Node]:
        """
        Start nodes; the one with the smallest id is the first.
        """
        keys = sorted(
            [Identity.generate() for _ in range(count)], key=lambda each: each.peerID
        )
        return [self.nodes.start(identity=each, **options) for each in keys]

    def streams(self, node: Node) -> list[Any]:
        """
        Return the streams of the protocol that a node has.
        """
        return [
            stream
            for connection in node.connections
            for stream in connection.streams
            if stream.protocolID == ID
        ]


class SessionTests(SessionTestCase):
    """
    There is exactly one stream with each peer.
    """

    def setUp(self) -> None:
        """
        Start two nodes with a session.
        """
        super().setUp()
        self.first, self.last = self.start()
        self.one = self.first.session("all", ID, Member)
        self.other = self.last.session("all", ID, Member)

    def both(self) -> tuple[Any, Any]:
        """
        Check that each side has one stream with the other, and return the protocols.
        """
        self.assertEqual(len(self.streams(self.first)), 1)
        self.assertEqual(len(self.streams(self.last)), 1)
        return (
            self.one.protocols[self.last.peerID],
            self.other.protocols[self.first.peerID],
        )

    def test_oneStream(self) -> None:
        """
        The peer with the smaller id opens it, whichever side has connected.
        """
        self.nodes.connect(self.last, self.first)
        near, far = self.both()
        self.assertEqual(near.transport.direction, "outbound")
        near.transport.write(b"word")
        self.nodes.settle()
        self.assertEqual(far.received, b"word")

    def test_severalConnections(self) -> None:
        """
        Two connections carry one stream; when its connection ends, it is opened again
        on the other one, at once.
        """
        self.nodes.connect(self.first, self.last)
        self.nodes.result(
            self.first.connect(self.last.addresses[0], DialOptions(fresh=True))
        )
        self.nodes.settle()
        near, far = self.both()
        near.transport.connection.close()
        self.nodes.settle()
        self.assertIsNotNone(far.ended)
        again, _ = self.both()
        self.assertIsNot(again, near)

    def test_lost(self) -> None:
        """
        A stream that ends early is opened again after a wait that grows; one that has
        lasted is opened again at once.
        """
        self.nodes.connect(self.first, self.last)
        for wait in (FIRST, 2 * FIRST):
            near, far = self.both()
            far.transport.loseConnection()
            self.nodes.settle()
            self.assertIsNotNone(near.ended)
            self.assertEqual(self.one.protocols, {})
            self.nodes.advance(wait - 0.01)
            self.assertEqual(self.streams(self.first), [])
            self.nodes.advance(0.01)
        self.nodes.advance(STEADY)
        near, far = self.both()
        far.transport.abortConnection()
        self.nodes.settle()
        self.assertIsNot(self.both()[0], near)

    def test_later(self) -> None:
        """
        A session that begins with connected peers finds them, on either side.
        """
        self.one.cancel()
        self.other.cancel()
        for order in ((self.first, self.last), (self.last, self.first)):
            self.nodes.connect(self.first, self.last)
            sessions = [each.session("all", ID, Member) for each in order]
            self.nodes.advance(5)
            self.assertEqual(len(self.streams(self.first)), 1)
            for each in sessions:
                each.cancel()
            self.nodes.settle()
            self.assertEqual(self.streams(self.first), [])

    def test_reconnected(self) -> None:
        """
        A peer that comes back has a stream again.
        """
        self.nodes.connect(self.first, self.last)
        near, _ = self.both()
        near.transport.connection.close()
        self.nodes.settle()
        self.assertEqual((self.one.protocols, self.other.protocols), ({}, {}))
        self.nodes.connect(self.first, self.last)
        self.both()

    def test_restarted(self) -> None:
        """
        A session goes on after a restart of its node.
        """
        self.nodes.connect(self.first, self.last)
        self.nodes.result(self.first.stopService())
        self.first.startService()
        self.nodes.settle()
        self.nodes.connect(self.last, self.first)
        self.both()

    def test_cancel(self) -> None:
        """
        A session that is over closes its streams, and its protocol is free.
        """
        self.nodes.connect(self.first, self.last)
        near, far = self.both()
        self.one.cancel()
        self.one.cancel()
        self.nodes.settle()
        self.assertTrue(near.ended.check(type(connectionDone.value)))
        self.assertIsNotNone(far.ended)
        self.assertNotIn(ID, self.first.registry.protocols())
        self.nodes.advance(100)
        self.assertEqual(self.streams(self.last), [])
        self.first.session("all", ID, Member)
        self.nodes.advance(5)
        self.assertEqual(len(self.streams(self.last)), 1)

    def test_cancelledWithin(self) -> None:
        """
        A session may be cancelled as a stream begins, on either side: the stream ends.
        """
        self.one.cancel()
        self.other.cancel()

        class Leaving(Member):
            def connectionMade(self) -> None:
                session.cancel()

        def leave() -> Member:
            session.cancel()
            return Member()

        for build in (Leaving, leave):
            for node, other in ((self.first, self.last), (self.last, self.first)):
                session = node.session("all", ID, build)
                remaining = other.session("all", ID, Member)
                near, _ = self.nodes.connect(self.last, self.first)
                self.nodes.advance(5)
                self.assertIsNone(session._registration)
                self.assertEqual(self.streams(self.first), [])
                self.assertEqual(remaining.protocols, {})
                remaining.cancel()
                near.close()
                self.nodes.settle()

    def test_cancelledInStop(self) -> None:
        """
        A session that is cancelled while its node stops leaves no timer.
        """
        self.nodes.connect(self.first, self.last)
        _, far = self.both()
        far.transport.loseConnection()
        self.nodes.settle()
        self.first.events.subscribe(ListenClose, lambda _: self.one.cancel())
        stopping = self.first.stopService()
        self.nodes.advance(FIRST)
        self.successResultOf(stopping)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_stranger(self) -> None:
        """
        A peer that only opens streams is taken once; one that ought to wait for ours is
        refused.
        """
        guest = self.nodes.start()
        for _ in range(2):
            self.nodes.result(guest.openStream(self.last.addresses[0], ID, Member))
        self.nodes.settle()
        self.assertEqual(len(self.streams(guest)), 1)
        self.assertEqual(list(self.other.protocols), [guest.peerID])
        self.nodes.connect(self.first, self.last)
        opening = self.last.openStream(self.first.peerID, ID, Member)
        self.nodes.settle()
        self.failureResultOf(opening)
        self.assertEqual(len(self.streams(self.first)), 1)

    def test_ownStream(self) -> None:
        """
        A stream that the program opens by itself, to a peer that is not asked for one,
        does not belong to the session.
        """
        server = self.nodes.start()
        server.serve(ID, Member)
        self.other.cancel()
        session = self.last.session([self.first.peerID], ID, Member)
        self.nodes.result(self.last.openStream(server.addresses[0], ID, Member))
        self.assertEqual(session.protocols, {})


class PartnerTests(SessionTestCase):
    """
    A session may be with some peers only.
    """

    def test_one(self) -> None:
        """
        Others get no stream, and are refused.
        """
        first, middle, last = self.start(3)
        session = middle.session(str(last.peerID), ID, Member)
        first.session("all", ID, Member)
        last.session("all", ID, Member)
        self.nodes.connect(middle, last)
        self.nodes.connect(middle, first)
        self.nodes.advance(10)
        self.assertEqual(list(session.protocols), [last.peerID])
        self.assertEqual(len(self.streams(middle)), 1)

    def test_wrong(self) -> None:
        """
        Another partner is refused at once, as is a protocol that is served already.
        """
        node = self.nodes.start()
        wrong: Any = 7
        self.assertRaises(InvalidPeerID, node.session, "nobody", ID, Member)
        self.assertRaises(ConfigurationError, node.session, wrong, ID, Member)
        self.assertRaises(ConfigurationError, node.session, "all", ID, Factory)
        node.serve(ID, Member)
        self.assertRaises(ConfigurationError, node.session, "all", ID, Member)
        self.assertFalse([each for each in node.services if isinstance(each, Session)])

    def test_refused(self) -> None:
        """
        A factory that refuses the peer is asked again, after a wait.
        """

        class Refusing(Factory):
            asked = 0

            def buildProtocol(self, addr: object) -> None:
                self.asked += 1

        first, last = self.start()
        first.session("all", ID, Member)
        factory = Refusing()
        last.session("all", ID, factory)
        self.nodes.connect(first, last)
        self.assertEqual(factory.asked, 1)
        self.nodes.advance(FIRST)
        self.assertEqual(factory.asked, 2)


class KeepTests(SessionTestCase):
    """
    A kept peer is dialed at once, and again when it is lost.
    """

    def test_keep(self) -> None:
        """
        A text will do; the connection comes back until that is cancelled.
        """
        server, client = self.nodes.start(), self.nodes.start()
        kept = client.keep(str(server.addresses[0]), "friend")
        self.nodes.settle()
        self.assertEqual(kept.peer, server.peerID)
        self.assertEqual(len(client.connections.to(server.peerID)), 1)
        client.connections.to(server.peerID)[0].close()
        self.nodes.advance(30)
        self.assertEqual(len(client.connections.to(server.peerID)), 1)
        kept.cancel()
        kept.cancel()
        client.connections.to(server.peerID)[0].close()
        self.nodes.advance(3600)
        self.assertEqual(client.connections.to(server.peerID), [])

    def test_twice(self) -> None:
        """
        Two callers keep a peer by the same reason; one of them may leave.
        """
        server, client = self.nodes.start(), self.nodes.start()
        one = client.keep(server.addresses[0], "friend")
        other = client.keep(server.peerID, "friend")
        one.cancel()
        self.assertTrue(client.connections.tags.protected(server.peerID))
        other.cancel()
        self.assertFalse(client.connections.tags.protected(server.peerID))

    def test_beforeStart(self) -> None:
        """
        A node that is not started yet dials when it starts.
        """
        server, client = self.nodes.start(), self.nodes.start()
        self.nodes.result(client.stopService())
        client.keep(server.addresses[0])
        self.nodes.settle()
        self.assertEqual(len(client.connections), 0)
        client.startService()
        self.nodes.settle()
        self.assertEqual(len(client.connections), 1)

    def test_betterAddress(self) -> None:
        """
        A peer that waits to be dialed again is dialed at once at a new address.
        """
        server, client = self.nodes.start(), self.nodes.start()
        peer = server.peerID
        client.keep(f"/memory/99/p2p/{peer}")
        self.nodes.advance(100)
        self.assertEqual(len(client.connections), 0)
        client.keep(server.addresses[0])
        self.nodes.settle()
        self.assertEqual(len(client.connections), 1)

    def test_unreachable(self) -> None:
        """
        A peer whose dial fails at once is dialed once, not twice.
        """
        node = self.nodes.start()
        dials: list[object] = []
        connect = node.connect

        def dial(*target: Any) -> Any:
            dials.append(target)
            return connect(*target)

        self.patch(node.connections.redialer, "_dial", dial)
        node.keep(Identity.generate().peerID)
        self.assertEqual(len(dials), 1)

    def test_noPeer(self) -> None:
        """
        An address without a peer id is an error that says what is missing.
        """
        node = self.nodes.start()
        error = self.assertRaises(ConfigurationError, node.keep, "/memory/7")
        self.assertIn("/p2p/", str(error))


class PresenceTests(SessionTestCase):
    """
    Peers come and go, by their first and last connection.
    """

    def test_events(self) -> None:
        """
        The events stand after those of the connections.
        """
        first, last = self.start()
        seen: list[type[Event]] = []
        kinds = (OpenedConn, ClosedConn, PeerConnected, PeerDisconnected)
        for kind in kinds:
            first.events.subscribe(kind, lambda event: seen.append(type(event)))
        gone = first.events.next(PeerDisconnected)
        near, _ = self.nodes.connect(first, last)
        second: Any = self.nodes.result(
            first.connect(last.addresses[0], DialOptions(fresh=True))
        )
        second.close()
        self.nodes.settle()
        self.assertNoResult(gone)
        self.nodes.result(last.stopService())
        event = self.successResultOf(gone)
        self.assertEqual(
            seen, [OpenedConn, PeerConnected, OpenedConn, ClosedConn, *kinds[1::2]]
        )
        self.assertEqual(event.peer, last.peerID)
        self.assertIs(event.connection, near)
        self.assertEqual(event.ending, Ending.LEFT)

    def test_closed(self) -> None:
        """
        Our own close is told apart.
        """
        first, last = self.start()
        gone = first.events.next(PeerDisconnected)
        near, _ = self.nodes.connect(first, last)
        near.close()
        self.nodes.settle()
        self.assertEqual(self.successResultOf(gone).ending, "closed")
        gone = last.events.next(PeerDisconnected)
        self.nodes.connect(first, last)
        [far] = last.connections
        far.abort(Failure(ConnectionAborted()))
        self.nodes.settle()
        self.assertEqual(self.successResultOf(gone).ending, "closed")


class EndingTests(SynchronousTestCase):
    """
    A reason is one of three.
    """

    def test_endings(self) -> None:
        """
        Each error of an end has its kind.
        """
        for error, ending in (
            (connectionDone.value, Ending.LEFT),
            (SessionEnded(0), Ending.LEFT),
            (Truncated("/yamux/1.0.0"), Ending.LOST),
            (StreamReset(), Ending.LOST),
            (ClosedHere(1), Ending.CLOSED),
        ):
            self.assertIs(endingOf(Failure(error)), ending)
