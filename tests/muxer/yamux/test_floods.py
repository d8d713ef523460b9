# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.muxer.yamux.session}: peers that send too much.
"""

from __future__ import annotations

from tests.muxer.yamux.sessions import WINDOW, SessionTestCase
from twisted_libp2p.errors import (
    ErrorCode,
    StreamReset,
)
from twisted_libp2p.muxer.session import MAX_CONTROL
from twisted_libp2p.muxer.yamux.frame import (
    ACK,
    DATA,
    PING,
    RST,
    SYN,
    WINDOW_UPDATE,
    pack,
)


class FloodTests(SessionTestCase):
    """
    Peers that send much to cause more.
    """

    def test_pings(self) -> None:
        """
        While the peer does not read, 32 answers to its pings wait; the others
        are dropped.
        """
        self.peer.pump.server.stalled = True
        self.peer.session.pauseProducing()
        for number in range(2000):
            self.peer.send(pack(PING, SYN, 0, number) * 50)
        self.assertEqual(self.owner.lost, [])
        self.assertEqual(self.peer.pump.server.waiting, 0)
        self.peer.pump.server.stalled = False
        self.peer.session.resumeProducing()
        self.peer.pump.flush()
        self.assertEqual(len(self.sent()), 32)
        self.peer.send(pack(PING, SYN, 0, 7))
        self.assertEqual(self.sent(), [(PING, ACK, 0, 7)])

    def test_rapidReset(self) -> None:
        """
        Streams that the peer opens and resets leave nothing behind, even if
        the peer reads nothing.
        """
        self.peer.session.pauseProducing()
        for number in range(2000):
            streamID = 2 * number + 1
            self.peer.send(
                pack(WINDOW_UPDATE, SYN, streamID, 0),
                pack(WINDOW_UPDATE, RST, streamID, 0),
            )
        self.assertEqual(len(self.owner.ended), 2000)
        self.assertEqual(len(self.peer.session.turns.queue), 0)
        self.assertEqual(self.sent(), [])
        self.assertEqual(self.owner.lost, [])

    def test_refusedStreams(self) -> None:
        """
        A peer that reads nothing, and opens streams that have to be refused,
        is dropped when too many answers wait for it.
        """
        self.owner.build = lambda: None
        self.peer.session.pauseProducing()
        for number in range(MAX_CONTROL):
            self.peer.send(pack(WINDOW_UPDATE, SYN, 2 * number + 1, 0))
        self.assertEqual(self.owner.lost, [])
        self.peer.send(pack(WINDOW_UPDATE, SYN, 99_999, 0))
        self.assertViolation("reads none")

    def test_manyStreams(self) -> None:
        """
        Of 10000 streams 512 are kept; each other is reset with a code, and
        its bytes are dropped.
        """
        for number in range(10_000):
            self.peer.send(pack(DATA, SYN, 2 * number + 1, 4), b"spam")
            self.assertLessEqual(len(self.peer.session.streams), 512)
        self.assertEqual(len(self.owner.opened), 512)
        refused = [frame for frame in self.sent() if frame[1] == RST]
        self.assertEqual(len(refused), 10_000 - 512)
        self.assertEqual(
            refused[0], (WINDOW_UPDATE, RST, 1025, ErrorCode.LIMIT_EXCEEDED)
        )
        self.assertEqual(self.owner.protocols[-1].data, b"spam")
        self.peer.send(pack(WINDOW_UPDATE, RST, 1, 0))
        self.owner.protocols[0].reasons[0].trap(StreamReset)
        self.peer.send(pack(WINDOW_UPDATE, SYN, 99_999, 0))
        self.assertEqual(len(self.owner.opened), 513)

    def test_windowUpdates(self) -> None:
        """
        Window updates that are worth nothing cause nothing.
        """
        self.open()
        self.peer.send(pack(WINDOW_UPDATE, 0, 1, 0) * 10_000)
        self.assertEqual(self.sent(), [])

    def test_unreadCredits(self) -> None:
        """
        While the peer reads nothing, each stream has one window update to
        send, not many.
        """
        self.open()
        self.peer.session.pauseProducing()
        self.peer.send(pack(DATA, 0, 1, WINDOW // 2), b"x" * (WINDOW // 2))
        self.peer.send(pack(DATA, 0, 1, WINDOW // 2), b"x" * (WINDOW // 2))
        self.clock.advance(10)
        self.peer.session.resumeProducing()
        self.peer.pump.flush()
        self.assertEqual(self.sent(), [(WINDOW_UPDATE, 0, 1, WINDOW)])
