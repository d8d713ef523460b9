# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
mplex, frame by frame.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.attacks.raw import multistream
from tests.attacks.raw.pipe import Ended, Pipe
from tests.attacks.raw.wire import delimited, varint

__all__ = [
    "CLOSE",
    "DATA",
    "NEW",
    "PROTOCOL_ID",
    "RESET",
    "Frame",
    "Session",
    "Stream",
    "frame",
]

PROTOCOL_ID = "/mplex/6.7.0"

#: What the opener of a stream sends; the other end sends one less.
NEW, DATA, CLOSE, RESET = 0, 2, 4, 6


class Frame(NamedTuple):
    """
    A frame that was received.
    """

    flag: int
    stream: int
    body: bytes


def frame(flag: int, stream: int, body: bytes = b"") -> bytes:
    """
    Encode a frame.
    """
    return varint(stream << 3 | flag) + delimited(body)


class Session:
    """
    One end of a session, that speaks only when it is told to.

    @ivar resets: our streams that the peer has reset.
    """

    def __init__(self, pipe: Pipe) -> None:
        self.pipe = pipe
        self.resets: set[int] = set()
        self._next = 0

    def send(self, *frames: bytes) -> None:
        """
        Send frames, all at once.
        """
        self.pipe.send(b"".join(frames))

    def take(self, count: int = 1) -> list[int]:
        """
        Give stream ids that were not used yet.
        """
        self._next += count
        return list(range(self._next - count, self._next))

    def _varint(self) -> int:
        number = shift = 0
        while True:
            byte = self.pipe.exactly(1)[0]
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    def read(self) -> Frame:
        """
        Receive a frame.
        """
        header = self._varint()
        body = self.pipe.exactly(self._varint())
        got = Frame(header & 7, header >> 3, body)
        if got.flag == RESET - 1:
            self.resets.add(got.stream)
        return got

    def open(self, protocol: str) -> Stream:
        """
        Open a stream and agree on its protocol.

        @raise Refused: the peer does not serve it.
        @raise Ended: it ends the stream, or all.
        """
        stream = Stream(self, self.take()[0])
        self.send(frame(NEW, stream.id))
        multistream.choose(stream, protocol)
        return stream

    def close(self) -> None:
        """
        Hang up.
        """
        self.pipe.close()


class Stream(Pipe):
    """
    A stream of ours.
    """

    def __init__(self, session: Session, stream: int) -> None:
        super().__init__()
        self.session = session
        self.id = stream

    def send(self, data: bytes) -> None:
        """
        Send bytes.
        """
        for start in range(0, len(data), 32768):
            self.session.send(frame(DATA, self.id, data[start : start + 32768]))

    def more(self) -> bytes:
        """
        Receive some bytes of this stream; others are dropped.
        """
        while True:
            got = self.session.read()
            if got.stream != self.id:
                continue
            if got.flag == DATA - 1 and got.body:
                return got.body
            if got.flag == CLOSE - 1:
                raise Ended("closed")
            if got.flag == RESET - 1:
                raise Ended("reset")

    def patience(self, seconds: float) -> None:
        """
        Set how long to wait for bytes.
        """
        self.session.pipe.patience(seconds)

    def finish(self) -> None:
        """
        End our half.
        """
        self.session.send(frame(CLOSE, self.id))

    def close(self) -> None:
        """
        Reset it.
        """
        self.session.send(frame(RESET, self.id))
