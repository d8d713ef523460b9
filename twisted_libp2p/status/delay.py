# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The delay of the reactor: how late a timer fires, because something else has kept the
program busy.
"""

from __future__ import annotations

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_libp2p.connection.dialrecord import Distribution

__all__ = ["INTERVAL", "ReactorDelay"]

#: Seconds between two measurements.
INTERVAL = 1.0


class ReactorDelay:
    """
    Measures how late a timer fires, once in a second.

    @ivar times: the measured seconds.
    """

    def __init__(self, clock: IReactorTime) -> None:
        """
        Measure nothing yet.

        @param clock: runs the timer.
        """
        self.times = Distribution()
        self._clock = clock
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """
        Begin to measure.
        """
        self._wait()

    def stop(self) -> None:
        """
        Measure no longer.
        """
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _wait(self) -> None:
        due = self._clock.seconds() + INTERVAL
        self._call = self._clock.callLater(INTERVAL, self._fired, due)

    def _fired(self, due: float) -> None:
        self.times.add(max(0.0, self._clock.seconds() - due))
        self._wait()
