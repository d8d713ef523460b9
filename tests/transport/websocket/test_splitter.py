# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.transport.websocket.splitter}.
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
    TEXT,
    frame,
    parsed,
)
from twisted_libp2p.transport.websocket.splitter import MAX_FRAME, FrameSplitter

LARGE = bytes(range(251)) * 600


def split(data: bytes, size: int) -> bytes:
    """
    Split bytes that come in pieces of a size.
    """
    splitter = FrameSplitter()
    return b"".join(
        splitter.split(data[begin : begin + size])
        for begin in range(0, len(data), size)
    )


class SplitTests(SynchronousTestCase):
    """
    What becomes of frames.
    """

    def test_small(self) -> None:
        """
        Frames of up to 64 KiB, and those of control, pass as they are.
        """
        for mask in (None, MASK):
            data = b"".join(
                frame(opcode, payload, mask=mask)
                for opcode, payload in (
                    (BINARY, b""),
                    (BINARY, b"a" * 200),
                    (PING, b"ping"),
                    (TEXT, LARGE[:MAX_FRAME]),
                    (CLOSE, b""),
                )
            )
            splitter = FrameSplitter()
            self.assertIs(splitter.split(data), data)
            for size in (1, 2, 3, 7, 1000):
                self.assertEqual(split(data, size), data)

    def test_large(self) -> None:
        """
        A large frame becomes fragments of one message, each with its part of the
        payload; the last one ends the message if the frame has ended it.
        """
        for mask in (None, MASK):
            for opcode in (BINARY, TEXT, CONT):
                for fin in (True, False):
                    data = frame(opcode, LARGE, fin=fin, mask=mask)
                    data += frame(PING, b"ping", mask=mask)
                    for size in (len(data), 4096, 1013):
                        *frames, last = parsed(split(data, size))
                        self.assertEqual(last, (PING, True, b"ping"))
                        payloads = [each[2] for each in frames]
                        self.assertEqual(b"".join(payloads), LARGE)
                        self.assertLessEqual(max(map(len, payloads)), MAX_FRAME)
                        opcodes = [each[0] for each in frames]
                        self.assertEqual(opcodes, [opcode] + [CONT] * (len(frames) - 1))
                        ends = [each[1] for each in frames]
                        self.assertEqual(ends, [False] * (len(frames) - 1) + [fin])

    def test_masked(self) -> None:
        """
        Bytes that come one by one wait until the mask begins again.
        """
        data = frame(BINARY, LARGE, mask=MASK)
        splitter = FrameSplitter()
        sent = splitter.split(data[:14])
        self.assertEqual(sent, b"")
        for byte in data[14:17]:
            self.assertEqual(splitter.split(bytes((byte,))), b"")
        self.assertEqual(
            parsed(splitter.split(data[17:18])), [(BINARY, False, LARGE[:4])]
        )

    def test_wrong(self) -> None:
        """
        Frames that the library refuses are not cut: those with reserved bits, with an
        unknown opcode, of control, or of an impossible size.
        """
        for data in (
            frame(BINARY, LARGE, reserved=4),
            frame(3, LARGE),
            frame(PING, LARGE),
            frame(BINARY, b"a", size=b"\x7f" + b"\xff" * 8),
        ):
            self.assertEqual(FrameSplitter().split(data), data)

    @drawn(
        100,
        lists(
            tuples(sampled_from((BINARY, CONT, PING)), integers(0, MAX_FRAME + 10)),
            max_size=4,
        ),
        integers(1, 100_000),
        binary(min_size=4, max_size=4),
    )
    def test_anything(
        self, frames: list[tuple[int, int]], size: int, mask: bytes
    ) -> None:
        """
        Whatever is cut however, the payloads stay the same.
        """
        data = b"".join(
            frame(opcode, LARGE[: 100 if opcode == PING else length], mask=mask)
            for opcode, length in frames
        )
        before = b"".join(each[2] for each in parsed(data))
        after = parsed(split(data, max(size, 500)))
        self.assertEqual(b"".join(each[2] for each in after), before)
        self.assertEqual(
            sum(each[1] for each in after), sum(each[1] for each in parsed(data))
        )
