# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The ends of both halves of a stream.
"""

from __future__ import annotations

from twisted.internet.error import ConnectionDone

from twisted_libp2p.errors import StreamReset
from twisted_libp2p.testing.muxer.base import PairTestCase
from twisted_libp2p.testing.muxer.doubles import Echo, HalfCloseCollector

__all__ = ["HalfCloseTests"]


class HalfCloseTests(PairTestCase):
    """
    The ends of both halves of a stream.
    """

    def test_halfClose(self) -> None:
        """
        Either side may end its half first; the other half goes on, and the
        connection is lost when both have ended.
        """
        for order in ((0, 1), (1, 0)):
            pair = self.pair()
            pair.server.build = HalfCloseCollector
            ends = pair.open(pair.client, HalfCloseCollector())
            first, second = (ends[index] for index in order)
            first.stream.write(b"request")
            first.stream.loseWriteConnection()
            first.stream.write(b"too late")
            pair.flush()
            self.assertEqual(second.data, b"request")
            self.assertEqual((first.ends, second.ends), (["write"], ["read"]))
            self.assertEqual((first.reasons, second.reasons), ([], []))
            second.stream.write(b"response" * 10_000)
            second.stream.loseWriteConnection()
            pair.flush()
            self.assertEqual(first.data, b"response" * 10_000)
            self.assertEqual(first.ends, ["write", "read"])
            self.assertEqual(second.ends, ["read", "write"])
            for protocol in ends:
                self.assertEqual(len(protocol.reasons), 1)
                protocol.reasons[0].trap(ConnectionDone)
            self.assertEqual(len(pair.clientSession.streams), 0)

    def test_peerCloses(self) -> None:
        """
        A protocol without C{IHalfCloseableProtocol} loses the connection when the peer
        closes, after its own bytes are sent.
        """
        pair = self.pair()
        pair.server.build = Echo
        mine, theirs = pair.open(pair.client, HalfCloseCollector())
        mine.stream.write(b"x" * 100_000)
        mine.stream.loseWriteConnection()
        pair.flush()
        self.assertEqual(mine.data, b"x" * 100_000)
        self.assertEqual(mine.ends, ["write", "read"])
        theirs.reasons[0].trap(ConnectionDone)
        self.assertEqual(len(pair.serverSession.streams), 0)

    def test_loseWriteConnectionOfSimple(self) -> None:
        """
        A protocol without C{IHalfCloseableProtocol} may still do one.
        """
        pair = self.pair()
        pair.server.build = HalfCloseCollector
        mine, theirs = pair.open(pair.client)
        mine.stream.loseWriteConnection()
        pair.flush()
        theirs.stream.write(b"response")
        theirs.stream.loseConnection()
        pair.flush()
        self.assertEqual(mine.data, b"response")
        mine.reasons[0].trap(ConnectionDone)

    def test_loseConnectionFlushes(self) -> None:
        """
        All bytes written before C{loseConnection} arrive; bytes written after it
        do not.
        """
        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        mine.stream.write(b"x" * 1_000_000)
        mine.stream.loseConnection()
        mine.stream.write(b"too late")
        mine.stream.writeSequence([b"too late"])
        self.assertEqual(mine.reasons, [])
        pair.flush()
        self.assertEqual(theirs.data, b"x" * 1_000_000)
        for protocol in (mine, theirs):
            self.assertEqual(len(protocol.reasons), 1)
            protocol.reasons[0].trap(ConnectionDone)

    def test_loseConnectionDiscards(self) -> None:
        """
        After C{loseConnection} nothing is delivered, but the peer can finish.
        """
        pair = self.pair()
        pair.server.build = HalfCloseCollector
        mine, theirs = pair.open(pair.client)
        mine.stream.loseConnection()
        pair.flush()
        mine.reasons[0].trap(ConnectionDone)
        self.assertEqual(pair.client.ended, [])
        theirs.stream.write(b"x" * 1_000_000)
        theirs.stream.loseConnection()
        pair.flush()
        theirs.reasons[0].trap(ConnectionDone)
        self.assertEqual(mine.data, b"")
        self.assertEqual(len(pair.client.ended), 1)

    def test_linger(self) -> None:
        """
        A peer that does not end its half is given 30 seconds.
        """
        pair = self.pair()
        pair.server.build = HalfCloseCollector
        mine, theirs = pair.open(pair.client)
        mine.stream.loseConnection()
        pair.flush()
        pair.advance(29)
        self.assertEqual(theirs.reasons, [])
        pair.advance(1)
        theirs.reasons[0].trap(StreamReset)
        self.assertEqual(len(mine.reasons), 1)
        self.assertEqual(len(pair.clientSession.streams), 0)

    def test_loseConnectionTwice(self) -> None:
        """
        A connection can be lost only once, however often it is asked for.
        """
        pair = self.pair()
        mine, _ = pair.open(pair.client)
        stream = mine.stream
        for _ in range(2):
            stream.loseConnection()
            stream.loseWriteConnection()
        pair.flush()
        stream.loseConnection()
        stream.loseWriteConnection()
        stream.abortConnection()
        stream.resumeProducing()
        stream.write(b"x")
        pair.flush()
        self.assertEqual(len(mine.reasons), 1)
        self.assertTrue(stream.disconnecting)
        self.assertTrue(stream.disconnected)

    def test_loseConnectionAfterHalfClose(self) -> None:
        """
        After the half-close has left, C{loseConnection} waits for nothing.
        """
        pair = self.pair()
        pair.server.build = HalfCloseCollector
        mine, theirs = pair.open(pair.client, HalfCloseCollector())
        mine.stream.loseWriteConnection()
        pair.flush()
        mine.stream.loseConnection()
        self.assertEqual(mine.reasons, [])
        pair.flush()
        mine.reasons[0].trap(ConnectionDone)
        theirs.stream.loseConnection()
