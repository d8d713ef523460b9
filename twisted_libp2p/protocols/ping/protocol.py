# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The side that pings, and the constants of both sides.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from twisted_libp2p.errors import ProtocolViolation, UpgradeTimeout
from twisted_libp2p.pacing import Deadline

__all__ = ["PROTOCOL_ID", "SIZE", "TIMEOUT", "Ping"]

PROTOCOL_ID = "/ipfs/ping/1.0.0"

#: Size of a ping in bytes.
SIZE = 32

#: Seconds after which a stream without a complete ping is reset, and after which our
#: own ping has failed.
TIMEOUT = 10.0


class Ping(Protocol):
    """
    Our side of a ping stream: any number of pings, one after the other or
    several at once.
    """

    transport: Any

    def __init__(
        self, clock: IReactorTime, now: Callable[[], float] = time.monotonic
    ) -> None:
        """
        @param clock: runs the deadline of the answers.
        @param now: returns a time in seconds that never jumps.
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
            L{ProtocolViolation} if other bytes did, with L{UpgradeTimeout} after
            10 seconds, or with the reason of the end of the stream; the first two
            errors reset the stream.  If it is cancelled, the answer is ignored.
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
        Compare the answers with the pings.
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
            self._end(ProtocolViolation(PROTOCOL_ID, "bytes without a ping"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Fail the pings without an answer.
        """
        if self._reason is None:
            self._fail(reason)

    def _late(self) -> None:
        self._timer = None
        self._end(UpgradeTimeout("a ping", TIMEOUT))

    def _end(self, error: Exception) -> None:
        """
        Reset the stream, by a fault of the peer.
        """
        self._fail(Failure(error))
        self.transport.abortConnection()

    def _fail(self, reason: Failure) -> None:
        """
        Fail all waiting pings, and all later ones.
        """
        self._reason = reason
        self._stopTimer()
        while self._waiting:
            _, _, result = self._waiting.popleft()
            result.errback(reason)

    def _restartTimer(self) -> None:
        """
        Run the deadline of the oldest ping without an answer.
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
