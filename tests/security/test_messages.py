# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.messages}.
"""

from __future__ import annotations

from struct import Struct

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.security.messages import MessageBuffer


class MessageBufferTests(SynchronousTestCase):
    """
    Bytes become messages, however they are cut.
    """

    def test_messages(self) -> None:
        """
        Messages are taken out one by one; the bytes after the last stay.
        """
        buffer = MessageBuffer(Struct(">H"))
        buffer.feed(b"\0\3one\0\0\0\5three\0")
        self.assertEqual(buffer.take(3, 3), b"one")
        self.assertEqual(buffer.take(0, 9), b"")
        self.assertEqual(buffer.take(0, 9), b"three")
        self.assertIsNone(buffer.take(0, 9))
        self.assertEqual(buffer.rest(), b"\0")

    def test_byteByByte(self) -> None:
        """
        A message is complete with its last byte.
        """
        buffer = MessageBuffer(Struct(">I"))
        for byte in b"\0\0\0":
            buffer.feed(bytes([byte]))
            self.assertIsNone(buffer.take(2, 2))
        buffer.feed(b"\2")
        self.assertIsNone(buffer.take(2, 2))
        buffer.feed(b"h")
        self.assertIsNone(buffer.take(2, 2))
        buffer.feed(b"i")
        self.assertEqual(buffer.take(2, 2), b"hi")
        self.assertEqual(buffer.rest(), b"")

    def test_sizes(self) -> None:
        """
        A message of a wrong size is refused before its bytes are there.
        """
        for size in (b"\0\2", b"\0\6"):
            buffer = MessageBuffer(Struct(">H"))
            buffer.feed(size)
            error = self.assertRaises(InvalidInput, buffer.take, 3, 5)
            self.assertEqual(str(error), f"it has {size[1]} bytes")
