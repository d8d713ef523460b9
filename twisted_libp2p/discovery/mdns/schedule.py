# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
When multicast DNS asks and answers, without I/O.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

from twisted_libp2p.pacing.allowance import Allowance

__all__ = ["AnswerTimes", "Budget", "QuestionTimes"]

#: Seconds between the first questions.
FIRST_INTERVALS: Final = (0.0, 1.0, 2.0, 6.0, 18.0)

#: Seconds between the questions after those, and the part of it that varies.  The
#: answers of js-libp2p 12 are valid for 120 s, and one may be lost.
INTERVAL: Final = 40.0
SPREAD: Final = 0.2

#: Seconds from a question to our answer: others answer it as well.
FASTEST: Final = 0.02
SLOWEST: Final = 0.12

#: Seconds between two answers on one link (RFC 6762, section 6).
ANSWER_INTERVAL: Final = 1.0

#: How many packets of one source are read at once, and in a second after that.
SOURCE_RATE: Final = 32

#: How many packets are read at once, and in a second after that.
RATE: Final = 256

#: Maximum number of sources whose packets are counted.
MAX_SOURCES: Final = 256


class QuestionTimes:
    """
    The waits between questions: short at the beginning, then 40 seconds.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        """
        Prepare to choose times.

        @param random: returns numbers from 0 to 1.
        """
        self._random = random
        self._asked = 0

    def restart(self) -> None:
        """
        Begin again, as after a change of the network.
        """
        self._asked = 0

    def next(self) -> float:
        """
        Return the seconds until the next question.
        """
        self._asked += 1
        if self._asked <= len(FIRST_INTERVALS):
            return FIRST_INTERVALS[self._asked - 1]
        return INTERVAL * (1.0 + SPREAD * (2.0 * self._random() - 1.0))


class AnswerTimes:
    """
    The times of the answers on one link.
    """

    __slots__ = ("_last", "_random")

    def __init__(self, random: Callable[[], float]) -> None:
        """
        Prepare to choose times.

        @param random: returns numbers from 0 to 1.
        """
        self._random = random
        self._last: float | None = None

    def delay(self, now: float) -> float:
        """
        Return the seconds from a question to its answer.
        """
        delay = FASTEST + (SLOWEST - FASTEST) * self._random()
        if self._last is not None:
            delay = max(delay, self._last + ANSWER_INTERVAL - now)
        return delay

    def answered(self, now: float) -> None:
        """
        Note an answer.
        """
        self._last = now


class Budget:
    """
    The number of packets that are read: to parse one costs more than to send it.
    """

    def __init__(self, now: float) -> None:
        """
        Begin with the whole budget.

        @param now: the time.
        """
        self._all = Allowance(RATE, 1.0 / RATE, now)
        self._sources: OrderedDict[Hashable, Allowance] = OrderedDict()

    def take(self, source: Hashable, now: float) -> bool:
        """
        Return whether one more packet is read.

        @param source: its source.
        @param now: the time.
        """
        allowance = self._sources.get(source)
        if allowance is None:
            allowance = Allowance(SOURCE_RATE, 1.0 / SOURCE_RATE, now)
            self._sources[source] = allowance
            if len(self._sources) > MAX_SOURCES:
                self._sources.popitem(last=False)
        else:
            self._sources.move_to_end(source)
        return allowance.take(now) and self._all.take(now)
