# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.messages}.
"""

from __future__ import annotations

from struct import Struct

from twisted.trial.unittest import SynchronousTestCase

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
        self.assertEqual(buffer.length, 3)
        self.assertEqual(buffer.take(), b"one")
        self.assertEqual(buffer.take(), b"")
        self.assertEqual(buffer.take(), b"three")
        self.assertIsNone(buffer.take())
        self.assertEqual(buffer.rest(), b"\0")

    def test_byteByByte(self) -> None:
        """
        The length is known before the message is there.
        """
        buffer = MessageBuffer(Struct(">I"))
        for byte in b"\0\0\0":
            buffer.feed(bytes([byte]))
            self.assertIsNone(buffer.length)
            self.assertIsNone(buffer.take())
        buffer.feed(b"\2")
        self.assertEqual(buffer.length, 2)
        buffer.feed(b"h")
        self.assertIsNone(buffer.take())
        buffer.feed(b"i")
        self.assertEqual(buffer.take(), b"hi")
        self.assertEqual(buffer.rest(), b"")
