# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A limit on the bytes of a tunnel in each second, which its streams share.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from zope.interface import implementer

__all__ = ["Rate", "Throttle", "Valve"]

#: Seconds of the rate that may be used at once after a pause.
BURST: Final = 0.25


class Rate:
    """
    A budget of bytes that grows with the time.  It may be overdrawn: whoever does has
    to wait until it is positive again.
    """

    __slots__ = ("_at", "_left", "_perSecond")

    def __init__(self, perSecond: float, now: float) -> None:
        """
        @param perSecond: bytes.
        @param now: the time, in seconds.
        """
        self._perSecond = perSecond
        self._left = perSecond * BURST
        self._at = now

    def spend(self, size: int, now: float) -> float:
        """
        Use some bytes.

        @return: the seconds to wait before the next ones; 0 if there is no need to.
        """
        earned = max(0.0, now - self._at) * self._perSecond
        self._at = now
        self._left = min(self._left + earned, self._perSecond * BURST) - size
        return max(0.0, -self._left / self._perSecond)


@implementer(IPushProducer)
class Valve:
    """
    A transport as the producer of the other end of a pipe: it produces only as long as
    that end wants bytes, and the rate allows them.
    """

    __slots__ = ("_call", "_clock", "_rate", "_transport", "_wanted")

    def __init__(self, clock: IReactorTime, rate: Rate, transport: Any) -> None:
        self._clock = clock
        self._rate = rate
        self._transport = transport
        self._wanted = True
        self._call: IDelayedCall | None = None

    def spend(self, size: int) -> None:
        """
        Count received bytes, and produce nothing until the rate allows more.
        """
        delay = self._rate.spend(size, self._clock.seconds())
        if delay and self._call is None:
            self._transport.pauseProducing()
            self._call = self._clock.callLater(delay, self._due)

    def _due(self) -> None:
        self._call = None
        # Another stream may have used the bytes in the meantime.
        self.spend(0)
        if self._call is None and self._wanted:
            self._transport.resumeProducing()

    def cancel(self) -> None:
        """
        Produce no longer.
        """
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def pauseProducing(self) -> None:
        """
        Pause: the other end has enough.
        """
        self._wanted = False
        self._transport.pauseProducing()

    def resumeProducing(self) -> None:
        """
        Go on, unless the rate does not allow it yet.
        """
        self._wanted = True
        if self._call is None:
            self._transport.resumeProducing()

    def stopProducing(self) -> None:
        """
        Stop: the other end is lost.
        """
        self.cancel()
        self._transport.stopProducing()


class Throttle:
    """
    The limit of a tunnel, in each direction.

    @ivar perSecond: bytes.
    """

    def __init__(self, clock: IReactorTime, perSecond: float) -> None:
        """
        @param perSecond: bytes.
        """
        self.perSecond = perSecond
        self._clock = clock
        self._rates = [Rate(perSecond, clock.seconds()) for _ in range(2)]

    def valves(self, inbound: Any, outbound: Any) -> tuple[Valve, Valve]:
        """
        Return the producers of the two transports of a pipe, which produce nothing
        before the rate allows it.  Otherwise many short streams would pass any rate.
        """
        one, other = (
            Valve(self._clock, rate, transport)
            for rate, transport in zip(self._rates, (inbound, outbound), strict=True)
        )
        for each in (one, other):
            each.spend(0)
        return one, other
