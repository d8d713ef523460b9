# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
One timer for many deadlines of the same length.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_libp2p.logger import Logger

__all__ = ["Deadlines"]


class Late(Protocol):
    """
    An object with a deadline.
    """

    def timedOut(self) -> None:
        """
        End it, because its deadline has passed.
        """


class Deadlines:
    """
    Gives all its entries the same time, each from its own beginning.

    Thousands of streams are negotiated in a second, and almost none is late: a timer
    for each would cost more than the negotiation.  So there is one timer, for the
    oldest entry.  It is not even cancelled when all are done, because the next entry
    may begin soon, but only by L{rest} and L{stop}, when the owner has stopped.
    See C{docs/internals.rst}, "One timer for all deadlines of a kind".

    A deadline that has passed is judged only in the next turn of the reactor, as
    in L{twisted_libp2p.pacing.deadline}.

    @ivar seconds: the time of each entry.
    """

    __slots__ = ("_clock", "_ends", "_timer", "seconds")

    _log = Logger()

    def __init__(self, clock: IReactorTime, seconds: float) -> None:
        """
        @param clock: runs the timer.
        @param seconds: the time of each entry.
        """
        self.seconds = seconds
        self._clock = clock
        # In the order of their beginnings, and so of their ends.  A plain dict would
        # search for its first entry among the places of all earlier ones.
        self._ends: OrderedDict[Late, float] = OrderedDict()
        self._timer: IDelayedCall | None = None

    def begin(self, who: Late) -> None:
        """
        Start the time of an entry.
        """
        self._ends[who] = self._clock.seconds() + self.seconds
        if self._timer is None:
            self._timer = self._clock.callLater(self.seconds, self._passed)

    def end(self, who: Late) -> None:
        """
        Remove an entry that is done; unknown ones are ignored.
        """
        self._ends.pop(who, None)

    def rest(self) -> None:
        """
        Stop the timer if all are done: the owner begins no more.
        """
        if not self._ends:
            self.stop()

    def stop(self) -> None:
        """
        Remove all entries.
        """
        self._ends.clear()
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _passed(self) -> None:
        """
        Let the reactor read all sockets, and then look for late entries.
        """
        self._timer = self._clock.callLater(0, self._look)

    def _look(self) -> None:
        """
        End the late entries; then wait for the next one.
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
            # An entry may end another one, so each is looked up again.
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
        Shorten all times that exceed the usual time.

        @param latest: the deadline of an entry that begins now.
        """
        ends = [(min(end, latest), who) for who, end in self._ends.items()]
        ends.sort(key=lambda each: each[0])
        self._ends.clear()
        self._ends.update((who, end) for end, who in ends)
