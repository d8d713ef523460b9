# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
C{/perf/1.0.0}: as many bytes as possible, in each direction (libp2p/specs,
perf/perf.md).

The client announces how many bytes it wants, sends as many as it likes and ends its
half; then the server sends the wanted bytes, and ends its own half.  The two never send
at once, so each direction is measured by itself.

There are two headers under this one name.  The header of the specification has 8
bytes: the number of wanted bytes.  The header of rust-libp2p and of .NET in libp2p's
public suite has 16: the number of bytes that the client sends, then the number that it
wants; the server answers after so many bytes, whether the client has ended its half or
not.  Nothing on the wire distinguishes the two, so both sides have to be configured.
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

from twisted_libp2p.connection.building import StreamFactory
from twisted_libp2p.errors import PeerUnresponsive, ProtocolViolation
from twisted_libp2p.interfaces import IConnection

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

#: The block that is sent repeatedly.  Other implementations send zeros too.
BLOCK = bytes(64 * 1024)

#: Seconds after which a stream on which no byte has moved is reset.
TIMEOUT = 60

#: Maximum of a count on the wire.
MAX_SIZE = 0xFFFF_FFFF_FFFF_FFFF


class Header(Enum):
    """
    The header of the client; the value is its size in bytes.

    @cvar WANTED: the number of wanted bytes.
    @cvar SENT_WANTED: the number of sent bytes, and the number of wanted bytes.
    """

    WANTED = 8
    SENT_WANTED = 16

    def pack(self, sent: int, wanted: int) -> bytes:
        """
        Return the bytes of this header.
        """
        packed = sent.to_bytes(8, "big") + wanted.to_bytes(8, "big")
        return packed[-self.value :]


@implementer(IHalfCloseableProtocol, IPushProducer)
class _Side(Protocol):
    """
    The common part of both sides: counts the received bytes, sends zeros as fast as
    the peer takes them, and resets a stream that stands still.

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
        # The number of moved bytes at the last look, and of looks since it changed.
        self._moved = 0
        self._still = 0

    def connectionMade(self) -> None:
        """
        Start to watch the stream.
        """
        self._watch.start(1.0, now=False).addErrback(self._fail)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Stop to watch the stream.
        """
        if self._watch.running:
            self._watch.stop()

    def _look(self) -> None:
        """
        Check after each second whether bytes have moved.
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
        Reset the stream, by a fault of the peer.
        """
        self._fail(Failure(ProtocolViolation(PROTOCOL_ID, f"the peer sent {message}")))

    def _send(self, size: int) -> None:
        """
        Send zeros, then call C{_allSent}.
        """
        self._left = size
        self._sending = True
        self.transport.registerProducer(self, True)
        self.resumeProducing()

    def _allSent(self) -> None:
        """
        Handle the end of our zeros.
        """
        raise NotImplementedError

    def pauseProducing(self) -> None:
        """
        Pause: the stream has enough for now.
        """
        self._paused = True

    def resumeProducing(self) -> None:
        """
        Send as much as the stream takes.
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
        Stop to send; C{connectionLost} follows.
        """
        self._sending = False

    def readConnectionLost(self) -> None:
        """
        Handle the end of the peer's half.
        """
        raise NotImplementedError

    def writeConnectionLost(self) -> None:
        """
        Do nothing: only our own close leads here.
        """


class PerfResponder(_Side):
    """
    The server: counts the received bytes, then sends the wanted number.
    """

    def __init__(self, clock: IReactorTime, header: Header) -> None:
        """
        @param clock: runs the check that bytes move.
        @param header: the header of the client.
        """
        super().__init__(clock)
        self._size = header.value
        self._header = b""
        # The number of bytes to expect; None if it is not known yet, or if the peer
        # ends its half after them.
        self._expected: int | None = None
        self._answered = False

    def dataReceived(self, data: bytes) -> None:
        """
        Count received bytes.
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
        Answer, unless the client has sent too little.
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

    It sends as much as each peer wants; a
    L{gater<twisted_libp2p.connmanager.ListGater>} decides which peers get in.
    """

    noisy = False

    def __init__(self, clock: IReactorTime, header: Header = Header.WANTED) -> None:
        """
        @param clock: runs the check that bytes move.
        @param header: the header of clients.
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
    The durations of both directions.

    The peer answers when it has received everything: with the first byte of the answer,
    or its end, the upload is over and the download begins.  Without an upload the
    download begins at once.

    @ivar uploaded: bytes sent, without the header.
    @ivar uploadSeconds: duration of the upload; 0 without one.
    @ivar downloaded: bytes received.
    @ivar downloadSeconds: duration of the download.
    """

    uploaded: int
    uploadSeconds: float
    downloaded: int
    downloadSeconds: float


class Perf(_Side):
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
        @param clock: runs the check that bytes move.
        @param upload: number of bytes to send, less than 2**64.
        @param download: number of bytes to ask for, less than 2**64.
        @param header: the header that the peer expects.
        @param progress: called every second with the numbers of bytes that were sent
            and received by then.
        @param now: returns a time in seconds that never jumps.
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
        Wait for the end; only one caller may wait.

        @return: fires with the measurement.  Fails with L{ProtocolViolation} if the
            peer sends too much, too little or too early, with L{PeerUnresponsive} if
            nothing moves for 60 seconds, or with the reason of the end of the stream.
            If it is cancelled, the stream is reset.
        """
        if isinstance(self._outcome, Failure):
            return fail(self._outcome)
        if self._outcome is not None:
            return succeed(self._outcome)
        self._waiting = Deferred(lambda _: self._fail(Failure(CancelledError())))
        return self._waiting

    def connectionMade(self) -> None:
        """
        Send the header and the zeros.
        """
        super().connectionMade()
        self._began = self._now()
        self.transport.write(self._header.pack(self._upload, self._download))
        self._send(self._upload)

    def _allSent(self) -> None:
        self.transport.loseWriteConnection()

    def dataReceived(self, data: bytes) -> None:
        """
        Count received bytes.
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
        Check that the answer is complete, and report the measurement.
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
        Report that the stream was lost.
        """
        super().connectionLost(reason)
        self._end(reason)

    def _turn(self) -> float:
        """
        Note when it is the peer's turn to send.
        """
        self._turned = self._now() if self._upload else self._began
        return self._turned

    def _look(self) -> None:
        if self._progress is not None:
            self._progress(self.sent, self.received)
        super()._look()

    def _fail(self, reason: Failure) -> None:
        """
        Reset the stream, and report the reason.
        """
        self._end(reason)
        super()._fail(reason)

    def _end(self, outcome: Measurement | Failure) -> None:
        """
        Report the outcome to the waiting caller, or keep it for a later one.
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
    Send and receive on a new stream, and measure it.  The negotiation of the protocol
    is measured too; it costs no round trip of its own.

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
