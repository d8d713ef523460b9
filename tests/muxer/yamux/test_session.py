# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.muxer.yamux.session}: what a peer sees, and what it
can do.
"""

from __future__ import annotations

from twisted.internet.error import ConnectionDone

from tests.muxer.raw import RawPeer
from tests.muxer.yamux.sessions import WINDOW, SessionTestCase, frames
from twisted_libp2p.errors import (
    ConfigurationError,
    ConnectionClosing,
    ErrorCode,
    PeerUnresponsive,
    SessionEnded,
)
from twisted_libp2p.muxer import Yamux
from twisted_libp2p.muxer.yamux.frame import (
    ACK,
    FIN,
    GO_AWAY,
    PING,
    RST,
    SYN,
    WINDOW_UPDATE,
    pack,
)


class LastingTests(SessionTestCase):
    """
    What lasts: pings, keep-alive, go-away.
    """

    def test_start(self) -> None:
        """
        A session begins without a word, and pings a second later to measure the round
        trip.
        """
        self.assertEqual(self.started, b"")
        self.assertEqual(frames(self.first), [(PING, SYN, 0, 0)])
        self.assertAlmostEqual(self.peer.session.roundTrip, 0.1)

    def test_smoothed(self) -> None:
        """
        A new round trip counts for half.
        """
        answered = self.peer.session.ping()
        self.peer.pump.flush()
        self.assertEqual(self.sent(), [(PING, SYN, 0, 1)])
        self.clock.advance(0.3)
        self.peer.send(pack(PING, ACK, 0, 1))
        self.assertAlmostEqual(self.successResultOf(answered), 0.3)
        self.assertAlmostEqual(self.peer.session.roundTrip, 0.2)

    def test_unknownPong(self) -> None:
        """
        An answer that nobody asked for changes nothing.
        """
        self.peer.send(pack(PING, ACK, 0, 0), pack(PING, ACK, 0, 99))
        self.assertAlmostEqual(self.peer.session.roundTrip, 0.1)
        self.assertEqual(self.owner.lost, [])

    def test_pong(self) -> None:
        """
        A ping is answered with its value.
        """
        self.peer.send(pack(PING, SYN, 0, 42))
        self.assertEqual(self.sent(), [(PING, ACK, 0, 42)])

    def test_pingAtEnd(self) -> None:
        """
        A ping fails with the session, or if it comes too late.
        """
        waiting = self.peer.session.ping()
        self.peer.send(pack(GO_AWAY, 0, 0, 5))
        self.failureResultOf(waiting, SessionEnded)
        self.failureResultOf(self.peer.session.ping(), ConnectionClosing)

    def test_keepAlive(self) -> None:
        """
        A silent peer is asked after 30 seconds, and lost after 30 more.
        """
        collector = self.open()
        self.clock.advance(30)
        self.peer.pump.flush()
        self.assertEqual(self.sent(), [(PING, SYN, 0, 1)])
        self.peer.pump.advance(29.9)
        self.assertEqual(self.owner.lost, [])
        self.peer.pump.advance(0.1)
        self.owner.lost[0].trap(PeerUnresponsive)
        collector.reasons[0].trap(PeerUnresponsive)

    def test_keepAliveOverdue(self) -> None:
        """
        A peer lives whose answer waits in the socket when the timer is overdue.
        """
        self.clock.advance(30)
        self.peer.pump.flush()
        # The reactor reads its sockets after all timers that are due.
        self.clock.callLater(100, self.peer.layer.dataReceived, pack(PING, ACK, 0, 1))
        self.clock.advance(100)
        self.peer.pump.flush()
        self.assertEqual(self.owner.lost, [])
        self.peer.pump.advance(60)
        self.owner.lost[0].trap(PeerUnresponsive)

    def test_lingerOverdue(self) -> None:
        """
        A stream that our side has closed is not reset if the end of the peer's half
        waits in the socket when the timer is overdue.
        """
        collector = self.open()
        stream = collector.stream
        stream.loseConnection()
        self.peer.pump.flush()
        self.sent()
        fin = pack(WINDOW_UPDATE, FIN, stream.streamID, 0)
        self.clock.callLater(100, self.peer.layer.dataReceived, fin)
        self.clock.advance(25)
        self.peer.session._heard = True
        self.clock.advance(75)
        self.peer.pump.flush()
        self.assertNotIn(RST, [flags for _, flags, _, _ in self.sent()])

    def test_keepAliveAnswered(self) -> None:
        """
        A peer that answers, or sends anything, or only reads, lives.
        """
        self.peer.pump.advance(30)
        self.peer.send(pack(PING, ACK, 0, 1))
        self.peer.pump.advance(30)
        self.peer.send(pack(WINDOW_UPDATE, 0, 99, 1))
        self.peer.pump.advance(30)
        self.peer.session.pauseProducing()
        self.peer.session.resumeProducing()
        self.peer.pump.advance(30)
        self.assertEqual(self.owner.lost, [])

    def test_goAway(self) -> None:
        """
        The peer's go-away ends the session; a normal one ends only the
        streams with an error.
        """
        collector = self.open()
        self.peer.send(pack(GO_AWAY, 0, 0, 0))
        collector.reasons[0].trap(SessionEnded)
        self.owner.lost[0].trap(ConnectionDone)
        self.assertIsNotNone(self.peer.lost)

    def test_goAwayWithCode(self) -> None:
        """
        The code of a go-away is in the reasons.
        """
        collector = self.open()
        self.peer.send(pack(GO_AWAY, 0, 0, ErrorCode.SHUTDOWN))
        for reason in (collector.reasons[0], self.owner.lost[0]):
            reason.trap(SessionEnded)
            assert isinstance(reason.value, SessionEnded)
            self.assertEqual(reason.value.code, ErrorCode.SHUTDOWN)

    def test_close(self) -> None:
        """
        Our end is announced, with its code.
        """
        self.peer.session.close(ErrorCode.TRIMMED)
        self.peer.pump.flush()
        self.assertEqual(self.sent(), [(GO_AWAY, 0, 0, ErrorCode.TRIMMED)])

    def test_dataAfterClose(self) -> None:
        """
        What comes after our end is ignored.
        """
        self.peer.session.close()
        self.peer.layer.dataReceived(b"\xff" * 100)
        self.peer.pump.flush()
        self.owner.lost[0].trap(ConnectionDone)

    def test_noKeepAlive(self) -> None:
        """
        Without keep-alive no timer runs, and a silent peer is kept.
        """
        peer = RawPeer(Yamux(self.clock, keepAlive=None), self.clock)
        peer.pump.advance(1000)
        self.assertEqual(peer.owner.lost, [])
        self.assertEqual(peer.take(), b"")
        peer.session.close()
        peer.pump.flush()

    def test_firstPing(self) -> None:
        """
        A peer that has left a ping of the application unanswered until the first one is
        given the whole time to answer; with a short keep-alive the first ping is no
        later than the others.
        """
        peer = RawPeer(Yamux(self.clock, keepAlive=0.5), self.clock)
        waiting = peer.session.ping()
        peer.pump.flush()
        self.assertEqual(frames(peer.take()), [(PING, SYN, 0, 0)])
        peer.pump.advance(0.5)
        self.assertEqual(frames(peer.take()), [(PING, SYN, 0, 1)])
        peer.pump.advance(0.4)
        self.assertNoResult(waiting)
        peer.pump.advance(0.1)
        self.failureResultOf(waiting, PeerUnresponsive)

    def test_configuration(self) -> None:
        """
        A window cannot be smaller than what every stream begins with.
        """
        self.assertRaises(ConfigurationError, Yamux, self.clock, maxWindow=WINDOW - 1)
