# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of connections and of the streams that are opened on them.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import PeerAddress
from twisted_libp2p.connection import Connection
from twisted_libp2p.connection.streams import (
    ABANDONED_RATE,
    MAX_ABANDONED,
    MAX_NEGOTIATING,
)
from twisted_libp2p.errors import (
    ConnectionClosing,
    ErrorCode,
    Libp2pError,
    StreamReset,
    UnsupportedProtocol,
    UpgradeTimeout,
)
from twisted_libp2p.events import (
    ClosedConn,
    ClosedStream,
    Event,
    Identified,
    Listen,
    OpenedConn,
    OpenedStream,
)
from twisted_libp2p.protocols.echo import PROTOCOL_ID, EchoFactory
from twisted_libp2p.testing.nodes import MemoryNodes


class Recorder(Protocol):
    """
    Notes what happens to it.
    """

    transport: Any

    def __init__(self, first: bytes = b"") -> None:
        self.first = first
        self.received = b""
        self.made = 0
        self.lost: list[Failure] = []

    def connectionMade(self) -> None:
        self.made += 1
        if self.first:
            self.transport.write(self.first)

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost.append(reason)


class Hasty(Recorder):
    """
    Closes as soon as it has said all.
    """

    def connectionMade(self) -> None:
        super().connectionMade()
        self.transport.loseConnection()


class Recorders(Factory):
    """
    Makes recorders, and keeps them and the addresses they were made for.
    """

    noisy = False

    def __init__(self, first: bytes = b"") -> None:
        self.first = first
        self.made: list[Recorder] = []
        self.addresses: list[PeerAddress] = []

    def buildProtocol(self, addr: Any) -> Any:
        self.addresses.append(addr)
        self.made.append(Recorder(self.first))
        return self.made[-1]


class ConnectionTestCase(SynchronousTestCase):
    """
    Two connected nodes in memory.
    """

    muxers: tuple[str, ...] = ("yamux",)

    def setUp(self) -> None:
        """
        Connect, and let both sides be identified.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.server = self.nodes.start(muxers=self.muxers)
        self.client = self.nodes.start(muxers=self.muxers)
        self.near, self.far = self.nodes.connect(self.client, self.server)


class StreamTests(ConnectionTestCase):
    """
    Streams with a protocol that both sides speak.
    """

    def test_echo(self) -> None:
        """
        What is written in C{connectionMade} comes back; the Deferred fires
        with the protocol.
        """
        self.server.registry.register(PROTOCOL_ID, EchoFactory())
        factory = Recorders(b"hello")
        protocol = self.nodes.result(self.near.openStream(PROTOCOL_ID, factory))
        self.assertIs(protocol, factory.made[0])
        self.assertEqual(factory.made[0].received, b"hello")

    def test_eitherSide(self) -> None:
        """
        SD-17: the side that accepted the connection opens streams as well.
        """
        self.client.registry.register(PROTOCOL_ID, EchoFactory())
        factory = Recorders(b"hello")
        self.nodes.result(self.far.openStream(PROTOCOL_ID, factory))
        self.assertEqual(factory.made[0].received, b"hello")

    def test_addresses(self) -> None:
        """
        Both factories and both transports know the peers and the protocol.
        """
        served, asked = Recorders(), Recorders()
        self.server.registry.register("/a", served)
        self.nodes.result(self.near.openStream("/a", asked))
        listening = self.server.addresses[0].withoutPeer()
        self.assertEqual(
            asked.addresses, [PeerAddress(self.server.peerID, listening, "/a")]
        )
        (inbound,) = served.made
        self.assertEqual(served.addresses, [inbound.transport.getPeer()])
        self.assertEqual(inbound.transport.getPeer().peerID, self.client.peerID)
        self.assertEqual(inbound.transport.getHost().peerID, self.server.peerID)
        self.assertEqual(inbound.transport.getHost().protocolID, "/a")

    def test_severalVersions(self) -> None:
        """
        SD-28: one handler for several ids learns which was agreed; the
        initiator's order decides.
        """
        served = Recorders()
        self.server.registry.register(["/a/1", "/a/2"], served)
        for proposed in (["/a/3", "/a/2", "/a/1"], ["/a/1"]):
            self.nodes.result(self.near.openStream(proposed, Recorders()))
        self.assertEqual(
            [each.protocolID for each in served.addresses], ["/a/2", "/a/1"]
        )

    def test_match(self) -> None:
        """
        SD-15: a function may decide which ids are served.
        """
        served = Recorders()
        self.server.registry.register(lambda name: name.startswith("/v/"), served)
        self.nodes.result(self.near.openStream("/v/77", Recorders()))
        self.assertEqual(served.addresses[0].protocolID, "/v/77")

    def test_unsupported(self) -> None:
        """
        A protocol that nobody serves is an error that names it; other streams
        and the connection stay.
        """
        for proposed in ("/nobody", ["/nobody", "/neither"]):
            factory = Recorders(b"hello")
            failed = self.failureAfter(self.near.openStream(proposed, factory))
            self.assertIsInstance(failed, UnsupportedProtocol)
            self.assertIn("/nobody", str(failed))
            for optimistic in factory.made:
                self.assertTrue(optimistic.lost[0].check(UnsupportedProtocol))
                self.assertEqual(optimistic.received, b"")
        self.assertTrue(self.near.connected)
        self.assertEqual(len(self.near.streams), 0)

    def failureAfter(self, waiting: Any) -> BaseException:
        """
        Settle, and give the error of a Deferred.
        """
        self.nodes.settle()
        error = self.failureResultOf(waiting).value
        assert isinstance(error, BaseException)
        return error

    def test_deadline(self) -> None:
        """
        A stream whose peer does not negotiate has failed after ten seconds.
        """
        self.patch(Connection, "buildProtocol", lambda _, stream: Recorder())
        opening = self.near.openStream("/a", Recorders())
        self.nodes.advance(9.9)
        self.assertNoResult(opening)
        self.nodes.advance(0.2)
        self.failureResultOf(opening, UpgradeTimeout)

    def test_closeAtOnce(self) -> None:
        """
        A protocol that says all and closes at once is heard whole; its half
        ends when the peer has agreed, and not before.
        """
        served, hasty = Recorders(), Hasty(b"all")
        self.server.registry.register("/a", served)
        factory = Recorders()
        factory.buildProtocol = lambda addr: hasty  # type: ignore[method-assign]
        opening = self.near.openStream("/a", factory)
        self.assertEqual(hasty.lost, [])
        self.assertIs(self.nodes.result(opening), hasty)
        self.assertTrue(hasty.lost[0].check(ConnectionDone))
        self.assertEqual(served.made[0].received, b"all")
        self.assertTrue(served.made[0].lost[0].check(ConnectionDone))
        self.assertEqual(len(self.near.streams), 0)

    def test_closeRefused(self) -> None:
        """
        Closing at once does not hide that the peer did not agree.
        """
        hasty = Hasty(b"all")
        factory = Recorders()
        factory.buildProtocol = lambda addr: hasty  # type: ignore[method-assign]
        error = self.failureAfter(self.near.openStream("/nobody", factory))
        self.assertIsInstance(error, UnsupportedProtocol)
        self.assertEqual(len(hasty.lost), 1)

    def test_pausedAtOnce(self) -> None:
        """
        A protocol that does not want to read yet is agreed all the same, and
        gets everything when it reads.
        """

        class Paused(Recorder):
            def connectionMade(self) -> None:
                super().connectionMade()
                self.transport.pauseProducing()

        paused = Paused()
        self.server.registry.register("/a", Recorders(b"answer"))
        factory = Recorders()
        factory.buildProtocol = lambda addr: paused  # type: ignore[method-assign]
        self.assertIs(self.nodes.result(self.near.openStream("/a", factory)), paused)
        self.assertEqual(paused.received, b"")
        paused.transport.resumeProducing()
        self.nodes.settle()
        self.assertEqual(paused.received, b"answer")

    def test_cancel(self) -> None:
        """
        To cancel an opening is to reset the stream.
        """
        served = Recorders()
        self.server.registry.register("/a", served)
        factory = Recorders()
        opening = self.near.openStream("/a", factory)
        opening.cancel()
        self.failureResultOf(opening, CancelledError)
        self.nodes.settle()
        self.assertEqual(len(factory.made[0].lost), 1)
        self.assertEqual(len(self.near.streams), 0)
        self.assertEqual(len(self.far.streams), 0)

    def test_noProtocol(self) -> None:
        """
        A server's factory that gives no protocol resets the stream.
        """

        class Refusing(Factory):
            noisy = False

            def buildProtocol(self, addr: object) -> None:
                return None

        self.server.registry.register("/a", Refusing())
        self.nodes.settle()
        factory = Recorders()
        opening = self.near.openStream("/a", factory)
        opening.addErrback(lambda reason: None)
        self.nodes.settle()
        self.assertTrue(factory.made[0].lost[0].check(StreamReset))

    def test_closed(self) -> None:
        """
        On a connection that has ended there are no streams.
        """
        self.nodes.result(self.near.close())
        self.failureResultOf(self.near.openStream("/a", Recorders()), ConnectionClosing)
        self.failureResultOf(self.near.ping(), ConnectionClosing)
        self.assertFalse(self.near.connected)
        self.assertEqual(len(self.near.streams), 0)

    def test_closing(self) -> None:
        """
        A connection that is being closed is not given to anybody any more.
        """
        closing = self.near.close()
        self.assertFalse(self.near.connected)
        self.failureResultOf(self.near.openStream("/a", Recorders()), ConnectionClosing)
        dialing = self.client.connect(self.server.addresses[0])
        self.nodes.settle()
        self.successResultOf(closing)
        self.assertIsNot(self.successResultOf(dialing), self.near)

    def test_ping(self) -> None:
        """
        The round trip can be measured below the streams.
        """
        self.assertEqual(self.nodes.result(self.near.ping()), 0.0)


class MplexStreamTests(StreamTests):
    """
    The same over mplex.
    """

    muxers = ("mplex",)

    def test_ping(self) -> None:
        """
        mplex has no message for it, and says so.
        """
        self.failureResultOf(self.near.ping(), NotImplementedError)


class AbuseTests(ConnectionTestCase):
    """
    Peers that open streams and do not negotiate.
    """

    def test_negotiating(self) -> None:
        """
        Attack 9: no more than 128 streams negotiate at once, each for ten
        seconds; another connection is served meanwhile.
        """
        session: Any = self.near._session
        silent = [Recorder() for _ in range(MAX_NEGOTIATING + 10)]
        for each in silent:
            session.openStream(each)
        self.nodes.settle()
        self.assertEqual(len(self.far.streams), MAX_NEGOTIATING)
        self.assertEqual(sum(len(each.lost) for each in silent), 10)
        self.server.registry.register(PROTOCOL_ID, EchoFactory())
        honest = self.nodes.start()
        near, _ = self.nodes.connect(honest, self.server)
        factory = Recorders(b"hello")
        self.nodes.result(near.openStream(PROTOCOL_ID, factory))
        self.assertEqual(factory.made[0].received, b"hello")
        self.nodes.advance(10.1)
        self.assertEqual(len(self.far.streams), 0)
        self.assertEqual(sum(len(each.lost) for each in silent), len(silent))
        self.assertTrue(self.near.connected)

    def test_ours(self) -> None:
        """
        The streams that we open ourselves do not count: with as many of those
        in negotiation, the peer's are served all the same.
        """
        served = Recorders()
        self.client.registry.register("/a", served)
        self.server.registry.register("/a", Recorders())
        session: Any = self.far._session
        session.transport.pauseProducing()
        ours = [self.near.openStream("/a", Recorders()) for _ in range(MAX_NEGOTIATING)]
        theirs = self.far.openStream("/a", Recorders())
        self.nodes.settle()
        self.assertEqual(len(served.made), 1)
        session.transport.resumeProducing()
        self.nodes.settle()
        for opening in (*ours, theirs):
            self.successResultOf(opening)

    def test_abandoned(self) -> None:
        """
        Attack 8: a peer that opens streams and resets them at once, over and over,
        is told that it does so too often, and closed.
        """
        closed: list[ClosedConn] = []
        self.client.events.subscribe(ClosedConn, closed.append)
        session: Any = self.near._session

        def abandon(count: int) -> None:
            for _ in range(count):
                stream = session.openStream(Recorder())
                self.nodes.settle()
                stream.abortConnection()
                self.nodes.settle()

        abandon(MAX_ABANDONED)
        self.assertTrue(self.near.connected)
        self.nodes.advance(10 / ABANDONED_RATE)
        abandon(10)
        self.assertTrue(self.near.connected)
        abandon(1)
        self.assertFalse(self.near.connected)
        [event] = closed
        self.assertIn(f"{ErrorCode.RATE_LIMITED:#x}", event.reason.getErrorMessage())

    def test_used(self) -> None:
        """
        Streams whose protocol was agreed may be reset as often as one likes.
        """
        self.server.registry.register(PROTOCOL_ID, EchoFactory())
        for _ in range(MAX_ABANDONED + 10):
            factory = Recorders(b"hello")
            self.nodes.result(self.near.openStream(PROTOCOL_ID, factory))
            factory.made[0].transport.abortConnection()
            self.nodes.settle()
        self.assertTrue(self.near.connected)

    def test_garbage(self) -> None:
        """
        A stream of garbage ends; the connection does not.
        """
        session: Any = self.near._session
        recorder = Recorder(b"\xff" * 100)
        session.openStream(recorder)
        self.nodes.settle()
        self.assertEqual(len(recorder.lost), 1)
        self.assertTrue(self.near.connected and self.far.connected)
        self.assertEqual(len(self.far.streams), 0)


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
        self.server.events.subscribe(Event, self.heard["server"].append)
        self.client.events.subscribe(Event, self.heard["client"].append)

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
