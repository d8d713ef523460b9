# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Opening streams, and the bytes on them.
"""

from __future__ import annotations

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from twisted_libp2p.interfaces import Direction
from twisted_libp2p.testing.muxer.base import PairTestCase
from twisted_libp2p.testing.muxer.doubles import (
    Collector,
    Echo,
    HalfCloseCollector,
    StreamScopeDouble,
)

__all__ = ["DataTests"]


class DataTests(PairTestCase):
    """
    Opening streams, and the bytes on them.
    """

    def test_open(self) -> None:
        """
        A stream that is opened from either side, and not written to, is seen
        by the other side.
        """
        pair = self.pair()
        for owner, other in (
            (pair.client, pair.server),
            (pair.server, pair.client),
        ):
            mine, theirs = pair.open(owner)
            self.assertIs(mine.stream.direction, Direction.OUTBOUND)
            self.assertIs(theirs.stream.direction, Direction.INBOUND)
            self.assertIs(mine.stream.protocol, mine)
            self.assertEqual(len(other.protocols), 1)
        self.assertEqual(len(pair.clientSession.streams), 2)
        self.assertEqual(len(pair.serverSession.streams), 2)

    def test_writeInConnectionMade(self) -> None:
        """
        A protocol may write as soon as it is connected, on both sides.
        """

        class Eager(Collector):
            def connectionMade(self) -> None:
                self.stream.write(b"hello")

        pair = self.pair()
        pair.server.build = Eager
        mine, theirs = pair.open(pair.client, Eager())
        self.assertEqual((mine.data, theirs.data), (b"hello", b"hello"))

    def test_addresses(self) -> None:
        """
        A stream names the peers at its ends, and its protocol.
        """
        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        mine.stream.adopt(StreamScopeDouble("/test"))
        self.assertEqual(mine.stream.getPeer().peerID, pair.client.remotePeer)
        self.assertEqual(mine.stream.getPeer().protocolID, "/test")
        self.assertEqual(theirs.stream.getHost().peerID, pair.client.remotePeer)
        self.assertIsNone(theirs.stream.getHost().protocolID)

    def test_echo(self) -> None:
        """
        A message of any size comes back complete.
        """
        for size in (1, 5, 1400, 65507, 65536, 1024 * 1024):
            pair = self.pair()
            pair.server.build = Echo
            mine, _ = pair.open(pair.client)
            message = bytes(range(251)) * (size // 251 + 1)
            mine.stream.write(message[:size])
            pair.flush()
            self.assertEqual(mine.data, message[:size], f"{size} bytes")

    def test_bothWays(self) -> None:
        """
        Both sides send at once, on streams of either side.
        """
        pair = self.pair()
        first = pair.open(pair.client)
        second = pair.open(pair.server)
        for mine, theirs in (first, second):
            mine.stream.write(b"m" * 100_000)
            theirs.stream.write(b"t" * 100_000)
        pair.flush()
        for mine, theirs in (first, second):
            self.assertEqual(mine.data, b"t" * 100_000)
            self.assertEqual(theirs.data, b"m" * 100_000)

    def test_manyStreams(self) -> None:
        """
        1, 10 and 100 streams with 1 and 10 messages each do not mix.
        """
        for streams in (1, 10, 100):
            for messages in (1, 10):
                pair = self.pair()
                pair.server.build = Echo
                mine = [Collector() for _ in range(streams)]
                for collector in mine:
                    pair.client.openStream(collector)
                for message in range(messages):
                    for number, collector in enumerate(mine):
                        collector.stream.write(b"%d of %d;" % (message, number))
                pair.flush()
                for number, collector in enumerate(mine):
                    self.assertEqual(
                        collector.data,
                        b"".join(b"%d of %d;" % (m, number) for m in range(messages)),
                    )
                    collector.stream.loseConnection()
                pair.flush()
                self.assertEqual(len(pair.clientSession.streams), 0)
                self.assertEqual(len(pair.serverSession.streams), 0)

    def test_writeSequence(self) -> None:
        """
        Pieces arrive in order; bytearrays and memoryviews may be changed
        after the call.
        """
        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        changing = bytearray(b"two")
        view = bytearray(b"three")
        mine.stream.writeSequence([b"one", changing, b"", memoryview(view)])
        mine.stream.write(changing)
        mine.stream.write(memoryview(view))
        mine.stream.write(b"")
        changing[:] = view[:3] = b"xxx"
        pair.flush()
        self.assertEqual(theirs.data, b"onetwothreetwothree")
        self.assertRaises(TypeError, mine.stream.write, "text")
        self.assertRaises(TypeError, mine.stream.writeSequence, ["text"])

    def test_noReentrance(self) -> None:
        """
        Calling a method of a stream never re-enters its protocol, even if the
        transport takes everything at once.
        """

        class Fragile(HalfCloseCollector):
            busy = False

            def connectionLost(self, reason: Failure = connectionDone) -> None:
                assert not self.busy
                super().connectionLost(reason)

            def writeConnectionLost(self) -> None:
                assert not self.busy
                super().writeConnectionLost()

            def pauseProducing(self) -> None:
                """
                Nothing is written by this producer.
                """

            def resumeProducing(self) -> None:
                assert not self.busy

            def stopProducing(self) -> None:
                assert not self.busy

        for ending in ("loseConnection", "loseWriteConnection", "abortConnection"):
            pair = self.pair()
            pair.server.build = HalfCloseCollector
            mine, theirs = pair.open(pair.client, Fragile())
            mine.busy = True
            mine.stream.registerProducer(mine, True)
            for _ in range(10):
                mine.stream.write(b"x" * 65507)
            mine.stream.unregisterProducer()
            getattr(mine.stream, ending)()
            mine.busy = False
            pair.flush()
            self.assertTrue(mine.ends or mine.reasons)
            theirs.stream.loseConnection()
