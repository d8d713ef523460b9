# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.muxer.stream}: how a stream ends for its application,
over each muxer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.muxer.raw import RawPeer
from tests.traced import traced
from twisted_libp2p.errors import StreamAborted
from twisted_libp2p.interfaces import IMuxer
from twisted_libp2p.muxer import Mplex, Yamux
from twisted_libp2p.muxer.mplex.frame import Flag
from twisted_libp2p.muxer.mplex.frame import pack as mplexPack
from twisted_libp2p.muxer.yamux import frame as yamux
from twisted_libp2p.testing.muxer import (
    Collector,
    HalfCloseCollector,
    MuxerPair,
    PushProducer,
)


def _cost(run: Callable[[], object]) -> int:
    """
    Measure the memory that a call keeps, in bytes.
    """
    with traced() as held:
        run()
        return held()


class _Calls:
    """
    A producer that notes what is asked of it.
    """

    def __init__(self, calls: list[str]) -> None:
        self._calls = calls

    def __getattr__(self, name: str) -> Callable[[], None]:
        return lambda: self._calls.append(name)


class StreamTests:
    """
    What holds for the streams of each muxer.
    """

    def muxer(self, clock: Clock) -> IMuxer:
        """
        Make the muxer to test.
        """
        raise NotImplementedError

    def setUp(self: Any) -> None:
        """
        Connect two sessions.
        """
        self.clock = Clock()
        self.pair = MuxerPair(
            self.muxer(self.clock), self.muxer(self.clock), self.clock
        )

    def tearDown(self: Any) -> None:
        """
        End both sessions: nothing is left.
        """
        self.pair.clientSession.close()
        self.pair.serverSession.close()
        self.pair.pump.flush()
        self.pair.pump.advance(120)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def ended(self: Any, data: bytes = b"unread") -> tuple[Any, Any]:
        """
        Open a stream whose halves have both ended, while the application of the
        dialer has paused, and has these bytes to read.
        """
        self.pair.server.build = HalfCloseCollector
        mine, theirs = self.pair.open(self.pair.client, HalfCloseCollector())
        mine.stream.pauseProducing()
        mine.stream.loseWriteConnection()
        if data:
            theirs.stream.write(data)
        theirs.stream.loseWriteConnection()
        self.pair.pump.flush()
        self.assertEqual(len(theirs.reasons), 1)
        self.assertEqual(mine.reasons, [])
        self.assertEqual(mine.stream.unreadSize, len(data))
        return mine, theirs

    def gone(self: Any, mine: Any) -> None:
        """
        Check that nothing of a stream is left.
        """
        self.assertEqual(len(mine.reasons), 1)
        self.assertEqual(mine.data, b"")
        self.assertEqual(mine.stream.unreadSize, 0)
        self.assertNotIn(mine.stream, self.pair.clientSession.streams)
        self.assertIn(mine.stream, [stream for stream, _ in self.pair.client.ended])

    def test_closePausedAfterBothEnds(self: Any) -> None:
        """
        A paused stream whose halves have both ended can be closed.
        """
        for data in (b"unread", b""):
            mine, _ = self.ended(data)
            mine.stream.loseConnection()
            self.pair.pump.flush()
            self.gone(mine)
            mine.reasons[0].trap(ConnectionDone)

    def test_abortPausedAfterBothEnds(self: Any) -> None:
        """
        A paused stream whose halves have both ended can be aborted; the peer, which
        may have forgotten it, gets no frame.
        """
        for data in (b"unread", b""):
            mine, _ = self.ended(data)
            self.pair.pump.server.stalled = self.pair.pump.client.stalled = True
            before = self.pair.pump.client.waiting
            mine.stream.abortConnection()
            self.pair.pump.flush()
            self.assertEqual(self.pair.pump.client.waiting, before)
            self.pair.pump.server.stalled = self.pair.pump.client.stalled = False
            self.gone(mine)
            mine.reasons[0].trap(StreamAborted)

    def test_stopPausedAfterBothEnds(self: Any) -> None:
        """
        C{stopProducing}, by which a consumer ends its producer, closes it too.
        """
        mine, _ = self.ended()
        mine.stream.stopProducing()
        self.pair.pump.flush()
        self.gone(mine)

    def test_abortWhileReadingAfterBothEnds(self: Any) -> None:
        """
        An application that aborts while it reads the rest gets nothing more of it.
        """
        mine, _ = self.ended()
        received = []

        def dataReceived(data: bytes) -> None:
            received.append(data)
            mine.stream.abortConnection()

        mine.dataReceived = dataReceived
        mine.stream.resumeProducing()
        self.pair.pump.flush()
        self.assertEqual(len(received), 1)
        self.assertEqual(mine.ends, ["write"])
        mine.reasons[0].trap(StreamAborted)

    def test_raiseWhileReadingAfterBothEnds(self: Any) -> None:
        """
        An application that raises while it reads the rest loses the stream for that
        reason.
        """
        mine, _ = self.ended()

        def dataReceived(data: bytes) -> None:
            raise ZeroDivisionError

        mine.dataReceived = dataReceived
        mine.stream.resumeProducing()
        self.pair.pump.flush()
        mine.reasons[0].trap(ZeroDivisionError)
        self.assertEqual(mine.ends, ["write"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_handBackAfterBothEnds(self: Any) -> None:
        """
        Bytes that a protocol hands back to a stream whose halves have both ended are
        delivered to the next protocol.
        """
        mine, _ = self.ended(b"first second")
        successor = HalfCloseCollector()
        stream = mine.stream

        def dataReceived(data: bytes) -> None:
            stream.pauseProducing()
            stream.protocol = successor
            successor.makeConnection(stream)
            stream.unread(data[6:])

        mine.dataReceived = dataReceived
        stream.resumeProducing()
        self.pair.pump.flush()
        self.assertEqual(stream.unreadSize, 6)
        stream.resumeProducing()
        self.pair.pump.flush()
        self.assertEqual(successor.data, b"second")
        self.assertEqual(successor.ends, ["read"])
        successor.reasons[0].trap(ConnectionDone)

    def test_resumeAfterBothEnds(self: Any) -> None:
        """
        A paused stream whose halves have both ended delivers the rest on resumption.
        """
        mine, _ = self.ended()
        mine.stream.resumeProducing()
        self.pair.pump.flush()
        self.assertEqual(mine.data, b"unread")
        self.assertEqual(mine.ends, ["write", "read"])
        mine.reasons[0].trap(ConnectionDone)

    def test_smallFramesUnread(self: Any) -> None:
        """
        Bytes that arrive in very small frames and wait for a paused application take
        little more memory than their number.
        """
        mine, _ = self.pair.open(self.pair.client, HalfCloseCollector())
        stream = mine.stream
        stream.pauseProducing()
        frame = bytearray(b"..")

        def arrive() -> None:
            for number in range(20_000):
                frame[0] = number & 0xFF
                stream.deliver(bytes(frame))

        self.assertLess(_cost(arrive), 60_000)
        self.assertEqual(stream.unreadSize, 40_000)
        stream.resumeProducing()
        self.pair.pump.flush()
        self.assertEqual(len(mine.data), 40_000)
        self.assertEqual(mine.data[:200:2], bytes(range(100)))

    def test_smallWritesUnsent(self: Any) -> None:
        """
        Neither do very small writes which the peer does not take.
        """
        _, theirs = self.pair.open(self.pair.client, HalfCloseCollector())
        self.pair.pump.server.stalled = True
        piece = bytearray(b"..")
        stream = theirs.stream
        stream.write(bytes(600_000))
        self.pair.pump.flush()
        before = stream.unsentSize
        self.assertGreater(before, 0)

        def write() -> None:
            for number in range(10_000):
                piece[0] = number & 0xFF
                stream.write(bytes(piece))
            stream.writeSequence([bytes(piece) for _ in range(10_000)])

        self.assertLess(_cost(write), 60_000)
        self.assertEqual(stream.unsentSize, before + 40_000)
        self.pair.pump.server.stalled = False
        self.pair.pump.flush()
        mine = self.pair.client.opened[0].protocol
        self.assertEqual(len(mine.data), 640_000)
        self.assertEqual(mine.data[600_000:600_200:2], bytes(range(100)))

    def test_handBackSmall(self: Any) -> None:
        """
        Nor do bytes that are handed back little by little; they keep their order.
        """
        mine, _ = self.pair.open(self.pair.client, HalfCloseCollector())
        stream = mine.stream
        stream.pauseProducing()
        stream.deliver(b"end")

        def handBack() -> None:
            for number in range(5000):
                stream.unread(b"%04d" % (4999 - number))

        self.assertLess(_cost(handBack), 60_000)
        stream.resumeProducing()
        self.pair.pump.flush()
        wanted = b"".join(b"%04d" % number for number in range(5000)) + b"end"
        self.assertEqual(mine.data, wanted)

    def paused(self: Any, protocol: Any = None) -> tuple[Any, Any]:
        """
        Open a stream of which the server has paused its end, while the client has
        sent some bytes and ended its half.
        """
        self.pair.server.build = lambda: protocol or HalfCloseCollector()
        mine, theirs = self.pair.open(self.pair.client, HalfCloseCollector())
        theirs.stream.pauseProducing()
        mine.stream.write(b"x" * 1000)
        mine.stream.loseWriteConnection()
        self.pair.pump.flush()
        return mine, theirs

    def lose(self: Any, how: str) -> None:
        """
        End the connection, otherwise than by the server's side.
        """
        if how == "close":
            self.pair.clientSession.close()
        elif how == "abort":
            self.pair.clientSession.abort(Failure(ConnectionLost()))
        else:
            for transport in (self.pair.pump.client, self.pair.pump.server):
                transport.lose(ConnectionLost())
        self.pair.pump.flush()
        self.assertEqual(len(self.pair.server.lost), 1)

    def test_readAfterEndOfConnection(self: Any) -> None:
        """
        Bytes and the end of the peer's half that came for a paused stream are
        delivered when the application resumes, however the peer has ended the
        connection since.
        """
        for how in ("close", "abort", "lose"):
            self.setUp()
            _, theirs = self.paused()
            self.lose(how)
            stream = theirs.stream
            self.assertEqual(theirs.reasons, [])
            self.assertEqual(self.pair.server.ended, [])
            self.assertIn(stream, self.pair.serverSession.streams)
            stream.write(b"too late")
            self.assertEqual(stream.unsentSize, 0)
            stream.resumeProducing()
            self.assertEqual(theirs.data, b"")
            self.clock.advance(0)
            self.assertEqual(theirs.data, b"x" * 1000)
            self.assertEqual(theirs.ends, ["read"])
            self.assertEqual(len(theirs.reasons), 1)
            # Its own half had not ended.
            self.assertIsNone(theirs.reasons[0].check(ConnectionDone))
            self.assertEqual(len(self.pair.server.ended), 1)
            self.assertEqual(list(self.pair.serverSession.streams), [])
            self.tearDown()

    def test_readSlowlyAfterEndOfConnection(self: Any) -> None:
        """
        An application that pauses again is waited for again.
        """
        _, theirs = self.paused()
        theirs.stream.unread(b"first")
        received = []

        def dataReceived(data: bytes) -> None:
            received.append(data)
            theirs.stream.pauseProducing()

        theirs.dataReceived = dataReceived
        # As one piece that is too large to be joined with the others.
        theirs.stream.unread(b"y" * 2000)
        self.lose("close")
        for count in (1, 2):
            theirs.stream.resumeProducing()
            self.clock.advance(0)
            self.assertEqual(len(received), count)
        self.assertEqual(theirs.reasons, [])
        theirs.stream.resumeProducing()
        self.clock.advance(0)
        self.assertEqual(len(theirs.reasons), 1)
        self.assertEqual(b"".join(received), b"y" * 2000 + b"first" + b"x" * 1000)

    def test_wholeAfterEndOfConnection(self: Any) -> None:
        """
        Such a stream has ended in good order for an application that knows no halves,
        or whose own half had ended, as nothing of it is missing.
        """
        _, theirs = self.paused(Collector())
        mine, _ = self.paused()
        other = self.pair.server.protocols[1]
        other.stream.loseWriteConnection()
        self.pair.pump.flush()
        self.assertEqual(len(mine.reasons), 1)
        self.lose("close")
        for each in (theirs, other):
            each.stream.resumeProducing()
            self.clock.advance(0)
            self.assertEqual(each.data, b"x" * 1000)
            each.reasons[0].trap(ConnectionDone)

    def test_unsentAfterEndOfConnection(self: Any) -> None:
        """
        It has not where bytes of the application's are lost.
        """
        _, theirs = self.paused(Collector())
        self.pair.pump.server.stalled = True
        theirs.stream.write(b"y" * 1_000_000)
        self.pair.pump.flush()
        self.assertGreater(theirs.stream.unsentSize, 0)
        self.lose("close")
        theirs.stream.resumeProducing()
        self.clock.advance(0)
        self.assertEqual(theirs.data, b"x" * 1000)
        self.assertIsNone(theirs.reasons[0].check(ConnectionDone))
        self.pair.pump.server.stalled = False

    def test_leaveAfterEndOfConnection(self: Any) -> None:
        """
        An application that closes or aborts such a stream is notified, and nothing is
        kept for it.
        """
        for leave in ("loseConnection", "abortConnection", "stopProducing"):
            self.setUp()
            _, theirs = self.paused()
            self.lose("close")
            getattr(theirs.stream, leave)()
            self.clock.advance(0)
            self.assertEqual(theirs.data, b"")
            self.assertEqual(len(theirs.reasons), 1)
            self.assertEqual(theirs.stream.unreadSize, 0)
            self.assertEqual(list(self.pair.serverSession.streams), [])
            self.tearDown()

    def test_partialAfterEndOfConnection(self: Any) -> None:
        """
        Bytes whose end has not come are dropped with the connection: nobody can know
        whether they are whole.
        """
        self.pair.server.build = HalfCloseCollector
        mine, theirs = self.pair.open(self.pair.client, HalfCloseCollector())
        theirs.stream.pauseProducing()
        mine.stream.write(b"x" * 1000)
        self.pair.pump.flush()
        self.lose("close")
        self.assertEqual(theirs.data, b"")
        self.assertEqual(len(theirs.reasons), 1)
        self.assertIsNone(theirs.reasons[0].check(ConnectionDone))

    def test_ownEndOfConnection(self: Any) -> None:
        """
        When our side ends the session nothing is kept, be it before the peer or after.
        """
        for peerFirst in (False, True):
            for end in ("close", "abort"):
                self.setUp()
                _, theirs = self.paused()
                if peerFirst:
                    self.lose("close")
                    self.assertEqual(theirs.reasons, [])
                session = self.pair.serverSession
                if end == "close":
                    session.close()
                else:
                    session.abort(Failure(ZeroDivisionError()))
                self.assertEqual(len(theirs.reasons), 1)
                self.assertEqual(theirs.data, b"")
                self.assertEqual(list(session.streams), [])
                self.tearDown()

    def test_producerAfterEndOfConnection(self: Any) -> None:
        """
        A producer of such a stream is paused, and stopped when the application has
        read everything: it may be the transport that the rest is written to.
        """
        _, theirs = self.paused()
        stream = theirs.stream
        early = PushProducer(stream, b"y", 0)
        self.lose("close")
        self.assertEqual((early.paused, early.stopped), (True, False))
        stream.unregisterProducer()
        for streaming in (True, False):
            calls: list[str] = []
            stream.registerProducer(_Calls(calls), streaming)
            self.assertEqual(calls, ["pauseProducing"] if streaming else [])
            if streaming:
                stream.unregisterProducer()
        stream.resumeProducing()
        self.clock.advance(0)
        self.assertEqual(calls, ["stopProducing"])
        self.assertEqual(theirs.data, b"x" * 1000)

    def test_endBeforeConfirmation(self: Any) -> None:
        """
        The peer's end, in place of a confirmation that is awaited, is announced even
        to a paused application: otherwise nothing would end the wait.
        """
        mine, theirs = self.pair.open(self.pair.client, HalfCloseCollector())
        mine.stream.negotiating = True
        mine.stream.pauseProducing()
        theirs.stream.loseWriteConnection()
        self.pair.pump.flush()
        self.assertEqual(mine.ends, ["read"])


class YamuxStreamTests(StreamTests, SynchronousTestCase):
    """
    The streams of yamux.
    """

    def muxer(self, clock: Clock) -> IMuxer:
        """
        Make a yamux.
        """
        return Yamux(clock)

    def test_growthAfterBothEnds(self) -> None:
        """
        A stream that was closed with unread bytes gives back the growth of its
        window.
        """
        pair: Any = self.pair
        mine, _ = self.ended()
        mine.stream.receiveWindow.size += 1000
        pair.clientSession._growth += 1000
        mine.stream.loseConnection()
        pair.pump.flush()
        self.assertEqual(pair.clientSession._growth, 0)


class MplexStreamTests(StreamTests, SynchronousTestCase):
    """
    The streams of mplex.
    """

    def muxer(self, clock: Clock) -> IMuxer:
        """
        Make an mplex.
        """
        return Mplex(clock, maxUnread=100_000)

    def test_laziestHasEnded(self) -> None:
        """
        A session that stands still because of the unread bytes of a stream whose
        halves have both ended goes on without it.
        """
        pair: Any = self.pair
        pair.server.build = HalfCloseCollector
        mine, theirs = pair.open(pair.client, HalfCloseCollector())
        other, far = pair.open(pair.client, HalfCloseCollector())
        mine.stream.pauseProducing()
        mine.stream.loseWriteConnection()
        theirs.stream.write(b"x" * 99_000)
        theirs.stream.loseWriteConnection()
        other.stream.pauseProducing()
        far.stream.write(b"y" * 40_000)
        pair.pump.flush()
        pair.pump.advance(6)
        mine.reasons[0].trap(StreamAborted)
        other.stream.resumeProducing()
        pair.pump.flush()
        self.assertEqual(other.data, b"y" * 40_000)


class IDTests(SynchronousTestCase):
    """
    The id of a stream whose halves have both ended is free on the wire.
    """

    def test_reused(self) -> None:
        """
        A peer may open a stream of the same id although the application has paused
        the first one, which stays as it is.
        """
        clock = Clock()
        whole = {
            Mplex: (
                mplexPack(Flag.NEW_STREAM, 1, 0)
                + mplexPack(Flag.MESSAGE_INITIATOR, 1, 3)
                + b"one"
                + mplexPack(Flag.CLOSE_INITIATOR, 1, 0)
            ),
            Yamux: (
                yamux.pack(yamux.DATA, yamux.SYN, 1, 3)
                + b"one"
                + yamux.pack(yamux.WINDOW_UPDATE, yamux.FIN, 1, 0)
            ),
        }
        for muxer, data in whole.items():
            peer = RawPeer(muxer(clock), clock)
            built: list[Any] = []

            class Paused(HalfCloseCollector):
                def connectionMade(self) -> None:
                    built.append(self)  # noqa: B023
                    self.stream.pauseProducing()
                    self.stream.loseWriteConnection()

            peer.owner.build = Paused
            for _ in range(3):
                peer.send(data)
            self.assertEqual(len(built), 3)
            self.assertEqual(peer.owner.lost, [])
            self.assertEqual(len(peer.session.streams), 3)
            for each in reversed(built):
                each.stream.resumeProducing()
                peer.pump.flush()
                self.assertEqual(each.data, b"one")
                each.reasons[0].trap(ConnectionDone)
            self.assertEqual(len(peer.session.streams), 0)
            self.assertEqual(len(peer.owner.ended), 3)
            peer.session.close()
            peer.pump.flush()
            peer.pump.advance(120)
