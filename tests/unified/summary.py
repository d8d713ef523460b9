# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What several measurements come to, as the suite wants it told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor

__all__ = ["Summary", "percentile"]


def percentile(ordered: Sequence[float], fraction: float) -> float:
    """
    Interpolate between the two nearest values.

    @param ordered: the values, from the least on; one at least.
    @param fraction: from 0 to 1.
    """
    place = fraction * (len(ordered) - 1)
    below, above = ordered[floor(place)], ordered[ceil(place)]
    return below + (above - below) * (place - floor(place))


@dataclass(frozen=True, slots=True)
class Summary:
    """
    @ivar samples: all values, from the least on.
    @ivar outliers: those of them that are farther from the middle half than
        one and a half times its width.
    """

    samples: Sequence[float]
    outliers: Sequence[float]

    @classmethod
    def of(cls, values: Iterable[float]) -> Summary:
        """
        Sum up.

        @param values: one at least.
        """
        samples = sorted(values)
        q1, q3 = percentile(samples, 0.25), percentile(samples, 0.75)
        reach = 1.5 * (q3 - q1)
        outliers = [each for each in samples if not q1 - reach <= each <= q3 + reach]
        return cls(samples, outliers)

    def lines(self, name: str, unit: str) -> list[str]:
        """
        Tell it; least and most are those without the outliers.
        """
        usual = [each for each in self.samples if each not in self.outliers]
        figures = {
            "min": usual[0],
            "q1": percentile(self.samples, 0.25),
            "median": percentile(self.samples, 0.5),
            "q3": percentile(self.samples, 0.75),
            "max": usual[-1],
        }
        return [
            f"{name}:",
            f"  iterations: {len(self.samples)}",
            *(f"  {figure}: {value:.3f}" for figure, value in figures.items()),
            f"  outliers: {_list(self.outliers)}",
            f"  samples: {_list(self.samples)}",
            f"  unit: {unit}",
        ]


def _list(values: Iterable[float]) -> str:
    return f"[{', '.join(f'{value:.3f}' for value in values)}]"
