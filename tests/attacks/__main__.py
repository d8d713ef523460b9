# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Play all rows, and print the table::

    python -m tests.attacks [--only NAME ...] [PEER ...]

NAME is a row's name, such as C{muxer.yamux_frames}, or a pattern, such as C{muxer.*};
the first 24 rows have numbers too.  PEER is C{ours}, the default, or one of go, js, py
and rust.  What came of it is kept,
and L{tests.attacks.report} makes the tables of the manual of it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults
from twisted.internet.task import react

from tests.attacks.arena import Result, python
from tests.attacks.play import OURS
from tests.attacks.report import keep, printed
from tests.attacks.rows.table import Row, chosen
from tests.processes import outputOf

__all__ = ["main"]

#: How often a row is tried again if all that it failed is the honest peer's p99:
#: whatever else the machine does makes that worse, and nothing makes it better.
ROUNDS = 3

#: How many rows that mostly wait are played at once.
BESIDE = 4


async def play(row: Row, peer: str) -> Result:
    """
    Play a row in a process of its own.
    """
    command = python("tests.attacks.play", row.name, peer)
    for _ in range(ROUNDS):
        out, err, code = await outputOf(*command)
        if code:
            lines = err.decode(errors="replace").splitlines() or [f"status {code}"]
            why = f"signal {-code}" if code < 0 else lines[-1]
            return Result(row.name, peer, failures=[f"not playable: {why}"])
        result = Result(**json.loads(out))
        if not result.failures or not all(
            each.startswith("not honest p99") for each in result.failures
        ):
            break
    return result


async def playAll(rows: Iterable[Row], peer: str) -> list[Result]:
    """
    Play rows, those that mostly wait side by side.
    """
    results = []
    waiting: list[Row] = []

    async def tell(row: Row) -> Result:
        result = await play(row, peer)
        print(printed(result), flush=True)
        keep(result)
        return result

    for row in rows:
        if peer != OURS and peer not in row.others:
            continue
        if row.long:
            waiting.append(row)
        else:
            results.append(await tell(row))

    beside = DeferredSemaphore(BESIDE)
    results += await gatherResults(
        [
            beside.run(Deferred.fromCoroutine, tell(row))
            for row in sorted(waiting, key=lambda row: -row.long)
        ]
    )
    return results


async def run(reactor: Any, options: argparse.Namespace) -> None:
    """
    Play what the command line says.
    """
    results: dict[str, list[Result]] = {}
    for peer in options.peers or [OURS]:
        results[peer] = await playAll(options.rows, peer)
    # The others are compared with, and not judged.
    if any(each.failures for each in results.get(OURS, ())):
        raise SystemExit(1)


def main() -> None:
    """
    Run from the command line.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.attacks")
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("peers", nargs="*", metavar="PEER")
    options = parser.parse_args()
    try:
        options.rows = chosen(options.only)
    except ValueError as error:
        parser.error(str(error))
    react(lambda reactor: Deferred.fromCoroutine(run(reactor, options)))


if __name__ == "__main__":
    main()
