# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Applications that pause, resume, and hand back.
"""

from __future__ import annotations

from twisted.internet.error import ConnectionDone

from twisted_libp2p.testing.muxer.base import PairTestCase
from twisted_libp2p.testing.muxer.doubles import Collector, HalfCloseCollector

__all__ = ["ReadingTests"]


class ReadingTests(PairTestCase):
    """
    Applications that pause, resume, and hand back.
    """

    def test_pauseReading(self) -> None:
        """
        A reader that pauses gets nothing until it resumes, then all of it,
        while other streams go on.
        """
        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        other, otherEnd = pair.open(pair.client)
        theirs.stream.pauseProducing()
        size = 3_000_000
        mine.stream.write(b"x" * size)
        other.stream.write(b"other")
        pair.flush()
        self.assertEqual(theirs.data, b"")
        self.assertEqual(otherEnd.data, b"other")
        if self.windows:
            self.assertLessEqual(theirs.stream.unreadSize, 256 * 1024)
        pair.advance(25)
        theirs.stream.resumeProducing()
        self.assertEqual(theirs.data, b"", "delivered inside of resumeProducing")
        pair.flush()
        self.assertEqual(theirs.data, b"x" * size)

    def test_pauseInDataReceived(self) -> None:
        """
        Delivery stops in the middle of a read, and can be resumed at once.
        """

        class Sipper(Collector):
            calls = 0

            def dataReceived(self, data: bytes) -> None:
                super().dataReceived(data)
                self.calls += 1
                self.stream.pauseProducing()

        pair = self.pair()
        pair.server.build = Sipper
        mine, theirs = pair.open(pair.client)
        for letter in (b"a", b"b", b"c"):
            mine.stream.write(letter * 60_000)
        pair.flush()
        while len(theirs.data) < 180_000:
            before = theirs.calls
            theirs.stream.resumeProducing()
            pair.flush()
            self.assertEqual(theirs.calls, before + 1)
        self.assertEqual(theirs.data, b"a" * 60_000 + b"b" * 60_000 + b"c" * 60_000)

    def test_resumeInDataReceived(self) -> None:
        """
        A reader that pauses and resumes in one call is not re-entered.
        """

        class Nervous(Collector):
            depth = 0

            def dataReceived(self, data: bytes) -> None:
                assert not self.depth
                self.depth += 1
                super().dataReceived(data)
                self.stream.pauseProducing()
                self.stream.resumeProducing()
                self.depth -= 1

        pair = self.pair()
        pair.server.build = Nervous
        mine, theirs = pair.open(pair.client)
        mine.stream.write(b"x" * 500_000)
        pair.flush()
        self.assertEqual(theirs.data, b"x" * 500_000)

    def test_endAfterUnread(self) -> None:
        """
        An end that arrives while the reader has paused is reported after the bytes
        that came before it.
        """
        for factory in (Collector, HalfCloseCollector):
            pair = self.pair()
            pair.server.build = factory
            mine, theirs = pair.open(pair.client)
            theirs.stream.pauseProducing()
            mine.stream.write(b"x" * 1000)
            mine.stream.loseConnection()
            pair.flush()
            self.assertEqual((theirs.data, theirs.reasons), (b"", []))
            theirs.stream.resumeProducing()
            pair.flush()
            self.assertEqual(theirs.data, b"x" * 1000)
            if factory is HalfCloseCollector:
                self.assertEqual(theirs.ends, ["read"])
                theirs.stream.loseConnection()
                pair.flush()
            theirs.reasons[0].trap(ConnectionDone)

    def test_unread(self) -> None:
        """
        Bytes that a protocol hands back go to the protocol that replaced it,
        in front of all others.
        """
        successor = Collector()

        class Predecessor(Collector):
            def dataReceived(self, data: bytes) -> None:
                super().dataReceived(data[:5])
                successor.transport = self.transport
                self.stream.protocol = successor
                self.stream.unread(data[5:])

        pair = self.pair()
        pair.server.build = Predecessor
        mine, theirs = pair.open(pair.client)
        mine.stream.write(b"firstsecond")
        mine.stream.write(b"x" * 300_000)
        pair.flush()
        self.assertEqual(theirs.data, b"first")
        self.assertEqual(successor.data, b"second" + b"x" * 300_000)
        mine.stream.loseConnection()
        pair.flush()
        self.assertEqual(len(successor.reasons), 1)
        self.assertEqual(theirs.reasons, [])
