# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Topics of ours and of others: the messages in a second, and the CPU time of each,
between two nodes and in a mesh of twenty.  All nodes of a network are of one kind, and
each is a process.  C{make bench ONLY=topics} measures it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from twisted.internet.defer import Deferred, FirstError, gatherResults

from benchmarks.contenders import Contender
from benchmarks.failures import noted
from benchmarks.pair import Refused
from benchmarks.progress import Progress
from benchmarks.rows import Row
from tests.account import cpuSeconds
from tests.interop.process import ForeignPeer

__all__ = ["NAME", "floods"]

#: What C{--only} calls it.
NAME = "topics"

POLICIES = ("signed", "unsigned")

#: The sizes of messages in bytes, between two nodes and in a mesh.
SIZES = {2: (100, 1024, 16_384, 102_400), 20: (100, 1024)}

#: The messages of the first flood, which shows how many there are in the other ones;
#: about how many seconds these take, and the most messages and bytes of each.
FIRST, SECONDS, MOST, BYTES = 50, 2.0, 3000, 48 << 20

#: How many others each node of a mesh dials.
DIALS = 3

#: Seconds after which messages count as lost.
LIMIT = 60.0

#: By default a message of rust-libp2p has at most 64 KiB; and py-libp2p names the
#: author of each message.
LARGEST = {"rust": 56_000}
SIGNED_ALONE = ("py",)


class Network:
    """
    The nodes of one kind.
    """

    def __init__(self, reactor: Any, contender: Contender, policy: str) -> None:
        self._reactor = reactor
        self._command = (
            [sys.executable, "-m", "benchmarks.peers.topical", policy]
            if contender.name == "ours"
            else [*contender.command, "pubsub", policy]
        )
        self._nodes: list[ForeignPeer] = []
        self._pids: list[int] = []

    async def start(self, count: int) -> None:
        """
        Start so many nodes, which all join the topic.
        """
        hellos = []
        for _ in range(count):
            node = ForeignPeer.start(self._reactor, self._command)
            self._nodes.append(node)
            hellos.append(await node.line(lambda line: "addrs" in line))
        self._pids = [each["pid"] for each in hellos]
        await self._all("take", 0)
        for place, node in enumerate(self._nodes):
            for step in range(1, 1 + min(DIALS, count // 2)):
                if count > 2 or not place:
                    address = hellos[(place + step) % count]["addrs"][0]
                    await self._ask(node, "connect", address)
        for node in self._nodes:
            await node.event("subscribed")
        # One or two heartbeats, in which meshes are made.
        pause: Deferred[None] = Deferred()
        self._reactor.callLater(2.0, pause.callback, None)
        await pause

    async def _ask(self, node: ForeignPeer, name: str, *words: object) -> None:
        text = " ".join(map(str, words))
        topic = "" if name == "connect" else "news "
        node.transport.write(f"{name} {topic}{text}\n".encode())
        line = await node.line(lambda line: "ok" in line)
        if not line["ok"]:
            raise Refused(f"{name}: {line['error']}")

    async def _all(self, name: str, *words: object) -> None:
        for node in self._nodes:
            await self._ask(node, name, *words)

    async def flood(self, count: int, size: int) -> tuple[float, float]:
        """
        Let the first node publish messages, and wait until all others have them.

        @return: the seconds, and the CPU seconds of all nodes.
        """
        await self._all("take", count)
        cpu, began = sum(map(cpuSeconds, self._pids)), time.monotonic()
        publishing = Deferred.fromCoroutine(
            self._ask(self._nodes[0], "flood", count, size)
        )
        waiting = [
            each.event("taken", count=count).addTimeout(LIMIT, self._reactor)
            for each in self._nodes[1:]
        ]
        try:
            all: list[Deferred[Any]] = [publishing, *waiting]
            await gatherResults(all, consumeErrors=True)
        except FirstError as error:
            error.subFailure.raiseException()
        seconds = time.monotonic() - began
        return seconds, sum(map(cpuSeconds, self._pids)) - cpu

    async def stop(self) -> None:
        """
        End all nodes.
        """
        for node in self._nodes:
            await node.stop()


async def _measure(
    reactor: Any, contender: Contender, policy: str, count: int, rounds: int
) -> list[Row]:
    """
    Measure the messages of all sizes in a network of so many nodes.
    """
    network = Network(reactor, contender, policy)
    found: list[Row] = []
    try:
        await network.start(count)
        for size in SIZES[count]:
            if size > LARGEST.get(contender.name, size):
                continue
            seconds, _ = await network.flood(FIRST, size)
            number = int(FIRST * SECONDS / seconds)
            number = max(FIRST, min(number, MOST, BYTES // size))
            measured = [await network.flood(number, size) for _ in range(rounds)]
            work = f"{NAME}, {policy}, {size} B, {count} nodes"
            found += _rows(work, contender.name, number, count - 1, measured)
    finally:
        await network.stop()
    return found


def _rows(
    work: str,
    name: str,
    number: int,
    receivers: int,
    measured: Sequence[tuple[float, float]],
) -> Iterator[Row]:
    """
    Return the figures of floods of so many messages.
    """
    rates = [number / seconds for seconds, _ in measured]
    costs = [1e6 * cpu / number / receivers for _, cpu in measured]
    yield Row.of(work, "", name, "1/s", rates)
    yield Row.of(f"{work}: delivery", "", name, "CPU us", costs)


async def floods(
    reactor: Any, contenders: Sequence[Contender], rounds: int, progress: Progress
) -> tuple[list[Row], list[str]]:
    """
    Measure all networks.

    @return: the figures, and a line for each that could not be measured.
    """
    found: list[Row] = []
    notes: list[str] = []
    for count in SIZES:
        for policy in POLICIES:
            for each in contenders:
                if each.plain or (policy == "unsigned" and each.name in SIGNED_ALONE):
                    continue
                progress.show(f"{NAME}, {policy}, {count} nodes", each.name)
                with noted(notes, f"{each.name}: {NAME}, {policy}, {count} nodes"):
                    found += await _measure(reactor, each, policy, count, rounds)
    return found, notes
