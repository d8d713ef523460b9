# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.quic.aioquic.halves}: the tables of both halves of a stream.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.quic.aioquic.halves import (
    READING,
    WRITING,
    Reading,
    Writing,
    readingAfter,
    writingAfter,
)


class HalvesTests(SynchronousTestCase):
    """
    Both tables.
    """

    def test_forward(self) -> None:
        """
        A half never comes back from its end, and an unwanted one stays so.
        """
        for event in {each for _, each in READING}:
            self.assertIs(readingAfter(Reading.OVER, event), Reading.OVER)
        for event in {each for _, each in WRITING}:
            self.assertIs(writingAfter(Writing.UNWANTED, event), Writing.UNWANTED)

    def test_reached(self) -> None:
        """
        Each state is reached.
        """
        self.assertEqual({Reading.QUIET, *READING.values()}, set(Reading))
        self.assertEqual({Writing.OPEN, *WRITING.values()}, set(Writing))

    def test_stopped(self) -> None:
        """
        After a stop no bytes are reported, and the end of the peer's half is enough.
        """
        stopped = readingAfter(Reading.REPORTED, "stop")
        self.assertIs(stopped, Reading.STOPPED)
        self.assertIs(readingAfter(stopped, "report"), Reading.STOPPED)
        self.assertIs(readingAfter(stopped, "end comes"), Reading.OVER)
