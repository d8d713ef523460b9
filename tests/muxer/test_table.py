# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.muxer.table}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.interfaces import Direction
from twisted_libp2p.muxer.state import CLOSE, FIN_RECEIVED, FIN_SENT, SHUT, START
from twisted_libp2p.muxer.table import LINGER, StreamTable


class Entry:
    """
    A stream that records the calls of its table.

    @ivar calls: the names of the calls.
    """

    def __init__(self, direction: Direction) -> None:
        self.key = 0
        self.state = START
        self._direction = direction
        self.calls: list[str] = []

    def abortConnection(self) -> None:
        """
        Record the call.
        """
        self.calls.append("abortConnection")

    def deliverPending(self) -> None:
        """
        Record the call.
        """
        self.calls.append("deliverPending")

    def close(self) -> None:
        """
        End both halves on the wire, without a notification of the application.
        """
        for event in (SHUT, FIN_SENT, FIN_RECEIVED):
            self.state = self.state.after[event][0]


class StreamTableTests(SynchronousTestCase):
    """
    The streams of one session.
    """

    def setUp(self) -> None:
        """
        Make a table with a stream of each direction.
        """
        self.clock = Clock()
        self.table: StreamTable[Entry] = StreamTable(self.clock, 2, 3)
        self.inbound = Entry(Direction.INBOUND)
        self.outbound = Entry(Direction.OUTBOUND)
        self.table.add(1, self.inbound)
        self.table.add(2, self.outbound)

    def tearDown(self) -> None:
        """
        Stop the table: no timer is left.
        """
        self.table.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_counts(self) -> None:
        """
        Streams are counted by their directions, and forgotten once.
        """
        self.assertEqual((self.table.inbound, self.table.outbound), (1, 1))
        self.assertTrue(self.table.remove(self.inbound))
        self.assertFalse(self.table.remove(self.inbound))
        self.assertEqual((self.table.inbound, self.table.outbound), (0, 1))
        self.assertEqual(list(self.table.streams), [self.outbound])

    def test_occupant(self) -> None:
        """
        A stream keeps its key until both its halves have ended.  If it is still unread
        then, it stays in the table under another key.
        """
        self.assertIs(self.table.occupant(1), self.inbound)
        self.assertIsNone(self.table.occupant(3))
        self.inbound.close()
        self.assertIsNone(self.table.occupant(1))
        self.assertEqual(self.inbound.calls, ["deliverPending"])
        self.assertLess(self.inbound.key, 0)
        self.table.add(1, Entry(Direction.INBOUND))
        self.assertEqual(len(self.table.streams), 3)
        self.assertTrue(self.table.remove(self.inbound))
        self.assertEqual(len(self.table.streams), 2)

    def test_linger(self) -> None:
        """
        A closed stream is reset after 30 seconds, in an iteration of its own; each
        call gives it the whole time again.
        """
        self.outbound.state = self.outbound.state.after[CLOSE][0]
        self.table.linger(self.outbound)
        self.clock.advance(LINGER - 1)
        self.table.linger(self.outbound)
        self.clock.pump([1, 0])
        self.assertEqual(self.outbound.calls, [])
        self.clock.advance(LINGER - 2)
        self.assertEqual(self.outbound.calls, [])
        self.clock.pump([1, 0])
        self.assertEqual(self.outbound.calls, ["abortConnection"])

    def test_lingerOfForgotten(self) -> None:
        """
        A forgotten stream is not reset, nor is a stream that has ended on the wire.
        """
        self.table.linger(self.outbound)
        self.table.remove(self.outbound)
        self.inbound.close()
        self.table.linger(self.inbound)
        self.clock.pump([LINGER, 0])
        self.assertEqual((self.inbound.calls, self.outbound.calls), ([], []))

    def test_stopped(self) -> None:
        """
        A table of a session that has ended resets nothing.
        """
        self.table.linger(self.outbound)
        self.table.stop()
        self.table.linger(self.inbound)
        self.assertEqual(self.clock.getDelayedCalls(), [])
