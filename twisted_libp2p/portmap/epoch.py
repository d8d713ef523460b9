# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The clock of a gateway, which begins again when the gateway forgets its mappings.
"""

from __future__ import annotations

__all__ = ["Epoch"]


class Epoch:
    """
    Compares the clock of a gateway with ours (RFC 6887, section 8.5).

    @ivar restarts: how often the gateway has begun again.
    """

    __slots__ = ("_last", "restarts")

    def __init__(self) -> None:
        self.restarts = 0
        self._last: tuple[float, int] | None = None

    def take(self, now: float, epoch: int) -> None:
        """
        Take the clock of the gateway from an answer.

        @param now: our time, in seconds.
        @param epoch: its time.
        """
        before, self._last = self._last, (now, epoch)
        if before is None:
            return
        ours, its = now - before[0], epoch - before[1]
        # Clocks may differ by a sixteenth, and an answer may be late.
        if its < -1 or ours + 2.0 < its - its / 16.0 or its + 2.0 < ours - ours / 16.0:
            self.restarts += 1
