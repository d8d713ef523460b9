# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.transport.websocket.frames}.
"""

from __future__ import annotations

from hypothesis.strategies import binary, integers, lists, sampled_from, tuples
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.transport.websocket.frames import (
    BINARY,
    CLOSE,
    CONT,
    MASK,
    PING,
    PONG,
    TEXT,
    frame,
    parsed,
)
from twisted_libp2p.transport.websocket.frames import (
    MAX_CONTROL,
    FrameReader,
    packed,
)

LARGE = bytes(range(251)) * 600


class PackedTests(SynchronousTestCase):
    """
    Written frames.
    """

    def test_sizes(self) -> None:
        """
        A frame is a whole binary message, with the shortest form of its size.
        """
        for size in (0, 1, 125, 126, 65535, 65536):
            data = LARGE[:size]
            self.assertEqual(packed(data, False), frame(BINARY, data))
            self.assertEqual(packed(memoryview(data), False), frame(BINARY, data))
            self.assertEqual(parsed(packed(data, True)), [(BINARY, True, data)])

    def test_masks(self) -> None:
        """
        Each frame of a client has a mask of its own.
        """
        self.assertEqual(len({packed(b"data", True)[2:6] for _ in range(20)}), 20)


class ReaderTests(SynchronousTestCase):
    """
    Received frames, with a mask and without one.
    """

    def read(self, data: bytes, masked: bool, size: int) -> tuple[bytes, FrameReader]:
        """
        Read bytes that come in pieces of a size.
        """
        reader = FrameReader(masked)
        found: list[bytes] = []
        for begin in range(0, len(data), size):
            found += reader.read(data[begin : begin + size])
        return b"".join(found), reader

    def test_payloads(self) -> None:
        """
        The payloads of messages, whole or in fragments, are returned, and frames of
        control are collected.
        """
        for mask in (None, MASK):
            control = [
                frame(opcode, payload, mask=mask)
                for opcode, payload in ((PING, b"ping"), (PONG, b""), (CLOSE, b""))
            ]
            data = b"".join(
                (
                    frame(BINARY, LARGE, mask=mask),
                    frame(BINARY, LARGE[:200], fin=False, mask=mask),
                    control[0],
                    frame(CONT, b"more", mask=mask),
                    frame(BINARY, b"", mask=mask),
                    control[1],
                    # A message may end with the connection.
                    frame(BINARY, b" and more", fin=False, mask=mask),
                    control[2],
                    frame(BINARY, b"after the close", mask=mask),
                )
            )
            for size in (1, 2, 3, 7, 1000, len(data)):
                found, reader = self.read(data, mask is not None, size)
                self.assertEqual(found, LARGE + LARGE[:200] + b"more and more")
                self.assertEqual(reader.control, control)
                self.assertEqual(reader.empty, 1)
                self.assertIsNone(reader.violation)

    def test_atOnce(self) -> None:
        """
        What has come of a frame is returned before the rest comes.
        """
        for mask in (None, MASK):
            data = frame(BINARY, LARGE, mask=mask)
            begin = len(data) - len(LARGE)
            reader = FrameReader(mask is not None)
            self.assertEqual(reader.read(data[:begin]), [])
            for place in range(9):
                byte = data[begin + place : begin + place + 1]
                self.assertEqual(reader.read(byte), [LARGE[place : place + 1]])
            self.assertEqual(reader.read(data[begin + 9 :]), [LARGE[9:]])

    def test_notCopied(self) -> None:
        """
        A piece that holds data alone, without a mask, is returned itself.
        """
        reader = FrameReader(False)
        reader.read(frame(BINARY, LARGE)[:1000])
        piece = LARGE[990:2000]
        (found,) = reader.read(piece)
        self.assertIs(found, piece)

    def test_violations(self) -> None:
        """
        What breaks the protocol is reported, with the code to answer; nothing more is
        read.
        """
        impossible = b"\xff" + b"\xff" * 8
        begin = frame(BINARY, b"begin", fin=False, mask=MASK)
        for data, status, text in (
            (frame(BINARY, b"a", reserved=4, mask=MASK), 1002, "reserved"),
            (frame(3, b"a", mask=MASK), 1002, "opcode"),
            (frame(11, b"a", mask=MASK), 1002, "opcode"),
            (frame(BINARY, b"a"), 1002, "masking"),
            (frame(PING, bytes(MAX_CONTROL + 1), mask=MASK), 1002, "too long"),
            (frame(PING, b"a", fin=False, mask=MASK), 1002, "fragmented control"),
            (frame(CONT, b"a", mask=MASK), 1002, "unexpected continuation"),
            (begin + frame(BINARY, b"a", mask=MASK), 1002, "expected a cont"),
            (frame(BINARY, b"a", size=impossible, mask=MASK), 1009, "size"),
            (frame(TEXT, b"a", mask=MASK), 1003, "text"),
        ):
            for size in (1, 1000):
                found, reader = self.read(
                    data + frame(BINARY, b"more", mask=MASK), True, size
                )
                violation = reader.violation
                assert violation is not None, text
                self.assertEqual(violation.code, status)
                self.assertIn(text, violation.text)
                self.assertEqual(found, b"begin" if data.startswith(begin) else b"")
                self.assertEqual(reader.read(frame(BINARY, b"x", mask=MASK)), [])

    @drawn(
        100,
        lists(tuples(sampled_from((BINARY, PING)), integers(0, 70_000)), max_size=4),
        integers(500, 100_000),
        binary(min_size=4, max_size=4),
    )
    def test_anything(
        self, frames: list[tuple[int, int]], size: int, mask: bytes
    ) -> None:
        """
        However frames come, their payloads are the same.
        """
        pairs = [
            (opcode, LARGE[: min(length, MAX_CONTROL) if opcode == PING else length])
            for opcode, length in frames
        ]
        data = b"".join(frame(opcode, payload, mask=mask) for opcode, payload in pairs)
        found, reader = self.read(data, True, size)
        self.assertEqual(
            found, b"".join(payload for opcode, payload in pairs if opcode == BINARY)
        )
        self.assertEqual(
            parsed(b"".join(reader.control)),
            [(PING, True, payload) for opcode, payload in pairs if opcode == PING],
        )
