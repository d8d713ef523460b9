# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.quic.headers}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.quic.headers import (
    connectionID,
    isInitial,
    isLong,
    runs,
    sourceID,
    version,
)

LONG = b"\xc3\0\0\0\1\x04abcd\x02xy" + bytes(20)
SHORT = b"\x40abcdefgh" + bytes(20)


class HeaderTests(SynchronousTestCase):
    """
    The readable parts of packets.
    """

    def test_long(self) -> None:
        """
        A long header has a version and two connection ids.
        """
        self.assertTrue(isLong(LONG))
        self.assertTrue(isInitial(LONG))
        self.assertFalse(isInitial(b"\xe0" + LONG[1:]))
        self.assertEqual(version(LONG), 1)
        self.assertEqual(connectionID(LONG), b"abcd")
        self.assertEqual(sourceID(LONG), b"xy")

    def test_short(self) -> None:
        """
        A short header has one of our connection ids.
        """
        self.assertFalse(isLong(SHORT))
        self.assertEqual(connectionID(SHORT), b"abcdefgh")

    def test_cutOff(self) -> None:
        """
        What is cut off is empty, and nothing is raised.
        """
        for size in range(10):
            self.assertEqual(connectionID(LONG[:size]), b"")
        for size in range(13):
            self.assertIsNone(sourceID(LONG[:size]))
        for size in range(5):
            self.assertEqual(version(LONG[:size]), -1)
        for size in range(9):
            self.assertEqual(connectionID(SHORT[:size]), b"")

    def test_runs(self) -> None:
        """
        Datagrams of several connections are told apart; those of one stay together.
        """
        one, two = b"\x40aaaaaaaa..", b"\x40bbbbbbbb.."
        size = len(one)
        data = one + one + two + one + two[:-1]
        self.assertEqual(
            list(runs(data, size)),
            [
                (b"aaaaaaaa", 0, 2 * size),
                (b"bbbbbbbb", 2 * size, 3 * size),
                (b"aaaaaaaa", 3 * size, 4 * size),
                (b"bbbbbbbb", 4 * size, 5 * size - 1),
            ],
        )

    def test_single(self) -> None:
        """
        Without a segment size, or with one of all bytes, there is one datagram.
        """
        for segment in (0, len(SHORT), 5000):
            self.assertEqual(list(runs(SHORT, segment)), [(b"abcdefgh", 0, len(SHORT))])
