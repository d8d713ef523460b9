# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
How fast it is over a link on which round trips take their time.
"""

from __future__ import annotations

import statistics
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any

from benchmarks.contenders import Contender
from benchmarks.failures import noted
from benchmarks.network import Network
from benchmarks.pair import Pair
from benchmarks.peers.orders import Order
from benchmarks.progress import Progress
from benchmarks.rows import Row
from benchmarks.works import QUIC
from tests.tun import missing

__all__ = ["NAME", "links"]

#: What the work is called.
NAME = "link"

#: Milliseconds of a round trip, and how many of a thousand packets are lost.
LINKS = ((10, 0), (50, 0), (150, 0), (50, 1))

#: Who is measured.
AGAINST = ("ours", "go", "rust", "js", "raw")
STACKS = ("noise+yamux", "tls+yamux", QUIC)

#: How much is sent to let windows grow, and then for how many seconds: longer where
#: packets are lost, as a loss more or less in a few seconds decides about the rate.
FIRST, SECONDS, LOSSY_SECONDS = 16 * 1024 * 1024, 4.0, 30.0

#: How many connections are made.
DIALS = 9

MIB = 1024 * 1024


async def links(
    reactor: Any,
    stacks: Collection[str],
    contenders: Sequence[Contender],
    progress: Progress,
) -> tuple[list[Row], list[str]]:
    """
    Measure them over all links.

    @return: the figures, and a line for each thing that could not be measured.
    """
    absent = missing("nsenter")
    if absent is not None:
        return [], [f"{NAME}: not measured: {absent}"]
    rows: list[Row] = []
    notes: list[str] = []
    able = [each for each in contenders if each.name in AGAINST]
    pairs = [
        (stack, each)
        for stack in STACKS
        if stack in stacks
        for each in able
        # Those without libp2p have TCP alone.
        if not (each.plain and stack == QUIC)
    ]
    for delay, loss in LINKS:
        name = f"{delay} ms" + (f", {loss / 10:.1f} % lost" if loss else "")
        seconds = LOSSY_SECONDS if loss else SECONDS
        with noted(notes, f"{NAME}: {name}"):
            link = await Network.start(reactor, delay / 1000, loss / 1000)
            try:
                for stack, each in pairs:
                    progress.show(f"{NAME}: {name}, {stack}", each.name)
                    with noted(notes, f"{each.name}: {name}, {stack}"):
                        async for work, unit, value in _over(
                            reactor, link, each, stack, delay / 1000, seconds
                        ):
                            work = f"{NAME} of {name}: {work}"
                            rows.append(Row.of(work, stack, each.name, unit, [value]))
            finally:
                await link.stop()
    return rows, notes


async def _over(
    reactor: Any,
    link: Network,
    contender: Contender,
    stack: str,
    delay: float,
    seconds: float,
) -> AsyncIterator[tuple[str, str, float]]:
    """
    Measure one over one link.
    """
    pair = await Pair.start(reactor, contender, stack, link=link)
    try:
        if not contender.plain:
            # One after another: the first is the first of the process.
            dialed = await pair.do(Order("handshakes", DIALS))
            trips = statistics.median(dialed.times) / 1e6 / delay
            yield "dial and first byte", "round trips", trips
        for work in ("upload", "download"):
            first = await pair.do(Order(work, FIRST))
            done = await pair.do(Order(work, max(FIRST, int(first.rate * seconds))))
            yield work, "MiB/s", done.rate / MIB
    finally:
        await pair.stop()
