# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
How costs grow with the number of connections, and of streams on one.
"""

from __future__ import annotations

import statistics
from collections.abc import AsyncIterator
from typing import Any

from benchmarks.contenders import OURS
from benchmarks.failures import noted
from benchmarks.memory import settled
from benchmarks.pair import Pair
from benchmarks.peers.orders import Order
from benchmarks.progress import Progress
from benchmarks.rows import Row

__all__ = ["NAME", "growth"]

#: What the work is called.
NAME = "growth"

#: At how many connections, and at how many streams, costs are looked at.
CONNECTIONS = (10, 100, 1000, 10_000)
STREAMS = (1, 10, 100, 1000, 10_000)

#: How many are made in one go.
STEP = 250

#: How much is done to find out what it costs.
PINGS, OPENINGS, UPLOAD = 500, 500, 64 * 1024 * 1024

STACK = "noise+yamux"
KIB = 1024


async def growth(reactor: Any, progress: Progress) -> tuple[list[Row], list[str]]:
    """
    Look at both.

    @return: the figures, and a line for each thing that could not be measured.
    """
    rows: list[Row] = []
    notes: list[str] = []
    for what, sizes in (("connections", CONNECTIONS), ("streams", STREAMS)):
        with noted(notes, f"{NAME}: {what}"):
            async for row in _grow(reactor, progress, what, sizes):
                rows.append(row)
    return rows, notes


async def _grow(
    reactor: Any, progress: Progress, what: str, sizes: tuple[int, ...]
) -> AsyncIterator[Row]:
    """
    Let there be more and more connections or streams, and see what one more
    costs, what they hold, and what else costs meanwhile.
    """
    work = {"connections": "crowd", "streams": "hold"}[what]
    pair = await Pair.start(reactor, OURS, STACK, crowd=sizes[-1])
    try:
        await pair.do(Order("ping", PINGS))
        count, base = 0, await settled(reactor, pair)
        for size in sizes:
            progress.show(f"{NAME}: {what}", str(size))
            while count < size:
                before, count = count, min(count + STEP, size)
                done = await pair.do(Order(work, count, min(8, count - before)))
            name = f"{size} {what}"
            spent, begin = pair.listenerCPU, reactor.seconds()
            held = (await settled(reactor, pair) - base) / KIB / size
            # What is done for those that are there goes on meanwhile: keep-alive.
            idle = (pair.listenerCPU - spent) / (reactor.seconds() - begin)
            # The listener's part of the last step.
            each = (done.listenerCPU - idle * done.seconds) / (count - before)
            yield _row(f"{name}: one more, listener", "CPU ms", each * 1000)
            yield _row(f"{name}: idle for a second, listener", "CPU ms", idle * 1000)
            yield _row(f"{name}: memory of each, listener", "KiB", held)
            pings = await pair.do(Order("ping", PINGS))
            yield _row(f"{name}: ping p50", "us", statistics.median(pings.times))
            opened = await pair.do(Order("streams", OPENINGS))
            both = opened.dialerCPU + opened.listenerCPU
            yield _row(f"{name}: a stream", "CPU ms", both * 1000 / OPENINGS)
            sent = await pair.do(Order("upload", UPLOAD))
            yield _row(f"{name}: upload", "MiB/s", sent.rate / KIB / KIB)
    finally:
        await pair.stop()


def _row(work: str, unit: str, value: float) -> Row:
    return Row.of(work, STACK, OURS.name, unit, [value])
