# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Figures as bars, in SVG.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from benchmarks.contenders import NAMES
from benchmarks.rows import RATES, Row
from benchmarks.table import figure

__all__ = ["WORKS", "svg"]

#: The works that are shown, those that were measured.
WORKS = (
    "upload",
    "download",
    "upload, writes of 1400 B",
    "handshakes, 32 at once",
    "streams, 32 at once",
    "ping p50",
    "memory of an idle connection",
)

# Readable on white and on black.
INK = "#7a7a7a"
COLOURS = {"ours": "#d9822b", "raw": "#a0a0a0", "tls": "#a0a0a0"}
OTHERS = "#4c8fbd"

BAR, GAP, TITLE, LABEL, WIDTH, VALUE, MARGIN = 13, 3, 26, 38, 210, 72, 16


def svg(rows: Sequence[Row]) -> str:
    """
    Give a picture with one column for each stack and one panel for each work.
    """
    stacks = list(dict.fromkeys(row.stack for row in rows if row.work in WORKS))
    column = LABEL + WIDTH + VALUE + MARGIN
    parts: list[str] = []
    top = TITLE
    for place, stack in enumerate(stacks):
        parts.append(_text(place * column + LABEL, 14, stack, weight="bold"))
    for work in WORKS:
        panels = [
            [row for row in rows if (row.stack, row.work) == (stack, work)]
            for stack in stacks
        ]
        if any(panels):
            for place, panel in enumerate(panels):
                parts += _panel(place * column, top, panel)
            top += TITLE + max(map(len, panels)) * (BAR + GAP) + GAP
    wide = len(stacks) * column
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{top}"'
        f' viewBox="0 0 {wide} {top}" font-family="sans-serif" font-size="11">'
    )
    return "\n".join([head, *parts, "</svg>", ""])


def _panel(left: int, top: int, rows: Sequence[Row]) -> Iterator[str]:
    """
    Give the bars of one work.
    """
    if not rows:
        return
    unit = rows[0].unit
    better = "more is better" if unit in RATES else "less is better"
    title = f"{rows[0].work}, {unit} ({better})"
    yield _text(left + LABEL, top + 12, title)
    longest = max(row.max for row in rows)
    for place, row in enumerate(sorted(rows, key=lambda row: NAMES.index(row.peer))):
        y = top + TITLE - 8 + place * (BAR + GAP)
        length = max(1.0, WIDTH * row.median / longest)
        colour = COLOURS.get(row.peer, OTHERS)
        middle = y + BAR / 2
        yield _text(left + LABEL - 5, y + 11, row.peer, anchor="end")
        yield (
            f'<rect x="{left + LABEL}" y="{y}" width="{length:.1f}" height="{BAR}"'
            f' fill="{colour}"/>'
        )
        ends = [left + LABEL + WIDTH * value / longest for value in (row.min, row.max)]
        yield (
            f'<line x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" y1="{middle}" y2="{middle}"'
            f' stroke="{INK}"/>'
        )
        after = left + LABEL + max(length, ends[1] - left - LABEL) + 4
        yield _text(after, y + 11, figure(row.median))


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y}" fill="{INK}" text-anchor="{anchor}"'
        f' font-weight="{weight}">{escape(text)}</text>'
    )
