# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the bounds of SCTP, in the native part.
"""

from __future__ import annotations

import struct
from unittest import skipUnless

from twisted.trial.unittest import SynchronousTestCase

from tests.attacks.raw.sctp import Chunk, Piece, SctpPeer, chunk
from twisted_libp2p.identity import Identity
from twisted_libp2p.quic.webtransport.certificate import CertificateWindow
from twisted_libp2p.testing.quic.pair import MOMENT
from twisted_libp2p.webrtc.native import RtcCause, RtcEvent, connections, installed

#: The channel of the peer.
ID = 2

#: The most pieces of messages that are not read, and the most after a gap.
PIECES, AHEAD = 8192, 4096

#: The most closed channels of which the peer has not acknowledged the last messages.
ENDING = 2048

#: The pieces of a byte in one packet.
_TINY = 50


@skipUnless(installed(), "twisted-libp2p-native is not installed")
class PiecesTests(SynchronousTestCase):
    """
    The pieces of a peer cost little, however they come.
    """

    def setUp(self) -> None:
        certificate = CertificateWindow(Identity.generate(), lambda: MOMENT).present()
        self.now = 1.0
        self.machine = connections(certificate).make(self.now, False)
        self.events: list[tuple[object, ...]] = []
        self.peer = SctpPeer()
        for _ in range(10):
            self.carry()
        self.assertTrue(self.peer.ready)
        self.peer.open(ID)
        self.carry()
        self.assertIn((RtcEvent.OPENED, ID), self.take())

    def carry(self) -> None:
        """
        Carry datagrams in both directions.
        """
        out, self.peer.out = self.peer.out, []
        for each in out:
            self.machine.receive(self.now, each)
        self.now += 0.01
        sent, events, _, _ = self.machine.poll(self.now)
        self.events += events
        for each in sent:
            self.peer.receive(each)

    def take(self) -> list[tuple[object, ...]]:
        """
        Return and forget the events.
        """
        found, self.events = self.events, []
        return found

    def readable(self) -> int:
        """
        Count the messages that have come.
        """
        return self.take().count((RtcEvent.READABLE, ID))

    def test_tiny(self) -> None:
        """
        A message of very many pieces, which never ends, ends the connection, and the
        peer is notified.
        """
        for begin in range(0, PIECES + 2 * _TINY, _TINY):
            parts = [Piece.MIDDLE] * _TINY
            if not begin:
                parts[0] = Piece.FIRST
            self.peer.send(*[self.peer.next(ID, 1, b"x", each) for each in parts])
            self.carry()
        (lost,) = self.take()
        self.assertEqual(lost[:2], (RtcEvent.LOST, RtcCause.BROKEN))
        self.assertIn("pieces of messages", str(lost[2]))
        self.assertTrue(self.peer.ended)

    def test_read(self) -> None:
        """
        Pieces that were read count no longer.
        """
        for order in range(1, PIECES // _TINY * 2):
            parts = [Piece.FIRST, *[Piece.MIDDLE] * (_TINY - 2), Piece.LAST]
            self.peer.send(*[self.peer.next(ID, order, b"x", each) for each in parts])
            self.carry()
            self.assertEqual(self.machine.read(ID, 1), (b"x" * _TINY, False))
        self.assertEqual(self.readable(), PIECES // _TINY * 2 - 1)

    def test_repeated(self) -> None:
        """
        Pieces that come again count once.
        """
        again = [self.peer.next(ID, 1, b"x", Piece.FIRST) for _ in range(_TINY)]
        for _ in range(2 * PIECES // _TINY):
            self.peer.send(*again)
            self.carry()
        self.assertEqual(self.take(), [])

    def test_gap(self) -> None:
        """
        Few messages are taken after a gap, although all of them are read; when the gap
        is filled, the others can come again.
        """
        missing = self.peer.next(4, 1, b"missing")
        first = self.peer.number
        for order in range(1, AHEAD + 1000):
            self.peer.send(self.peer.next(ID, order, b"x"))
            if not order % _TINY:
                self.carry()
                self.machine.read(ID, 1 << 20)
        self.carry()
        self.assertEqual(self.readable(), AHEAD - 1)
        self.peer.send(missing)
        for _ in range(3):
            self.now += 0.5
            self.carry()
        self.assertEqual(self.peer.acknowledged, first + AHEAD - 2)
        self.peer.number = self.peer.acknowledged + 1
        self.peer.send(self.peer.next(ID, AHEAD, b"again"))
        self.carry()
        self.assertEqual(self.readable(), 1)

    def test_stuffed(self) -> None:
        """
        A packet that is much larger than its data is dropped, as it would be kept with
        the data.
        """
        data = self.peer.next(ID, 1, b"x")
        for size, count in ((8000, 0), (100, 1)):
            beat = struct.pack("!HH", 1, size) + bytes(size - 4)
            self.peer.send(data, chunk(Chunk.HEARTBEAT, beat))
            self.carry()
            self.assertEqual(self.readable(), count)

    def test_reopened(self) -> None:
        """
        A peer that opens and closes channels for ever, and acknowledges none of our
        messages in them, is refused.
        """
        opened = 0
        for first in range(ID + 2, 65536 - 2 * _TINY, 2 * _TINY):
            channels = range(first, first + 2 * _TINY, 2)
            for each in channels:
                self.peer.open(each)
            self.peer.reset(*channels)
            self.carry()
            found = self.take()
            opened += sum(each[0] == RtcEvent.OPENED for each in found)
            if found[-1][0] == RtcEvent.LOST:
                break
        self.assertEqual(found[-1][:2], (RtcEvent.LOST, RtcCause.BROKEN))
        self.assertIn("closed channels", str(found[-1][2]))
        self.assertLessEqual(opened, ENDING + _TINY)
        self.assertTrue(self.peer.ended)
