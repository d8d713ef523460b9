# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.dht.serving}: the streams of peers, hostile ones too.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.dht.messages import MAX_REQUEST, Message, MessageType
from twisted_libp2p.dht.service import KademliaDHT
from twisted_libp2p.dht.serving import BURST, IDLE_TIME, MAX_STREAMS
from twisted_libp2p.errors import ErrorCode
from twisted_libp2p.testing import HostDouble
from twisted_libp2p.testing.host import StreamDouble
from twisted_libp2p.wire.frames import FrameBuffer, delimit

PROTOCOL = "/test/kad/1.0.0"
FIND = delimit(Message(MessageType.FIND_NODE, b"key").toBytes())


class RequestTests(SynchronousTestCase):
    """
    A server without a network.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.host = HostDouble(self.clock)
        self.dht = KademliaDHT("/test", "server")
        self.dht.attach(self.host)
        self.dht.startService()
        self.addCleanup(self.dht.stopService)
        self.connection = self.host.meet(address="/ip4/45.45.0.1/tcp/4001")

    def open(self) -> StreamDouble:
        """
        Let the peer open a stream.
        """
        return self.host.serve(self.connection, PROTOCOL)

    def answers(self, stream: StreamDouble) -> list[Message]:
        """
        Return the answers that were sent, and forget them.
        """
        frames = FrameBuffer(1 << 20)
        frames.feed(stream.value())
        stream.clear()
        return [Message.fromBytes(each, PROTOCOL) for each in frames]

    def test_many(self) -> None:
        """
        A stream may have any number of requests, cut at every byte.
        """
        stream = self.open()
        for byte in FIND * 3:
            stream.protocol.dataReceived(bytes([byte]))
        self.assertEqual(len(self.answers(stream)), 3)
        stream.protocol.readConnectionLost()
        self.assertTrue(stream.disconnecting)

    def test_violation(self) -> None:
        """
        A request that breaks the rules resets its stream and nothing else.
        """
        for data in (
            b"\x01\xff",
            delimit(Message(MessageType.FIND_NODE).toBytes()),
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x80\x80\x80\x80\x01",
        ):
            stream = self.open()
            stream.protocol.dataReceived(data)
            self.assertTrue(stream.disconnected)
        self.assertTrue(self.connection.connected)

    def test_long(self) -> None:
        """
        A request over the limit is refused by its length alone.
        """
        stream = self.open()
        stream.protocol.dataReceived(delimit(bytes(MAX_REQUEST + 1))[:4])
        self.assertTrue(stream.disconnected)

    def test_idle(self) -> None:
        """
        A stream without a complete request is reset after a minute.
        """
        stream = self.open()
        self.clock.advance(IDLE_TIME - 1.0)
        stream.protocol.dataReceived(FIND)
        self.clock.advance(IDLE_TIME - 1.0)
        self.assertFalse(stream.disconnected)
        stream.protocol.dataReceived(FIND[:-1])
        self.clock.pump([1.0, 0.0, 0.0])
        self.assertTrue(stream.disconnected)

    def test_flood(self) -> None:
        """
        A peer with too many requests in a second loses its stream; later it may go on.
        """
        stream = self.open()
        stream.protocol.dataReceived(FIND * (BURST + 1))
        self.assertEqual(len(self.answers(stream)), BURST)
        self.assertTrue(stream.disconnected)
        self.clock.advance(1.0)
        stream = self.open()
        stream.protocol.dataReceived(FIND * 100)
        self.assertFalse(stream.disconnected)

    def test_streams(self) -> None:
        """
        A peer has so many streams at the most; a closed one makes room.
        """
        streams = [self.open() for _ in range(MAX_STREAMS)]
        refused = self.open()
        self.assertEqual(refused.resetCode, ErrorCode.LIMIT_EXCEEDED)
        streams[0].protocol.readConnectionLost()
        self.assertIsNone(self.open().resetCode)

    def test_slowReader(self) -> None:
        """
        A peer that does not read its answers gets no more of them.
        """
        stream = self.open()
        stream.protocol.pauseProducing()
        stream.protocol.dataReceived(FIND * 5)
        self.assertEqual(len(self.answers(stream)), 1)
        self.assertEqual(stream.producerState, "paused")
        stream.protocol.resumeProducing()
        self.assertEqual(len(self.answers(stream)), 4)

    def test_stopped(self) -> None:
        """
        A server that becomes a client resets the streams.
        """
        stream = self.open()
        self.dht.setMode("client")
        self.assertTrue(stream.disconnected)
        self.assertIsNone(self.host.registry.lookup(PROTOCOL))
        self.dht.setMode("server")
        self.assertIsNotNone(self.host.registry.lookup(PROTOCOL))
