# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.wire.frames}.
"""

from __future__ import annotations

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.vectors import hexBytes, vector, vectors
from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.wire import FrameBuffer, delimit


class FrameBufferTests(SynchronousTestCase):
    """
    Messages behind their length.
    """

    def test_vectors(self) -> None:
        """
        The messages of multistream-select and plaintext are framed in this way.
        """
        for name, entry in vectors("multistream."):
            if "text" in entry:
                message = entry["text"].encode() + b"\n"
                self.assertEqual(delimit(message), hexBytes(entry, "wire"), name)
        wire = hexBytes(vector("plaintext.exchange"), "wire")
        frames = FrameBuffer(100)
        frames.feed(wire)
        self.assertEqual([delimit(message) for message in frames], [wire])

    @drawn(50, st.lists(st.binary(max_size=300), max_size=5), st.data())
    def test_split(self, messages: list[bytes], data: st.DataObject) -> None:
        """
        The messages come out whole however the bytes are cut.
        """
        wire = b"".join(map(delimit, messages))
        cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
        frames = FrameBuffer(300)
        received: list[bytes] = []
        for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
            frames.feed(memoryview(wire)[start:end])
            received.extend(frames)
        self.assertEqual(received, messages)
        self.assertEqual(frames.trailingData, b"")

    def test_byteByByte(self) -> None:
        """
        A message comes with its last byte, not before.
        """
        frames = FrameBuffer(200)
        *head, last = delimit(b"x" * 200)
        for byte in head:
            frames.feed(bytes((byte,)))
            self.assertEqual(list(frames), [])
        frames.feed(bytes((last,)))
        self.assertEqual(list(frames), [b"x" * 200])

    def test_limit(self) -> None:
        """
        A message may be as large as the limit; the length of a larger one is
        refused before its first byte is here.
        """
        frames = FrameBuffer(128)
        frames.feed(delimit(bytes(128)))
        self.assertEqual(list(frames), [bytes(128)])
        frames.feed(b"\x81")
        self.assertEqual(list(frames), [])
        frames.feed(b"\x01")
        self.assertRaises(InvalidInput, next, frames)

    def test_malformedLength(self) -> None:
        """
        A length that is no canonical varint is refused.
        """
        for prefix in (b"\x81\x00", b"\xff" * 9):
            frames = FrameBuffer(128)
            frames.feed(prefix)
            self.assertRaises(InvalidInput, next, frames)

    def test_trailingData(self) -> None:
        """
        Who stops at a message gets what came behind it, and may go on.
        """
        frames = FrameBuffer(10)
        frames.feed(delimit(b"last") + b"\x04next")
        self.assertEqual(next(frames), b"last")
        self.assertEqual(frames.trailingData, b"\x04next")
        frames.feed(b"\x05")
        self.assertEqual(list(frames), [b"next"])
        self.assertEqual(frames.trailingData, b"\x05")

    def test_memory(self) -> None:
        """
        What was taken out is forgotten.
        """
        frames = FrameBuffer(1000)
        for _ in range(100):
            frames.feed(delimit(bytes(1000)))
            self.assertEqual(len(list(frames)), 1)
        frames.feed(b"\0")
        self.assertEqual(len(frames._data), 1)
