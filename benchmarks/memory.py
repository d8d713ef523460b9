# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
How much memory a listener takes for a connection on which nothing happens, or nothing
any longer.

The dialers are nodes of ours for all of them, each a peer of its own.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import deferLater

from benchmarks.contenders import OURS, Contender
from benchmarks.pair import Pair
from benchmarks.peers.orders import Order
from benchmarks.rows import Row

__all__ = ["AFTER", "NAME", "idle", "settled"]

#: What the work is called.
NAME = "memory of an idle connection"

#: The same, of connections that have carried 64 KiB in each direction.
AFTER = "memory of an idle connection after a transfer"

_ORDERS = {NAME: "crowd", AFTER: "used crowd"}

#: From how many connections to how many it is measured.
FEW, MANY = 500, 2000

#: How many connections are made at once, and how many with one order.
LANES, STEP = 8, 250

#: Seconds in which what was begun on the last connections comes to its end.
SETTLING = 2.0

KIB = 1024


async def settled(reactor: Any, pair: Pair) -> int:
    """
    Wait a little, then tell how many bytes of memory the listener has.
    """
    await deferLater(reactor, SETTLING)
    return pair.listenerBytes


async def idle(reactor: Any, stack: str, contender: Contender, work: str) -> Row:
    """
    Measure it once.

    @param contender: the program that listens.
    @param work: L{NAME} or L{AFTER}.
    @raise Exception: as C{Pair.do} fails.
    """
    pair = await Pair.start(reactor, contender, stack, by=OURS, crowd=MANY)
    try:
        sizes = []
        present = 0
        for count in (FEW, MANY):
            # py-libp2p takes longer for each than for the one before.
            while present < count:
                present = min(present + STEP, count)
                await pair.do(Order(_ORDERS[work], present, LANES))
            sizes.append(await settled(reactor, pair))
    finally:
        await pair.stop()
    few, many = sizes
    each = (many - few) / (MANY - FEW) / KIB
    return Row.of(work, stack, contender.name, "KiB", [each])
