# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
C{make bench}: measure, and print a table.
"""

from __future__ import annotations

import argparse
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet import task

from benchmarks import rows, table
from benchmarks.contenders import NAMES, gather
from benchmarks.progress import Progress
from benchmarks.rounds import Rounds
from benchmarks.works import STACKS, WORKS


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """
    Read what to measure.
    """
    parser = argparse.ArgumentParser("benchmarks", description=__doc__)
    parser.add_argument(
        "--only",
        default="",
        help="parts of the names of works and of stacks, with commas between",
    )
    parser.add_argument(
        "--against", default=",".join(NAMES), help="who takes part, beside ours"
    )
    parser.add_argument("--rounds", type=int, default=3, help="how many rounds")
    parser.add_argument(
        "--seconds", type=float, default=0.5, help="how long each work takes"
    )
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    return parser.parse_args(argv)


def chosen(names: Sequence[str], only: str) -> list[str]:
    """
    Choose those that are meant; if none of them is, all.
    """
    words = [word.strip() for word in only.split(",") if word.strip()]
    meant = [name for name in names if any(word in name for word in words)]
    return meant or list(names)


async def measure(reactor: Any, options: argparse.Namespace) -> None:
    """
    Do it all.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    against = {"ours", *options.against.split(",")}
    contenders, notes = gather(name for name in NAMES if name in against)
    progress = Progress()
    measured: list[rows.Row] = []
    names = chosen([work.name for work in WORKS], options.only)
    for stack in chosen(STACKS, options.only):
        rounds = Rounds(
            reactor,
            stack,
            contenders,
            rounds=options.rounds,
            seconds=options.seconds,
            progress=progress,
        )
        measured += await rounds.run([work for work in WORKS if work.name in names])
        notes += rounds.notes
    progress.clear()
    for line in table.lines(measured):
        print(line)
    for note in notes:
        print(note)
    if options.json is not None:
        rows.save(measured, options.json)


def main(argv: Sequence[str]) -> None:
    """
    Do what the command line says.
    """
    task.react(measure, [parse(argv)])


if __name__ == "__main__":
    main(sys.argv[1:])
