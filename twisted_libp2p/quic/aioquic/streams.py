# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The streams of one connection of aioquic: unread bytes, credit, and room to write.

aioquic hands out received bytes at once, and takes any number of written ones.  Here
received bytes wait until they are read, and only that gives credit; and no more bytes
are taken than the peer's windows and our own allow.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from aioquic.quic.stream import QuicStream

from twisted_libp2p.interfaces import FIN, QuicEvent, windowOf
from twisted_libp2p.quic.aioquic.credit import CreditConnection
from twisted_libp2p.quic.aioquic.halves import (
    Reading,
    Writing,
    readingAfter,
    writingAfter,
)
from twisted_libp2p.quic.aioquic.parts import SparseReceiver

__all__ = ["Streams"]

Event = tuple[object, ...]

#: Credit is given when so much of a window has been used, as a divisor.
_PORTION = 4


class _Stream:
    """
    One stream.

    @ivar quic: aioquic's object.
    @ivar chunks: the unread bytes.
    @ivar unread: how many these are.
    @ivar taken: the bytes that were read or dropped.
    @ivar end: the end of the peer's half, as C{read} returns it; None so far.
    @ivar reading: the state of the peer's half.
    @ivar written: the bytes that were taken from the user.
    @ivar writing: the state of our half.
    """

    __slots__ = (
        "chunks",
        "end",
        "quic",
        "reading",
        "taken",
        "unread",
        "writing",
        "written",
    )

    def __init__(self, quic: QuicStream) -> None:
        self.quic = quic
        self.chunks: deque[bytes] = deque()
        self.unread = self.taken = self.written = 0
        self.end: int | None = None
        self.reading = Reading.QUIET
        self.writing = Writing.OPEN

    def read(self, event: str) -> bool:
        """
        Go to the state of the peer's half after an event.

        @return: False if the event changes nothing.
        """
        before, self.reading = self.reading, readingAfter(self.reading, event)
        return self.reading is not before

    def write(self, event: str) -> bool:
        """
        Go to the state of our half after an event.

        @return: False if the event changes nothing.
        """
        before, self.writing = self.writing, writingAfter(self.writing, event)
        return self.writing is not before

    @property
    def ended(self) -> bool:
        """
        Whether our half has ended, or was reset.
        """
        return self.writing is not Writing.OPEN

    @property
    def dropping(self) -> bool:
        """
        Whether received bytes are dropped.
        """
        return self.reading >= Reading.STOPPED


class Streams:
    """
    The streams of one connection.

    @ivar events: the events that the user has not got.
    @ivar window: the bytes that the peer may send on all streams before they are read.
    """

    def __init__(
        self,
        quic: CreditConnection,
        streamWindow: int,
        window: int,
        sendWindow: int,
    ) -> None:
        self.events: list[Event] = []
        self.window = window
        self._step = window // (2 * _PORTION)
        self._quic = quic
        self._streamWindow = streamWindow
        self._sendWindow = sendWindow
        self._all: dict[int, _Stream] = {}
        self._taken = 0
        # Bytes given to aioquic that count for the peer's window of the connection.
        self._promised = 0
        # Bytes that aioquic keeps until they are acknowledged, as of the last look.
        self._kept = 0
        self._writing: set[_Stream] = set()
        self._blocked: dict[int, _Stream] = {}
        self._wanting = False

    # What aioquic reports

    def received(self, number: int, data: bytes, fin: bool) -> None:
        """
        Take bytes of the peer.
        """
        stream = self._find(number)
        if stream is None:
            return
        if fin:
            stream.end = FIN
        if stream.dropping:
            self._take(stream, len(data))
            self._settle(number, stream)
            return
        if data:
            stream.chunks.append(data)
            stream.unread += len(data)
        self._report(number, stream)

    def wasReset(self, number: int, code: int) -> None:
        """
        Note that the peer has reset its half; unread bytes are dropped.
        """
        stream = self._find(number)
        if stream is None:
            return
        stream.chunks.clear()
        stream.unread = 0
        stream.end = code
        self._take(stream, stream.quic.receiver.highest_offset - stream.taken)
        if stream.dropping:
            self._settle(number, stream)
        else:
            self.events.append((QuicEvent.RESET, number, code))

    def wasStopped(self, number: int, code: int) -> None:
        """
        Note that the peer reads no longer.
        """
        stream = self._find(number)
        if stream is None or stream.quic.sender.is_finished:
            # All bytes have arrived.
            return
        if not stream.write("refuse"):
            # The frame was sent again.
            return
        self._drop(stream)
        self.events.append((QuicEvent.STOPPED, number, code))

    def look(self) -> None:
        """
        Find out which streams can be written again, and whether one can be opened.
        """
        kept = 0
        for stream in list(self._writing):
            size = stream.written - stream.quic.sender._buffer_start
            kept += size
            if stream.quic.sender.is_finished:
                self._writing.discard(stream)
                self.events.append((QuicEvent.FINISHED, stream.quic.stream_id))
            elif not (size or stream.ended):
                self._writing.discard(stream)
        self._kept = kept
        if self._blocked:
            for number, stream in list(self._blocked.items()):
                if self._room(stream) > 0:
                    del self._blocked[number]
                    self.events.append((QuicEvent.WRITABLE, number))
        if self._wanting and self._mayOpen():
            self._wanting = False
            self.events.append((QuicEvent.AVAILABLE,))

    # Calls of the user

    def open(self, unidirectional: bool = False) -> int | None:
        """
        Open a stream; None if the peer allows none now.
        """
        if not self._mayOpen(unidirectional):
            self._wanting = not unidirectional
            return None
        number = self._quic.get_next_available_stream_id(unidirectional)
        self._quic.send_stream_data(number, b"")
        self._all[number] = _Stream(self._quic._streams[number])
        return number

    def write(self, number: int, pieces: Sequence[bytes | memoryview]) -> int:
        """
        Take bytes, as many as there is room for.
        """
        stream = self._all.get(number)
        if stream is None or stream.ended:
            return 0
        data = b"".join(pieces)
        room = self._room(stream)
        if room < len(data):
            self._blocked[number] = stream
            if room <= 0:
                return 0
            data = data[:room]
        if data:
            self._quic.send_stream_data(number, data)
            stream.written += len(data)
            self._promised += len(data)
            self._kept += len(data)
            self._writing.add(stream)
        return len(data)

    def finish(self, number: int) -> None:
        """
        End our half.
        """
        stream = self._all.get(number)
        if stream is not None and stream.write("end"):
            self._quic.send_stream_data(number, b"", True)
            self._writing.add(stream)
            self._blocked.pop(number, None)
            self._settle(number, stream)

    def reset(self, number: int, code: int) -> None:
        """
        Reset our half.
        """
        stream = self._all.get(number)
        if stream is not None and not stream.quic.sender.is_finished:
            stream.quic.sender.reset(code)
            stream.write("end")
            self._drop(stream)
            self._blocked.pop(number, None)
            self._settle(number, stream)

    def stop(self, number: int, code: int) -> None:
        """
        Ask the peer to send no longer.
        """
        stream = self._all.get(number)
        if stream is None or not stream.read("stop"):
            return
        self._take(stream, stream.unread)
        stream.chunks.clear()
        stream.unread = 0
        if stream.end is None:
            stream.quic.receiver.stop(code)
        self._settle(number, stream)

    def read(self, number: int, maximum: int) -> tuple[bytes, int | None] | None:
        """
        Return unread bytes and the end, and give credit.
        """
        stream = self._all.get(number)
        if stream is None or stream.dropping:
            return None
        chunks = stream.chunks
        if not chunks:
            if stream.end is None:
                stream.read("read all")
                return None
            data = b""
        elif stream.unread <= maximum:
            data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            chunks.clear()
        else:
            data = self._part(chunks, maximum)
        stream.unread -= len(data)
        self._take(stream, len(data))
        if chunks:
            return data, None
        if stream.end is None:
            if len(data) < maximum:
                stream.read("read all")
            return data, None
        stream.read("read end")
        self._settle(number, stream)
        return data, stream.end

    def setWindow(self, size: int) -> None:
        """
        Change the window of the connection.
        """
        self.window = size
        limit = self._quic._local_max_data
        limit.value = max(limit.value, self._taken + size)

    # Within

    @staticmethod
    def _part(chunks: deque[bytes], maximum: int) -> bytes:
        """
        Take the first bytes.
        """
        parts, left = [], maximum
        while left:
            piece = chunks.popleft()
            if len(piece) > left:
                chunks.appendleft(piece[left:])
                piece = piece[:left]
            parts.append(piece)
            left -= len(piece)
        return b"".join(parts)

    def _find(self, number: int) -> _Stream | None:
        """
        Return a stream, which the peer may open by this.
        """
        stream = self._all.get(number)
        if stream is None:
            quic = self._quic._streams.get(number)
            if quic is None or self._ours(number):
                return None
            receiver = quic.receiver
            if not isinstance(receiver, SparseReceiver) or receiver.settled:
                return None
            stream = self._all[number] = _Stream(quic)
            if number & 2:
                # It has no half of ours.
                stream.write("end")
            self.events.append((QuicEvent.OPENED, number))
        return stream

    def _ours(self, number: int) -> bool:
        return bool(number & 1) != self._quic.configuration.is_client

    def _report(self, number: int, stream: _Stream) -> None:
        if stream.read("report"):
            self.events.append((QuicEvent.READABLE, number))

    def _take(self, stream: _Stream, size: int) -> None:
        """
        Count bytes that are read or dropped, and give credit for them.
        """
        if not size:
            return
        stream.taken += size
        self._taken += size
        quic = stream.quic
        if not stream.dropping and stream.end is None:
            window = windowOf(self._streamWindow, stream.taken)
            limit = stream.taken + window
            if limit - quic.max_stream_data_local >= window // _PORTION:
                quic.max_stream_data_local = limit
        self._credit()

    def _credit(self) -> None:
        limit = self._quic._local_max_data
        window = self._taken + self.window
        # Held streams may have used up the rest, so the step does not grow.
        if window - limit.value >= self._step:
            limit.value = window

    def _mayOpen(self, unidirectional: bool = False) -> bool:
        quic = self._quic
        number = quic.get_next_available_stream_id(unidirectional)
        if unidirectional:
            return number // 4 < quic._remote_max_streams_uni
        return number // 4 < quic._remote_max_streams_bidi

    def _room(self, stream: _Stream) -> int:
        """
        Return how many bytes may be taken now.
        """
        if stream.ended:
            return 0
        return min(
            stream.quic.max_stream_data_remote - stream.written,
            self._quic._remote_max_data - self._promised,
            self._sendWindow - self._kept,
        )

    def _drop(self, stream: _Stream) -> None:
        """
        Drop the unsent bytes of our half, which is being reset.
        """
        sender = stream.quic.sender
        self._promised -= stream.written - sender.highest_offset
        stream.written = sender.highest_offset
        self._writing.discard(stream)
        del sender._buffer[:]

    def _settle(self, number: int, stream: _Stream) -> None:
        """
        Forget a stream that has ended on both sides.
        """
        if stream.end is not None:
            stream.read("end comes")
        over = stream.reading is Reading.OVER
        if over and stream.ended and self._all.get(number) is stream:
            del self._all[number]
            receiver = stream.quic.receiver
            assert isinstance(receiver, SparseReceiver)
            receiver.settled = True
            self._blocked.pop(number, None)
