# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the messages of streams.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.webrtc.messages import (
    LARGEST,
    PIECE,
    Flag,
    Message,
    MessageReader,
    encode,
)


class MessageTests(SynchronousTestCase):
    """
    Messages are encoded, and read in any pieces.
    """

    def test_known(self) -> None:
        """
        The bytes are those of the specification.
        """
        self.assertEqual(encode(b"abc"), (b"\x05\x12\x03abc",))
        self.assertEqual(encode(flag=Flag.FIN), (b"\x02\x08\x00",))
        self.assertEqual(encode(flag=Flag.RESET, code=5), (b"\x04\x08\x02\x18\x05",))

    def test_apart(self) -> None:
        """
        Up to 4096 bytes are one message of SCTP, length included; more have their
        length apart.  The largest is as large as the specification allows, with its
        length: rust-libp2p 0.57 reads no larger one.
        """
        self.assertEqual([len(each) for each in encode(bytes(4091))], [4096])
        self.assertEqual([len(each) for each in encode(bytes(4092))], [2, 4095])
        length, body = encode(bytes(PIECE))
        self.assertEqual((len(length), len(body)), (2, LARGEST - 2))

    def test_pieces(self) -> None:
        """
        Messages arrive in any pieces.
        """
        sent = [
            Message(b"a" * 300),
            Message(b"", Flag.FIN),
            Message(b"end", Flag.RESET, 70000),
            Message(bytes(PIECE)),
        ]
        data = b"".join(b"".join(encode(*each)) for each in sent)
        for size in (1, 7, 5000, len(data)):
            reader = MessageReader()
            found: list[Message] = []
            for begin in range(0, len(data), size):
                found += reader.feed(data[begin : begin + size])
            self.assertEqual(found, sent)

    def test_unknown(self) -> None:
        """
        Unknown fields and flags are skipped, and the last value of a field counts.
        """
        fields = b"\x08\x07\x12\x01a\x20\x05\x29" + bytes(8) + b"\x35" + bytes(4)
        fields += b"\x3a\x02zz\x12\x01b"
        data = bytes((len(fields),)) + fields
        self.assertEqual(list(MessageReader().feed(data)), [Message(b"b")])

    def test_broken(self) -> None:
        """
        Broken messages and those that are too long are refused; what is not complete is
        kept within the size of a message.
        """
        for data in (
            b"\x81\x80\x01",
            b"\x80\x80\x80",
            b"\xff\xff\xff\x7f",
            b"\x02\x12\x05",
            b"\x01\x12",
            b"\x02\x0b\x00",
            b"\x0b\x08" + b"\xff" * 10,
            b"\x01\x80",
            b"\x03\x31\x00\x00",
        ):
            with self.subTest(data):
                self.assertRaises(InvalidInput, list, MessageReader().feed(data))
