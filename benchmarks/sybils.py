# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks of sybils on a topic, in one process and in virtual time.

From the command line, at the root of the repository::

    python -m benchmarks.sybils --honest 200 --table docs/sybils.inc

The scenarios are those of gossipsub-hardening, with its parameters and weights of
scores, and without scores.  There 1000 honest nodes publish 120 messages a second; here
fewer nodes publish fewer messages, and the weights are greater by as much.  The table
and the picture have the figures of its authors beside ours: Vyzovitis et al.,
Gossipsub-v1.1 Evaluation Report, PL-TechRep-2020-001, the captions of its figures 1
to 47.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Sequence
from math import log10
from pathlib import Path

from twisted_libp2p.testing.topics import SCENARIOS, Outcome, hardening, play

__all__ = ["REPORTED", "line", "main", "plot", "table"]

#: The 99th percentiles of the report in milliseconds, by the name of the attack: of
#: gossipsub 1.0, and of 1.1 without opportunistic grafting.
REPORTED = {
    "no attack": (192, 165),
    "eclipse of one node": (203, 144),
    "eclipse of the publishers": (6438, 160),
    "eclipse of the network": (10861, 181),
    "censor": (206, 142),
    "degradation, half dropped": (232, 142),
    "cold boot": (17459, 1632),
    "covert flash": (15681, 1619),
    "attack at dawn": (17805, 1661),
}

#: The four marks of a row of the picture: their names and colours.
_MARKS = (
    ("report, gossipsub 1.0", "#d9822b"),
    ("report, gossipsub 1.1", "#4c8fbd"),
    ("simulated, no scores", "#e8b27d"),
    ("simulated, scores", "#7a9a3a"),
)

# Readable on white and on black.
_INK = "#7a7a7a"

#: The left end of the axis of the picture, its length, and the height of a row.
_LEFT, _LENGTH, _ROW = 190, 440, 24

_HEADER = """.. list-table::
   :header-rows: 1
   :widths: 26 10 12 12 12 14 12 12

   * - attack
     - scores
     - delivered
     - p50
     - p99
     - p99, report
     - sybils, %
     - recovered after
"""


def _cells(outcome: Outcome) -> tuple[str, ...]:
    """
    Return the figures of an attack: delivered, p50, p99, sybils, recovered.
    """
    figures = outcome.figures
    late = outcome.recovered
    return (
        f"{100 * figures.delivered:.2f} %",
        f"{1000 * figures.percentile(0.5):.0f} ms",
        f"{1000 * figures.percentile(0.99):.0f} ms",
        " to ".join(f"{100 * outcome.steps[each].captured:.0f}" for each in (0, -1)),
        "not" if late is None else f"{late:.0f} s",
    )


def line(name: str, scored: bool, outcome: Outcome) -> str:
    """
    Return the figures of an attack as a line.
    """
    delivered, middle, late, captured, recovered = _cells(outcome)
    return (
        f"{name}, {'with' if scored else 'without'} scores: {delivered} delivered, p50"
        f" {middle}, p99 {late}, {captured} % of the mesh peers are sybils, recovered"
        f" after {recovered}"
    )


def table(outcomes: Sequence[tuple[str, bool, Outcome]]) -> str:
    """
    Return the figures of attacks as a table of the manual.
    """
    rows = []
    for name, scored, outcome in outcomes:
        there = f"{REPORTED[name][scored]} ms" if name in REPORTED else "\N{EN DASH}"
        first, *cells = _cells(outcome)
        cells.insert(2, there)
        title = "" if scored else name
        rows.append((title, "on" if scored else "off", first, *cells))
    text = [
        "\n".join(f"   {'*' if not place else ' '} - {cell}" for place, cell in row)
        for row in (list(enumerate(cells)) for cells in rows)
    ]
    return _HEADER + "\n".join(text) + "\n"


def plot(outcomes: Sequence[tuple[str, bool, Outcome]]) -> str:
    """
    Return the 99th percentiles of attacks, and those of the report, as an SVG picture
    with a logarithmic axis from 10 ms to 100 s.
    """
    times: dict[str, dict[str, float]] = {}
    for name, scored, outcome in outcomes:
        row = times.setdefault(name, {})
        for (mark, _), late in zip(_MARKS, REPORTED.get(name, ()), strict=False):
            row[mark] = late
        row[_MARKS[2 + scored][0]] = 1000 * outcome.figures.percentile(0.99)
    bottom = 30 + _ROW * len(times)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _LENGTH + 30}"'
        f' height="{bottom + 40}" font-family="sans-serif" font-size="12">'
    ]
    for place, (mark, colour) in enumerate(_MARKS):
        parts.append(
            f'<circle cx="{20 + 160 * place}" cy="12" r="5" fill="{colour}"/>'
            f'<text x="{30 + 160 * place}" y="16" fill="{_INK}">{mark}</text>'
        )
    for power, label in enumerate(("10 ms", "100 ms", "1 s", "10 s", "100 s")):
        left = _LEFT + power * _LENGTH / 4
        parts.append(
            f'<path d="M{left:.0f} 28V{bottom}" stroke="{_INK}" opacity="0.3"/>'
            f'<text x="{left:.0f}" y="{bottom + 16}" fill="{_INK}"'
            f' text-anchor="middle">{label}</text>'
        )
    for place, (name, row) in enumerate(times.items()):
        top = 30 + _ROW * (place + 0.5)
        parts.append(
            f'<text x="{_LEFT - 10}" y="{top + 4:.0f}" fill="{_INK}"'
            f' text-anchor="end">{name}</text>'
        )
        for mark, colour in _MARKS:
            if row.get(mark):
                left = _LEFT + (log10(row[mark]) - 1) * _LENGTH / 4
                parts.append(
                    f'<circle cx="{left:.1f}" cy="{top:.0f}" r="5" fill="{colour}"/>'
                )
    parts.append(
        f'<text x="{_LEFT}" y="{bottom + 34}" fill="{_INK}">the time in which 99 % of'
        " the deliveries came</text>"
    )
    return "\n".join([*parts, "</svg>", ""])


def main(arguments: Sequence[str] | None = None) -> None:
    """
    Play all scenarios, and print a line for each.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--honest", type=int, default=200)
    parser.add_argument("--rate", type=float, default=4.0, help="messages a second")
    parser.add_argument("--seconds", type=float, default=150.0, help="of the attack")
    parser.add_argument("--only", nargs="+", help="names of scenarios")
    parser.add_argument("--table", type=Path, help="writes a table for the manual")
    parser.add_argument("--svg", type=Path, help="draws a picture for the manual")
    options = parser.parse_args(arguments)
    outcomes = []
    for scenario in SCENARIOS:
        if options.only and scenario.name not in options.only:
            continue
        for scored in (False, True):
            began = time.process_time()
            outcome = play(
                scenario,
                hardening(options.rate, scored),
                honest=options.honest,
                rate=options.rate,
                seconds=options.seconds,
            )
            spent = time.process_time() - began
            text = line(scenario.name, scored, outcome)
            print(f"{text}; {spent:.0f} s of CPU", flush=True)
            outcomes.append((scenario.name, scored, outcome))
    if options.table is not None:
        options.table.write_text(table(outcomes))
    if options.svg is not None:
        options.svg.write_text(plot(outcomes))


if __name__ == "__main__":
    # A simulation makes no cycles, and much time is spent in search of them.
    gc.disable()
    main()
