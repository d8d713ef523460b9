# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The received parts of a stream that have gaps before them.

aioquic looks through all parts of a stream for each frame, and keeps any number: a peer
that leaves out every second byte would stop the reactor.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from aioquic.quic.connection import QuicConnectionError
from aioquic.quic.packet import QuicErrorCode, QuicFrameType
from aioquic.quic.stream import QuicStream

__all__ = ["MAX_PARTS", "BoundedStreams", "Parts", "bounded"]

#: The most parts of one stream, as in quinn-proto.  Lost datagrams leave less: a window
#: has some 900 datagrams.
MAX_PARTS = 1024


class Parts:
    """
    Takes the place of aioquic's C{RangeSet}: ranges of offsets that do not touch each
    other, in order.
    """

    __slots__ = ("_starts", "_stops")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []

    def add(self, start: int, stop: int) -> None:
        """
        Add the range from C{start} up to, and without, C{stop}.

        @raise QuicConnectionError: there are too many.
        """
        starts, stops = self._starts, self._stops
        # The ranges from first to last touch the new one.
        first, last = bisect_left(stops, start), bisect_right(starts, stop)
        if first < last:
            start = min(start, starts[first])
            stop = max(stop, stops[last - 1])
        elif len(starts) >= MAX_PARTS:
            raise QuicConnectionError(
                QuicErrorCode.INTERNAL_ERROR, QuicFrameType.STREAM_BASE, "too many gaps"
            )
        starts[first:last] = (start,)
        stops[first:last] = (stop,)

    def shift(self) -> range:
        """
        Remove the first range, and return it.
        """
        return range(self._starts.pop(0), self._stops.pop(0))

    def __getitem__(self, index: int) -> range:
        return range(self._starts[index], self._stops[index])

    def __len__(self) -> int:
        return len(self._starts)


def bounded(stream: QuicStream) -> QuicStream:
    """
    Bound the parts of a stream, to which nothing has been added.
    """
    stream.receiver._ranges = Parts()  # type: ignore[assignment]
    return stream


class BoundedStreams(dict[int, QuicStream]):
    """
    The streams of a connection by their numbers; aioquic puts each into it when it is
    made, and has no other place for a class of ours.
    """

    def __setitem__(self, number: int, stream: QuicStream) -> None:
        super().__setitem__(number, bounded(stream))
