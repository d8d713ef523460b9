# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Play all rows, and print the table::

    python -m tests.attacks [--row NUMBER ...] [PEER ...]

PEER is C{ours}, the default, or one of go, js, py and rust.  What came of it is kept,
and L{tests.attacks.report} makes the tables of the manual of it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults
from twisted.internet.task import react
from twisted.internet.utils import getProcessOutputAndValue

from tests.attacks.arena import Result, python
from tests.attacks.play import OURS
from tests.attacks.report import keep, printed
from tests.attacks.rows.table import ROWS, Row

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
    command = python("tests.attacks.play", str(row.number), peer)
    for _ in range(ROUNDS):
        out, err, status = await getProcessOutputAndValue(command[0], command[1:], None)
        if status:
            lines = err.decode().splitlines()
            failure = f"not playable: {lines[-1] if lines else status}"
            return Result(row.number, peer, failures=[failure])
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
    rows = [each for each in ROWS if not options.row or each.number in options.row]
    results: dict[str, list[Result]] = {}
    for peer in options.peers or [OURS]:
        results[peer] = await playAll(rows, peer)
    # The others are compared with, and not judged.
    if any(each.failures for each in results.get(OURS, ())):
        raise SystemExit(1)


def main() -> None:
    """
    Run from the command line.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.attacks")
    parser.add_argument("--row", type=int, action="append")
    parser.add_argument("peers", nargs="*", metavar="PEER")
    options = parser.parse_args()
    react(lambda reactor: Deferred.fromCoroutine(run(reactor, options)))


if __name__ == "__main__":
    main()
