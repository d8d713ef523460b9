# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
yamux, frame by frame.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from typing import NamedTuple

from tests.attacks.raw import multistream
from tests.attacks.raw.pipe import Ended, Fate, Pipe

__all__ = [
    "ACK",
    "DATA",
    "FIN",
    "GO_AWAY",
    "PING",
    "PROTOCOL_ID",
    "RST",
    "SYN",
    "WINDOW",
    "Frame",
    "Session",
    "Stream",
    "frame",
]

PROTOCOL_ID = "/yamux/1.0.0"

DATA, WINDOW, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8

_HEADER = struct.Struct("!BBHII")

#: What a peer may send on a stream before it is told more.
INITIAL_WINDOW = 256 * 1024


class Frame(NamedTuple):
    """
    A frame that was received.
    """

    kind: int
    flags: int
    stream: int
    length: int
    body: bytes


def frame(
    kind: int,
    flags: int = 0,
    stream: int = 0,
    length: int | None = None,
    body: bytes = b"",
    version: int = 0,
) -> bytes:
    """
    Encode a frame.

    @param length: what the header says; by default the truth.
    """
    stated = len(body) if length is None else length
    return _HEADER.pack(version, kind, flags, stream, stated) + body


class Session:
    """
    One end of a session, that speaks only when it is told to.

    @ivar answering: whether pings are answered while frames are read.
    @ivar code: of the go-away that came; None if none did.
    @ivar resets: the streams that the peer has reset, with their codes.
    @ivar credit: for streams of ours, how many bytes the peer takes.
    """

    def __init__(self, pipe: Pipe, initiator: bool = True) -> None:
        self.pipe = pipe
        self.answering = True
        self.code: int | None = None
        self.resets: dict[int, int] = {}
        self.credit: dict[int, int] = {}
        self._next = 1 if initiator else 2

    def send(self, *frames: bytes) -> None:
        """
        Send frames, all at once.
        """
        self.pipe.send(b"".join(frames))

    def take(self, count: int = 1) -> list[int]:
        """
        Give stream ids that were not used yet.
        """
        first = self._next
        self._next += 2 * count
        return list(range(first, self._next, 2))

    def read(self) -> Frame:
        """
        Receive a frame.
        """
        _, kind, flags, stream, length = _HEADER.unpack(self.pipe.exactly(_HEADER.size))
        body = self.pipe.exactly(length) if kind == DATA else b""
        if kind == PING and flags & SYN and self.answering:
            self.send(frame(PING, ACK, 0, length))
        elif kind == GO_AWAY:
            self.code = length
        elif kind == WINDOW and stream in self.credit:
            self.credit[stream] += length
        if flags & RST:
            self.resets[stream] = length if kind == WINDOW else 0
        return Frame(kind, flags, stream, length, body)

    def until(self, wanted: Callable[[Frame], bool], seconds: float = 20.0) -> Frame:
        """
        Read until a frame comes.

        @raise Ended: it does not, in that time.
        """
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Ended("silent")
            self.pipe.patience(left)
            got = self.read()
            if wanted(got):
                return got

    def idle(self, seconds: float) -> Fate:
        """
        Read and answer for some time, or until the end.
        """
        began = time.monotonic()
        try:
            self.until(lambda each: False, seconds)
        except Ended as end:
            return Fate(end.how, time.monotonic() - began, b"")
        raise AssertionError("unreachable")

    def synchronize(self) -> None:
        """
        Wait until the peer has taken in all that was sent.
        """
        for value in range(0xC0FFEE, 0xC0FFEE + 20):
            self.send(frame(PING, SYN, 0, value))
            answer = Frame(PING, ACK, 0, value, b"")
            try:
                self.until(answer.__eq__, 1)
                return
            except Ended as end:
                # A peer may drop pings that come too fast.
                if end.how != "silent":
                    raise
        raise Ended("silent")

    def open(self, protocol: str) -> Stream:
        """
        Open a stream and agree on its protocol.

        @raise Refused: the peer does not serve it.
        @raise Ended: it ends the stream, or all.
        """
        stream = Stream(self, self.take()[0])
        self.send(frame(WINDOW, SYN, stream.id, 0))
        multistream.choose(stream, protocol)
        return stream

    def close(self) -> None:
        """
        Hang up.
        """
        self.pipe.close()


class Stream(Pipe):
    """
    A stream of ours.  Credit is not given unless it is asked for.
    """

    def __init__(self, session: Session, stream: int) -> None:
        super().__init__()
        self.session = session
        self.id = stream
        session.credit[stream] = INITIAL_WINDOW

    @property
    def credit(self) -> int:
        """
        How many bytes the peer takes, as far as it has told.
        """
        return self.session.credit[self.id]

    def send(self, data: bytes) -> None:
        """
        Send bytes, no matter what the window is.
        """
        for start in range(0, len(data), 32768):
            piece = data[start : start + 32768]
            self.session.send(frame(DATA, 0, self.id, body=piece))
            self.session.credit[self.id] -= len(piece)

    def more(self) -> bytes:
        """
        Receive some bytes of this stream.
        """
        got = self.session.read()
        while got.stream != self.id or not got.body:
            if got.stream != self.id:
                self.other(got)
            elif got.flags & RST:
                raise Ended("reset")
            elif got.flags & FIN:
                raise Ended("closed")
            got = self.session.read()
        return got.body

    def other(self, got: Frame) -> None:
        """
        Drop a frame of another stream.
        """

    def grant(self, size: int) -> None:
        """
        Let the peer send more.
        """
        self.session.send(frame(WINDOW, 0, self.id, size))

    def patience(self, seconds: float) -> None:
        """
        Set how long to wait for bytes.
        """
        self.session.pipe.patience(seconds)

    def finish(self) -> None:
        """
        End our half.
        """
        self.session.send(frame(WINDOW, FIN, self.id, 0))

    def close(self) -> None:
        """
        Reset it.
        """
        self.session.send(frame(WINDOW, RST, self.id, 0))
