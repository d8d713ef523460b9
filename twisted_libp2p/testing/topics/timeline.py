# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Virtual time: calls that are due at a time, in order.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

__all__ = ["Timeline"]


class Timeline:
    """
    The calls of a simulation.

    @ivar now: the seconds since the start.
    """

    __slots__ = ("_calls", "_count", "now")

    def __init__(self) -> None:
        self.now = 0.0
        self._calls: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0

    def time(self) -> float:
        """
        Return the seconds since the start.
        """
        return self.now

    def after(self, seconds: float, call: Callable[..., None], *arguments: Any) -> None:
        """
        Call a function after some seconds.  Calls for the same time come in the
        order in which they were asked for.
        """
        self._count += 1
        heapq.heappush(self._calls, (self.now + seconds, self._count, call, arguments))

    def run(self, seconds: float) -> None:
        """
        Let time pass.
        """
        end = self.now + seconds
        calls, pop = self._calls, heapq.heappop
        while calls and calls[0][0] <= end:
            self.now, _, call, arguments = pop(calls)
            call(*arguments)
        self.now = end
