# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A connection of QUIC whose peer says what a test wants, below HTTP/3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pylsqpack import Encoder

from twisted_libp2p.interfaces import QuicEvent
from twisted_libp2p.quic.webtransport.http3 import FrameType, encode

__all__ = ["Script", "status"]


class Script:
    """
    A connection whose peer is a script.

    @ivar host: the IP address of the peer.
    @ivar sent: what was written, by stream.
    @ivar room: the bytes that the peer still takes.
    @ivar streams: the numbers of the streams that we may still open.
    @ivar resets: the codes of refused streams.
    @ivar finished: the streams whose halves of ours have ended.
    @ivar closed: the code with which we have closed the connection; None so far.
    """

    def __init__(self) -> None:
        self.host = "2001:db8::1"
        self.sent: dict[int, bytearray] = {}
        self.room = 10_000
        self.streams = [2, 0, 4]
        self.resets: dict[int, int] = {}
        self.finished: set[int] = set()
        self.events: list[tuple[object, ...]] = []
        self._waiting: dict[int, bytearray] = {}
        self._ends: dict[int, int] = {}
        self.closed: int | None = None

    def address(self, handle: int) -> tuple[str, int]:
        return self.host, 4001

    def open(self, handle: int, unidirectional: bool = False) -> int | None:
        return self.streams.pop(0) if self.streams else None

    def write(self, handle: int, stream: int, pieces: Sequence[bytes]) -> int:
        data = b"".join(pieces)[: self.room]
        self.room -= len(data)
        self.sent.setdefault(stream, bytearray()).extend(data)
        return len(data)

    def finish(self, handle: int, stream: int) -> None:
        self.finished.add(stream)

    def reset(self, handle: int, stream: int, code: int) -> None:
        self.resets[stream] = code

    def stop(self, handle: int, stream: int, code: int) -> None:
        self.resets[stream] = code

    def read(
        self, handle: int, stream: int, maximum: int
    ) -> tuple[bytes, int | None] | None:
        waiting = self._waiting.get(stream)
        end = self._ends.get(stream)
        if not waiting and end is None:
            return None
        waiting = waiting or bytearray()
        data = bytes(waiting[:maximum])
        del waiting[:maximum]
        return data, None if waiting else self._ends.pop(stream, None)

    def close(self, handle: int, now: float, code: int, reason: bytes) -> None:
        self.closed = code

    def poll(self, handle: int, now: float) -> Any:
        events, self.events = self.events, []
        return [], events, None, False

    def says(
        self, stream: int, data: bytes, opened: bool = True, end: int | None = None
    ) -> None:
        """
        Have bytes come from the peer.

        @param opened: whether they are the first ones of a stream of the peer.
        @param end: the end after them, as C{read} returns it.
        """
        if opened:
            self.events.append((QuicEvent.OPENED, stream))
        self._waiting.setdefault(stream, bytearray()).extend(data)
        if end is not None:
            self._ends[stream] = end
        self.events.append((QuicEvent.READABLE, stream))


def status(code: bytes) -> bytes:
    """
    Return the head of an answer.
    """
    head = Encoder().encode(0, [(b":status", code)])[1]
    return encode(FrameType.HEADERS) + encode(len(head)) + head
