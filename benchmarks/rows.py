# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What was measured.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Row", "load", "save"]

#: Units of which more is better.
RATES = ("MiB/s", "1/s")


@dataclass(frozen=True)
class Row:
    """
    One figure.

    @ivar work: what was done.
    @ivar stack: over which security protocol and muxer, C{noise+yamux}; empty
        where that makes no difference.
    @ivar peer: by whom.
    @ivar unit: of the figures.
    @ivar median: of all rounds, as the following.
    @ivar rounds: how often it was measured.
    """

    work: str
    stack: str
    peer: str
    unit: str
    median: float
    min: float
    max: float
    rounds: int

    @classmethod
    def of(
        cls, work: str, stack: str, peer: str, unit: str, samples: Sequence[float]
    ) -> Row:
        """
        Make one of what the rounds gave.
        """
        median = statistics.median(samples)
        return cls(
            work, stack, peer, unit, median, min(samples), max(samples), len(samples)
        )

    def better(self, other: Row) -> float:
        """
        Tell how many times as good this figure is as another one.
        """
        mine, others = self.median, other.median
        if self.unit not in RATES:
            mine, others = others, mine
        return mine / others if others else float("inf")


def save(rows: Iterable[Row], path: Path) -> None:
    """
    Write a list of objects, with the names of the attributes as keys.
    """
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


def load(path: Path) -> list[Row]:
    """
    Read what L{save} has written.
    """
    return [Row(**each) for each in json.loads(path.read_text())]
