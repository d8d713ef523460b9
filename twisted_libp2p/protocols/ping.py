# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
C{/ipfs/ping/1.0.0}: 32 random bytes come back (libp2p/specs, ping/ping.md).
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IReactorTime,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import PeerAddress
from twisted_libp2p.errors import ProtocolViolation, UpgradeTimeout
from twisted_libp2p.identity import PeerID
from twisted_libp2p.pacing import Deadline

__all__ = ["PROTOCOL_ID", "Ping", "PingFactory", "PingResponder"]

PROTOCOL_ID = "/ipfs/ping/1.0.0"

#: The bytes of one ping.
SIZE = 32

#: How many streams a peer may ping us on at once.
MAX_STREAMS = 2

#: Seconds after which a stream on which no whole ping came is reset, and
#: after which our own ping has failed.
TIMEOUT = 10.0


@implementer(IHalfCloseableProtocol)
class PingResponder(Protocol):
    """
    Sends every 32 bytes back.
    """

    transport: Any
    factory: PingFactory
    _timer: Deadline | None = None

    def __init__(self, peer: PeerID) -> None:
        self._peer = peer
        self._partial = b""

    def connectionMade(self) -> None:
        """
        Wait for pings, but not for ever.
        """
        self.transport.registerProducer(self.transport, True)
        self._timer = Deadline(self.factory.clock, TIMEOUT, self._idle)

    def dataReceived(self, data: bytes) -> None:
        """
        Answer all whole pings at once.
        """
        data = self._partial + data
        whole = len(data) - len(data) % SIZE
        self._partial = data[whole:]
        if whole:
            self.transport.write(data[:whole])
            if self._timer is not None:
                self._timer.reset(TIMEOUT)

    def readConnectionLost(self) -> None:
        """
        The peer has pinged enough.
        """
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """
        Nothing to do: only our own close leads here.
        """

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Give the place back.
        """
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self.factory.release(self._peer)

    def _idle(self) -> None:
        """
        The peer keeps a place that it does not use.
        """
        self._timer = None
        self.transport.abortConnection()


class PingFactory(Factory):
    """
    Serves L{PingResponder}, on two streams of one peer at most.
    """

    noisy = False

    def __init__(self, clock: IReactorTime) -> None:
        """
        @param clock: tells when a peer has been silent for too long.
        """
        self.clock = clock
        self._streams: dict[PeerID, int] = {}

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> PingResponder | None:
        """
        Serve one more stream, unless the peer has too many.
        """
        assert isinstance(addr, PeerAddress)
        count = self._streams.get(addr.peerID, 0)
        if count >= MAX_STREAMS:
            return None
        self._streams[addr.peerID] = count + 1
        responder = PingResponder(addr.peerID)
        responder.factory = self
        return responder

    def release(self, peer: PeerID) -> None:
        """
        A stream of this peer has ended.
        """
        left = self._streams[peer] - 1
        if left:
            self._streams[peer] = left
        else:
            del self._streams[peer]


class Ping(Protocol):
    """
    Our side of a ping stream: any number of pings, one after the other or
    several under way.
    """

    transport: Any

    def __init__(
        self, clock: IReactorTime, now: Callable[[], float] = time.monotonic
    ) -> None:
        """
        @param clock: tells when an answer is late.
        @param now: measures, in seconds; it must never jump.
        """
        self._clock = clock
        self._now = now
        self._waiting: deque[tuple[bytes, float, Deferred[float]]] = deque()
        self._received = b""
        self._timer: Deadline | None = None
        self._reason: Failure | None = None

    def ping(self) -> Deferred[float]:
        """
        Send 32 random bytes.

        @return: fires with the seconds until they came back.  Fails with
            L{ProtocolViolation} if others did, with L{UpgradeTimeout} after
            10 seconds, or with what ended the stream; the first two end it.
            To cancel it is to ignore the answer.
        """
        if self._reason is not None:
            return fail(self._reason)
        payload = os.urandom(SIZE)
        result: Deferred[float] = Deferred()
        self._waiting.append((payload, self._now(), result))
        if self._timer is None:
            self._timer = Deadline(self._clock, TIMEOUT, self._late)
        self.transport.write(payload)
        return result

    def dataReceived(self, data: bytes) -> None:
        """
        Compare with what was sent.
        """
        self._received += data
        while self._waiting and len(self._received) >= SIZE:
            answer, self._received = self._received[:SIZE], self._received[SIZE:]
            payload, sent, result = self._waiting[0]
            if answer != payload:
                self._end(ProtocolViolation(PROTOCOL_ID, "the echo is wrong"))
                return
            self._waiting.popleft()
            self._restartTimer()
            result.callback(self._now() - sent)
        if self._received and not self._waiting:
            self._end(ProtocolViolation(PROTOCOL_ID, "bytes that nobody asked for"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        No answer will come any more.
        """
        if self._reason is None:
            self._fail(reason)

    def _late(self) -> None:
        self._timer = None
        self._end(UpgradeTimeout("a ping", TIMEOUT))

    def _end(self, error: Exception) -> None:
        """
        The peer is to blame: reset the stream.
        """
        self._fail(Failure(error))
        self.transport.abortConnection()

    def _fail(self, reason: Failure) -> None:
        """
        Tell all who wait, and all who will.
        """
        self._reason = reason
        self._stopTimer()
        while self._waiting:
            _, _, result = self._waiting.popleft()
            result.errback(reason)

    def _restartTimer(self) -> None:
        """
        Wait for the oldest ping that is not answered yet.
        """
        self._stopTimer()
        if self._waiting:
            waited = self._now() - self._waiting[0][1]
            left = max(0.0, TIMEOUT - waited)
            self._timer = Deadline(self._clock, left, self._late)

    def _stopTimer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
