# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Figures as a table for people: one row for each work, one column for each peer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.contenders import NAMES
from benchmarks.rows import Row

__all__ = ["figure", "lines", "ratio", "stacks"]


def figure(value: float) -> str:
    """
    Give a number with three digits that count.
    """
    if value >= 100 or value == 0:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}" if value < 10 else f"{value:.1f}"


def ratio(ours: Row | None, theirs: Row) -> str:
    """
    Tell how many times as good ours is as theirs; nothing for ours itself.
    """
    if ours is None or ours is theirs:
        return ""
    return f"{ours.better(theirs):.2f} x"


def stacks(rows: Sequence[Row]) -> Iterator[tuple[str, list[str], list[list[Row]]]]:
    """
    Sort rows.

    @return: for each stack its name, the peers that were measured, and the rows
        of each work.
    """
    for stack in dict.fromkeys(row.stack for row in rows):
        of = [row for row in rows if row.stack == stack]
        works = dict.fromkeys((row.work, row.unit) for row in of)
        peers = [name for name in NAMES if any(row.peer == name for row in of)]
        yield (
            stack,
            peers,
            [[row for row in of if (row.work, row.unit) == work] for work in works],
        )


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """
    Give the lines of the table: below each median its smallest and largest
    round, if there were several, and beside it how many times as good ours is.
    """
    for stack, peers, works in stacks(rows):
        width = max(len(works[0][0].unit), *(len(each[0].work) for each in works), 10)
        yield ""
        yield stack or "any stack"
        yield f"{'':{width}}  {'unit':10}" + "".join(f"{name:>18}" for name in peers)
        for each in works:
            byPeer = {row.peer: row for row in each}
            medians = f"{each[0].work:{width}}  {each[0].unit:10}"
            ranges = f"{'':{width}}  {'':10}"
            for name in peers:
                row = byPeer.get(name)
                medians += f"{_median(byPeer.get('ours'), row):>18}"
                ranges += f"{_range(row):>18}"
            yield medians.rstrip()
            if ranges.strip():
                yield ranges.rstrip()


def _median(ours: Row | None, row: Row | None) -> str:
    if row is None:
        return "-"
    return f"{figure(row.median)} {ratio(ours, row):>7}".rstrip()


def _range(row: Row | None) -> str:
    if row is None or row.rounds == 1:
        return ""
    return f"[{figure(row.min)}-{figure(row.max)}]"
