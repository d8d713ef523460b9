# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What came of the attacks, on a terminal and in the manual::

    python -m tests.attacks.report docs/attacks.inc

writes the tables of the manual, from what was kept of the last attack of each row on
each peer.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.attacks.arena import MIB, Result
from tests.attacks.rows.table import EVERYBODY, ROWS

__all__ = ["comparison", "keep", "kept", "listed", "main", "printed"]

_ROWS = {each.name: each for each in ROWS}

#: Where the results are kept, a file for each peer.
KEPT = Path(__file__).parents[2] / "build" / "attacks"


def keep(result: Result) -> None:
    """
    Keep what came of a row; what came of the others stays.
    """
    KEPT.mkdir(parents=True, exist_ok=True)
    by = {each.row: each for each in (*kept(result.peer), result)}
    lines = [by[name].json() + "\n" for name in _ROWS if name in by]
    (KEPT / f"{result.peer}.jsonl").write_text("".join(lines))


def kept(peer: str) -> list[Result]:
    """
    Give the results that are kept.
    """
    path = KEPT / f"{peer}.jsonl"
    if not path.exists():
        return []
    results = [Result(**json.loads(line)) for line in path.read_text().splitlines()]
    # A row may have got another name since.
    return [each for each in results if each.row in _ROWS]


def printed(result: Result) -> str:
    """
    Give the lines of a terminal for a row.
    """
    row = _ROWS[result.row]
    seen = [f"NOT HELD: {each}" for each in result.failures] + result.seen
    head = (
        f"{row.label:<36} {result.peer:<5}"
        f" {'FAILS' if result.failures else 'holds':<6}"
        f" {result.memory / MIB:6.1f} MiB"
        f"  p99 {result.p99 * 1000:4.0f} ms (bystander {result.quiet * 1000:.0f} ms)"
        f"  {result.seconds:.0f} s, {result.cpu:.1f} s of cpu"
    )
    return "\n".join([head, *(f"         {each}" for each in seen)])


def listed(results: Iterable[Result]) -> str:
    """
    Give the table of one peer, in reStructuredText.
    """
    lines = [
        *_begin((24, 30, 30, 8, 8)),
        *_entry(["row", "tried", "seen", "peak memory", "honest p99"]),
    ]
    for result in results:
        row = _ROWS[result.row]
        lines += _entry(
            [
                row.label,
                row.tried,
                _seen(result),
                f"{result.memory / MIB:.1f} MiB",
                f"{result.p99 * 1000:.0f} ms (bystander {result.quiet * 1000:.0f} ms)",
            ]
        )
    return "\n".join(lines) + "\n"


def comparison(results: Mapping[str, Sequence[Result]]) -> str:
    """
    Give the table of several peers, side by side.
    """
    lines = [
        *_begin((24, *[76 // len(results)] * len(results))),
        *_entry(["row", *results]),
    ]
    by = {(peer, each.row): each for peer, some in results.items() for each in some}
    played = {name for _, name in by}
    for row in ROWS:
        if row.name not in played:
            continue
        cells = [row.label]
        for peer in results:
            result = by.get((peer, row.name))
            if result is None:
                cells.append("not played")
            elif result.failures:
                cells.append("; ".join(result.failures))
            else:
                cells.append("holds")
        lines += _entry(cells)
    return "\n".join(lines) + "\n"


def _seen(result: Result) -> str:
    return "; ".join([f"**{each}**" for each in result.failures] + result.seen)


def _begin(widths: Sequence[int]) -> list[str]:
    """
    Begin a table.
    """
    return [
        ".. list-table::",
        "   :header-rows: 1",
        f"   :widths: {' '.join(map(str, widths))}",
        "",
    ]


def _entry(cells: Sequence[str]) -> list[str]:
    """
    Give the lines of a row.
    """
    lines = []
    for number, cell in enumerate(cells):
        begin = "   * - " if not number else "     - "
        lines += textwrap.wrap(
            cell, 88, initial_indent=begin, subsequent_indent=" " * 7
        )
    return lines


def main(path: str) -> None:
    """
    Write the tables.
    """
    results = {peer: kept(peer) for peer in ("ours", *EVERYBODY)}
    results = {peer: some for peer, some in results.items() if some}
    tables = [listed(results["ours"])]
    if len(results) > 1:
        tables.append(comparison(results))
    Path(path).write_text("\n".join(tables))


if __name__ == "__main__":
    main(sys.argv[1])
