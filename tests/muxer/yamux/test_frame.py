# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.muxer.yamux.frame}.
"""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.vectors import hexBytes, vectors
from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.muxer.yamux.frame import (
    DATA,
    FIN,
    PING,
    SYN,
    WINDOW_UPDATE,
    FrameReader,
    pack,
)


class Recorder:
    """
    Notes headers and whole bodies.
    """

    def __init__(self) -> None:
        self.headers: list[tuple[int, int, int, int]] = []
        self.bodies: list[bytes] = []
        self._body = b""
        self.largest = 0

    def headerReceived(self, kind: int, flags: int, streamID: int, length: int) -> None:
        """
        Note it.
        """
        self.headers.append((kind, flags, streamID, length))

    def bodyReceived(self, data: bytes, last: bool) -> None:
        """
        Note it, when it is whole.
        """
        assert data
        self._body += data
        self.largest = max(self.largest, len(data))
        if last:
            self.bodies.append(self._body)
            self._body = b""


class PackTests(SynchronousTestCase):
    """
    Headers on the wire.
    """

    def test_vectors(self) -> None:
        """
        Each vector is packed, and read, as it says.
        """
        checked = dict(vectors("yamux."))
        self.assertEqual(len(checked), 12)
        for name, vector in checked.items():
            fields = tuple(
                vector[field] for field in ("type", "flags", "stream_id", "length")
            )
            wire = hexBytes(vector, "wire")
            self.assertEqual(pack(*fields), wire, name)
            recorder = Recorder()
            FrameReader(recorder).feed(wire)
            self.assertEqual(recorder.headers, [fields], name)


class FrameReaderTests(SynchronousTestCase):
    """
    Cutting what is received.
    """

    wire = b"".join(
        (
            pack(WINDOW_UPDATE, SYN, 1, 0),
            pack(DATA, 0, 1, 5),
            b"hello",
            pack(DATA, FIN, 1, 0),
            pack(DATA, SYN, 3, 30),
            b"x" * 30,
            pack(PING, SYN, 0, 7),
        )
    )

    def check(self, pieces: list[bytes]) -> None:
        """
        Feed pieces, and look at the result.
        """
        recorder = Recorder()
        reader = FrameReader(recorder)
        for piece in pieces:
            reader.feed(piece)
        self.assertEqual(
            recorder.headers,
            [(1, 1, 1, 0), (0, 0, 1, 5), (0, 4, 1, 0), (0, 1, 3, 30), (2, 1, 0, 7)],
        )
        self.assertEqual(recorder.bodies, [b"hello", b"x" * 30])

    def test_whole(self) -> None:
        """
        Frames that come together are told apart.
        """
        self.check([self.wire])

    def test_everyByte(self) -> None:
        """
        Frames may come byte by byte.
        """
        self.check([self.wire[i : i + 1] for i in range(len(self.wire))])

    @drawn(50, st.lists(st.integers(0, 83), max_size=8))
    def test_anyCut(self, cuts: list[int]) -> None:
        """
        Frames may be cut anywhere.
        """
        edges = [0, *sorted(cuts), len(self.wire)]
        self.check([self.wire[a:b] for a, b in pairwise(edges)])

    def test_partialBodies(self) -> None:
        """
        A body is handed on as it comes.
        """
        recorder = Recorder()
        reader = FrameReader(recorder)
        reader.feed(pack(DATA, 0, 1, 0xFFFFFFFF) + b"x" * 10)
        reader.feed(b"y" * 20)
        self.assertEqual(recorder.largest, 20)
        self.assertEqual(recorder.bodies, [])

    def test_violations(self) -> None:
        """
        Headers that no yamux sends are refused.
        """
        for name, wire in {
            "version": b"\x01" + bytes(11),
            "type": pack(4, 0, 0, 0),
            "flags": pack(DATA, 16, 1, 0),
            "stream 0": pack(DATA, 0, 0, 0),
            "window of stream 0": pack(WINDOW_UPDATE, SYN, 0, 0),
            "ping with a stream": pack(PING, SYN, 1, 0),
            "go-away with a stream": pack(3, 0, 1, 0),
        }.items():
            reader = FrameReader(Recorder())
            with self.assertRaises(ProtocolViolation, msg=name):
                reader.feed(wire)

    def test_stop(self) -> None:
        """
        A handler that has enough gets no more, even of the same read.
        """

        class Satisfied(Recorder):
            def headerReceived(
                self, kind: int, flags: int, streamID: int, length: int
            ) -> None:
                super().headerReceived(kind, flags, streamID, length)
                reader.stop()

        recorder = Satisfied()
        reader = FrameReader(recorder)
        reader.feed(self.wire)
        reader.feed(self.wire)
        self.assertEqual(len(recorder.headers), 1)

    @drawn(50, st.binary(max_size=200))
    def test_garbage(self, data: bytes) -> None:
        """
        Nothing but a violation ever comes of garbage.
        """
        try:
            FrameReader(Recorder()).feed(data)
        except ProtocolViolation as violation:
            self.assertEqual(violation.layer, "/yamux/1.0.0")
