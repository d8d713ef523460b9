# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The same deadline for many, and one timer for all of them.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

__all__ = ["Deadlines"]


class Late(Protocol):
    """
    Something that has to be done in time.
    """

    def timedOut(self) -> None:
        """
        End it: its time is over.
        """


class Deadlines:
    """
    Gives everybody the same time, from when they begin.

    Streams are negotiated by the thousand in a second, and hardly ever is one
    late: a timer for each would cost more than the negotiation.  So there is
    one, for whoever began first; it is not even cancelled when all are done,
    but by L{rest} and L{stop}.

    A deadline that has passed is judged only in the next turn of the reactor, as
    in L{twisted_libp2p.pacing.deadline}.

    @ivar seconds: how long everybody has.
    """

    __slots__ = ("_clock", "_ends", "_timer", "seconds")

    _log = Logger()

    def __init__(self, clock: IReactorTime, seconds: float) -> None:
        """
        @param clock: runs the timer.
        @param seconds: how long everybody has.
        """
        self.seconds = seconds
        self._clock = clock
        # In the order of their beginning, and so of their end.  A plain mapping
        # would look for its first entry among all that have left before it.
        self._ends: OrderedDict[Late, float] = OrderedDict()
        self._timer: IDelayedCall | None = None

    def begin(self, who: Late) -> None:
        """
        Start the time of somebody.
        """
        self._ends[who] = self._clock.seconds() + self.seconds
        if self._timer is None:
            self._timer = self._clock.callLater(self.seconds, self._passed)

    def end(self, who: Late) -> None:
        """
        Stop the time of somebody who is done; unknown ones are ignored.
        """
        self._ends.pop(who, None)

    def rest(self) -> None:
        """
        Stop the timer if all are done, since nobody may begin for long.
        """
        if not self._ends:
            self.stop()

    def stop(self) -> None:
        """
        Stop the time of everybody.
        """
        self._ends.clear()
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _passed(self) -> None:
        """
        Let the reactor read all sockets, and then look who is late.
        """
        self._timer = self._clock.callLater(0, self._look)

    def _look(self) -> None:
        """
        End those whose time is over; then wait for the next one.
        """
        self._timer = None
        now = self._clock.seconds()
        ends = self._ends
        first = next(iter(ends.values()), None)
        if first is not None and first > now + self.seconds:
            self._clockWasSetBack(now + self.seconds)
        while ends:
            who, end = next(iter(ends.items()))
            if end > now:
                break
            # One of them may end another, so each is looked for again.
            del ends[who]
            try:
                who.timedOut()
            except Exception:
                self._log.failure("{who} failed to end in time", who=who)
        if ends and self._timer is None:
            wait = max(next(iter(ends.values())) - now, 0.0)
            self._timer = self._clock.callLater(min(wait, self.seconds), self._passed)

    def _clockWasSetBack(self, latest: float) -> None:
        """
        Give nobody more time than there ever is.

        @param latest: when somebody would be late who begins now.
        """
        ends = [(min(end, latest), who) for who, end in self._ends.items()]
        ends.sort(key=lambda each: each[0])
        self._ends.clear()
        self._ends.update((who, end) for end, who in ends)
