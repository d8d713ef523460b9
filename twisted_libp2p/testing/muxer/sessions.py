# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Sessions: opening and refusing streams, and the end.
"""

from __future__ import annotations

from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from twisted_libp2p.errors import ConnectionClosing, StreamReset, Truncated
from twisted_libp2p.interfaces import IMuxedStream
from twisted_libp2p.testing.muxer.base import PairTestCase
from twisted_libp2p.testing.muxer.doubles import Collector

__all__ = ["SessionTests"]


class SessionTests(PairTestCase):
    """
    Sessions: opening and refusing streams, and the end.
    """

    def test_refused(self) -> None:
        """
        A stream for which the owner has no protocol is reset.
        """
        pair = self.pair()
        pair.server.build = lambda: None
        mine = Collector()
        pair.client.openStream(mine)
        pair.flush()
        mine.reasons[0].trap(StreamReset)
        self.assertEqual(len(pair.serverSession.streams), 0)
        self.assertEqual(len(pair.clientSession.streams), 0)

    def test_ownerRaises(self) -> None:
        """
        An owner that raises has refused the stream; the error is logged.
        """

        def broken() -> None:
            raise ZeroDivisionError

        pair = self.pair()
        pair.server.build = broken
        mine = Collector()
        pair.client.openStream(mine)
        pair.flush()
        mine.reasons[0].trap(StreamReset)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_traffic(self) -> None:
        """
        Both sessions count the bytes of the streams, and little more.
        """
        pair = self.pair()
        near, far = pair.clientSession, pair.serverSession
        before = near.sent, far.received, near.received, far.sent
        mine, theirs = pair.open(pair.client)
        mine.stream.write(bytes(100_000))
        theirs.stream.write(bytes(10_000))
        pair.flush()
        after = near.sent, far.received, near.received, far.sent
        for size, first, last in zip(
            (100_000, 100_000, 10_000, 10_000), before, after, strict=True
        ):
            self.assertGreaterEqual(last - first, size)
            self.assertLess(last - first, size + 5_000)

    def test_openAfterClose(self) -> None:
        """
        No stream can be opened on a session that has ended.
        """
        pair = self.pair()
        pair.clientSession.close()
        self.assertRaises(ConnectionClosing, pair.clientSession.openStream, Collector())

    def test_ownerRaisesAtEnd(self) -> None:
        """
        An owner that raises when a stream has closed harms no other stream.
        """
        pair = self.pair()
        mine, _ = pair.open(pair.client)
        bystander, _ = pair.open(pair.client)
        double, told = pair.client, pair.client.streamClosed

        def broken(stream: IMuxedStream, reason: Failure) -> None:
            told(stream, reason)
            raise ZeroDivisionError

        double.streamClosed = broken  # type: ignore[method-assign]
        mine.stream.abortConnection()
        pair.flush()
        self.assertEqual(len(mine.reasons), 1)
        self.assertEqual(bystander.reasons, [])
        pair.clientSession.close()
        self.assertEqual(len(bystander.reasons), 1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_close(self) -> None:
        """
        The end of the session ends its streams, on both sides, with reasons
        that are not those of a stream that ended well.
        """
        for first in (0, 1):
            pair = self.pair()
            streams = [pair.open(pair.client), pair.open(pair.server)]
            streams[0][0].stream.write(b"flushed")
            (pair.clientSession, pair.serverSession)[first].close()
            pair.flush()
            self.assertEqual(streams[0][1].data, b"" if first else b"flushed")
            for ends in streams:
                for protocol in ends:
                    self.assertEqual(len(protocol.reasons), 1)
                    self.assertIsNone(protocol.reasons[0].check(ConnectionDone))
            owners = (pair.client, pair.server)
            for owner in owners:
                self.assertEqual(len(owner.lost), 1)
            owners[first].lost[0].trap(ConnectionDone)
            owners[1 - first].lost[0].trap(
                ConnectionDone, *(() if self.announces else (Truncated,))
            )

    def test_closeAfterLoseConnection(self) -> None:
        """
        A stream that was closed before its session still ends well.
        """
        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        mine.stream.write(b"x" * 100_000)
        mine.stream.loseConnection()
        pair.clientSession.close()
        mine.reasons[0].trap(ConnectionDone)
        pair.flush()
        self.assertEqual(theirs.data, b"x" * 100_000)

    def test_closeWithinStream(self) -> None:
        """
        A stream's protocol may end the session it is called by.
        """

        class Quitter(Collector):
            def dataReceived(self, data: bytes) -> None:
                super().dataReceived(data)
                pair.serverSession.close()

        pair = self.pair()
        pair.server.build = Quitter
        mine, theirs = pair.open(pair.client)
        mine.stream.write(b"one")
        pair.flush()
        mine.stream.write(b"two")
        pair.flush()
        self.assertEqual(theirs.data, b"one")
        self.assertEqual(len(theirs.reasons), 1)
        self.assertEqual(len(mine.reasons), 1)

    def test_abortSession(self) -> None:
        """
        An aborted session loses its streams for the given reason.
        """
        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        reason = Failure(ZeroDivisionError())
        pair.clientSession.abort(reason)
        self.assertEqual(mine.reasons, [reason])
        pair.flush()
        self.assertEqual(pair.client.lost, [reason])
        self.assertEqual(len(theirs.reasons), 1)

    def test_abortAtEnd(self) -> None:
        """
        A stream that is lost with its session may take others with it, whose last
        bytes have not left.
        """

        class Jealous(Collector):
            def connectionLost(self, reason: Failure = connectionDone) -> None:
                super().connectionLost(reason)
                for other in ends:
                    other.stream.abortConnection()

        pair = self.pair()
        ends = [pair.open(pair.client, Jealous())[0] for _ in range(3)]
        for each in ends:
            each.stream.write(b"too late")
        pair.clientSession.abort(Failure(ZeroDivisionError()))
        pair.flush()
        for each in ends:
            self.assertEqual(len(each.reasons), 1)
