# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A limit on the time that a tunnelled stream may be open without passing a byte.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from twisted_libp2p.pacing import Deadline

__all__ = ["IdleRule", "IdleTimer"]


class IdleRule:
    """
    The rule of a tunnel.

    @ivar seconds: the time without a byte, in either direction, after which a stream
        is ended.
    """

    __slots__ = ("_clock", "seconds")

    def __init__(self, clock: IReactorTime, seconds: float) -> None:
        """
        @param clock: runs the timers.
        """
        self._clock = clock
        self.seconds = seconds

    def timer(self, end: Callable[[], object]) -> IdleTimer:
        """
        Start the timer of one stream.

        @param end: ends the stream.
        """
        return IdleTimer(Deadline(self._clock, self.seconds, end), self.seconds)


class IdleTimer:
    """
    The timer of one stream.
    """

    __slots__ = ("_deadline", "_seconds")

    def __init__(self, deadline: Deadline, seconds: float) -> None:
        self._deadline = deadline
        self._seconds = seconds

    def restart(self) -> None:
        """
        Start again: a byte has passed.
        """
        if self._deadline.active():
            self._deadline.reset(self._seconds)

    def cancel(self) -> None:
        """
        Stop; again without effect.
        """
        if self._deadline.active():
            self._deadline.cancel()
