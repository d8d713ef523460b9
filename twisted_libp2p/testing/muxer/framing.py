# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Sessions over a transport of bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from twisted_libp2p.errors import ProtocolViolation, Truncated
from twisted_libp2p.interfaces import IMuxer, IMuxerSession
from twisted_libp2p.testing.muxer.base import PairTestCase
from twisted_libp2p.testing.muxer.doubles import Collector, Echo
from twisted_libp2p.testing.muxer.pair import MuxerPair
from twisted_libp2p.testing.muxer.producers import PushProducer
from twisted_libp2p.testing.pump import byteByByte, inReads

__all__ = ["FramingTests"]


class FramingTests(PairTestCase):
    """
    Sessions over a transport of bytes.
    """

    def muxer(self, clock: Clock) -> IMuxer:
        """
        Make the muxer to test; override this.
        """
        raise NotImplementedError

    def connect(self) -> MuxerPair:
        """
        Connect two sessions of the muxer by a pump.
        """
        return MuxerPair(self.muxer(self.clock), self.muxer(self.clock), self.clock)

    def bytePair(
        self, split: Callable[[bytes], Iterable[bytes]] = inReads
    ) -> MuxerPair:
        """
        Connect two sessions of the muxer, by a pump that cuts bytes in this way.
        """
        pair = MuxerPair(
            self.muxer(self.clock), self.muxer(self.clock), self.clock, split
        )
        self.checked(pair)
        return pair

    def test_interfaces(self) -> None:
        """
        The muxer and its session provide their interfaces.
        """
        pair = self.bytePair()
        verifyObject(IMuxer, self.muxer(self.clock))
        verifyObject(IMuxerSession, pair.clientSession)

    def test_byteByByte(self) -> None:
        """
        What arrives does not depend on how it is cut.
        """
        pair = self.bytePair(split=byteByByte)
        pair.server.build = Echo
        mine, theirs = pair.open(pair.client)
        mine.stream.write(b"x" * 300)
        other, _ = pair.open(pair.client)
        other.stream.write(b"y" * 5)
        mine.stream.loseWriteConnection()
        pair.pump.flush()
        self.assertEqual(mine.data, b"x" * 300)
        self.assertEqual(other.data, b"y" * 5)
        mine.reasons[0].trap(ConnectionDone)
        theirs.reasons[0].trap(ConnectionDone)
        self.assertEqual(len(pair.serverSession.streams), 1)

    def test_fairness(self) -> None:
        """
        A stream with little to send does not wait for one with much.
        """
        pair = self.bytePair()
        pair.pump.client.stalled = True
        greedy, modest = Collector(), Collector()
        for collector in (greedy, modest):
            pair.client.openStream(collector)
        greedy.stream.write(b"g" * 2_000_000)
        modest.stream.write(b"m")
        arrived: list[bytes] = []

        class Order(Collector):
            def dataReceived(self, data: bytes) -> None:
                arrived.append(data[:1])

        pair.server.build = Order
        self.clock.advance(0)
        pair.pump.client.stalled = False
        pair.pump.flush()
        # The modest stream waits only for the bytes that the greedy stream sent,
        # in a few reads, before the transport was full.
        self.assertLess(arrived.index(b"m"), 6)

    def test_pushProducerOfManyStreams(self) -> None:
        """
        Producers on many streams all finish over one full transport.
        """
        pair = self.bytePair()
        ends = [pair.open(pair.client) for _ in range(10)]
        producers = [PushProducer(mine.stream, b"x" * 65507, 10) for mine, _ in ends]
        pair.pump.flush()
        self.assertEqual([producer.left for producer in producers], [0] * 10)
        self.assertEqual([len(theirs.data) for _, theirs in ends], [655070] * 10)
        self.assertLess(pair.pump.client.peak, 256 * 1024)

    def test_closeWithProducer(self) -> None:
        """
        The end of the session sends what producers have written until then,
        and what little of it waited for more.
        """
        pair = self.bytePair()
        mine, theirs = pair.open(pair.client)
        pair.pump.client.capacity = 1000
        producer = PushProducer(mine.stream, b"x" * 65536, 10)
        pair.pump.client.stroke()
        written = (10 - producer.left) * 65536
        self.assertLess(mine.stream.unsentSize, 1000)
        pair.clientSession.close()
        pair.pump.flush()
        self.assertEqual(len(theirs.data), written)
        self.assertTrue(producer.stopped)

    def test_registerProducerWhenFull(self) -> None:
        """
        A producer that registers on a full stream is paused at once, and
        resumed later; there can be only one.
        """
        pair = self.bytePair()
        mine, theirs = pair.open(pair.client)
        mine.stream.write(b"x" * 1_000_000)
        pair.pump.client.stalled = True
        mine.stream.write(b"x" * 1_000_000)
        producer = PushProducer(mine.stream, b"y" * 1000, 1)
        self.assertTrue(producer.paused)
        self.assertRaises(RuntimeError, mine.stream.registerProducer, producer, True)
        pair.pump.client.stalled = False
        pair.pump.flush()
        self.assertEqual(theirs.data, b"x" * 2_000_000 + b"y" * 1000)

    def test_transportFull(self) -> None:
        """
        While the transport is full, bytes wait in the streams.
        """
        pair = self.bytePair()
        mine, theirs = pair.open(pair.client)
        pair.pump.client.stalled = True
        for _ in range(100):
            mine.stream.write(b"x" * 2000)
        pair.pump.flush()
        self.assertLess(pair.pump.client.waiting, 140_000)
        self.assertGreater(mine.stream.unsentSize, 0)
        pair.pump.client.stalled = False
        pair.pump.flush()
        self.assertEqual(theirs.data, b"x" * 200_000)

    def test_closeOfDeadTransport(self) -> None:
        """
        A transport that does not close is aborted.
        """
        pair = self.bytePair()
        pair.open(pair.client)
        pair.pump.client.stalled = True
        pair.clientSession.close()
        pair.pump.flush()
        self.assertEqual(pair.client.lost, [])
        pair.pump.advance(10)
        self.assertEqual(len(pair.client.lost), 1)

    def test_transportLost(self) -> None:
        """
        A transport that is lost takes the streams with it.
        """
        pair = self.bytePair()
        ends = [*pair.open(pair.client), *pair.open(pair.server)]
        pair.pump.client.abortConnection()
        pair.pump.flush()
        for protocol in ends:
            self.assertEqual(len(protocol.reasons), 1)
            self.assertIsNone(protocol.reasons[0].check(ConnectionDone))

    def test_transportClosed(self) -> None:
        """
        A transport that was closed in good order, although the peer has not announced
        the end of the session, does not end the streams or the session in good order:
        a crash of the peer looks the same.
        """
        pair = self.bytePair()
        mine, _ = pair.open(pair.client)
        pair.pump.server.unregisterProducer()
        pair.pump.server.loseConnection()
        pair.pump.flush()
        mine.reasons[0].trap(Truncated)
        pair.client.lost[0].trap(Truncated)

    def test_garbage(self) -> None:
        """
        Bytes that are not of this protocol end the session on this side with a typed
        error, and nothing else.
        """
        pair = self.bytePair()
        mine, _ = pair.open(pair.client)
        pair.pump.client.protocol.dataReceived(b"\xff" * 64)
        mine.reasons[0].trap(ProtocolViolation)
        pair.pump.flush()
        pair.client.lost[0].trap(ProtocolViolation)
        self.assertEqual(len(pair.server.lost), 1)
