# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A circuit, as its relay sees it: two streams that are joined.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from twisted_libp2p.errors import ErrorCode
from twisted_libp2p.pacing import Deadline
from twisted_libp2p.protocols.forward import Pipe
from twisted_libp2p.relay.messages import Limit
from twisted_libp2p.relay.talk import Talk

__all__ = ["Splice"]


class _End(Pipe):
    """
    One of the two streams.

    @ivar passed: the number of bytes that were received here.
    """

    def __init__(self, splice: Splice, maximum: int | None) -> None:
        """
        Make one side of a circuit.

        @param maximum: how many bytes may be received here; None for any number.
        """
        self.passed = 0
        self._splice = splice
        self._maximum = maximum

    def dataReceived(self, data: bytes) -> None:
        """
        Pass bytes on, up to the limit.
        """
        self.passed += len(data)
        if self._maximum is not None and self.passed > self._maximum:
            self._splice.stop("data")
        elif self.other is not None:
            self.other.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        End the other stream; the circuit has ended with the second of them.
        """
        super().connectionLost(reason)
        self._splice.lost()


class Splice:
    """
    A circuit.

    At a limit both streams are reset: nobody takes the cut for an end.

    @ivar limit: the limit that has ended it, C{"data"}, C{"duration"} or C{"idle"};
        None if a peer has.
    """

    def __init__(
        self,
        clock: IReactorTime,
        limit: Limit | None,
        idle: float,
        ended: Callable[[Splice], object],
    ) -> None:
        """
        @param limit: the limits; None without any.
        @param idle: seconds without a byte after which it ends.
        @param ended: called once, when both streams have ended.
        """
        self._clock = clock
        self._idle = idle
        self._ended = ended
        self._left = 2
        self._since = clock.seconds()
        self._seen = 0
        self.limit: str | None = None
        maximum = None if limit is None else limit.data
        self._ends = (_End(self, maximum), _End(self, maximum))
        duration = None if limit is None else limit.duration
        self._over = (
            None
            if duration is None
            else Deadline(clock, duration, self.stop, "duration")
        )
        self._look = Deadline(clock, idle, self._lookAgain)

    @property
    def forth(self) -> int:
        """
        The number of bytes from the peer that has dialed.
        """
        return self._ends[0].passed

    @property
    def back(self) -> int:
        """
        The number of bytes to the peer that has dialed.
        """
        return self._ends[1].passed

    @property
    def age(self) -> float:
        """
        The seconds since its beginning.
        """
        return self._clock.seconds() - self._since

    def join(self, source: Talk, destination: Talk) -> None:
        """
        Join the streams of two talks that have ended well.
        """
        streams = source.transport, destination.transport
        rests = [
            talk.give(end)
            for talk, end in zip((source, destination), self._ends, strict=True)
        ]
        self._ends[0].join(self._ends[1])
        for stream, rest in zip(streams, rests, strict=True):
            if rest:
                stream.unread(rest)
            stream.resumeProducing()

    def stop(self, limit: str | None) -> None:
        """
        Reset both streams.

        @param limit: the reason, if it is a limit.
        """
        self.limit = self.limit or limit
        code = ErrorCode.LIMIT_EXCEEDED if limit else ErrorCode.NONE
        for each in self._ends:
            if each.transport is not None:
                each.transport.abortConnection(code)

    def _lookAgain(self) -> None:
        """
        End the circuit if no byte has passed since the last look.
        """
        passed = self.forth + self.back
        if passed == self._seen:
            self.stop("idle")
        else:
            self._seen = passed
            self._look = Deadline(self._clock, self._idle, self._lookAgain)

    def lost(self) -> None:
        """
        Count an end.
        """
        self._left -= 1
        if not self._left:
            for each in (self._over, self._look):
                if each is not None and each.active():
                    each.cancel()
            self._ended(self)
