# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.wire.varint}.
"""

from __future__ import annotations

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.vectors import hexBytes, vectors
from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.wire import varint


class VarintTests(SynchronousTestCase):
    """
    Numbers as unsigned varints.
    """

    def test_vectors(self) -> None:
        """
        The vectors are encoded and decoded, or refused.
        """
        for name, entry in vectors("uvarint."):
            encoded = hexBytes(entry, "encoded")
            if entry["valid"]:
                self.assertEqual(varint.encode(entry["value"]), encoded, name)
                self.assertEqual(
                    varint.decode(encoded), (entry["value"], len(encoded)), name
                )
            else:
                self.assertRaises(InvalidInput, varint.decode, encoded)

    def test_incomplete(self) -> None:
        """
        A number that is cut off is awaited, at any length that is allowed.
        """
        for size in range(varint.MAX_BYTES):
            self.assertIsNone(varint.decode(b"\xff" * size))
        self.assertIsNone(varint.decode(b"\x01", 1))

    def test_tooLong(self) -> None:
        """
        Nine bytes that promise a tenth are refused before it comes.
        """
        self.assertRaises(InvalidInput, varint.decode, b"\xff" * 9)

    def test_notMinimal(self) -> None:
        """
        A zero at the end is refused at any length; the number 0 is not.
        """
        for size in range(1, varint.MAX_BYTES):
            self.assertRaises(InvalidInput, varint.decode, b"\x80" * size + b"\0")
        self.assertEqual(varint.decode(b"\0"), (0, 1))

    def test_range(self) -> None:
        """
        Numbers that are negative or have more than 63 bits have no encoding.
        """
        for value in (-1, varint.MAX_VALUE + 1):
            self.assertRaises(InvalidInput, varint.encode, value)

    def test_edges(self) -> None:
        """
        Numbers around every power of two take no more bytes than they need, and
        are awaited until the last of these is there.
        """
        for bits in range(1, 7 * varint.MAX_BYTES):
            for value in ((1 << bits) - 1, 1 << bits, (1 << bits) + 1):
                encoded = varint.encode(value)
                size = -(-value.bit_length() // 7)
                self.assertEqual(len(encoded), size)
                self.assertEqual(varint.decode(encoded + b"\0"), (value, size))
                for end in range(size):
                    self.assertIsNone(varint.decode(encoded[:end]))

    @drawn(50, st.integers(0, varint.MAX_VALUE), st.binary(max_size=3), st.binary())
    def test_roundTrip(self, value: int, before: bytes, behind: bytes) -> None:
        """
        A number is read back from between other bytes, and from any buffer.
        """
        encoded = varint.encode(value)
        data = before + encoded + behind
        expected = (value, len(before) + len(encoded))
        for buffer in (data, bytearray(data), memoryview(data)):
            self.assertEqual(varint.decode(buffer, len(before)), expected)

    @drawn(50, st.binary(max_size=12))
    def test_canonical(self, data: bytes) -> None:
        """
        Whatever is accepted is what the encoder gives.
        """
        try:
            decoded = varint.decode(data)
        except InvalidInput:
            return
        if decoded is not None:
            value, end = decoded
            self.assertEqual(varint.encode(value), data[:end])
