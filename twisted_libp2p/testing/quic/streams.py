# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for streams, their halves, and the credit of their readers.
"""

from __future__ import annotations

from twisted_libp2p.interfaces import FIN, QuicEvent, windowOf
from twisted_libp2p.testing.quic.base import QuicBase
from twisted_libp2p.testing.quic.pair import End, QuicPair

__all__ = ["StreamTests"]


class StreamTests(QuicBase):
    """
    Streams do what the contract says.
    """

    def test_open(self) -> None:
        """
        A stream is reported to the peer with its first bytes.
        """
        pair = self.connected()
        stream = self.opened(pair)
        other = pair.listener
        self.assertEqual(other.named(QuicEvent.OPENED), [(stream,)])
        self.assertEqual(other.named(QuicEvent.READABLE), [(stream,)])
        self.assertEqual(other.readAll(stream), (b"hello", None))

    def test_readable(self) -> None:
        """
        More bytes are reported after everything was read, not before: a read that
        returns less than it may was the last one.
        """
        pair = self.connected()
        stream = self.opened(pair)
        end, other = pair.dialer, pair.listener
        end.endpoint.write(end.connection, stream, [b" again"])
        pair.run()
        self.assertEqual(other.named(QuicEvent.READABLE), [(stream,)])
        self.assertEqual(other.readAll(stream), (b"hello again", None))
        end.endpoint.write(end.connection, stream, [b"!", memoryview(b"?")])
        pair.run()
        self.assertEqual(other.named(QuicEvent.READABLE), [(stream,)] * 2)
        self.assertEqual(other.endpoint.read(other.connection, stream, 1), (b"!", None))
        self.assertEqual(other.readAll(stream), (b"?", None))
        end.endpoint.write(end.connection, stream, [b"short"])
        pair.run()
        got = other.endpoint.read(other.connection, stream, 6)
        self.assertEqual(got, (b"short", None))
        end.endpoint.write(end.connection, stream, [b"long"])
        pair.run()
        self.assertEqual(other.named(QuicEvent.READABLE), [(stream,)] * 4)
        got = other.endpoint.read(other.connection, stream, 4)
        self.assertEqual(got, (b"long", None))
        end.endpoint.write(end.connection, stream, [b"er"])
        pair.run()
        self.assertEqual(other.named(QuicEvent.READABLE), [(stream,)] * 4)
        self.assertEqual(other.readAll(stream), (b"er", None))

    def test_halves(self) -> None:
        """
        Each half ends by itself.
        """
        pair = self.connected()
        end, other = pair.dialer, pair.listener
        stream = self.opened(pair)
        end.endpoint.finish(end.connection, stream)
        pair.run()
        self.assertEqual(other.readAll(stream), (b"hello", FIN))
        self.assertIsNone(other.endpoint.read(other.connection, stream, 9))
        other.endpoint.write(other.connection, stream, [b"good", b"bye"])
        pair.run()
        self.assertEqual(end.readAll(stream), (b"goodbye", None))
        other.endpoint.finish(other.connection, stream)
        pair.advance(1)
        self.assertEqual(end.readAll(stream), (b"", FIN))
        for each in (end, other):
            self.assertEqual(each.named(QuicEvent.FINISHED), [(stream,)])

    def test_finishedBeforeRead(self) -> None:
        """
        The end is read with the bytes before it.
        """
        pair = self.connected()
        stream = pair.dialer.endpoint.open(pair.dialer.connection)
        assert stream is not None
        pair.dialer.endpoint.write(pair.dialer.connection, stream, [b"all"])
        pair.dialer.endpoint.finish(pair.dialer.connection, stream)
        pair.run()
        self.assertEqual(pair.listener.readAll(stream), (b"all", FIN))

    def test_reset(self) -> None:
        """
        A reset reaches the reader with its code.
        """
        pair = self.connected()
        stream = self.opened(pair)
        pair.listener.readAll(stream)
        pair.dialer.endpoint.reset(pair.dialer.connection, stream, 0x1234)
        pair.run()
        self.assertEqual(pair.listener.named(QuicEvent.RESET), [(stream, 0x1234)])
        self.assertEqual(pair.listener.readAll(stream), (b"", 0x1234))
        self.assertEqual(pair.listener.readAll(stream), (b"", None))

    def test_resetUnread(self) -> None:
        """
        A reset is reported although there are unread bytes, which are dropped.
        """
        pair = self.connected()
        stream = self.opened(pair)
        pair.dialer.endpoint.reset(pair.dialer.connection, stream, 5)
        pair.run()
        self.assertEqual(pair.listener.named(QuicEvent.RESET), [(stream, 5)])
        self.assertEqual(pair.listener.readAll(stream), (b"", 5))

    def test_stop(self) -> None:
        """
        The writer learns that nobody reads.
        """
        pair = self.connected()
        end, other = pair.dialer, pair.listener
        stream = self.opened(pair)
        other.endpoint.stop(other.connection, stream, 77)
        pair.run()
        self.assertEqual(end.named(QuicEvent.STOPPED), [(stream, 77)])
        end.endpoint.reset(end.connection, stream, 77)
        pair.run()
        self.assertIsNone(other.endpoint.read(other.connection, stream, 9))
        self.assertEqual(end.endpoint.write(end.connection, stream, [b"more"]), 0)

    def test_unknown(self) -> None:
        """
        Calls on streams that do not exist change nothing.
        """
        pair = self.connected()
        endpoint, handle = pair.dialer.endpoint, pair.dialer.connection
        self.assertEqual(endpoint.write(handle, 400, [b"x"]), 0)
        self.assertIsNone(endpoint.read(handle, 400, 9))
        endpoint.finish(handle, 400)
        endpoint.reset(handle, 400, 1)
        endpoint.stop(handle, 400, 1)
        pair.run()
        self.assertEqual(pair.listener.named(QuicEvent.OPENED), [])

    def test_openedOnce(self) -> None:
        """
        A wish that comes after both halves have ended does not open the stream again.
        """
        pair = self.connected()
        stream = self.opened(pair, b"")
        end, other = pair.dialer, pair.listener
        end.endpoint.write(end.connection, stream, [b"x"])
        end.endpoint.finish(end.connection, stream)
        pair.run()
        self.assertEqual(other.readAll(stream), (b"x", FIN))
        other.endpoint.finish(other.connection, stream)
        end.endpoint.stop(end.connection, stream, 7)
        pair.advance(1)
        self.assertEqual(other.named(QuicEvent.OPENED), [(stream,)])

    def test_window(self) -> None:
        """
        Bytes that nobody reads give no credit: the writer stops at the window of the
        stream, and goes on when they are read.
        """
        pair = self.connected(streamWindow=40_000)
        stream = self.opened(pair, b"")
        sent = self._fill(pair, pair.dialer, stream)
        self.assertLessEqual(sent, 40_000)
        self.assertGreater(sent, 30_000)
        pair.advance(2)
        self.assertEqual(pair.dialer.named(QuicEvent.WRITABLE), [])
        data, _ = pair.listener.readAll(stream)
        self.assertEqual(len(data), sent)
        pair.advance(2)
        self.assertEqual(pair.dialer.named(QuicEvent.WRITABLE), [(stream,)])
        self.assertGreater(self._fill(pair, pair.dialer, stream), 9_000)

    def test_growth(self) -> None:
        """
        The window of a stream that is read becomes larger, and that of another one does
        not.
        """
        pair = self.connected(streamWindow=40_000)
        stream, other = self.opened(pair, b""), self.opened(pair, b"")
        for each in (stream, other):
            self.assertLessEqual(self._fill(pair, pair.dialer, each), 40_000)
        pair.advance(2)
        pair.listener.readAll(stream)
        pair.advance(2)
        sent = self._fill(pair, pair.dialer, stream)
        self.assertLessEqual(sent, windowOf(40_000, 40_000))
        self.assertGreater(sent, 190_000)
        self.assertEqual(self._fill(pair, pair.dialer, other), 0)

    def test_connectionWindow(self) -> None:
        """
        The window of the connection bounds all streams together, until it is raised.
        """
        pair = self.connected(streamWindow=40_000, connectionWindow=100_000)
        streams = [self.opened(pair, b"") for _ in range(4)]
        sent = sum(self._fill(pair, pair.dialer, each) for each in streams)
        self.assertLessEqual(sent, 100_000)
        self.assertGreater(sent, 90_000)
        other = pair.listener
        other.endpoint.setWindow(other.connection, 200_000)
        pair.advance(1)
        sent += sum(self._fill(pair, pair.dialer, each) for each in streams)
        self.assertGreater(sent, 150_000)
        self.assertLessEqual(sent, 160_000)

    def test_connectionWindowChanged(self) -> None:
        """
        However often the window of the connection is raised and lowered, it is the
        bound that it was raised to; as bytes are read, it is the lower one.
        """
        pair = self.connected(streamWindow=40_000, connectionWindow=100_000)
        other = pair.listener
        streams = [self.opened(pair, b"") for _ in range(4)]
        for size in (120_000, 100_000) * 9:
            other.endpoint.setWindow(other.connection, size)
        pair.advance(1)
        sent = sum(self._fill(pair, pair.dialer, each) for each in streams)
        self.assertLessEqual(sent, 120_000)
        self.assertGreater(sent, 110_000)
        for each in streams:
            other.readAll(each)
        pair.advance(2)
        sent = sum(self._fill(pair, pair.dialer, each) for each in streams)
        for each in streams:
            other.readAll(each)
        pair.advance(2)
        sent = sum(self._fill(pair, pair.dialer, each) for each in streams)
        self.assertLessEqual(sent, 100_000)
        self.assertGreater(sent, 80_000)

    def test_sendWindow(self) -> None:
        """
        No more unacknowledged bytes are taken than the send window.
        """
        pair = self.connected(sendWindow=20_000)
        stream = self.opened(pair, b"")
        end = pair.dialer
        self.assertLessEqual(
            end.endpoint.write(end.connection, stream, [bytes(90_000)]), 20_000
        )
        pair.advance(1)
        self.assertEqual(end.named(QuicEvent.WRITABLE), [(stream,)])

    def test_pausedBesideOthers(self) -> None:
        """
        A stream that nobody reads does not hold up another one.
        """
        pair = self.connected(streamWindow=40_000, connectionWindow=100_000)
        held, busy = self.opened(pair, b""), self.opened(pair, b"")
        self._fill(pair, pair.dialer, held)
        total = 0
        for _ in range(20):
            total += self._fill(pair, pair.dialer, busy)
            pair.listener.readAll(busy)
            pair.advance(0.2)
        self.assertGreater(total, 400_000)
        self.assertEqual(pair.listener.named(QuicEvent.LOST), [])

    def test_maxStreams(self) -> None:
        """
        No more streams are opened than the peer allows; more, as streams end.
        """
        pair = self.connected(maxStreams=4)
        end, other = pair.dialer, pair.listener
        streams = [self.opened(pair) for _ in range(4)]
        self.assertIsNone(end.endpoint.open(end.connection))
        for each in streams:
            end.endpoint.finish(end.connection, each)
            pair.run()
            other.readAll(each)
            other.endpoint.finish(other.connection, each)
            pair.run()
            end.readAll(each)
        pair.advance(1)
        self.assertEqual(end.named(QuicEvent.AVAILABLE), [()])
        for _ in range(3):
            self.opened(pair)

    def test_bothSides(self) -> None:
        """
        The listener opens streams as well.
        """
        pair = self.connected()
        end, other = pair.listener, pair.dialer
        stream = end.endpoint.open(end.connection)
        assert stream is not None
        end.endpoint.write(end.connection, stream, [b"from below"])
        pair.run()
        self.assertEqual(other.named(QuicEvent.OPENED), [(stream,)])
        self.assertEqual(other.readAll(stream), (b"from below", None))

    def test_readAfterEnd(self) -> None:
        """
        Received bytes can be read after the peer has closed the connection.
        """
        pair = self.connected()
        stream = self.opened(pair)
        end, other = pair.dialer, pair.listener
        end.endpoint.finish(end.connection, stream)
        pair.run()
        end.endpoint.close(end.connection, pair.now, 0, b"")
        pair.run()
        self.assertEqual(len(other.named(QuicEvent.LOST)), 1)
        self.assertEqual(other.readAll(stream), (b"hello", FIN))

    def test_large(self) -> None:
        """
        Many bytes arrive in order, in datagrams that are joined if the settings say so.
        """
        pair = self.connected(maxSegments=16)
        stream = self.opened(pair, b"")
        end, other = pair.dialer, pair.listener
        data = bytes(range(251)) * 4000
        offset, got = 0, b""
        while len(got) < len(data):
            offset += end.endpoint.write(
                end.connection, stream, [memoryview(data)[offset:]]
            )
            pair.advance(0.05)
            got += other.readAll(stream)[0]
        self.assertEqual(got, data)
        self.assertTrue(any(each.segment for each in end.sent))
        for each in end.sent:
            self.assertLess(len(each.data), 65536)
            if each.segment:
                self.assertLessEqual(-(-len(each.data) // each.segment), 16)

    @staticmethod
    def _fill(pair: QuicPair, end: End, stream: int) -> int:
        """
        Write until nothing is taken.

        @return: how many bytes were.
        """
        total = 0
        while taken := end.endpoint.write(end.connection, stream, [bytes(10_000)]):
            total += taken
            pair.run()
        return total
