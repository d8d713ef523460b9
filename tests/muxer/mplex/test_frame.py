# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.muxer.mplex.frame}.
"""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.vectors import hexBytes, vectors
from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.muxer.mplex.frame import MAX_MESSAGE, Flag, FrameReader, pack


class Recorder:
    """
    Notes headers, and all bodies as one.
    """

    def __init__(self) -> None:
        self.headers: list[tuple[int, int, int]] = []
        self.body = b""

    def headerReceived(self, flag: int, streamID: int, size: int) -> None:
        """
        Note it.
        """
        self.headers.append((flag, streamID, size))

    def bodyReceived(self, data: bytes) -> None:
        """
        Note it.
        """
        assert data
        self.body += data


class PackTests(SynchronousTestCase):
    """
    Frames on the wire.
    """

    def test_vectors(self) -> None:
        """
        Each vector is packed, and read, as it says.
        """
        checked = dict(vectors("mplex."))
        self.assertEqual(len(checked), 9)
        for name, vector in checked.items():
            flag, streamID = vector["flag"], vector["stream_id"]
            body = hexBytes(vector, "body")
            wire = hexBytes(vector, "wire")
            self.assertEqual(pack(flag, streamID, len(body)) + body, wire, name)
            recorder = Recorder()
            FrameReader(recorder).feed(wire)
            self.assertEqual(recorder.headers, [(flag, streamID, len(body))], name)
            self.assertEqual(recorder.body, body, name)


class FrameReaderTests(SynchronousTestCase):
    """
    Cutting what is received.
    """

    wire = b"".join(
        (
            pack(Flag.NEW_STREAM, 300, 4) + b"name",
            pack(Flag.MESSAGE_INITIATOR, 300, 150) + b"x" * 150,
            pack(Flag.MESSAGE_INITIATOR, 300, 0),
            pack(Flag.CLOSE_INITIATOR, (1 << 60) - 1, 0),
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
            [(0, 300, 4), (2, 300, 150), (2, 300, 0), (4, (1 << 60) - 1, 0)],
        )
        self.assertEqual(recorder.body, b"name" + b"x" * 150)

    def test_everyByte(self) -> None:
        """
        Frames may come at once, or byte by byte.
        """
        self.check([self.wire])
        self.check([self.wire[i : i + 1] for i in range(len(self.wire))])

    @drawn(50, st.lists(st.integers(0, 175), max_size=8))
    def test_anyCut(self, cuts: list[int]) -> None:
        """
        Frames may be cut anywhere.
        """
        edges = [0, *sorted(cuts), len(self.wire)]
        self.check([self.wire[a:b] for a, b in pairwise(edges)])

    def test_sizeLimit(self) -> None:
        """
        A message of 1 MiB is taken; one more byte is refused before it comes.
        """
        recorder = Recorder()
        FrameReader(recorder).feed(pack(Flag.MESSAGE_INITIATOR, 1, MAX_MESSAGE))
        self.assertEqual(recorder.headers, [(2, 1, 1024 * 1024)])
        reader = FrameReader(Recorder())
        with self.assertRaises(ProtocolViolation) as caught:
            reader.feed(pack(Flag.MESSAGE_INITIATOR, 1, MAX_MESSAGE + 1))
        self.assertEqual(caught.exception.layer, "/mplex/6.7.0")

    def test_varints(self) -> None:
        """
        Varints that are too long, or longer than need be, are refused.
        """
        for wire in (b"\xff" * 9, b"\x80\x00", b"\x02\x80\x00", b"\x02" + b"\xff" * 9):
            with self.assertRaises(ProtocolViolation, msg=repr(wire)):
                FrameReader(Recorder()).feed(wire)

    def test_stop(self) -> None:
        """
        A handler that has enough gets no more, even of the same read.
        """

        class Satisfied(Recorder):
            def headerReceived(self, flag: int, streamID: int, size: int) -> None:
                super().headerReceived(flag, streamID, size)
                reader.stop()

        recorder = Satisfied()
        reader = FrameReader(recorder)
        reader.feed(self.wire)
        reader.feed(self.wire)
        self.assertEqual((len(recorder.headers), recorder.body), (1, b""))

    @drawn(50, st.binary(max_size=200))
    def test_garbage(self, data: bytes) -> None:
        """
        Nothing but a violation ever comes of garbage.
        """
        try:
            FrameReader(Recorder()).feed(data)
        except ProtocolViolation as violation:
            self.assertEqual(violation.layer, "/mplex/6.7.0")
