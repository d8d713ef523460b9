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

from benchmarks import books, floods, growth, link, memory, rows, startup, table
from benchmarks.choice import Choice, NoSuchName
from benchmarks.contenders import NAMES, gather
from benchmarks.failures import noted
from benchmarks.progress import Progress
from benchmarks.rounds import Rounds
from benchmarks.works import QUIC, STACKS, WEBSOCKET, WORKS, isMeasured


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
    options = parser.parse_args(argv)
    try:
        options.choice = Choice(
            options.only,
            stacks=STACKS,
            usual=[
                *(work.name for work in WORKS),
                memory.NAME,
                memory.AFTER,
                startup.NAME,
            ],
            special=[growth.NAME, link.NAME, floods.NAME],
        )
    except NoSuchName as error:
        parser.error(str(error))
    return options


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
    for stack in options.choice.stacks:
        names = [name for name in options.choice.works if isMeasured(name, stack)]
        # Those without libp2p have no WebSocket.
        able = [
            each
            for each in contenders
            if not each.plain or stack not in (WEBSOCKET, QUIC)
        ]
        rounds = Rounds(
            reactor,
            stack,
            able,
            rounds=options.rounds,
            seconds=options.seconds,
            progress=progress,
        )
        measured += await rounds.run([work for work in WORKS if work.name in names])
        notes += rounds.notes
        for name in (memory.NAME, memory.AFTER):
            if name not in names:
                continue
            for each in able:
                if each.plain:
                    continue
                progress.show(f"{stack}: {name}", each.name)
                with noted(notes, f"{each.name}: {name}, {stack}"):
                    measured.append(await memory.idle(reactor, stack, each, name))
    if startup.NAME in options.choice.works:
        found, failures = await startup.startUp(
            reactor, contenders, options.rounds, progress
        )
        measured += found
        notes += failures
    if link.NAME in options.choice.works:
        found, failures = await link.links(
            reactor, options.choice.stacks, contenders, progress
        )
        measured += found
        notes += failures
    if floods.NAME in options.choice.works:
        found, failures = await floods.floods(
            reactor, contenders, options.rounds, progress
        )
        measured += found
        notes += failures
    if growth.NAME in options.choice.works:
        found, failures = await growth.growth(reactor, progress)
        measured += [*found, *books.books(progress)]
        notes += failures
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
