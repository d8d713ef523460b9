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
from dataclasses import dataclass
from itertools import product
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

#: The numbers of nodes, and the sizes of messages in bytes.
COUNTS = (2, 20)
SIZES = (100, 1024, 16_384, 102_400)

#: The messages of the first flood; each further one has more, until one takes a quarter
#: of the time.  Then about how many seconds a flood takes, and the most messages and
#: bytes of each.
FIRST, MORE, SECONDS, MOST, BYTES = 10, 6, 2.0, 3000, 48 << 20

#: How many others each node of a mesh dials.
DIALS = 3

#: Seconds after which messages count as lost.
LIMIT = 120.0

#: The reasons why some messages cannot be measured.  They belong into the manual, below
#: its table.
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


@dataclass(frozen=True)
class Work:
    """
    Floods of messages of one size in a network of one kind.
    """

    contender: Contender
    policy: str
    count: int
    size: int

    @property
    def name(self) -> str:
        """
        Its name in the table.
        """
        return f"{NAME}, {self.policy}, {self.size} B, {self.count} nodes"

    @property
    def possible(self) -> bool:
        """
        Whether the contender has such messages.
        """
        name = self.contender.name
        unsigned = self.policy == "unsigned" and name in SIGNED_ALONE
        return not unsigned and self.size <= LARGEST.get(name, self.size)

    async def measure(self, network: Network, rounds: int) -> list[Row]:
        """
        Measure it.
        """
        most, number = min(MOST, BYTES // self.size), FIRST
        seconds, _ = await network.flood(number, self.size)
        while seconds < SECONDS / 4 and number < most:
            number = min(MORE * number, most)
            seconds, _ = await network.flood(number, self.size)
        number = max(FIRST, min(int(number * SECONDS / seconds), most))
        measured = [await network.flood(number, self.size) for _ in range(rounds)]
        return list(self._rows(number, measured))

    def _rows(
        self, number: int, measured: Sequence[tuple[float, float]]
    ) -> Iterator[Row]:
        """
        Return the figures of floods of so many messages.
        """
        name, receivers = self.contender.name, self.count - 1
        rates = [number / seconds for seconds, _ in measured]
        costs = [1e6 * cpu / number / receivers for _, cpu in measured]
        yield Row.of(self.name, "", name, "1/s", rates)
        yield Row.of(f"{self.name}: delivery", "", name, "CPU us", costs)


async def _measure(
    reactor: Any, works: Sequence[Work], rounds: int, notes: list[str]
) -> list[Row]:
    """
    Measure works, which take place in the same network.  After one that has failed the
    next gets a new network.
    """
    found: list[Row] = []
    network: Network | None = None
    try:
        for work in works:
            done = False
            with noted(notes, f"{work.contender.name}: {work.name}"):
                if network is None:
                    network = Network(reactor, work.contender, work.policy)
                    await network.start(work.count)
                found += await work.measure(network, rounds)
                done = True
            if not done and network is not None:
                failed, network = network, None
                await failed.stop()
    finally:
        if network is not None:
            await network.stop()
    return found


async def floods(
    reactor: Any, contenders: Sequence[Contender], rounds: int, progress: Progress
) -> tuple[list[Row], list[str]]:
    """
    Measure all networks.

    @return: the figures, and a line for each that could not be measured.
    """
    found: list[Row] = []
    notes: list[str] = []
    for count, policy in product(COUNTS, POLICIES):
        for each in contenders:
            if each.plain:
                continue
            works = [Work(each, policy, count, size) for size in SIZES]
            progress.show(f"{NAME}, {policy}, {count} nodes", each.name)
            able = [work for work in works if work.possible]
            found += await _measure(reactor, able, rounds, notes)
    return found, notes
