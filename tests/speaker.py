# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Applications for models: each knows what the one at the other end has written, and
so what it may receive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

__all__ = ["Feeder", "Speaker", "content"]

# A prime, so that no offset looks like another.
_POOL: Final = bytes((7 * i * i + 13 * i + (i >> 8)) & 0xFF for i in range(65521)) * 2
_HALF: Final = len(_POOL) // 2

#: How much a producer writes at a time, in bytes.
_PIECE: Final = 30_011


def content(seed: int, offset: int, size: int) -> bytes:
    """
    What one application writes: other bytes at each offset, and of each seed.
    """
    data = bytearray()
    while len(data) < size:
        start = (seed * 9973 + offset + len(data)) % _HALF
        data += _POOL[start : start + min(size - len(data), _HALF)]
    return bytes(data)


class Speaker(Protocol):
    """
    One of two applications, which does what a model wants it to.

    What is wrong it tells the model: an exception that it raised would only end its
    connection.

    @ivar seed: names what it writes.
    @ivar far: the one at the other end; None until it is built, if ever.
    @ivar written: how many bytes it has written, and ...
    @ivar received: ... has received.
    @ivar reasons: why its connection has ended.
    @ivar feeder: a producer that writes for it.
    @ivar reactions: what it does at the next reads, one at each.
    """

    transport: Any
    far: Any = None
    feeder: Feeder | None = None

    def __init__(self, note: Callable[[str], None], seed: int) -> None:
        """
        @param note: is told of what is wrong.
        """
        self.note = note
        self.seed = seed
        self.written = 0
        self.received = 0
        self.reasons: list[Failure] = []
        self.reactions: list[tuple[str, int]] = []

    @property
    def open(self) -> bool:
        """
        Whether what it writes is to arrive.
        """
        raise NotImplementedError

    # What it is told

    def dataReceived(self, data: bytes) -> None:
        """
        Check, and do what the model wants to be done now.
        """
        far = self.far
        if far is None:
            self.note(f"{self} received, but the other end was never built")
            return
        if data != content(far.seed, self.received, len(data)):
            self.note(f"{self} received other bytes than were sent at {self.received}")
        self.received += len(data)
        if self.received > far.written:
            self.note(f"{self} received more than was sent")
        if self.reasons:
            self.note(f"{self} received after the end")
        if self.transport._paused:
            self.note(f"{self} received while it was paused")
        if self.reactions:
            self.act(*self.reactions.pop(0))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Check that this is the only end.
        """
        self.reasons.append(reason)
        if len(self.reasons) > 1:
            self.note(f"{self} was lost twice")

    # What it does

    def act(self, action: str, size: int = 0) -> None:
        """
        Do one thing.
        """
        getattr(self, action)(size)

    def send(self, size: int) -> bytes:
        """
        Take the next bytes, which are to be written.
        """
        data = content(self.seed, self.written, size)
        self.written += size
        return data

    def write(self, size: int) -> None:
        """
        Write the next bytes.
        """
        if self.open:
            self.transport.write(self.send(size))

    def writeSequence(self, size: int) -> None:
        """
        Write the next bytes in pieces.
        """
        if self.open:
            data = self.send(size)
            third = size // 3
            self.transport.writeSequence([data[:third], b"", data[third:]])

    def pause(self, size: int) -> None:
        """
        Read no more.
        """
        self.transport.pauseProducing()

    def resume(self, size: int) -> None:
        """
        Read again.
        """
        self.transport.resumeProducing()

    def push(self, size: int) -> None:
        """
        Have a producer write that is paused when there is too much.
        """
        if self.open and self.feeder is None:
            Feeder(self, size, True)

    def pull(self, size: int) -> None:
        """
        Have a producer write that is asked for each piece.
        """
        if self.open and self.feeder is None:
            Feeder(self, size, False)


class Feeder:
    """
    Writes pieces of odd sizes until it is done, as a producer of either kind.
    """

    def __init__(self, speaker: Speaker, size: int, streaming: bool) -> None:
        """
        @param speaker: for whom it writes.
        @param size: how many bytes.
        @param streaming: whether it writes until it is told to pause.
        """
        self.left = size
        self.paused = False
        self._speaker = speaker
        self._streaming = streaming
        speaker.feeder = self
        speaker.transport.registerProducer(self, streaming)
        if streaming:
            self._write()

    def _write(self) -> None:
        while self.left and not self.paused:
            self._writePiece()

    def _writePiece(self) -> None:
        speaker = self._speaker
        size = min(self.left, _PIECE)
        self.left -= size
        speaker.transport.write(speaker.send(size))
        if not self.left and speaker.feeder is self:
            speaker.feeder = None
            speaker.transport.unregisterProducer()

    def pauseProducing(self) -> None:
        """
        Stop writing.
        """
        if not self._streaming:
            self._speaker.note("a pull producer was paused")
        self.paused = True

    def resumeProducing(self) -> None:
        """
        Go on.
        """
        self.paused = False
        if self._streaming:
            self._write()
        elif self.left:
            self._writePiece()
        else:
            self._speaker.note("a pull producer was asked after it had gone")

    def stopProducing(self) -> None:
        """
        Write no more.
        """
        self.left = 0
        self._speaker.feeder = None
