# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.muxer.yamux.session}: streams of both sides.
"""

from __future__ import annotations

from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone

from tests.examples import drawn
from tests.muxer.yamux.sessions import MIB, WINDOW, SessionTestCase
from twisted_libp2p.errors import (
    ErrorCode,
    LimitExceeded,
    ProtocolViolation,
    SessionEnded,
)
from twisted_libp2p.interfaces import Role
from twisted_libp2p.muxer.yamux.frame import (
    ACK,
    DATA,
    FIN,
    PING,
    RST,
    SYN,
    WINDOW_UPDATE,
    pack,
)
from twisted_libp2p.testing.muxer import (
    Collector,
    Echo,
    HalfCloseCollector,
)


class InboundTests(SessionTestCase):
    """
    Streams that the peer opens.
    """

    def test_acknowledged(self) -> None:
        """
        A stream that is accepted in silence is acknowledged by an empty
        window update.
        """
        self.peer.send(pack(WINDOW_UPDATE, SYN, 1, 0))
        self.assertEqual(self.sent(), [(WINDOW_UPDATE, ACK, 1, 0)])

    def test_acknowledgedWithData(self) -> None:
        """
        The acknowledgement travels with the first bytes back.
        """
        self.owner.build = Echo
        self.peer.send(pack(DATA, SYN, 1, 5), b"hello")
        self.assertEqual(self.sent(), [(DATA, ACK, 1, 5, b"hello")])

    def test_resetCode(self) -> None:
        """
        A reset carries its code both ways; one on a Data frame has none.
        """
        collector = self.open()
        self.peer.send(pack(WINDOW_UPDATE, RST, 1, 0x1001))
        self.assertEqual(collector.reasons[0].value.code, 0x1001)
        self.peer.send(pack(WINDOW_UPDATE, SYN, 3, 0))
        self.peer.send(pack(DATA, RST, 3, 3), b"xyz")
        self.assertEqual(self.owner.protocols[-1].reasons[0].value.code, 0)
        self.peer.send(pack(WINDOW_UPDATE, SYN, 5, 0))
        self.peer.take()
        self.owner.opened[-1].abortConnection(ErrorCode.GATED)
        self.peer.pump.flush()
        self.assertEqual(self.sent(), [(WINDOW_UPDATE, RST, 5, ErrorCode.GATED)])

    def test_openedAndReset(self) -> None:
        """
        A stream that is opened and reset by one frame is not opened at all.
        """
        self.peer.send(pack(WINDOW_UPDATE, SYN | RST, 1, 0))
        self.assertEqual(self.owner.opened, [])
        self.assertEqual(self.sent(), [])

    def test_openedAndEnded(self) -> None:
        """
        SYN, bytes and FIN may come in one frame.
        """
        self.owner.build = HalfCloseCollector
        self.peer.send(pack(DATA, SYN | FIN, 1, 5), b"hello")
        collector = self.owner.protocols[0]
        self.assertEqual((collector.data, collector.ends), (b"hello", ["read"]))
        self.peer.take()
        collector.stream.loseConnection()
        self.peer.pump.flush()
        self.assertEqual(self.sent(), [(WINDOW_UPDATE, FIN, 1, 0)])
        self.assertEqual(len(self.peer.session.streams), 0)

    def test_finIsAlone(self) -> None:
        """
        FIN never travels with bytes: go-yamux would lose these.
        """
        self.owner.build = Echo
        self.peer.send(pack(DATA, SYN, 1, 5), b"hello", pack(DATA, FIN, 1, 0))
        self.assertEqual(
            self.sent(),
            [(DATA, ACK, 1, 5, b"hello"), (WINDOW_UPDATE, FIN, 1, 0)],
        )

    def test_enlargingSYN(self) -> None:
        """
        A SYN or ACK with a delta allows more than the initial window.
        """
        collector = Collector()
        self.owner.build = lambda: collector
        self.peer.send(pack(WINDOW_UPDATE, SYN, 1, 100))
        self.peer.take()
        collector.stream.write(b"x" * 2 * WINDOW)
        self.peer.pump.flush()
        self.assertEqual(sum(frame[3] for frame in self.sent()), WINDOW + 100)

    def test_unknownStream(self) -> None:
        """
        Frames for streams that are gone, or never were, are ignored.
        """
        collector = self.open()
        self.peer.send(
            *(pack(DATA, 0, streamID, 5) + b"hello" for streamID in (2, 3, 99)),
            pack(WINDOW_UPDATE, 0, 99, 0xFFFFFFFF),
            pack(WINDOW_UPDATE, FIN, 99, 0),
            pack(WINDOW_UPDATE, RST, 99, 0),
            pack(WINDOW_UPDATE, ACK, 99, 0),
            pack(DATA, 0, 99, 3 * MIB) + b"x" * 3 * MIB,
            pack(DATA, 0, 1, 2) + b"ok",
        )
        self.assertEqual(collector.data, b"ok")
        self.assertEqual(self.owner.events.count("buildProtocol"), 1)

    def test_resetWithinBody(self) -> None:
        """
        The rest of a body whose stream was reset in the midst of it is
        dropped.
        """
        collector = self.open()
        self.peer.send(pack(DATA, 0, 1, 10), b"01234")
        collector.stream.abortConnection()
        self.peer.send(b"56789", pack(DATA, SYN, 3, 2), b"ok")
        self.assertEqual(collector.data, b"01234")
        self.assertEqual(self.owner.protocols[-1].data, b"ok")

    def test_resetWhileNegotiating(self) -> None:
        """
        What comes on a stream that was reset before its protocol was agreed is
        for nobody.
        """
        stream = self.open().stream
        stream.negotiating = True
        self.peer.send(pack(DATA, 0, 1, 100), b"x" * 50)
        stream.abortConnection()
        self.peer.send(b"x" * 50, pack(PING, SYN, 0, 7))
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertIn((PING, ACK, 0, 7), self.sent())

    def test_resetWhilePaused(self) -> None:
        """
        What comes on a stream that was reset while it was not read is not kept.
        """
        stream = self.open().stream
        stream.pauseProducing()
        self.peer.send(pack(DATA, 0, 1, 100), b"x" * 50)
        stream.abortConnection()
        self.peer.send(b"x" * 50)
        self.assertEqual(stream.unreadSize, 0)

    def test_repeatedEnds(self) -> None:
        """
        A FIN that is repeated changes nothing; nor does a late window update.
        """
        collector = self.open(HalfCloseCollector())
        self.peer.send(
            pack(WINDOW_UPDATE, FIN, 1, 0),
            pack(DATA, FIN, 1, 0),
            pack(WINDOW_UPDATE, 0, 1, 10),
        )
        self.assertEqual(collector.ends, ["read"])

    def test_violations(self) -> None:
        """
        What the protocol forbids ends the session, with a go-away.
        """
        cases = {
            "version": (b"\x02" + bytes(11),),
            "frame type": (pack(9, 0, 1, 0),),
            "stream 0": (pack(DATA, 0, 0, 4),),
            "parity": (pack(WINDOW_UPDATE, SYN, 2, 0),),
            "twice": (pack(DATA, SYN, 1, 0),),
            "exceed the window": (pack(DATA, 0, 1, WINDOW + 1),),
            "exceed the window of 0": (
                pack(DATA, 0, 1, WINDOW) + b"x" * WINDOW,
                pack(DATA, 0, 1, 1),
            ),
            "exceed the window of 262144": (pack(DATA, SYN, 3, WINDOW + 1),),
            "exceed any window": (pack(DATA, 0, 77, 0xFFFFFFFF),),
            "32 bits": (
                pack(WINDOW_UPDATE, 0, 1, 0xFFFFFFFF),
                pack(WINDOW_UPDATE, 0, 1, 0xFFFFFFFF),
            ),
            "32 bits at once": (pack(WINDOW_UPDATE, SYN, 3, 0xFFFFFFFF),),
            "after the end": (pack(WINDOW_UPDATE, FIN, 1, 0), pack(DATA, 0, 1, 1)),
        }
        for text, wire in cases.items():
            self.setUp()
            collector = self.open(HalfCloseCollector())
            collector.stream.pauseProducing()
            self.peer.send(*wire)
            self.assertViolation(text.removesuffix(" at once"))
            self.tearDown()
        self.setUp()

    @drawn(50, st.data())
    def test_fuzz(self, data: st.DataObject) -> None:
        """
        Whatever frames come in whatever order: the session goes on, or ends
        by the peer's fault, and memory is bounded by the windows.
        """
        self.setUp()
        self.owner.build = data.draw(st.sampled_from([Collector, Echo]))
        headers = st.builds(
            pack,
            st.integers(0, 3),
            st.integers(0, 15),
            st.sampled_from([0, 1, 1, 3, 3, 5, 2]),
            st.sampled_from([0, 0, 1, 20, WINDOW, 0xFFFFFFFF]),
        )
        for header in data.draw(st.lists(headers, max_size=12)):
            self.peer.send(header, bytes(20))
        if self.owner.lost:
            self.assertIsNotNone(
                self.owner.lost[0].check(
                    ProtocolViolation, SessionEnded, ConnectionDone
                )
            )
        self.tearDown()


class OutboundTests(SessionTestCase):
    """
    Streams that we open.
    """

    role = Role.CLIENT

    def test_ids(self) -> None:
        """
        The connection's initiator has the odd ids, the listener the even.
        """
        for role, expected in ((Role.CLIENT, [1, 3]), (Role.SERVER, [2, 4])):
            self.role = role
            self.setUp()
            for _ in expected:
                self.owner.openStream(Collector())
            self.peer.pump.flush()
            self.assertEqual(
                self.sent(), [(WINDOW_UPDATE, SYN, number, 0) for number in expected]
            )

    def test_openedAfterReset(self) -> None:
        """
        A stream that its application has reset is over at once, for the peer
        that opens it again.
        """

        class Aborting(Collector):
            """
            Resets at the first byte.
            """

            def dataReceived(self, data: bytes) -> None:
                """
                Reset.
                """
                super().dataReceived(data)
                self.stream.abortConnection()

        self.peer.owner.build = Aborting
        self.peer.send(*[pack(DATA, SYN, 2, 1) + b"x"] * 2)
        first, second = self.peer.owner.protocols
        self.assertEqual((first.data, second.data), (b"x", b"x"))
        self.assertEqual(self.peer.owner.lost, [])

    def test_noMoreIDs(self) -> None:
        """
        Stream ids are not used twice, even if that means no more streams.
        """
        self.peer.session._nextID = (1 << 32) - 1
        self.peer.session.openStream(Collector())
        self.assertRaises(LimitExceeded, self.peer.session.openStream, Collector())

    def test_withData(self) -> None:
        """
        A stream that is written to is opened by its first Data frame.
        """
        stream = self.peer.session.openStream(Collector())
        stream.write(b"hel")
        stream.write(b"lo")
        self.assertEqual(self.sent(), [])
        self.peer.pump.flush()
        self.assertEqual([frame[:4] for frame in self.sent()], [(DATA, SYN, 1, 5)])

    def test_openedAndClosed(self) -> None:
        """
        A stream that has nothing to say is opened and ended by one frame.
        """
        collector = Collector()
        self.peer.session.openStream(collector).loseConnection()
        self.peer.pump.flush()
        self.assertEqual(self.sent(), [(WINDOW_UPDATE, SYN | FIN, 1, 0)])
        collector.reasons[0].trap(ConnectionDone)

    def test_limit(self) -> None:
        """
        Our side opens no more streams than rust-yamux survives.
        """
        for _ in range(500):
            self.peer.session.openStream(Collector())
        with self.assertRaises(LimitExceeded) as caught:
            self.peer.session.openStream(Collector())
        self.assertEqual(caught.exception.option, "Yamux.maxOutboundStreams")

    def test_ackBacklog(self) -> None:
        """
        No more than 256 streams wait for the peer; more are announced as
        these are acknowledged, or end.
        """
        collectors = [Collector() for _ in range(260)]
        for collector in collectors:
            self.peer.session.openStream(collector)
        collectors[258].stream.write(b"hello")
        self.peer.pump.flush()
        self.assertEqual(len(self.sent()), 256)
        self.peer.send(pack(WINDOW_UPDATE, ACK, 1, 0))
        self.assertEqual(self.sent(), [(WINDOW_UPDATE, SYN, 513, 0)])
        self.peer.send(pack(DATA, ACK, 1, 0))
        self.assertEqual(self.sent(), [])
        collectors[257].stream.abortConnection()
        self.peer.send(pack(WINDOW_UPDATE, RST, 3, 0))
        self.assertEqual(self.sent(), [(DATA, SYN, 517, 5, b"hello")])
        collectors[4].stream.abortConnection()
        self.peer.pump.flush()
        self.assertEqual(
            self.sent(), [(WINDOW_UPDATE, RST, 9, 0), (WINDOW_UPDATE, SYN, 519, 0)]
        )

    def test_backloggedCloses(self) -> None:
        """
        A stream that the peer never got to see ends, too.
        """
        for _ in range(256):
            self.peer.session.openStream(Collector())
        collector = Collector()
        stream = self.peer.session.openStream(collector)
        stream.write(b"x")
        stream.loseConnection()
        self.peer.pump.flush()
        self.assertEqual(len(self.sent()), 256)
        self.peer.pump.advance(29.9)
        self.assertEqual(collector.reasons, [])
        self.peer.pump.advance(0.1)
        self.assertEqual(len(collector.reasons), 1)
        self.assertNotIn(513, [frame[2] for frame in self.sent()])
