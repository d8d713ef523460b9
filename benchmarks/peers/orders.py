# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What a dialer is told: one JSON object a line on its standard input, each
answered by a line on its standard output.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.protocol import connectionDone
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

__all__ = ["BLOCK_SIZE", "Facts", "Order", "Orders", "Work", "inLanes", "tell"]

#: How many bytes are written at once, unless told otherwise.
BLOCK_SIZE = 64 * 1024

Facts = dict[str, Any]


@dataclass(frozen=True)
class Order:
    """
    What is to be done.

    @ivar do: the name of the work.
    @ivar amount: how many bytes, streams, connections or pings.
    @ivar lanes: how many at once.
    @ivar block: how many bytes are written at once.
    """

    do: str
    amount: int = 0
    lanes: int = 1
    block: int = BLOCK_SIZE

    @property
    def share(self) -> int:
        """
        How much of the amount is done by each lane.
        """
        return self.amount // self.lanes


Work = Callable[[Order], Awaitable[Facts]]


def line(facts: Facts) -> bytes:
    """
    Give the line that tells these facts.
    """
    return json.dumps(facts).encode() + b"\n"


def tell(facts: Facts) -> None:
    """
    Print a line, before there are any L{Orders}.
    """
    os.write(1, line(facts))


class Orders(LineOnlyReceiver):
    """
    Does what it is told, one thing after the other, until its input ends.

    @ivar ended: fires when the input has ended.
    """

    delimiter = b"\n"
    transport: Any

    def __init__(self, works: Mapping[str, Work]) -> None:
        """
        @param works: what it can do, by name.
        """
        self._works = works
        self.ended: Deferred[None] = Deferred()

    def lineReceived(self, told: bytes) -> None:
        """
        Do what is told.
        """
        Deferred.fromCoroutine(self._do(told)).addErrback(
            lambda reason: {"error": reason.getErrorMessage()}
        ).addCallback(self._answer)

    def _answer(self, facts: Facts) -> None:
        # By the transport, since its pipes do not block: a line of ten thousand
        # round trips is more than a pipe takes at once.
        self.transport.write(line(facts))

    async def _do(self, told: bytes) -> Facts:
        order = Order(**json.loads(told))
        return await self._works[order.do](order)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Nobody tells anything any more.
        """
        self.ended.callback(None)


async def inLanes(
    order: Order, one: Callable[[int, Iterator[int]], Awaitable[None]]
) -> Facts:
    """
    Do something in as many lanes as are told, and take the time of all.

    @param one: does it in one lane, once for each number that it takes from
        the iterator, which all lanes share.
    """
    left = iter(range(order.amount))
    begin = time.perf_counter()

    async def run(lane: int) -> None:
        await one(lane, left)

    lanes = [Deferred.fromCoroutine(run(lane)) for lane in range(order.lanes)]
    await gatherResults(lanes, consumeErrors=True)
    return {"seconds": time.perf_counter() - begin}
