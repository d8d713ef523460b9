# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.muxer.mplex.session}: what a peer sees, and what it
can do.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.muxer.raw import Budget, Frames, RawPeer
from twisted_libp2p.errors import (
    LimitExceeded,
    ProtocolViolation,
    StreamAborted,
)
from twisted_libp2p.muxer import Mplex
from twisted_libp2p.muxer.mplex.frame import Flag, FrameReader, pack
from twisted_libp2p.muxer.session import MAX_CONTROL
from twisted_libp2p.testing.muxer import Collector, Echo, HalfCloseCollector

MIB = 1024 * 1024

NEW = Flag.NEW_STREAM


def message(streamID: int, body: bytes) -> bytes:
    """
    Pack a message of the peer on a stream that it has opened.
    """
    return pack(Flag.MESSAGE_INITIATOR, streamID, len(body)) + body


def frames(data: bytes) -> list[tuple[Any, ...]]:
    """
    Read what a session has sent: tuples of flag, stream id and size, with the
    body behind them where there is one.
    """
    found = Frames()
    FrameReader(found).feed(data)
    return found.found


class SessionTests(SynchronousTestCase):
    """
    A session with a raw peer.
    """

    def setUp(self) -> None:
        """
        Connect.
        """
        self.clock = Clock()
        self.peer = RawPeer(Mplex(self.clock), self.clock)
        self.owner = self.peer.owner

    def tearDown(self) -> None:
        """
        No timer is left.
        """
        self.peer.session.close()
        self.peer.pump.flush()
        self.peer.pump.advance(60)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def sent(self) -> list[tuple[Any, ...]]:
        """
        @return: the frames that the session has sent since the last time.
        """
        return frames(self.peer.take())

    def test_silent(self) -> None:
        """
        Nothing is sent before there is something to say.
        """
        self.assertEqual(self.peer.take(), b"")

    def test_ping(self) -> None:
        """
        There is no ping.
        """
        self.failureResultOf(self.peer.session.ping(), NotImplementedError)

    def test_outbound(self) -> None:
        """
        Our streams are numbered from 0, and opened together with their first
        bytes; a stream without any is opened just the same.
        """
        collectors = [Collector(), Collector()]
        for collector in collectors:
            self.owner.openStream(collector)
        collectors[0].stream.write(b"hello")
        self.peer.pump.flush()
        self.assertEqual(
            self.sent(),
            [(NEW, 0, 0), (Flag.MESSAGE_INITIATOR, 0, 5, b"hello"), (NEW, 1, 0)],
        )
        self.peer.send(pack(Flag.MESSAGE_RECEIVER, 0, 5), b"world")
        self.assertEqual(collectors[0].data, b"world")
        collectors[0].stream.loseConnection()
        collectors[1].stream.abortConnection(0x1001)
        self.peer.pump.flush()
        self.assertEqual(
            self.sent(), [(Flag.RESET_INITIATOR, 1, 0), (Flag.CLOSE_INITIATOR, 0, 0)]
        )

    def test_inbound(self) -> None:
        """
        The peer's streams may have names, and the same ids as ours.
        """
        self.owner.build = Echo
        ours = Collector()
        self.owner.openStream(ours)
        self.peer.send(pack(NEW, 0, 4), b"name", message(0, b"hello"))
        self.assertEqual(
            self.sent(), [(NEW, 0, 0), (Flag.MESSAGE_RECEIVER, 0, 5, b"hello")]
        )
        self.assertEqual(ours.data, b"")
        self.assertEqual(len(self.peer.session.streams), 2)
        self.peer.send(pack(Flag.CLOSE_INITIATOR, 0, 0))
        self.assertEqual(self.sent(), [(Flag.CLOSE_RECEIVER, 0, 0)])
        self.assertEqual(len(self.peer.session.streams), 1)

    def test_bodyOfEnd(self) -> None:
        """
        The body of a close or reset, which has none, is skipped.
        """
        self.owner.build = HalfCloseCollector
        self.peer.send(pack(NEW, 0, 0), pack(NEW, 1, 0))
        self.peer.send(
            pack(Flag.CLOSE_INITIATOR, 0, 3) + b"abc",
            pack(Flag.RESET_INITIATOR, 1, 3) + b"abc",
            pack(NEW, 2, 0),
        )
        first, second, third = self.owner.protocols
        self.assertEqual((first.ends, first.data), (["read"], b""))
        self.assertEqual(len(second.reasons), 1)
        self.assertEqual(third.reasons, [])

    def test_unknownStream(self) -> None:
        """
        Frames for streams that are gone, or never were, are ignored.
        """
        self.peer.send(
            *(pack(flag, 99, 3) + b"abc" for flag in range(1, 8)), pack(NEW, 0, 0)
        )
        self.assertEqual(len(self.owner.opened), 1)
        self.assertEqual(self.sent(), [])

    def test_openedTwice(self) -> None:
        """
        A stream that is opened twice ends the session.
        """
        self.peer.send(pack(NEW, 0, 0), pack(NEW, 0, 0))
        self.owner.lost[0].trap(ProtocolViolation)
        self.owner.protocols[0].reasons[0].trap(ProtocolViolation)

    def test_openedAfterReset(self) -> None:
        """
        A stream that our side has reset is over, whether or not its application
        has had time to hear of it: the peer may use its id again.
        """
        self.owner.build = HalfCloseCollector
        new, end = pack(NEW, 0, 0), pack(Flag.CLOSE_INITIATOR, 0, 0)
        self.peer.send(new, end, message(0, b"late"), new, message(0, b"again"))
        first, second = self.owner.protocols
        self.assertEqual((len(first.reasons), second.reasons), (1, []))
        self.assertEqual(second.data, b"again")
        self.assertEqual(self.owner.lost, [])

    def test_tooLarge(self) -> None:
        """
        A message of more than 1 MiB ends the session before it comes.
        """
        self.peer.send(pack(NEW, 0, 0), pack(Flag.MESSAGE_INITIATOR, 0, MIB + 1))
        self.owner.lost[0].trap(ProtocolViolation)
        self.assertIsNotNone(self.peer.lost)

    def test_misused(self) -> None:
        """
        A message behind the end, or a flag that does not exist, ends the
        stream, and no other.
        """
        self.owner.build = HalfCloseCollector
        self.peer.send(pack(NEW, 0, 0), pack(NEW, 1, 0), pack(NEW, 2, 0))
        self.peer.send(
            pack(Flag.CLOSE_INITIATOR, 0, 0), message(0, b"late"), message(2, b"ok")
        )
        self.peer.take()
        # Like every odd flag it is for a stream that we have opened.
        ours = Collector()
        self.owner.openStream(ours)
        self.peer.pump.flush()
        self.peer.send(pack(7, 0, 2), b"xx", message(2, b"!"))
        first, second, third = self.owner.protocols
        first.reasons[0].trap(ProtocolViolation)
        self.assertEqual((first.data, second.reasons), (b"", []))
        ours.reasons[0].trap(ProtocolViolation)
        self.assertEqual(third.data, b"ok!")
        self.assertEqual(self.sent(), [(NEW, 0, 0), (Flag.RESET_INITIATOR, 0, 0)])

    def test_limits(self) -> None:
        """
        Stream 129 of the peer is reset, and so is each further one; our side
        does not open that many.
        """
        for number in range(1000):
            self.peer.send(pack(NEW, number, 0), message(number, b"spam"))
        self.assertEqual(len(self.owner.opened), 128)
        refused = self.sent()
        self.assertEqual(len(refused), 1000 - 128)
        self.assertEqual(refused[0], (Flag.RESET_RECEIVER, 128, 0))
        for _ in range(128):
            self.owner.openStream(Collector())
        self.assertRaises(LimitExceeded, self.peer.session.openStream, Collector())

    def test_refusedUnread(self) -> None:
        """
        A peer that reads nothing cannot have refusals pile up without end.
        """
        self.owner.build = lambda: None
        self.peer.session.pauseProducing()
        for number in range(MAX_CONTROL):
            self.peer.send(pack(NEW, number, 0))
        self.assertEqual(self.owner.lost, [])
        self.peer.send(pack(NEW, 99_999, 0))
        self.owner.lost[0].trap(ProtocolViolation)

    def test_rapidReset(self) -> None:
        """
        Streams that are opened and reset leave nothing behind.
        """
        self.peer.session.pauseProducing()
        for number in range(2000):
            self.peer.send(pack(NEW, number, 0), pack(Flag.RESET_INITIATOR, number, 0))
        self.assertEqual(len(self.owner.ended), 2000)
        self.assertEqual(len(self.peer.session.streams), 0)
        self.assertEqual(self.owner.lost, [])

    def test_close(self) -> None:
        """
        The end of the session is told as resets of what has not ended.
        """
        self.peer.send(pack(NEW, 0, 0), pack(NEW, 1, 0), pack(NEW, 2, 0))
        self.peer.send(pack(Flag.RESET_INITIATOR, 1, 0))
        ours = Collector()
        self.owner.openStream(ours)
        self.peer.session.close()
        self.peer.pump.flush()
        self.assertCountEqual(
            self.sent(),
            [
                (NEW, 0, 0),
                (Flag.RESET_INITIATOR, 0, 0),
                (Flag.RESET_RECEIVER, 0, 0),
                (Flag.RESET_RECEIVER, 2, 0),
            ],
        )
        ours.reasons[0].trap(StreamAborted)
        self.owner.lost[0].trap(ConnectionDone)

    @drawn(50, st.data())
    def test_fuzz(self, data: st.DataObject) -> None:
        """
        Whatever frames come in whatever order: the session goes on, or ends
        by the peer's fault.
        """
        self.setUp()
        self.owner.build = data.draw(st.sampled_from([Collector, Echo]))
        headers = st.builds(
            pack,
            st.sampled_from([0, 0, 2, 2, 4, 6, 1, 3, 5, 7]),
            st.sampled_from([0, 0, 1, 2, 300]),
            st.sampled_from([0, 1, 20, MIB, MIB + 1]),
        )
        for header in data.draw(st.lists(headers, max_size=12)):
            self.peer.send(header, bytes(20))
        if self.owner.lost:
            self.owner.lost[0].trap(ProtocolViolation)
        self.tearDown()


class UnreadTests(SynchronousTestCase):
    """
    What happens when an application does not read.
    """

    def setUp(self) -> None:
        """
        Connect, with room for 1 MiB, and open two streams, of which the first
        is not read.
        """
        self.clock = Clock()
        self.peer = RawPeer(Mplex(self.clock, maxUnread=MIB), self.clock)
        self.peer.send(pack(NEW, 0, 0), pack(NEW, 1, 0))
        self.lazy, self.busy = self.peer.owner.protocols
        self.lazy.stream.pauseProducing()

    def tearDown(self) -> None:
        """
        No timer is left, and the books are balanced.
        """
        self.peer.session.close()
        self.peer.pump.flush()
        self.assertEqual(self.peer.session._unread, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def fill(self) -> None:
        """
        Send more than the room, and something for the other stream.
        """
        for _ in range(5):
            self.peer.send(message(0, b"x" * 256 * 1024))
        self.peer.send(message(1, b"waiting"))

    def test_room(self) -> None:
        """
        Up to the bound others are not hindered.
        """
        for _ in range(4):
            self.peer.send(message(0, b"x" * 256 * 1024))
        self.peer.send(message(1, b"ok"))
        self.peer.pump.advance(60)
        self.assertEqual(self.busy.data, b"ok")
        self.lazy.stream.resumeProducing()
        self.peer.pump.flush()
        self.assertEqual(len(self.lazy.data), MIB)

    def test_budget(self) -> None:
        """
        The first 256 KiB are free, for more the owner must have the memory; it
        has it back when all was read.
        """
        self.peer.session.budget = budget = Budget(300 * 1024)
        self.peer.send(message(0, b"x" * 256 * 1024))
        self.assertEqual(budget.room, 300 * 1024)
        self.peer.send(message(0, b"x" * 1024))
        self.assertEqual(budget.room, 44 * 1024)
        self.peer.send(message(0, b"x" * 255 * 1024), message(1, b"ok"))
        self.assertEqual(self.busy.data, b"ok")
        self.peer.send(message(0, b"x" * 256 * 1024), message(1, b"waiting"))
        self.peer.send(message(1, b"waiting"))
        self.assertEqual(budget.room, 0)
        self.assertEqual(self.busy.data, b"okwaiting")
        self.lazy.stream.resumeProducing()
        self.peer.pump.flush()
        self.assertEqual(self.busy.data, b"okwaitingwaiting")
        self.assertEqual(budget.room, 300 * 1024)

    def test_budgetLater(self) -> None:
        """
        No stream is reset if there is memory by then that others had before.
        """
        self.peer.session.budget = budget = Budget(0)
        self.peer.send(message(0, b"x" * 300 * 1024), message(1, b"ok"))
        self.peer.send(message(1, b"waiting"))
        self.peer.pump.advance(4)
        self.assertEqual(self.busy.data, b"ok")
        budget.free(300 * 1024)
        self.peer.pump.advance(2)
        self.assertEqual(self.lazy.reasons, [])
        self.assertEqual(self.busy.data, b"okwaiting")

    def test_blocked(self) -> None:
        """
        At the bound nothing more is read; when the application reads in time
        nothing is lost.
        """
        self.fill()
        for _ in range(100):
            self.peer.send(message(0, b"x" * 1024))
        self.assertEqual(self.busy.data, b"")
        self.assertLessEqual(self.lazy.stream.unreadSize, MIB + 256 * 1024)
        self.peer.pump.advance(4.9)
        self.lazy.stream.resumeProducing()
        self.peer.pump.flush()
        self.assertEqual(len(self.lazy.data), 5 * 256 * 1024 + 100 * 1024)
        self.assertEqual(self.busy.data, b"waiting")

    def test_reset(self) -> None:
        """
        After 5 seconds the stream that is not read is reset, and the others
        go on.
        """
        self.busy.stream.pauseProducing()
        self.peer.send(message(1, b"a little"))
        self.fill()
        self.peer.take()
        self.peer.pump.advance(5)
        self.lazy.reasons[0].trap(StreamAborted)
        self.assertEqual(frames(self.peer.take()), [(Flag.RESET_RECEIVER, 0, 0)])
        self.busy.stream.resumeProducing()
        self.peer.pump.flush()
        self.assertEqual(self.busy.data, b"a littlewaiting")

    def test_resetInsideMessage(self) -> None:
        """
        A stream may be reset in the middle of a message: what comes of that
        afterwards is for nobody, and does not count as unread.
        """
        for streamID in (10, 11, 12):
            self.peer.send(pack(NEW, streamID, 0))
            stream = self.peer.owner.protocols[-1].stream
            stream.pauseProducing()
            large = message(streamID, b"x" * MIB)
            self.peer.send(large[: MIB // 2])
            stream.abortConnection()
            self.peer.send(large[MIB // 2 :])
            self.assertEqual(self.peer.session._unread, 0)
        self.peer.send(message(1, b"waiting"))
        self.assertEqual(self.busy.data, b"waiting")

    def test_impatientInsideMessage(self) -> None:
        """
        That holds for a stream that is reset since it is not read, too.
        """
        self.peer.send(pack(NEW, 2, 0))
        for streamID, lazy in enumerate(self.peer.owner.protocols):
            lazy.stream.pauseProducing()
            large = message(streamID, b"x" * MIB)
            self.peer.send(large, large[: MIB // 2])
            self.peer.pump.advance(5)
            lazy.reasons[0].trap(StreamAborted)
            self.peer.send(large[MIB // 2 :])
            self.assertEqual(self.peer.session._unread, 0)
        self.peer.pump.advance(60)
        self.assertEqual(len(self.peer.owner.ended), 3)

    def test_lostWhileBlocked(self) -> None:
        """
        A connection that is lost while it is blocked leaves no timer.
        """
        self.fill()
        self.peer.pump.client.abortConnection()
        self.peer.pump.flush()
        self.assertEqual(len(self.lazy.reasons), 1)

    def test_closedWhileBlocked(self) -> None:
        """
        A session that ends while it is blocked reads again, to see the end of
        its transport.
        """
        self.fill()
        self.peer.session.close()
        self.peer.pump.flush()
        self.assertIsNotNone(self.peer.lost)
