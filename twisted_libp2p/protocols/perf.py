# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
C{/perf/1.0.0}: as many bytes as fit, there and back (libp2p/specs,
perf/perf.md).

The client says how many bytes it wants, sends as many as it likes and ends its
half; then the server sends what is wanted, and ends its own.  Never do both
send at once, so each direction is measured by itself.

There are two headers under this one name.  That of the specification has 8
bytes: how many are wanted.  That of rust-libp2p and of .NET in libp2p's public
suite has 16: how many the client sends, then how many it wants; the server
answers when it has so many, be the client's half ended or not.  Nothing on the
wire tells them apart, so both sides have to be told.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IPushProducer,
    IReactorTime,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.errors import PeerUnresponsive, ProtocolViolation
from twisted_libp2p.interfaces import IConnection
from twisted_libp2p.protocols.streamfactory import StreamFactory

__all__ = [
    "PROTOCOL_ID",
    "Header",
    "Measurement",
    "Perf",
    "PerfFactory",
    "PerfResponder",
    "measure",
]

PROTOCOL_ID = "/perf/1.0.0"

#: What is sent, again and again.  Other implementations send zeros, too.
BLOCK = bytes(64 * 1024)

#: Seconds after which a stream on which no byte has moved is reset.
TIMEOUT = 60

#: No count on the wire is larger.
MAX_SIZE = 0xFFFF_FFFF_FFFF_FFFF


class Header(Enum):
    """
    What the client begins with; the value is its size in bytes.

    @cvar WANTED: how many bytes are wanted.
    @cvar SENT_WANTED: how many bytes are sent, and how many are wanted.
    """

    WANTED = 8
    SENT_WANTED = 16

    def pack(self, sent: int, wanted: int) -> bytes:
        """
        Give the bytes of this header.
        """
        packed = sent.to_bytes(8, "big") + wanted.to_bytes(8, "big")
        return packed[-self.value :]


@implementer(IHalfCloseableProtocol, IPushProducer)
class _Half(Protocol):
    """
    What both sides do: count what they receive, send zeros as fast as these
    are taken, and reset a stream that stands still.

    @ivar received: bytes received, the header included.
    @ivar sent: bytes sent, the header not included.
    """

    transport: Any

    def __init__(self, clock: IReactorTime) -> None:
        self.received = 0
        self.sent = 0
        self._left = 0
        self._sending = False
        self._paused = False
        self._watch = LoopingCall(self._look)
        self._watch.clock = clock
        # What had moved when it was last looked at, and how often since.
        self._moved = 0
        self._still = 0

    def connectionMade(self) -> None:
        """
        Have an eye on what moves.
        """
        self._watch.start(1.0, now=False).addErrback(self._fail)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Nothing moves any more.
        """
        if self._watch.running:
            self._watch.stop()

    def _look(self) -> None:
        """
        A second has passed.
        """
        moved = self.sent + self.received
        self._still = self._still + 1 if moved == self._moved else 0
        self._moved = moved
        if self._still >= TIMEOUT:
            self._fail(Failure(PeerUnresponsive(TIMEOUT)))

    def _fail(self, reason: Failure) -> None:
        """
        Reset the stream.
        """
        self.transport.abortConnection()

    def _violated(self, message: str) -> None:
        """
        The peer is to blame.
        """
        self._fail(Failure(ProtocolViolation(PROTOCOL_ID, f"the peer sent {message}")))

    def _send(self, size: int) -> None:
        """
        Send so many zeros, then call C{_allSent}.
        """
        self._left = size
        self._sending = True
        self.transport.registerProducer(self, True)
        self.resumeProducing()

    def _allSent(self) -> None:
        """
        The last zero is written.
        """
        raise NotImplementedError

    def pauseProducing(self) -> None:
        """
        The stream has enough for now.
        """
        self._paused = True

    def resumeProducing(self) -> None:
        """
        The stream takes more.
        """
        self._paused = False
        write = self.transport.write
        while self._left and not self._paused and self._sending:
            block = BLOCK if self._left >= len(BLOCK) else BLOCK[: self._left]
            self._left -= len(block)
            self.sent += len(block)
            write(block)
        if self._sending and not self._left:
            self._sending = False
            self.transport.unregisterProducer()
            self._allSent()

    def stopProducing(self) -> None:
        """
        The stream takes no more; C{connectionLost} tells of it.
        """
        self._sending = False

    def readConnectionLost(self) -> None:
        """
        The peer has sent all that it will.
        """
        raise NotImplementedError

    def writeConnectionLost(self) -> None:
        """
        Nothing to do: only our own close leads here.
        """


class PerfResponder(_Half):
    """
    Counts what it receives, then sends as much as is wanted.
    """

    def __init__(self, clock: IReactorTime, header: Header) -> None:
        """
        @param clock: tells when nothing has moved for too long.
        @param header: what the client begins with.
        """
        super().__init__(clock)
        self._size = header.value
        self._header = b""
        # How many bytes there have to be; None if that is not known yet, or
        # the peer has the end of its half tell.
        self._expected: int | None = None
        self._answered = False

    def dataReceived(self, data: bytes) -> None:
        """
        Count it.
        """
        self.received += len(data)
        missing = self._size - len(self._header)
        if missing:
            self._header += data[:missing]
            if len(self._header) == 16:
                self._expected = 16 + int.from_bytes(self._header[:8], "big")
        if self._expected is not None and self.received >= self._expected:
            self._answer()

    def readConnectionLost(self) -> None:
        """
        The client has sent all: it is our turn, unless that was too little.
        """
        if len(self._header) < self._size or self.received < (self._expected or 0):
            self._violated("less than was announced")
        else:
            self._answer()

    def _answer(self) -> None:
        if not self._answered:
            self._answered = True
            self._send(int.from_bytes(self._header[-8:], "big"))

    def _allSent(self) -> None:
        self.transport.loseConnection()


class PerfFactory(Factory):
    """
    Serves L{PerfResponder}.

    It gives every peer as much as it wants; a
    L{gater<twisted_libp2p.connmanager.ListGater>} decides who gets in.
    """

    noisy = False

    def __init__(self, clock: IReactorTime, header: Header = Header.WANTED) -> None:
        """
        @param clock: tells when nothing has moved for too long.
        @param header: what clients begin with.
        """
        self._clock = clock
        self._header = header

    def buildProtocol(self, addr: IAddress | None) -> PerfResponder:
        """
        Serve one more stream.
        """
        return PerfResponder(self._clock, self._header)


@dataclass(frozen=True, slots=True)
class Measurement:
    """
    How long it took.

    The peer answers when it has all that we sent: with the first byte of the
    answer, or its end, the upload is over and the download begins.  If there
    is nothing to upload the download begins at once.

    @ivar uploaded: bytes sent, without the header.
    @ivar uploadSeconds: what they took; 0 if there were none.
    @ivar downloaded: bytes received.
    @ivar downloadSeconds: what they took.
    """

    uploaded: int
    uploadSeconds: float
    downloaded: int
    downloadSeconds: float


class Perf(_Half):
    """
    The client: it begins as soon as it is connected.
    """

    def __init__(
        self,
        clock: IReactorTime,
        upload: int,
        download: int,
        *,
        header: Header = Header.WANTED,
        progress: Callable[[int, int], None] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        @param clock: tells when nothing has moved for too long.
        @param upload: how many bytes to send, less than 2**64.
        @param download: how many to ask for, likewise.
        @param header: what the peer expects.
        @param progress: is told every second how many bytes were sent and
            received until then.
        @param now: measures, in seconds; it must never jump.
        @raise ValueError: a size is out of range.
        """
        for size in (upload, download):
            if not 0 <= size <= MAX_SIZE:
                raise ValueError(f"{size} bytes are less than none, or too many")
        super().__init__(clock)
        self._upload = upload
        self._download = download
        self._header = header
        self._progress = progress
        self._now = now
        self._began = 0.0
        self._turned: float | None = None
        self._outcome: Measurement | Failure | None = None
        self._waiting: Deferred[Measurement] | None = None

    def measured(self) -> Deferred[Measurement]:
        """
        Wait for the end; only one may wait.

        @return: fires with what was measured.  Fails with
            L{ProtocolViolation} if the peer sends too much, too little or too
            early, with L{PeerUnresponsive} if nothing moves for 60 seconds, or
            with what ended the stream.  To cancel it is to reset the stream.
        """
        if isinstance(self._outcome, Failure):
            return fail(self._outcome)
        if self._outcome is not None:
            return succeed(self._outcome)
        self._waiting = Deferred(lambda _: self._fail(Failure(CancelledError())))
        return self._waiting

    def connectionMade(self) -> None:
        """
        Ask, and send.
        """
        super().connectionMade()
        self._began = self._now()
        self.transport.write(self._header.pack(self._upload, self._download))
        self._send(self._upload)

    def _allSent(self) -> None:
        self.transport.loseWriteConnection()

    def dataReceived(self, data: bytes) -> None:
        """
        Count it.
        """
        if self._turned is None:
            self._turn()
        self.received += len(data)
        if self._left:
            self._violated("an answer before all was sent")
        elif self.received > self._download:
            self._violated(f"more than {self._download} bytes")

    def readConnectionLost(self) -> None:
        """
        The answer is whole, or will never be.
        """
        if self._left:
            self._violated("an end before all was sent")
            return
        if self.received < self._download:
            self._violated(f"{self.received} of {self._download} bytes")
            return
        turned = self._turn() if self._turned is None else self._turned
        self._end(
            Measurement(
                self._upload,
                turned - self._began,
                self._download,
                self._now() - turned,
            )
        )
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Nothing more can be measured.
        """
        super().connectionLost(reason)
        self._end(reason)

    def _turn(self) -> float:
        """
        It is the peer's turn to send.
        """
        self._turned = self._now() if self._upload else self._began
        return self._turned

    def _look(self) -> None:
        if self._progress is not None:
            self._progress(self.sent, self.received)
        super()._look()

    def _fail(self, reason: Failure) -> None:
        """
        Reset the stream, and tell why.
        """
        self._end(reason)
        super()._fail(reason)

    def _end(self, outcome: Measurement | Failure) -> None:
        """
        Tell who waits, or will.
        """
        if self._outcome is not None:
            return
        self._outcome = outcome
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        if isinstance(outcome, Failure):
            waiting.errback(outcome)
        else:
            waiting.callback(outcome)


async def measure(
    clock: IReactorTime,
    connection: IConnection,
    upload: int,
    download: int,
    *,
    header: Header = Header.WANTED,
    progress: Callable[[int, int], None] | None = None,
) -> Measurement:
    """
    Send and receive on a new stream, and measure it.  The agreement on the
    protocol is measured, too; it costs no round trip of its own.

    @param clock: as for L{Perf}, like the other parameters.
    @param connection: to the peer.
    @raise UnsupportedProtocol: the peer does not serve it.
    @raise Exception: as L{Perf.measured}, or
        L{openStream<twisted_libp2p.interfaces.connections.IConnection.openStream>},
        fail with.
    """
    perf = Perf(clock, upload, download, header=header, progress=progress)
    await connection.openStream(PROTOCOL_ID, StreamFactory(lambda: perf))
    return await perf.measured()
