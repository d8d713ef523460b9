# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The same deadline for many, and one timer for all of them.
"""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["Deadlines"]


class Late(Protocol):
    """
    Who may be late.
    """

    def timedOut(self) -> None:
        """
        The time is over.
        """


class Deadlines:
    """
    Gives everybody the same time, from when they begin.

    Streams are negotiated by the thousand in a second, and hardly ever is one
    late: a timer for each would cost more than the negotiation.  So there is
    one, for whoever began first; it is not even cancelled when all are done,
    but by L{rest} and L{stop}.

    @ivar seconds: how long everybody has.
    """

    __slots__ = ("_clock", "_ends", "_timer", "seconds")

    def __init__(self, clock: IReactorTime, seconds: float) -> None:
        """
        @param clock: runs the timer.
        @param seconds: how long everybody has.
        """
        self.seconds = seconds
        self._clock = clock
        # In the order of their beginning, and so of their end.
        self._ends: dict[Late, float] = {}
        self._timer: IDelayedCall | None = None

    def begin(self, who: Late) -> None:
        """
        Somebody has begun.
        """
        self._ends[who] = self._clock.seconds() + self.seconds
        if self._timer is None:
            self._timer = self._clock.callLater(self.seconds, self._look)

    def end(self, who: Late) -> None:
        """
        Somebody is done; whoever is not known is done anyhow.
        """
        self._ends.pop(who, None)

    def rest(self) -> None:
        """
        Nobody may begin for long: wait no more if all are done.
        """
        if not self._ends:
            self.stop()

    def stop(self) -> None:
        """
        Nobody is late any more.
        """
        self._ends.clear()
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _look(self) -> None:
        """
        Tell those whose time is over; then wait for the next one.
        """
        self._timer = None
        now = self._clock.seconds()
        late = [who for who, end in self._ends.items() if end <= now]
        for who in late:
            # One of them may have ended another.
            if self._ends.pop(who, None) is not None:
                who.timedOut()
        first = next(iter(self._ends.values()), None)
        if first is not None and self._timer is None:
            # A clock that was set back must not stretch anybody's time.
            wait = min(max(first - now, 0.0), self.seconds)
            self._timer = self._clock.callLater(wait, self._look)
