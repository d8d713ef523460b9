# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The table of the laboratory: which pairs of routers let two peers meet directly, over
TCP and over QUIC, for peers of ours and of other implementations.

C{python -m tests.lab.table FILE} writes it.  It ends with status 1 if a pair does worse
than promised:

  - two peers of ours meet directly behind all pairs of routers but those of L{APART};
  - they do so wherever two peers of another implementation do;
  - a peer of ours and one of another implementation do so wherever both of these do.

A run takes the results that C{--results FILE} has already, and adds its own to it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredSemaphore, ensureDeferred
from twisted.internet.task import react

from tests.lab.case import INSIDE, missing
from tests.lab.lab import Lab
from tests.lab.meeting import Cast, Meeting, Outcome
from tests.lab.nat import NAT, Filtering, Mapping
from tests.lab.players import PATHS, commandOf
from tests.tun import NAMESPACE

__all__ = ["APART", "KINDS", "main"]

Pair = tuple[str, str]

#: The kinds of routers.
KINDS = {
    "independent": NAT(),
    "independent, resets": NAT(resets=True),
    "translating": NAT(Mapping.TRANSLATING),
    "open": NAT(filtering=Filtering.NONE),
    "by address": NAT(Mapping.TRANSLATING, Filtering.ADDRESS),
    "symmetric": NAT(Mapping.SYMMETRIC),
}

#: The pairs of routers, of the listener and of the dialer.
PAIRS: list[Pair] = [(one, other) for one in KINDS for other in KINDS]

#: Those whose peers do not meet directly.
APART = {
    ("symmetric", "symmetric"),
    ("symmetric", "independent"),
    ("independent", "symmetric"),
    ("symmetric", "independent, resets"),
    ("independent, resets", "symmetric"),
    ("symmetric", "translating"),
    ("translating", "symmetric"),
}

#: The implementations of the listener and of the dialer.
PLAYERS = [
    ("ours", "ours"),
    ("go", "go"),
    ("rust", "rust"),
    ("ours", "go"),
    ("go", "ours"),
    ("ours", "rust"),
    ("rust", "ours"),
]

#: Seconds until a pair is given up; those apart would take long for nothing.
PATIENCE, IMPATIENCE = 30.0, 8.0

#: How often a meeting that fails is tried again: a packet may be late on a machine that
#: has other work.
AGAIN = 1

#: How many meetings take place at once.
AT_ONCE = 4


def casts() -> Iterator[Cast]:
    """
    List the peers that meet: a mixed pair at the relays of both.
    """
    for transport, (listener, dialer) in product(PATHS, PLAYERS):
        for relay in sorted({listener, dialer}, key="ours".__eq__):
            yield Cast(listener, dialer, relay, transport)


async def meet(cast: Cast, pair: Pair) -> Outcome:
    """
    Let two peers meet.
    """
    one, other = pair
    lab = Lab(reactor)
    meeting = Meeting(reactor, lab)
    try:
        beginning = meeting.begin(cast, KINDS[one], KINDS[other])
        await Deferred.fromCoroutine(beginning).addTimeout(PATIENCE, reactor)
        return await meeting.outcome(IMPATIENCE if pair in APART else PATIENCE)
    finally:
        await meeting.end()
        lab.close()


def key(cast: Cast, pair: Pair) -> str:
    """
    Name a meeting in a file of results.
    """
    return " | ".join(
        (cast.transport, cast.relay, cast.listener, cast.dialer, *pair),
    )


class Table:
    """
    The results so far.
    """

    def __init__(self, file: Path | None) -> None:
        """
        @param file: the file that has results, and gets others; None to keep none.
        """
        self._file = file
        self._known: dict[str, list[float | None]] = {}
        if file is not None and file.exists():
            self._known = json.loads(file.read_text())

    def __getitem__(self, meeting: tuple[Cast, Pair]) -> Outcome:
        seconds, tries = self._known[key(*meeting)]
        return Outcome(seconds, None if tries is None else int(tries))

    def __contains__(self, meeting: tuple[Cast, Pair]) -> bool:
        return key(*meeting) in self._known

    async def run(self, cast: Cast, pair: Pair) -> None:
        """
        Let two peers meet.
        """
        for left in range(AGAIN, -1, -1):
            try:
                outcome = await meet(cast, pair)
            except Exception as error:
                print(f"{key(cast, pair)}: {error}", flush=True)
                outcome = Outcome(None, None)
            if outcome.seconds is not None or pair in APART or not left:
                break
        self._known[key(cast, pair)] = [outcome.seconds, outcome.tries]
        print(f"{key(cast, pair)}: {text(outcome)}", flush=True)
        if self._file is not None:
            self._file.parent.mkdir(exist_ok=True)
            self._file.write_text(json.dumps(self._known, indent=1))

    def direct(self, cast: Cast, pair: Pair) -> bool:
        """
        Return whether two peers have met directly.
        """
        return self[cast, pair].seconds is not None

    def worse(self) -> list[str]:
        """
        List the meetings that did worse than promised.
        """
        return [
            key(cast, pair)
            for cast, pair in product(casts(), PAIRS)
            if self._promised(cast, pair) and not self.direct(cast, pair)
        ]

    def _promised(self, cast: Cast, pair: Pair) -> bool:
        """
        Return whether two peers should meet directly.
        """
        names = {cast.listener, cast.dialer}
        if "ours" not in names:
            return False

        def same(name: str) -> bool:
            return self.direct(Cast(name, name, name, cast.transport), pair)

        others = ("go", "rust")
        if names == {"ours"}:
            return pair not in APART or any(same(each) for each in others)
        return all(same(each) for each in names)

    def render(self) -> str:
        """
        Return the tables for the manual.
        """
        lines = [".. Written by make lab."]
        for transport in PATHS:
            head = ", ".join(f"{one} → {other}" for one, other in PLAYERS)
            lines += [
                "",
                f".. csv-table:: Over {transport.upper()}",
                f"   :header: listener behind, dialer behind, {head}",
                "",
            ]
            for pair in PAIRS:
                row = [*pair]
                for players in PLAYERS:
                    found = [
                        text(self[each, pair])
                        for each in casts()
                        if each.transport == transport
                        and (each.listener, each.dialer) == players
                    ]
                    row.append("; ".join(dict.fromkeys(found)))
                lines.append("   " + ", ".join(f'"{each}"' for each in row))
        return "\n".join(lines) + "\n"


def text(outcome: Outcome) -> str:
    """
    Describe an outcome in a cell.
    """
    if outcome.seconds is None:
        return "no"
    tries = f", {outcome.tries} tries" if (outcome.tries or 0) > 1 else ""
    return f"{outcome.seconds:.1f} s{tries}"


async def write(path: Path, results: Path | None) -> None:
    """
    Let all peers meet, and write the table.

    @raise SystemExit: a pair does worse than promised.
    """
    table, slots = Table(results), DeferredSemaphore(AT_ONCE)
    waiting = [
        slots.run(table.run, cast, pair)
        for cast, pair in product(casts(), PAIRS)
        if (cast, pair) not in table
    ]
    for each in waiting:
        await each
    path.write_text(table.render(), encoding="utf-8")
    worse = table.worse()
    if worse:
        raise SystemExit("worse than promised:\n" + "\n".join(worse))


def main() -> None:
    """
    Write the table, in namespaces of our own.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.lab.table")
    parser.add_argument("file", type=Path, help="the table for the manual")
    parser.add_argument(
        "--results", type=Path, help="results to keep and to go on from"
    )
    chosen = parser.parse_args()
    if not os.environ.get(INSIDE):
        reason = missing()
        for name in ("go", "rust"):
            command = commandOf(name)
            if isinstance(command, str):
                reason = reason or command
        if reason is not None:
            raise SystemExit(reason)
        python = [sys.executable, "-m", "tests.lab.table", *sys.argv[1:]]
        os.environ[INSIDE] = "1"
        os.execvp(NAMESPACE[0], [*NAMESPACE, *python])
    react(lambda _: ensureDeferred(write(chosen.file, chosen.results)))


if __name__ == "__main__":
    main()
