# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks of sybils on a topic, in one process and in virtual time.

From the command line, at the root of the repository::

    python -m benchmarks.sybils --honest 200 --table docs/sybils.inc

The scenarios are those of gossipsub-hardening, with its parameters and weights of
scores, and without scores.  There 1000 honest nodes publish 120 messages a second; here
fewer nodes publish fewer messages, and the weights are greater by as much.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Sequence
from pathlib import Path

from twisted_libp2p.testing.topics import SCENARIOS, Outcome, hardening, play

__all__ = ["line", "main", "table"]

_HEADER = """.. list-table::
   :header-rows: 1
   :widths: 28 12 12 12 12 12 12

   * - attack
     - scores
     - delivered
     - p50
     - p99
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
    rows = [
        (name if not scored else "", "on" if scored else "off", *_cells(outcome))
        for name, scored, outcome in outcomes
    ]
    text = [
        "\n".join(f"   {'*' if not place else ' '} - {cell}" for place, cell in row)
        for row in (list(enumerate(cells)) for cells in rows)
    ]
    return _HEADER + "\n".join(text) + "\n"


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


if __name__ == "__main__":
    # A simulation makes no cycles, and much time is spent in search of them.
    gc.disable()
    main()
