# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.muxer.yamux.session}: windows.
"""

from __future__ import annotations

from typing import Any

from tests.muxer.raw import Budget, RawPeer
from tests.muxer.yamux.sessions import MIB, WINDOW, SessionTestCase, frames
from twisted_libp2p.muxer import Yamux
from twisted_libp2p.muxer.frames import MAX_BODY
from twisted_libp2p.muxer.yamux.frame import (
    ACK,
    DATA,
    FIN,
    RST,
    SYN,
    WINDOW_UPDATE,
    pack,
)
from twisted_libp2p.testing.muxer import (
    HalfCloseCollector,
    PushProducer,
)


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

    def test_growthBeforePing(self) -> None:
        """
        Before a round trip is measured, it is taken to be as long as the upgrade of the
        connection was.
        """
        for upgradeTime, allowance in ((0.0, WINDOW), (0.1, 2 * WINDOW)):
            peer = RawPeer(Yamux(self.clock), self.clock, self.role)
            peer.owner.upgradeTime = upgradeTime
            peer.send(pack(DATA, SYN, 1, WINDOW), b"x" * WINDOW)
            self.assertIn((WINDOW_UPDATE, ACK, 1, allowance), frames(peer.take()))
            peer.session.close()
            peer.pump.flush()

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
