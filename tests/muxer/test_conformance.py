# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Both muxers do what every muxer has to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from twisted_libp2p.interfaces import IMuxer
from twisted_libp2p.muxer import Mplex, Yamux
from twisted_libp2p.testing.muxer import (
    Echo,
    HalfCloseCollector,
    MuxerConformance,
    MuxerPair,
)


class SplitTests(SynchronousTestCase):
    """
    How bytes are cut on their way changes nothing.
    """

    @drawn(
        25,
        st.sampled_from([Yamux, Mplex]),
        st.lists(st.integers(1, 3000), min_size=1, max_size=5),
    )
    def test_anyCut(self, muxer: type[Yamux | Mplex], sizes: list[int]) -> None:
        """
        Two streams echo, and end, whatever the sizes of the reads.
        """

        def split(data: bytes) -> Iterator[bytes]:
            offset = 0
            for size in cycle(sizes):
                if offset >= len(data):
                    break
                yield data[offset : offset + size]
                offset += size

        clock = Clock()
        pair = MuxerPair(muxer(clock), muxer(clock), clock, split)
        pair.server.build = Echo
        ends = [pair.open(pair.client, HalfCloseCollector()) for _ in range(2)]
        for number, (mine, _) in enumerate(ends):
            mine.stream.write(b"%d" % number * 5000)
            mine.stream.loseWriteConnection()
        pair.pump.flush()
        for number, (mine, theirs) in enumerate(ends):
            self.assertEqual(mine.data, b"%d" % number * 5000)
            self.assertEqual(mine.ends, ["write", "read"])
            self.assertEqual((len(mine.reasons), len(theirs.reasons)), (1, 1))


class YamuxConformanceTests(MuxerConformance, SynchronousTestCase):
    """
    yamux is a muxer.
    """

    announces = True

    def muxer(self, clock: Clock) -> IMuxer:
        """
        Make a yamux.
        """
        return Yamux(clock)


class MplexConformanceTests(MuxerConformance, SynchronousTestCase):
    """
    mplex is a muxer.
    """

    windows = False

    def muxer(self, clock: Clock) -> IMuxer:
        """
        Make an mplex.
        """
        return Mplex(clock, patience=60.0)
