# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.quic.windows} and L{twisted_libp2p.quic.openings}: streams
that nobody reads, and streams that wait.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import LimitExceeded, StreamReset
from twisted_libp2p.interfaces import windowOf
from twisted_libp2p.quic.aioquic.backend import AioquicBackend
from twisted_libp2p.quic.openings import MAX_WAITING, WAIT_TIMEOUT
from twisted_libp2p.testing.muxer.doubles import Collector
from twisted_libp2p.testing.quic.network import QuicSessionPair

KIB = 1024


class Budget:
    """
    Grants memory.

    @ivar left: how many bytes may still be held.
    """

    def __init__(self, left: int) -> None:
        self.left = left

    def claim(self) -> int:
        """
        Return how much there is.
        """
        return self.left

    def hold(self, size: int) -> None:
        """
        Count bytes.
        """
        self.left -= size

    def free(self, size: int) -> None:
        """
        Give bytes back.
        """
        self.left += size


class WindowTests(SynchronousTestCase):
    """
    Streams that nobody reads.
    """

    def setUp(self) -> None:
        """
        Connect two sessions with small windows.
        """
        self.clock = Clock()
        self.pair = QuicSessionPair(
            self.clock,
            AioquicBackend(),
            streamWindow=64 * KIB,
            connectionWindow=256 * KIB,
        )

    def hold(self, count: int) -> list[tuple[Any, Any]]:
        """
        Open streams, and fill their windows, while the other side has paused them.
        """
        ends = []
        for _ in range(count):
            mine, theirs = self.pair.open(self.pair.client)
            theirs.stream.pauseProducing()
            mine.stream.write(bytes(200 * KIB))
            ends.append((mine, theirs))
        self.pair.advance(2)
        return ends

    def test_others(self) -> None:
        """
        However many streams are held, another one goes on, and each keeps at most its
        window; all bytes arrive when they are read.
        """
        ends = self.hold(12)
        for mine, theirs in ends:
            self.assertEqual(theirs.data, b"")
            self.assertGreaterEqual(mine.stream.unsentSize, (200 - 64) * KIB)
        mine, theirs = self.pair.open(self.pair.client)
        mine.stream.write(bytes(1000 * KIB))
        self.pair.advance(5)
        self.assertEqual(len(theirs.data), 1000 * KIB)
        for _, theirs in ends:
            theirs.stream.resumeProducing()
        self.pair.advance(20)
        for _, theirs in ends:
            self.assertEqual(len(theirs.data), 200 * KIB)

    def test_budget(self) -> None:
        """
        Memory for more held streams is asked of the limits, and given back.
        """
        budget = Budget(20 * 64 * KIB)
        self.pair.serverSession.budget = budget  # type: ignore[assignment]
        ends = self.hold(8)
        self.assertLess(budget.left, 20 * 64 * KIB)
        for _, theirs in ends:
            theirs.stream.resumeProducing()
        self.pair.advance(20)
        self.assertEqual(budget.left, 20 * 64 * KIB)

    def test_grown(self) -> None:
        """
        A stream that has been read has a larger window, and counts for more when it is
        held.
        """
        budget = Budget(KIB * KIB)
        self.pair.serverSession.budget = budget  # type: ignore[assignment]
        mine, theirs = self.pair.open(self.pair.client)
        mine.stream.write(bytes(64 * KIB))
        self.pair.advance(2)
        theirs.stream.pauseProducing()
        mine.stream.write(bytes(500 * KIB))
        self.pair.advance(2)
        large = windowOf(64 * KIB, 64 * KIB)
        self.assertGreaterEqual(mine.stream.unsentSize, 500 * KIB - large)
        self.assertLess(mine.stream.unsentSize, 500 * KIB - 4 * 64 * KIB)
        self.assertEqual(budget.left, KIB * KIB - large + 128 * KIB)
        theirs.stream.abortConnection()
        self.pair.advance(2)
        self.assertEqual(budget.left, KIB * KIB)

    def test_defaults(self) -> None:
        """
        With the default windows, one paused stream that has been read needs no memory
        of the limits.
        """
        pair = QuicSessionPair(self.clock, AioquicBackend())
        pair.serverSession.budget = Budget(0)  # type: ignore[assignment]
        mine, theirs = pair.open(pair.client)
        mine.stream.write(bytes(KIB * KIB))
        pair.advance(2)
        self.assertEqual(len(theirs.data), KIB * KIB)
        theirs.stream.pauseProducing()
        mine.stream.write(bytes(KIB))
        pair.advance(2)
        self.assertEqual(mine.reasons, [])
        self.assertGreater(theirs.stream.held, KIB * KIB)

    def test_refused(self) -> None:
        """
        If there is none, the held stream is reset, and the others go on.
        """
        self.pair.serverSession.budget = Budget(64 * KIB)  # type: ignore[assignment]
        ends = self.hold(8)
        lost = [mine for mine, _ in ends if mine.reasons]
        self.assertTrue(0 < len(lost) < 8)
        for each in lost:
            each.reasons[0].trap(StreamReset)
        mine, theirs = self.pair.open(self.pair.client)
        mine.stream.write(bytes(500 * KIB))
        self.pair.advance(5)
        self.assertEqual(len(theirs.data), 500 * KIB)


class OpeningTests(SynchronousTestCase):
    """
    Streams that the peer does not allow yet.
    """

    def setUp(self) -> None:
        """
        Connect two sessions, each of which allows four streams.
        """
        self.clock = Clock()
        self.pair = QuicSessionPair(self.clock, AioquicBackend(), maxStreams=4)

    def test_wait(self) -> None:
        """
        A stream waits until another one has ended, and nothing of it is lost.
        """
        ends = [self.pair.open(self.pair.client) for _ in range(4)]
        late = Collector()
        self.pair.client.openStream(late)
        late.stream.write(b"patient")
        late.stream.loseConnection()
        self.pair.flush()
        self.assertEqual(len(self.pair.server.protocols), 4)
        for each in ends[0]:
            each.stream.loseConnection()
        self.pair.advance(1)
        self.assertEqual(self.pair.server.protocols[4].data, b"patient")
        self.assertEqual(len(late.reasons), 1)

    def test_deadline(self) -> None:
        """
        It does not wait for ever.
        """
        for _ in range(4):
            self.pair.open(self.pair.client)
        late = Collector()
        self.pair.client.openStream(late)
        self.pair.advance(WAIT_TIMEOUT + 1)
        late.reasons[0].trap(LimitExceeded)
        self.assertEqual(len(self.pair.server.protocols), 4)

    def test_bounded(self) -> None:
        """
        Not more than some streams wait.
        """
        for _ in range(4):
            self.pair.open(self.pair.client)
        for _ in range(MAX_WAITING):
            self.pair.client.openStream(Collector())
        self.pair.flush()
        self.assertRaises(LimitExceeded, self.pair.client.openStream, Collector())
