# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Producers that write on a stream.
"""

from __future__ import annotations

from twisted.internet.error import ConnectionDone

from twisted_libp2p.errors import StreamReset
from twisted_libp2p.interfaces import IMuxedStream
from twisted_libp2p.testing.muxer.base import PairTestCase
from twisted_libp2p.testing.muxer.doubles import Collector
from twisted_libp2p.testing.muxer.producers import PullProducer, PushProducer

__all__ = ["ProducerTests"]


class ProducerTests(PairTestCase):
    """
    Producers that write on a stream.
    """

    def test_pushProducer(self) -> None:
        """
        A push producer is paused when the peer stops taking bytes and resumed when it
        takes them again; nothing is lost, whatever the size of the pieces.
        """
        for size, count in ((1, 5000), (1400, 1500), (65507, 30), (65536, 30)):
            pair = self.pair()
            mine, theirs = pair.open(pair.client)
            if self.windows:
                theirs.stream.pauseProducing()
            else:
                pair.hold(pair.client)
            most = 0

            def note(stream: IMuxedStream = mine.stream) -> None:
                nonlocal most
                most = max(most, stream.unsentSize)

            producer = PushProducer(mine.stream, b"x" * size, count)
            producer.wrote = note
            pair.flush()
            if size * count > 1_000_000:
                self.assertTrue(producer.paused, f"pieces of {size}")
                self.assertGreater(producer.left, 0)
            if self.windows:
                theirs.stream.resumeProducing()
            else:
                pair.release(pair.client)
            pair.flush()
            self.assertEqual(producer.left, 0, f"pieces of {size}")
            self.assertEqual(len(theirs.data), size * count)
            self.assertLessEqual(most, 64 * 1024 + size)

    def test_pullProducer(self) -> None:
        """
        A pull producer is asked until it is done.
        """
        for size, count in ((1, 500), (1400, 500), (65507, 20), (65536, 20)):
            pair = self.pair()
            mine, theirs = pair.open(pair.client)
            producer = PullProducer(mine.stream, b"x" * size, count)
            mine.stream.loseConnection()
            pair.flush()
            self.assertEqual(producer.left, 0)
            self.assertEqual(len(theirs.data), size * count)
            theirs.reasons[0].trap(ConnectionDone)

    def test_loseConnectionWithProducer(self) -> None:
        """
        C{loseConnection} waits for the registered producer, which may go on
        writing.
        """
        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        producer = PushProducer(mine.stream, b"x", 0)
        mine.stream.loseConnection()
        pair.flush()
        mine.stream.write(b"last words")
        pair.advance(60)
        self.assertEqual(mine.reasons, [])
        self.assertFalse(producer.stopped)
        mine.stream.unregisterProducer()
        pair.flush()
        self.assertEqual(theirs.data, b"last words")
        mine.reasons[0].trap(ConnectionDone)

    def test_producerStopped(self) -> None:
        """
        A producer is stopped when its stream is lost, and when it registers
        too late.
        """
        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        producer = PushProducer(mine.stream, b"x" * 100_000, 1000)
        stream = mine.stream
        theirs.stream.abortConnection()
        pair.flush()
        self.assertTrue(producer.stopped)
        self.assertTrue(PushProducer(stream, b"x", 1).stopped)

    def test_producerRaises(self) -> None:
        """
        A producer that raises loses its stream, and nothing else.
        """

        class Broken(PushProducer):
            def resumeProducing(self) -> None:
                raise ZeroDivisionError

            def stopProducing(self) -> None:
                raise ValueError

        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        bystander, _ = pair.open(pair.client)
        Broken(mine.stream, b"x" * 100_000, 20)
        pair.flush()
        mine.reasons[0].trap(ZeroDivisionError)
        theirs.reasons[0].trap(StreamReset)
        self.assertEqual(bystander.reasons, [])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_replacedByProducer(self) -> None:
        """
        A producer that is stopped may still replace the protocol of its stream: the
        new protocol loses the connection, and the old one does not.
        """
        replaced = Collector()

        class Replacing(PushProducer):
            def stopProducing(self) -> None:
                replaced.makeConnection(stream)
                stream.protocol = replaced

        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        stream = mine.stream
        Replacing(stream, b"x" * 100_000, 20)
        theirs.stream.abortConnection()
        pair.flush()
        self.assertEqual(mine.reasons, [])
        replaced.reasons[0].trap(StreamReset)

    def test_stopProducing(self) -> None:
        """
        A consumer may stop the stream that produces for it.
        """
        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        mine.stream.stopProducing()
        pair.flush()
        mine.reasons[0].trap(ConnectionDone)
        theirs.reasons[0].trap(ConnectionDone)
