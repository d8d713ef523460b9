# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The received bytes of a stream that have gaps before them.

aioquic has one buffer from the first missing byte to the last received one, so that a
frame of one byte may take a whole window.  It looks through all parts of the stream for
each frame, and keeps any number: a peer that left out every second byte would stop the
reactor.
"""

from __future__ import annotations

from bisect import bisect_right

from aioquic.quic.connection import QuicConnectionError
from aioquic.quic.events import StreamDataReceived, StreamReset
from aioquic.quic.packet import QuicErrorCode, QuicFrameType, QuicStreamFrame
from aioquic.quic.stream import FinalSizeError, QuicStream, QuicStreamReceiver

__all__ = ["MAX_PARTS", "Parts", "SparseReceiver", "SparseStreams", "sparse"]

#: The most parts of one stream, as in quinn-proto.  Lost datagrams leave less: a window
#: has some 900 datagrams.
MAX_PARTS = 1024


class Parts:
    """
    Received bytes by their offsets, in order, and none of them twice.
    """

    __slots__ = ("_pieces", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._pieces: list[bytearray] = []

    def __len__(self) -> int:
        return len(self._starts)

    def add(self, start: int, data: bytes) -> None:
        """
        Add bytes.

        @param start: the offset of the first one.
        @raise QuicConnectionError: there are too many parts.
        """
        starts, pieces = self._starts, self._pieces
        place = bisect_right(starts, start)
        if place:
            before = pieces[place - 1]
            known = starts[place - 1] + len(before) - start
            if known >= 0:
                data = self._unknown(place, start + known, data[known:])
                before += data
                self._join(place - 1)
                return
        data = self._unknown(place, start, data)
        if len(starts) >= MAX_PARTS:
            raise QuicConnectionError(
                QuicErrorCode.INTERNAL_ERROR, QuicFrameType.STREAM_BASE, "too many gaps"
            )
        starts.insert(place, start)
        pieces.insert(place, bytearray(data))
        self._join(place)

    def _unknown(self, place: int, start: int, data: bytes) -> bytes:
        """
        Return the first bytes up to those of the next part, which is replaced if all of
        its bytes are among them.

        @param place: the place of the next part.
        """
        starts, pieces = self._starts, self._pieces
        stop = start + len(data)
        while place < len(starts) and starts[place] < stop:
            if starts[place] + len(pieces[place]) > stop:
                return data[: max(starts[place] - start, 0)]
            del starts[place], pieces[place]
        return data

    def _join(self, place: int) -> None:
        """
        Join a part with those that follow without a gap, unless they are larger: no
        byte is copied more often than their number can be halved.
        """
        starts, pieces = self._starts, self._pieces
        piece = pieces[place]
        following = place + 1
        while (
            following < len(starts)
            and starts[following] == starts[place] + len(piece)
            and len(pieces[following]) <= len(piece)
        ):
            piece += pieces[following]
            del starts[following], pieces[following]

    def take(self, start: int, data: bytes) -> bytes:
        """
        Remove the bytes that follow others without a gap.

        @param start: the offset of those.
        @return: those, with these after them.
        """
        found: list[bytes | bytearray] = [data]
        stop = start + len(data)
        count = 0
        for begin, piece in zip(self._starts, self._pieces, strict=True):
            if begin > stop:
                break
            count += 1
            known = stop - begin
            if known < len(piece):
                found.append(piece[known:])
                stop = begin + len(piece)
        del self._starts[:count], self._pieces[:count]
        return b"".join(found)


class SparseReceiver(QuicStreamReceiver):
    """
    The peer's half of a stream, which takes no more memory than its bytes.

    @ivar settled: whether both halves have ended for the user; aioquic keeps the stream
        until the peer has acknowledged our half.
    """

    def __init__(self, stream_id: int | None, readable: bool) -> None:
        super().__init__(stream_id, readable)
        self._parts = Parts()
        self.settled = False

    def handle_frame(self, frame: QuicStreamFrame) -> StreamDataReceived | None:
        """
        Take the bytes of a frame.

        @return: those that can be read now; None if there are none.
        @raise FinalSizeError: they do not fit to the end of the stream.
        """
        start, data = frame.offset, frame.data
        stop = start + len(data)
        final = self._final_size
        if frame.fin:
            if stop < self.highest_offset or final not in (None, stop):
                raise FinalSizeError("the end of the stream has moved")
            self._final_size = final = stop
        elif final is not None and stop > final:
            raise FinalSizeError("there are bytes after the end of the stream")
        if stop > self.highest_offset:
            self.highest_offset = stop
        if self.is_finished:
            return None
        begin = self._buffer_start
        if start > begin:
            if data:
                self._parts.add(start, data)
            return None
        if start < begin:
            data = data[begin - start :]
        if self._parts:
            data = self._parts.take(begin, data)
        self._buffer_start = begin = begin + len(data)
        if begin == final:
            self.is_finished = True
        elif not data:
            return None
        return StreamDataReceived(
            data=data, end_stream=self.is_finished, stream_id=self._stream_id or 0
        )

    def handle_reset(
        self, *, final_size: int, error_code: int = QuicErrorCode.NO_ERROR
    ) -> StreamReset | None:
        """
        Take a reset, and drop the bytes that were not read.
        """
        event = super().handle_reset(final_size=final_size, error_code=error_code)
        self._parts = Parts()
        return event


def sparse(stream: QuicStream) -> QuicStream:
    """
    Replace the receiver of a stream that has received nothing.
    """
    old = stream.receiver
    stream.receiver = SparseReceiver(stream.stream_id, not old.is_finished)
    return stream


class SparseStreams(dict[int, QuicStream]):
    """
    The streams of a connection by their numbers; aioquic puts each into it when it is
    made, and has no other place for a class of ours.
    """

    def __setitem__(self, number: int, stream: QuicStream) -> None:
        super().__setitem__(number, sparse(stream))
