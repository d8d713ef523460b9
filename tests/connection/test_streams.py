# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the streams of a connection.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory

from tests.connection.recorders import ConnectionTestCase, Hasty, Recorder, Recorders
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
    StreamReset,
    UnsupportedProtocol,
    UpgradeTimeout,
)
from twisted_libp2p.events import (
    ClosedConn,
)
from twisted_libp2p.protocols.echo import PROTOCOL_ID, EchoFactory


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
