# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Peers that may be dialed, and when, without I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Final, Generic, TypeVar

from twisted_libp2p.connmanager.policy import Backoff

__all__ = ["Candidates"]

K = TypeVar("K", bound=Hashable)

#: How often in succession a dial of a found peer may fail, before it is forgotten.
MAX_FAILURES: Final = 8


class _Candidate:
    """
    A candidate.

    @ivar due: the time from which it may be dialed.
    @ivar failures: number of failures in succession.
    """

    __slots__ = ("due", "failures")

    def __init__(self, due: float) -> None:
        self.due = due
        self.failures = 0


class Candidates(Generic[K]):
    """
    A bounded set of candidates; each has a back-off of its own.
    """

    def __init__(
        self,
        backoff: Backoff,
        random: Callable[[], float],
        maximum: int | None = None,
        failures: int | None = None,
    ) -> None:
        """
        Begin without candidates.

        @param backoff: the waits after failures.
        @param random: returns numbers from 0 to 1.
        @param maximum: maximum number of candidates; the one that was added longest ago
            makes room.  None for any number.
        @param failures: number of failures in succession after which one is removed;
            None for any number.
        """
        self._backoff = backoff
        self._random = random
        self._maximum = maximum
        self._failures = failures
        self._all: dict[K, _Candidate] = {}

    def __iter__(self) -> Iterator[K]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, key: object) -> bool:
        return key in self._all

    def add(self, key: K, due: float) -> None:
        """
        Add a candidate, unless it is there.

        @param due: the time from which it may be dialed.
        """
        if key in self._all:
            return
        if self._maximum is not None and len(self._all) >= self._maximum:
            del self._all[next(iter(self._all))]
        self._all[key] = _Candidate(due)

    def remove(self, key: K) -> None:
        """
        Remove a candidate, if it is there.
        """
        self._all.pop(key, None)

    def ready(self, now: float, count: int, skipped: Callable[[K], bool]) -> list[K]:
        """
        Choose candidates that may be dialed now, in a random order.

        @param count: maximum number of them.
        @param skipped: returns whether a candidate is left out.
        """
        found = [
            key
            for key, each in self._all.items()
            if each.due <= now and not skipped(key)
        ]
        found.sort(key=lambda key: (self._all[key].failures, self._random()))
        return found[: max(count, 0)]

    def next(self, now: float, skipped: Callable[[K], bool]) -> float | None:
        """
        Return the time at which the next candidate may be dialed; None without one.

        @param skipped: returns whether a candidate is left out.
        """
        return min(
            (
                each.due
                for key, each in self._all.items()
                if each.due > now and not skipped(key)
            ),
            default=None,
        )

    def failed(self, key: K, now: float) -> None:
        """
        Let a candidate wait after a failure, or remove it after too many.
        """
        each = self._all.get(key)
        if each is None:
            return
        each.due = now + self._backoff.delay(each.failures, self._random())
        each.failures += 1
        if self._failures is not None and each.failures >= self._failures:
            del self._all[key]

    def succeeded(self, key: K) -> None:
        """
        Note that a candidate is connected.
        """
        each = self._all.get(key)
        if each is not None:
            each.failures = 0

    def lost(self, key: K, now: float) -> None:
        """
        Let a candidate wait after the loss of its connection.
        """
        each = self._all.get(key)
        if each is not None:
            each.due = max(each.due, now + self._backoff.delay(0, self._random()))
