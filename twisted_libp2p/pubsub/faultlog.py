# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
How often the faults of an application are logged: a peer that sends messages on which a
validator or a subscriber fails must not fill the log.
"""

from __future__ import annotations

from typing import Final

from twisted_libp2p.pacing import Allowance

__all__ = ["FAULTS", "FAULT_INTERVAL", "FaultLog"]

#: Number of faults of one kind that are logged one by one, and the seconds after which
#: one more is.
FAULTS: Final = 5
FAULT_INTERVAL: Final = 60.0


class FaultLog:
    """
    Counts the faults of one kind.
    """

    __slots__ = ("_allowed", "_others")

    def __init__(self) -> None:
        self._allowed = Allowance(FAULTS, FAULT_INTERVAL, 0.0)
        self._others = 0

    def due(self, now: float) -> str | None:
        """
        Count a fault.

        @param now: the time in seconds.
        @return: the end of the line that is to be logged, which mentions the faults
            since the last one; None if nothing is to be logged.
        """
        if not self._allowed.take(now):
            self._others += 1
            return None
        others, self._others = self._others, 0
        return f" ({others} more since the last message)" if others else ""
