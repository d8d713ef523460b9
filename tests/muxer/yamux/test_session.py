# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.muxer.yamux.session}: what a peer sees, and what it
can do.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.muxer.raw import Budget, Frames, RawPeer
from twisted_libp2p.errors import (
    ConfigurationError,
    ConnectionClosing,
    ErrorCode,
    LimitExceeded,
    PeerUnresponsive,
    ProtocolViolation,
    SessionEnded,
    StreamReset,
)
from twisted_libp2p.interfaces import Role
from twisted_libp2p.muxer import Yamux
from twisted_libp2p.muxer.frames import MAX_BODY
from twisted_libp2p.muxer.session import MAX_CONTROL
from twisted_libp2p.muxer.yamux.frame import (
    ACK,
    DATA,
    FIN,
    GO_AWAY,
    PING,
    RST,
    SYN,
    WINDOW_UPDATE,
    FrameReader,
    pack,
)
from twisted_libp2p.testing.muxer import (
    Collector,
    Echo,
    HalfCloseCollector,
    PushProducer,
)

WINDOW = 256 * 1024
MIB = 1024 * 1024


def frames(data: bytes) -> list[tuple[Any, ...]]:
    """
    Read what a session has sent: tuples of type, flags, stream id and length,
    with the body behind them where there is one.
    """
    found = Frames()
    FrameReader(found).feed(data)
    return found.found


class SessionTestCase(SynchronousTestCase):
    """
    A session with a raw peer.
    """

    role = Role.SERVER
    options: Mapping[str, Any] = MappingProxyType({})

    def setUp(self) -> None:
        """
        Connect, and answer the first ping after a tenth of a second.
        """
        self.clock = Clock()
        self.peer = RawPeer(Yamux(self.clock, **self.options), self.clock, self.role)
        self.owner = self.peer.owner
        self.first = self.peer.take()
        self.clock.advance(0.1)
        self.peer.send(pack(PING, ACK, 0, 0))

    def tearDown(self) -> None:
        """
        No timer is left.
        """
        self.peer.session.close()
        self.peer.pump.flush()
        self.peer.pump.advance(60)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def sent(self) -> list[tuple[Any, ...]]:
        """
        @return: the frames that the session has sent since the last time.
        """
        return frames(self.peer.take())

    def open(self, protocol: Any = None) -> Any:
        """
        Have the peer open stream 1, and forget the acknowledgement.
        """
        if protocol is not None:
            self.owner.build = lambda: protocol
        self.peer.send(pack(WINDOW_UPDATE, SYN, 1, 0))
        self.peer.take()
        return self.owner.protocols[-1]

    def assertViolation(self, text: str) -> None:
        """
        Check that the session has ended by the peer's fault: with a go-away
        for a protocol error as the last frame, and typed reasons.
        """
        self.assertEqual(self.sent()[-1:], [(GO_AWAY, 0, 0, 1)])
        self.owner.lost[0].trap(ProtocolViolation)
        self.assertIn(text, str(self.owner.lost[0].value))
        self.assertIsNotNone(self.peer.lost)
        for stream, reason in self.owner.ended:
            reason.trap(ProtocolViolation)
            self.assertTrue(stream.disconnected)
        self.assertEqual(len(self.owner.ended), len(self.owner.opened))


class LastingTests(SessionTestCase):
    """
    What lasts: pings, keep-alive, go-away.
    """

    def test_start(self) -> None:
        """
        A session begins with a ping, to know the round trip.
        """
        self.assertEqual(frames(self.first), [(PING, SYN, 0, 0)])
        self.assertAlmostEqual(self.peer.session.roundTrip, 0.1)

    def test_smoothed(self) -> None:
        """
        A new round trip counts for half.
        """
        answered = self.peer.session.ping()
        self.peer.pump.flush()
        self.assertEqual(self.sent(), [(PING, SYN, 0, 1)])
        self.clock.advance(0.3)
        self.peer.send(pack(PING, ACK, 0, 1))
        self.assertAlmostEqual(self.successResultOf(answered), 0.3)
        self.assertAlmostEqual(self.peer.session.roundTrip, 0.2)

    def test_unknownPong(self) -> None:
        """
        An answer that nobody asked for changes nothing.
        """
        self.peer.send(pack(PING, ACK, 0, 0), pack(PING, ACK, 0, 99))
        self.assertAlmostEqual(self.peer.session.roundTrip, 0.1)
        self.assertEqual(self.owner.lost, [])

    def test_pong(self) -> None:
        """
        A ping is answered with its value.
        """
        self.peer.send(pack(PING, SYN, 0, 42))
        self.assertEqual(self.sent(), [(PING, ACK, 0, 42)])

    def test_pingAtEnd(self) -> None:
        """
        A ping fails with the session, or if it comes too late.
        """
        waiting = self.peer.session.ping()
        self.peer.send(pack(GO_AWAY, 0, 0, 5))
        self.failureResultOf(waiting, SessionEnded)
        self.failureResultOf(self.peer.session.ping(), ConnectionClosing)

    def test_keepAlive(self) -> None:
        """
        A silent peer is asked after 30 seconds, and lost after 30 more.
        """
        collector = self.open()
        self.clock.advance(30)
        self.peer.pump.flush()
        self.assertEqual(self.sent(), [(PING, SYN, 0, 1)])
        self.peer.pump.advance(29.9)
        self.assertEqual(self.owner.lost, [])
        self.peer.pump.advance(0.1)
        self.owner.lost[0].trap(PeerUnresponsive)
        collector.reasons[0].trap(PeerUnresponsive)

    def test_keepAliveOverdue(self) -> None:
        """
        A peer lives whose answer waits in the socket when the timer is overdue.
        """
        self.clock.advance(30)
        self.peer.pump.flush()
        # The reactor reads its sockets after all timers that are due.
        self.clock.callLater(100, self.peer.layer.dataReceived, pack(PING, ACK, 0, 1))
        self.clock.advance(100)
        self.peer.pump.flush()
        self.assertEqual(self.owner.lost, [])
        self.peer.pump.advance(60)
        self.owner.lost[0].trap(PeerUnresponsive)

    def test_lingerOverdue(self) -> None:
        """
        A stream that our side has closed is not reset if the end of the peer's half
        waits in the socket when the timer is overdue.
        """
        collector = self.open()
        stream = collector.stream
        stream.loseConnection()
        self.peer.pump.flush()
        self.sent()
        fin = pack(WINDOW_UPDATE, FIN, stream.streamID, 0)
        self.clock.callLater(100, self.peer.layer.dataReceived, fin)
        self.clock.advance(25)
        self.peer.session._heard = True
        self.clock.advance(75)
        self.peer.pump.flush()
        self.assertNotIn(RST, [flags for _, flags, _, _ in self.sent()])

    def test_keepAliveAnswered(self) -> None:
        """
        A peer that answers, or sends anything, or only reads, lives.
        """
        self.peer.pump.advance(30)
        self.peer.send(pack(PING, ACK, 0, 1))
        self.peer.pump.advance(30)
        self.peer.send(pack(WINDOW_UPDATE, 0, 99, 1))
        self.peer.pump.advance(30)
        self.peer.session.pauseProducing()
        self.peer.session.resumeProducing()
        self.peer.pump.advance(30)
        self.assertEqual(self.owner.lost, [])

    def test_goAway(self) -> None:
        """
        The peer's go-away ends the session; a normal one ends only the
        streams with an error.
        """
        collector = self.open()
        self.peer.send(pack(GO_AWAY, 0, 0, 0))
        collector.reasons[0].trap(SessionEnded)
        self.owner.lost[0].trap(ConnectionDone)
        self.assertIsNotNone(self.peer.lost)

    def test_goAwayWithCode(self) -> None:
        """
        The code of a go-away is in the reasons.
        """
        collector = self.open()
        self.peer.send(pack(GO_AWAY, 0, 0, ErrorCode.SHUTDOWN))
        for reason in (collector.reasons[0], self.owner.lost[0]):
            reason.trap(SessionEnded)
            assert isinstance(reason.value, SessionEnded)
            self.assertEqual(reason.value.code, ErrorCode.SHUTDOWN)

    def test_close(self) -> None:
        """
        Our end is announced, with its code.
        """
        self.peer.session.close(ErrorCode.TRIMMED)
        self.peer.pump.flush()
        self.assertEqual(self.sent(), [(GO_AWAY, 0, 0, ErrorCode.TRIMMED)])

    def test_dataAfterClose(self) -> None:
        """
        What comes after our end is ignored.
        """
        self.peer.session.close()
        self.peer.layer.dataReceived(b"\xff" * 100)
        self.peer.pump.flush()
        self.owner.lost[0].trap(ConnectionDone)

    def test_noKeepAlive(self) -> None:
        """
        Without keep-alive no timer runs, and a silent peer is kept.
        """
        peer = RawPeer(Yamux(self.clock, keepAlive=None), self.clock)
        peer.pump.advance(1000)
        self.assertEqual(peer.owner.lost, [])
        peer.session.close()
        peer.pump.flush()

    def test_configuration(self) -> None:
        """
        A window cannot be smaller than what every stream begins with.
        """
        self.assertRaises(ConfigurationError, Yamux, self.clock, maxWindow=WINDOW - 1)


class InboundTests(SessionTestCase):
    """
    Streams that the peer opens.
    """

    def test_acknowledged(self) -> None:
        """
        A stream that is accepted in silence is acknowledged by an empty
        window update.
        """
        self.peer.send(pack(WINDOW_UPDATE, SYN, 1, 0))
        self.assertEqual(self.sent(), [(WINDOW_UPDATE, ACK, 1, 0)])

    def test_acknowledgedWithData(self) -> None:
        """
        The acknowledgement travels with the first bytes back.
        """
        self.owner.build = Echo
        self.peer.send(pack(DATA, SYN, 1, 5), b"hello")
        self.assertEqual(self.sent(), [(DATA, ACK, 1, 5, b"hello")])

    def test_resetCode(self) -> None:
        """
        A reset carries its code both ways; one on a Data frame has none.
        """
        collector = self.open()
        self.peer.send(pack(WINDOW_UPDATE, RST, 1, 0x1001))
        self.assertEqual(collector.reasons[0].value.code, 0x1001)
        self.peer.send(pack(WINDOW_UPDATE, SYN, 3, 0))
        self.peer.send(pack(DATA, RST, 3, 3), b"xyz")
        self.assertEqual(self.owner.protocols[-1].reasons[0].value.code, 0)
        self.peer.send(pack(WINDOW_UPDATE, SYN, 5, 0))
        self.peer.take()
        self.owner.opened[-1].abortConnection(ErrorCode.GATED)
        self.peer.pump.flush()
        self.assertEqual(self.sent(), [(WINDOW_UPDATE, RST, 5, ErrorCode.GATED)])

    def test_openedAndReset(self) -> None:
        """
        A stream that is opened and reset by one frame is not opened at all.
        """
        self.peer.send(pack(WINDOW_UPDATE, SYN | RST, 1, 0))
        self.assertEqual(self.owner.opened, [])
        self.assertEqual(self.sent(), [])

    def test_openedAndEnded(self) -> None:
        """
        SYN, bytes and FIN may come in one frame.
        """
        self.owner.build = HalfCloseCollector
        self.peer.send(pack(DATA, SYN | FIN, 1, 5), b"hello")
        collector = self.owner.protocols[0]
        self.assertEqual((collector.data, collector.ends), (b"hello", ["read"]))
        self.peer.take()
        collector.stream.loseConnection()
        self.peer.pump.flush()
        self.assertEqual(self.sent(), [(WINDOW_UPDATE, FIN, 1, 0)])
        self.assertEqual(len(self.peer.session.streams), 0)

    def test_finIsAlone(self) -> None:
        """
        FIN never travels with bytes: go-yamux would lose these.
        """
        self.owner.build = Echo
        self.peer.send(pack(DATA, SYN, 1, 5), b"hello", pack(DATA, FIN, 1, 0))
        self.assertEqual(
            self.sent(),
            [(DATA, ACK, 1, 5, b"hello"), (WINDOW_UPDATE, FIN, 1, 0)],
        )

    def test_enlargingSYN(self) -> None:
        """
        A SYN or ACK with a delta allows more than the initial window.
        """
        collector = Collector()
        self.owner.build = lambda: collector
        self.peer.send(pack(WINDOW_UPDATE, SYN, 1, 100))
        self.peer.take()
        collector.stream.write(b"x" * 2 * WINDOW)
        self.peer.pump.flush()
        self.assertEqual(sum(frame[3] for frame in self.sent()), WINDOW + 100)

    def test_unknownStream(self) -> None:
        """
        Frames for streams that are gone, or never were, are ignored.
        """
        collector = self.open()
        self.peer.send(
            *(pack(DATA, 0, streamID, 5) + b"hello" for streamID in (2, 3, 99)),
            pack(WINDOW_UPDATE, 0, 99, 0xFFFFFFFF),
            pack(WINDOW_UPDATE, FIN, 99, 0),
            pack(WINDOW_UPDATE, RST, 99, 0),
            pack(WINDOW_UPDATE, ACK, 99, 0),
            pack(DATA, 0, 99, 3 * MIB) + b"x" * 3 * MIB,
            pack(DATA, 0, 1, 2) + b"ok",
        )
        self.assertEqual(collector.data, b"ok")
        self.assertEqual(self.owner.events.count("buildProtocol"), 1)

    def test_resetWithinBody(self) -> None:
        """
        The rest of a body whose stream was reset in the midst of it is
        dropped.
        """
        collector = self.open()
        self.peer.send(pack(DATA, 0, 1, 10), b"01234")
        collector.stream.abortConnection()
        self.peer.send(b"56789", pack(DATA, SYN, 3, 2), b"ok")
        self.assertEqual(collector.data, b"01234")
        self.assertEqual(self.owner.protocols[-1].data, b"ok")

    def test_resetWhileNegotiating(self) -> None:
        """
        What comes on a stream that was reset before its protocol was agreed is
        for nobody.
        """
        stream = self.open().stream
        stream.negotiating = True
        self.peer.send(pack(DATA, 0, 1, 100), b"x" * 50)
        stream.abortConnection()
        self.peer.send(b"x" * 50, pack(PING, SYN, 0, 7))
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertIn((PING, ACK, 0, 7), self.sent())

    def test_resetWhilePaused(self) -> None:
        """
        What comes on a stream that was reset while it was not read is not kept.
        """
        stream = self.open().stream
        stream.pauseProducing()
        self.peer.send(pack(DATA, 0, 1, 100), b"x" * 50)
        stream.abortConnection()
        self.peer.send(b"x" * 50)
        self.assertEqual(stream.unreadSize, 0)

    def test_repeatedEnds(self) -> None:
        """
        A FIN that is repeated changes nothing; nor does a late window update.
        """
        collector = self.open(HalfCloseCollector())
        self.peer.send(
            pack(WINDOW_UPDATE, FIN, 1, 0),
            pack(DATA, FIN, 1, 0),
            pack(WINDOW_UPDATE, 0, 1, 10),
        )
        self.assertEqual(collector.ends, ["read"])

    def test_violations(self) -> None:
        """
        What the protocol forbids ends the session, with a go-away.
        """
        cases = {
            "version": (b"\x02" + bytes(11),),
            "frame type": (pack(9, 0, 1, 0),),
            "stream 0": (pack(DATA, 0, 0, 4),),
            "parity": (pack(WINDOW_UPDATE, SYN, 2, 0),),
            "twice": (pack(DATA, SYN, 1, 0),),
            "exceed the window": (pack(DATA, 0, 1, WINDOW + 1),),
            "exceed the window of 0": (
                pack(DATA, 0, 1, WINDOW) + b"x" * WINDOW,
                pack(DATA, 0, 1, 1),
            ),
            "exceed the window of 262144": (pack(DATA, SYN, 3, WINDOW + 1),),
            "exceed any window": (pack(DATA, 0, 77, 0xFFFFFFFF),),
            "32 bits": (
                pack(WINDOW_UPDATE, 0, 1, 0xFFFFFFFF),
                pack(WINDOW_UPDATE, 0, 1, 0xFFFFFFFF),
            ),
            "32 bits at once": (pack(WINDOW_UPDATE, SYN, 3, 0xFFFFFFFF),),
            "after the end": (pack(WINDOW_UPDATE, FIN, 1, 0), pack(DATA, 0, 1, 1)),
        }
        for text, wire in cases.items():
            self.setUp()
            collector = self.open(HalfCloseCollector())
            collector.stream.pauseProducing()
            self.peer.send(*wire)
            self.assertViolation(text.removesuffix(" at once"))
            self.tearDown()
        self.setUp()

    @drawn(50, st.data())
    def test_fuzz(self, data: st.DataObject) -> None:
        """
        Whatever frames come in whatever order: the session goes on, or ends
        by the peer's fault, and memory is bounded by the windows.
        """
        self.setUp()
        self.owner.build = data.draw(st.sampled_from([Collector, Echo]))
        headers = st.builds(
            pack,
            st.integers(0, 3),
            st.integers(0, 15),
            st.sampled_from([0, 1, 1, 3, 3, 5, 2]),
            st.sampled_from([0, 0, 1, 20, WINDOW, 0xFFFFFFFF]),
        )
        for header in data.draw(st.lists(headers, max_size=12)):
            self.peer.send(header, bytes(20))
        if self.owner.lost:
            self.assertIsNotNone(
                self.owner.lost[0].check(
                    ProtocolViolation, SessionEnded, ConnectionDone
                )
            )
        self.tearDown()


class WindowTests(SessionTestCase):
    """
    Flow control.
    """

    def test_credit(self) -> None:
        """
        The peer is told when the application has taken half of the window.
        """
        self.open()
        self.clock.advance(10)
        self.peer.send(pack(DATA, 0, 1, WINDOW // 2 - 1), b"x" * (WINDOW // 2 - 1))
        self.assertEqual(self.sent(), [])
        self.peer.send(pack(DATA, 0, 1, 1), b"x")
        self.assertEqual(self.sent(), [(WINDOW_UPDATE, 0, 1, WINDOW // 2)])

    def test_noCreditWhilePaused(self) -> None:
        """
        What the application has not taken is not credited: a peer has no more
        than the window in our memory.
        """
        collector = self.open()
        collector.stream.pauseProducing()
        self.peer.send(pack(DATA, 0, 1, WINDOW), b"x" * WINDOW)
        self.assertEqual(self.sent(), [])
        self.assertEqual(collector.stream.unreadSize, WINDOW)
        self.clock.advance(10)
        collector.stream.resumeProducing()
        self.peer.pump.flush()
        self.assertEqual(self.sent(), [(WINDOW_UPDATE, 0, 1, WINDOW)])
        self.assertEqual(len(collector.data), WINDOW)

    def test_growth(self) -> None:
        """
        A window that is used up within four round trips is doubled, up to the
        maximum.
        """
        self.open()
        allowed = window = WINDOW
        for _ in range(8):
            self.peer.send(pack(DATA, 0, 1, allowed), b"x" * allowed)
            allowed = sum(frame[3] for frame in self.sent())
            window = min(window * 2, 16 * MIB)
            self.assertEqual(allowed, window)
        self.assertEqual(window, 16 * MIB)

    def test_growthIsShared(self) -> None:
        """
        All windows of a connection grow by a bounded sum; what a stream held
        is free for others when it ends.
        """
        self.options = {"maxGrowth": WINDOW + 10}
        self.setUp()

        def use(streamID: int) -> int:
            self.peer.send(pack(DATA, SYN, streamID, WINDOW), b"x" * WINDOW)
            return int(sum(frame[3] for frame in self.sent())) - WINDOW

        self.assertEqual([use(1), use(3), use(5)], [WINDOW, 10, 0])
        self.peer.send(pack(WINDOW_UPDATE, RST, 1, 0))
        self.assertEqual(use(7), WINDOW)

    def test_budget(self) -> None:
        """
        Windows grow no further than the owner has memory for; what they took
        is given back when the stream ends.
        """
        self.open()
        self.peer.session.budget = budget = Budget(WINDOW + 10)
        credits: list[int] = []
        for _ in range(3):
            allowed = credits[-1] if credits else WINDOW
            self.peer.send(pack(DATA, 0, 1, allowed), b"x" * allowed)
            credits.append(sum(frame[3] for frame in self.sent()))
        grown = 2 * WINDOW + 10
        self.assertEqual(credits, [2 * WINDOW, grown, grown])
        self.assertEqual(budget.room, 0)
        self.peer.send(pack(WINDOW_UPDATE, RST, 1, 0))
        self.assertEqual(budget.room, WINDOW + 10)

    def test_giveBack(self) -> None:
        """
        A window shrinks when its owner wants memory back, as the peer sends.
        """

        class Pressed(Budget):
            owed = 0

            def claim(self) -> int:
                return -self.owed or self.room

        self.open()
        self.peer.session.budget = budget = Pressed(WINDOW)
        self.peer.send(pack(DATA, 0, 1, WINDOW), b"x" * WINDOW)
        self.sent()
        self.assertEqual(budget.room, 0)
        budget.owed = WINDOW // 2
        self.peer.send(pack(DATA, 0, 1, 2 * WINDOW), b"x" * (2 * WINDOW))
        self.assertEqual(sum(frame[3] for frame in self.sent()), WINDOW * 3 // 2)
        self.assertEqual(budget.room, WINDOW // 2)
        self.peer.send(pack(WINDOW_UPDATE, RST, 1, 0))
        self.assertEqual(budget.room, WINDOW)

    def test_idleGrowth(self) -> None:
        """
        A grown window counts as idle when it was not updated for a time.
        """
        collector = self.open()
        session: Any = self.peer.session
        self.assertIsNone(session.idleGrowth(self.peer.session.clock.seconds()))
        self.peer.send(pack(DATA, 0, 1, WINDOW), b"x" * WINDOW)
        now = self.peer.session.clock.seconds()
        self.assertIs(session.idleGrowth(now), collector.stream)
        self.assertIsNone(session.idleGrowth(now - 1))

    def test_sendWindow(self) -> None:
        """
        We never send more than the peer allows, and all of it in the end.
        """
        collector = self.open()
        producer = PushProducer(collector.stream, b"x" * 65507, 10)
        self.peer.pump.flush()
        sizes = [frame[3] for frame in self.sent()]
        self.assertEqual(sum(sizes), WINDOW)
        self.assertTrue(producer.paused)
        self.assertLessEqual(collector.stream.unsentSize, 64 * 1024 + 65507)
        total = WINDOW
        for credit in (1, 10, 65507, 1400, WINDOW, WINDOW):
            self.peer.send(pack(WINDOW_UPDATE, 0, 1, credit))
            sizes = [frame[3] for frame in self.sent()]
            total += sum(sizes)
            self.assertLessEqual(sum(sizes), credit)
        self.assertEqual(total, 655070)
        self.assertEqual(producer.left, 0)

    def test_bodySize(self) -> None:
        """
        A Data frame fits one Noise message, and one read; small writes of
        one turn are one frame.
        """
        collector = self.open()
        collector.stream.write(b"x" * 100_000)
        for _ in range(100):
            collector.stream.write(b"y")
        self.peer.pump.flush()
        self.assertEqual(
            [frame[3] for frame in self.sent()], [MAX_BODY, 100_000 - MAX_BODY, 100]
        )

    def test_producersFillFrames(self) -> None:
        """
        What a producer is asked for leaves with what is left of its last
        write, not behind it: only its first write, and its end, fill none.
        """
        stream = self.open(HalfCloseCollector()).stream
        self.peer.send(pack(WINDOW_UPDATE, 0, 1, 16 * MIB))
        PushProducer(stream, b"x" * 65536, 20)
        self.peer.pump.flush()
        sizes = [frame[3] for frame in self.sent()]
        self.assertEqual(sum(sizes), 20 * 65536)
        self.assertEqual(len([size for size in sizes if size != MAX_BODY]), 2)

    def test_producersTakeTurns(self) -> None:
        """
        Another stream that has much to send does not keep a producer waiting,
        nor what little of it is left.
        """
        producing = self.open(HalfCloseCollector()).stream
        PushProducer(producing, b"x" * 65536, 3)
        self.peer.send(pack(WINDOW_UPDATE, SYN, 3, 16 * MIB))
        self.owner.protocols[-1].stream.write(bytes(8 * MIB))
        self.peer.pump.flush()
        sent = [frame[2] for frame in self.sent() if frame[0] == DATA]
        self.assertLess(len(sent) - sent[::-1].index(1), 20)
        self.assertEqual(producing.unsentSize, 0)

    def test_resumedWhileReading(self) -> None:
        """
        A producer goes on when the transport takes more in the midst of a read.
        """
        session = self.peer.session

        class Emptier(HalfCloseCollector):
            def dataReceived(self, data: bytes) -> None:
                super().dataReceived(data)
                session.resumeProducing()

        transport = self.peer.pump.server
        transport.capacity = 1000
        producer = PushProducer(self.open(Emptier()).stream, b"x" * 65536, 3)
        transport.stroke()
        self.assertEqual(producer.left, 1)
        self.peer.layer.dataReceived(pack(DATA, 0, 1, 1) + b"!")
        self.assertEqual(producer.left, 0)

    def test_discardingCredits(self) -> None:
        """
        A stream that we have closed takes what the peer still sends, and its
        window does not grow.
        """
        collector = self.open()
        collector.stream.loseConnection()
        self.peer.pump.flush()
        self.assertEqual(self.sent(), [(WINDOW_UPDATE, FIN, 1, 0)])
        for _ in range(3):
            self.peer.send(pack(DATA, 0, 1, WINDOW), b"x" * WINDOW)
            self.assertEqual(self.sent(), [(WINDOW_UPDATE, 0, 1, WINDOW)])
        self.assertEqual(len(self.peer.session.streams), 1)

    def test_discardingEnds(self) -> None:
        """
        A peer that goes on for 30 seconds after we have closed is reset.
        """
        collector = self.open()
        collector.stream.loseConnection()
        self.peer.pump.flush()
        for _ in range(30):
            self.peer.send(pack(DATA, 0, 1, WINDOW), b"x" * WINDOW)
            self.peer.pump.advance(1)
        self.assertIn((WINDOW_UPDATE, RST, 1, 0), self.sent())
        self.assertEqual(len(self.peer.session.streams), 0)

    def test_closingWithoutWindow(self) -> None:
        """
        A peer that allows us nothing cannot keep a closed stream for ever;
        one that goes on allowing a little can.
        """
        collector = self.open()
        collector.stream.write(b"x" * 2 * WINDOW)
        collector.stream.loseConnection()
        self.peer.pump.advance(29)
        self.peer.send(pack(WINDOW_UPDATE, 0, 1, 100))
        self.peer.pump.advance(29)
        self.assertEqual(len(self.peer.session.streams), 1)
        self.peer.pump.advance(1)
        self.assertEqual(len(self.peer.session.streams), 0)
        self.assertEqual(len(collector.reasons), 1)


class OutboundTests(SessionTestCase):
    """
    Streams that we open.
    """

    role = Role.CLIENT

    def test_ids(self) -> None:
        """
        The connection's initiator has the odd ids, the listener the even.
        """
        for role, expected in ((Role.CLIENT, [1, 3]), (Role.SERVER, [2, 4])):
            self.role = role
            self.setUp()
            for _ in expected:
                self.owner.openStream(Collector())
            self.peer.pump.flush()
            self.assertEqual(
                self.sent(), [(WINDOW_UPDATE, SYN, number, 0) for number in expected]
            )

    def test_openedAfterReset(self) -> None:
        """
        A stream that its application has reset is over at once, for the peer
        that opens it again.
        """

        class Aborting(Collector):
            """
            Resets at the first byte.
            """

            def dataReceived(self, data: bytes) -> None:
                """
                Reset.
                """
                super().dataReceived(data)
                self.stream.abortConnection()

        self.peer.owner.build = Aborting
        self.peer.send(*[pack(DATA, SYN, 2, 1) + b"x"] * 2)
        first, second = self.peer.owner.protocols
        self.assertEqual((first.data, second.data), (b"x", b"x"))
        self.assertEqual(self.peer.owner.lost, [])

    def test_noMoreIDs(self) -> None:
        """
        Stream ids are not used twice, even if that means no more streams.
        """
        self.peer.session._nextID = (1 << 32) - 1
        self.peer.session.openStream(Collector())
        self.assertRaises(LimitExceeded, self.peer.session.openStream, Collector())

    def test_withData(self) -> None:
        """
        A stream that is written to is opened by its first Data frame.
        """
        stream = self.peer.session.openStream(Collector())
        stream.write(b"hel")
        stream.write(b"lo")
        self.assertEqual(self.sent(), [])
        self.peer.pump.flush()
        self.assertEqual([frame[:4] for frame in self.sent()], [(DATA, SYN, 1, 5)])

    def test_openedAndClosed(self) -> None:
        """
        A stream that has nothing to say is opened and ended by one frame.
        """
        collector = Collector()
        self.peer.session.openStream(collector).loseConnection()
        self.peer.pump.flush()
        self.assertEqual(self.sent(), [(WINDOW_UPDATE, SYN | FIN, 1, 0)])
        collector.reasons[0].trap(ConnectionDone)

    def test_limit(self) -> None:
        """
        Our side opens no more streams than rust-yamux survives.
        """
        for _ in range(500):
            self.peer.session.openStream(Collector())
        with self.assertRaises(LimitExceeded) as caught:
            self.peer.session.openStream(Collector())
        self.assertEqual(caught.exception.option, "Yamux.maxOutboundStreams")

    def test_ackBacklog(self) -> None:
        """
        No more than 256 streams wait for the peer; more are announced as
        these are acknowledged, or end.
        """
        collectors = [Collector() for _ in range(260)]
        for collector in collectors:
            self.peer.session.openStream(collector)
        collectors[258].stream.write(b"hello")
        self.peer.pump.flush()
        self.assertEqual(len(self.sent()), 256)
        self.peer.send(pack(WINDOW_UPDATE, ACK, 1, 0))
        self.assertEqual(self.sent(), [(WINDOW_UPDATE, SYN, 513, 0)])
        self.peer.send(pack(DATA, ACK, 1, 0))
        self.assertEqual(self.sent(), [])
        collectors[257].stream.abortConnection()
        self.peer.send(pack(WINDOW_UPDATE, RST, 3, 0))
        self.assertEqual(self.sent(), [(DATA, SYN, 517, 5, b"hello")])
        collectors[4].stream.abortConnection()
        self.peer.pump.flush()
        self.assertEqual(
            self.sent(), [(WINDOW_UPDATE, RST, 9, 0), (WINDOW_UPDATE, SYN, 519, 0)]
        )

    def test_backloggedCloses(self) -> None:
        """
        A stream that the peer never got to see ends, too.
        """
        for _ in range(256):
            self.peer.session.openStream(Collector())
        collector = Collector()
        stream = self.peer.session.openStream(collector)
        stream.write(b"x")
        stream.loseConnection()
        self.peer.pump.flush()
        self.assertEqual(len(self.sent()), 256)
        self.peer.pump.advance(29.9)
        self.assertEqual(collector.reasons, [])
        self.peer.pump.advance(0.1)
        self.assertEqual(len(collector.reasons), 1)
        self.assertNotIn(513, [frame[2] for frame in self.sent()])


class FloodTests(SessionTestCase):
    """
    Peers that send much to cause more.
    """

    def test_pings(self) -> None:
        """
        While the peer does not read, 32 answers to its pings wait; the others
        are dropped.
        """
        self.peer.pump.server.stalled = True
        self.peer.session.pauseProducing()
        for number in range(2000):
            self.peer.send(pack(PING, SYN, 0, number) * 50)
        self.assertEqual(self.owner.lost, [])
        self.assertEqual(self.peer.pump.server.waiting, 0)
        self.peer.pump.server.stalled = False
        self.peer.session.resumeProducing()
        self.peer.pump.flush()
        self.assertEqual(len(self.sent()), 32)
        self.peer.send(pack(PING, SYN, 0, 7))
        self.assertEqual(self.sent(), [(PING, ACK, 0, 7)])

    def test_rapidReset(self) -> None:
        """
        Streams that the peer opens and resets leave nothing behind, even if
        the peer reads nothing.
        """
        self.peer.session.pauseProducing()
        for number in range(2000):
            streamID = 2 * number + 1
            self.peer.send(
                pack(WINDOW_UPDATE, SYN, streamID, 0),
                pack(WINDOW_UPDATE, RST, streamID, 0),
            )
        self.assertEqual(len(self.owner.ended), 2000)
        self.assertEqual(len(self.peer.session.turns.queue), 0)
        self.assertEqual(self.sent(), [])
        self.assertEqual(self.owner.lost, [])

    def test_refusedStreams(self) -> None:
        """
        A peer that reads nothing, and opens streams that have to be refused,
        is dropped when too many answers wait for it.
        """
        self.owner.build = lambda: None
        self.peer.session.pauseProducing()
        for number in range(MAX_CONTROL):
            self.peer.send(pack(WINDOW_UPDATE, SYN, 2 * number + 1, 0))
        self.assertEqual(self.owner.lost, [])
        self.peer.send(pack(WINDOW_UPDATE, SYN, 99_999, 0))
        self.assertViolation("reads none")

    def test_manyStreams(self) -> None:
        """
        Of 10000 streams 512 are kept; each other is reset with a code, and
        its bytes are dropped.
        """
        for number in range(10_000):
            self.peer.send(pack(DATA, SYN, 2 * number + 1, 4), b"spam")
            self.assertLessEqual(len(self.peer.session.streams), 512)
        self.assertEqual(len(self.owner.opened), 512)
        refused = [frame for frame in self.sent() if frame[1] == RST]
        self.assertEqual(len(refused), 10_000 - 512)
        self.assertEqual(
            refused[0], (WINDOW_UPDATE, RST, 1025, ErrorCode.LIMIT_EXCEEDED)
        )
        self.assertEqual(self.owner.protocols[-1].data, b"spam")
        self.peer.send(pack(WINDOW_UPDATE, RST, 1, 0))
        self.owner.protocols[0].reasons[0].trap(StreamReset)
        self.peer.send(pack(WINDOW_UPDATE, SYN, 99_999, 0))
        self.assertEqual(len(self.owner.opened), 513)

    def test_windowUpdates(self) -> None:
        """
        Window updates that are worth nothing cause nothing.
        """
        self.open()
        self.peer.send(pack(WINDOW_UPDATE, 0, 1, 0) * 10_000)
        self.assertEqual(self.sent(), [])

    def test_unreadCredits(self) -> None:
        """
        While the peer reads nothing, each stream has one window update to
        send, not many.
        """
        self.open()
        self.peer.session.pauseProducing()
        self.peer.send(pack(DATA, 0, 1, WINDOW // 2), b"x" * (WINDOW // 2))
        self.peer.send(pack(DATA, 0, 1, WINDOW // 2), b"x" * (WINDOW // 2))
        self.clock.advance(10)
        self.peer.session.resumeProducing()
        self.peer.pump.flush()
        self.assertEqual(self.sent(), [(WINDOW_UPDATE, 0, 1, WINDOW)])
