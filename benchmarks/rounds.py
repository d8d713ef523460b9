# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The same work by all, in alternating rounds: what disturbs the machine disturbs
all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from benchmarks.contenders import Contender
from benchmarks.failures import noted
from benchmarks.pair import Done, Pair
from benchmarks.progress import Progress
from benchmarks.rows import Row
from benchmarks.works import Work

__all__ = ["Rounds"]


class Sample(NamedTuple):
    """
    What was measured of whom.
    """

    work: str
    stack: str
    peer: str
    unit: str


class Rounds:
    """
    Measures one stack.

    @ivar notes: a line for each thing that could not be measured.
    """

    def __init__(
        self,
        reactor: Any,
        stack: str,
        contenders: Sequence[Contender],
        *,
        rounds: int,
        seconds: float,
        progress: Progress,
    ) -> None:
        """
        Prepare the rounds.

        @param rounds: how often each work is done by each.
        @param seconds: how long it takes, more or less.
        """
        self._reactor = reactor
        self._stack = stack
        self._contenders = contenders
        self._rounds = rounds
        self._seconds = seconds
        self._progress = progress
        self._pairs: dict[tuple[str, bool], Pair] = {}
        self.notes: list[str] = []

    async def run(self, works: Sequence[Work]) -> list[Row]:
        """
        Do all works, one after the other.
        """
        rows: list[Row] = []
        try:
            for work in works:
                rows += await self._measure(work)
        finally:
            for pair in self._pairs.values():
                await pair.stop()
            self._pairs.clear()
        return rows

    async def _measure(self, work: Work) -> list[Row]:
        able = [each for each in self._contenders if work.plain or not each.plain]
        amounts = {}
        for each in able:
            self._progress.show(f"{self._stack}: {work.name}", f"warm-up, {each.name}")
            amounts[each.name] = await self._calibrate(work, each)
        samples: dict[Sample, list[float]] = defaultdict(list)
        for turn in range(self._rounds):
            for each in able if turn % 2 == 0 else reversed(able):
                detail = f"round {turn + 1} of {self._rounds}, {each.name}"
                self._progress.show(f"{self._stack}: {work.name}", detail)
                done = await self._do(work, each, amounts[each.name])
                if done is None:
                    amounts[each.name] = None
                    continue
                for figure in work.figures(done):
                    sample = Sample(figure.work, self._stack, each.name, figure.unit)
                    samples[sample].append(figure.value)
        return [Row.of(*sample, values) for sample, values in samples.items()]

    async def _calibrate(self, work: Work, contender: Contender) -> int | None:
        """
        Find out how much fills the time.  What is done first warms up.

        @return: the amount; None if it cannot be done.
        """
        if await self._do(work, contender, work.start) is None:
            return None
        done = await self._do(work, contender, work.start)
        if done is None:
            return None
        return max(work.start, int(done.rate * self._seconds))

    async def _do(
        self, work: Work, contender: Contender, amount: int | None
    ) -> Done | None:
        """
        Have a work done by one of them, if it can.
        """
        if amount is None:
            return None
        key = contender.name, work.pinned
        with noted(self.notes, f"{contender.name}: {work.name}, {self._stack}"):
            pair = self._pairs.get(key)
            if pair is None:
                pair = await Pair.start(
                    self._reactor, contender, self._stack, pin=work.pinned
                )
                self._pairs[key] = pair
            return await pair.do(work.order(amount))
        broken = self._pairs.pop(key, None)
        if broken is not None:
            await broken.stop()
        return None
