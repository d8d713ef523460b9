# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for the parts of HTTP/3, byte by byte.
"""

from __future__ import annotations

import contextlib

from hypothesis import strategies as st
from pylsqpack import Encoder
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.quic.webtransport.http3 import (
    NOT_FOUND,
    OK,
    PATH,
    SETTINGS,
    TypedParts,
    acceptable,
    decode,
    encode,
    readHead,
    sizeOf,
)

HEAD = {b":method": b"CONNECT", b":protocol": b"webtransport", b":path": PATH}


class NumberTests(SynchronousTestCase):
    """
    Tests for numbers of QUIC.
    """

    def test_published(self) -> None:
        """
        The examples of RFC 9000, A.1, are read; ours are as short as can be.
        """
        for text, value in (
            ("c2197c5eff14e88c", 151288809941952652),
            ("9d7f3e7d", 494878333),
            ("7bbd", 15293),
            ("25", 37),
            ("4025", 37),
        ):
            data = bytes.fromhex(text)
            self.assertEqual(decode(data), (value, len(data)))
            self.assertIsNone(decode(data[:-1]))
        self.assertEqual(encode(37), b"\x25")

    @drawn(100, value=st.integers(0, (1 << 62) - 1))
    def test_back(self, value: int) -> None:
        """
        Each number comes back.
        """
        data = encode(value)
        self.assertEqual(decode(b"x" + data + b"y", 1), (value, 1 + len(data)))
        self.assertEqual(sizeOf(data[0]), len(data))


class PartsTests(SynchronousTestCase):
    """
    Tests for frames and capsules.
    """

    def test_pieces(self) -> None:
        """
        Parts are found in whatever pieces they come, and others are skipped.
        """
        data = (
            encode(0x21) + encode(300) + bytes(300)
            + b"\x01\x03abc"
            + encode(0x2843) + b"\x00"
            + b"\x01\x00"
        )  # fmt: skip
        for size in (1, 2, 7, 299, len(data)):
            parts = TypedParts({1: 3, 0x2843: 0})
            found: list[tuple[int, bytes]] = []
            for begin in range(0, len(data), size):
                found += parts.split(data[begin : begin + size])
            self.assertEqual(found, [(1, b"abc"), (0x2843, b""), (1, b"")])

    def test_tooLong(self) -> None:
        """
        A part of a wanted type with too many bytes is refused by its head.
        """
        with self.assertRaises(InvalidInput):
            list(TypedParts({1: 3}).split(b"\x01\x04"))

    def test_skipped(self) -> None:
        """
        Nothing is kept of a part that nobody wants, however long it is.
        """
        parts = TypedParts({1: 3})
        list(parts.split(encode(0x21) + encode(1 << 61)))
        for _ in range(10):
            list(parts.split(bytes(100_000)))
        self.assertEqual(len(parts._buffer), 0)

    def test_settings(self) -> None:
        """
        Our settings are one frame, of numbers.
        """
        ((kind, body),) = TypedParts({4: 100}).split(SETTINGS)
        values = {}
        offset = 0
        while offset < len(body):
            key, offset = decode(body, offset) or (0, 0)
            values[key], offset = decode(body, offset) or (0, 0)
        self.assertEqual(kind, 4)
        self.assertEqual(set(values.values()), {1})
        self.assertTrue({0x08, 0x33, 0x2B603742, 0x2C7CF000} <= values.keys())


class HeadTests(SynchronousTestCase):
    """
    Tests for heads.
    """

    def test_answers(self) -> None:
        """
        Our answers are what others read.
        """
        for frame, status in ((OK, b"200"), (NOT_FOUND, b"404")):
            ((_, body),) = TypedParts({1: 100}).split(frame)
            self.assertEqual(readHead(body), {b":status": status})

    def test_request(self) -> None:
        """
        A request is read, and accepted if it is for libp2p.
        """
        _, body = Encoder().encode(0, list(HEAD.items()))
        self.assertTrue(acceptable(readHead(body)))
        self.assertTrue(acceptable({**HEAD, b":protocol": b"webtransport-h3"}))
        for name, value in (
            (b":method", b"GET"),
            (b":protocol", b"websocket"),
            (b":path", b"/"),
        ):
            self.assertFalse(acceptable({**HEAD, name: value}))
            self.assertFalse(
                acceptable({key: kept for key, kept in HEAD.items() if key != name})
            )

    @drawn(100, body=st.binary(max_size=60))
    def test_garbage(self, body: bytes) -> None:
        """
        Whatever comes is read or refused.
        """
        with contextlib.suppress(InvalidInput):
            readHead(body)

    def test_dynamic(self) -> None:
        """
        A head that needs a dynamic table is refused: we grant none.
        """
        with self.assertRaises(InvalidInput):
            readHead(b"\x02\x00\x80")
