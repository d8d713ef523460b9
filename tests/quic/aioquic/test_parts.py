# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.quic.aioquic.parts}.
"""

from __future__ import annotations

import tracemalloc
from random import Random

from aioquic.quic.connection import QuicConnectionError
from aioquic.quic.packet import QuicStreamFrame
from aioquic.quic.stream import FinalSizeError, QuicStreamReceiver
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import explained, seeds
from twisted_libp2p.quic.aioquic.parts import MAX_PARTS, Parts, SparseReceiver

_SIZE = 300


def _outcome(
    receiver: QuicStreamReceiver, frame: tuple[int, bytes, bool]
) -> tuple[object, ...]:
    """
    Return what comes of one frame.
    """
    start, data, fin = frame
    try:
        event = receiver.handle_frame(QuicStreamFrame(data=data, offset=start, fin=fin))
    except FinalSizeError:
        return ("refused",)
    found = None if event is None else (event.data, event.end_stream)
    return (
        found,
        receiver.highest_offset,
        receiver.is_finished,
        receiver.starting_offset(),
    )


class ReceiverTests(SynchronousTestCase):
    """
    The peer's half of a stream.
    """

    def test_model(self) -> None:
        """
        It gives the bytes, the ends and the errors of aioquic's own class, in whatever
        order frames come, and however they overlap.
        """
        for seed in seeds(60):
            random = Random(seed)
            stream = random.randbytes(_SIZE)
            ours, model = SparseReceiver(0, True), QuicStreamReceiver(0, True)
            with explained(f"seed {seed}".format):
                for _ in range(150):
                    start = random.randrange(_SIZE)
                    data = stream[start : start + random.choice((0, 1, 2, 9, 40))]
                    fin = start + len(data) == _SIZE or random.random() < 0.005
                    frame = (start, data, fin)
                    self.assertEqual(_outcome(ours, frame), _outcome(model, frame))

    def test_reset(self) -> None:
        """
        A reset drops the bytes that nobody can read any longer.
        """
        receiver = SparseReceiver(4, True)
        receiver.handle_frame(QuicStreamFrame(data=b"late", offset=9))
        event = receiver.handle_reset(final_size=13, error_code=7)
        assert event is not None
        self.assertEqual((event.error_code, len(receiver._parts)), (7, 0))

    def test_memory(self) -> None:
        """
        A byte at the end of a window does not take the window.
        """
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        receivers = [SparseReceiver(0, True) for _ in range(15)]
        for each in receivers:
            each.handle_frame(QuicStreamFrame(data=b"x", offset=(1 << 20) - 1))
        self.assertLess(tracemalloc.get_traced_memory()[1], 1 << 20)


class PartsTests(SynchronousTestCase):
    """
    The parts of a stream.
    """

    def test_bound(self) -> None:
        """
        There is a most of them; bytes that follow others are no further one.
        """
        parts = Parts()
        for place in range(MAX_PARTS):
            parts.add(3 * place, b"x")
        self.assertRaises(QuicConnectionError, parts.add, 9 * MAX_PARTS, b"x")
        self.assertEqual(len(parts), MAX_PARTS)
        parts.add(1, b"yz")
        self.assertEqual(len(parts), MAX_PARTS - 1)
        self.assertEqual(parts.take(0, b""), b"xyzx")

    def test_backwards(self) -> None:
        """
        Bytes that come in the reverse order are few parts at any time.
        """
        parts = Parts()
        for place in reversed(range(1, 5001)):
            parts.add(place, b"x")
            self.assertLess(len(parts), 15)
        self.assertEqual(parts.take(0, b"y"), b"y" + b"x" * 5000)
