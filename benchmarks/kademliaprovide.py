# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Announcements of content among thousands of nodes, in one process and in virtual time.

From the command line, at the root of the repository::

    python -m benchmarks.kademliaprovide --nodes 1000 10000

Each record is stored in two ways: at the nearest nodes, after their lookup has ended;
and during the lookup, by the estimated size of the network.
"""

from __future__ import annotations

import argparse
import heapq
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from random import Random
from statistics import mean

from benchmarks.kademlia import SCENARIOS, K, Simulation, percentile
from twisted_libp2p.dht.netsize import NetworkSize
from twisted_libp2p.dht.optimism import Optimism
from twisted_libp2p.dht.query import Ending, Query

__all__ = ["WAYS", "Announcements", "announce", "main"]

#: The two ways.
WAYS = ("after the lookup", "during the lookup")

#: Share of the nodes that have to answer until an announcement of the second way is
#: over for its caller.
ENOUGH = 15


@dataclass(frozen=True)
class Announcements:
    """
    The announcements of one way in one scenario.

    @ivar nodes: number of nodes.
    @ivar scenario: its name.
    @ivar way: the way.
    @ivar requests: mean number of requests, those that store a record included.
    @ivar seconds: virtual time of an announcement: the median and the 95th percentile.
    @ivar recall: mean share of the 20 nearest honest nodes that store the record.
    """

    nodes: int
    scenario: str
    way: str
    requests: float
    seconds: tuple[float, float]
    recall: float


class _Announcing:
    """
    One announcement.
    """

    def __init__(
        self, simulation: Simulation, asker: int, target: int, size: float | None
    ) -> None:
        """
        Begin.

        @param size: the estimated size of the network, for the second way.
        """
        self._simulation = simulation
        self._asker = asker
        self._target = target
        self._optimism: Optimism[int] | None = None
        if size is not None:
            self._optimism = Optimism(size, K)
        self._began = simulation.now
        self._sent = self._ended = 0
        self._lookedUp = False
        self.seconds: float | None = None
        self.requests = 0
        self.holders: set[int] = set()
        simulation.lookUp(asker, target, self._done, self._look)

    def _look(self, query: Query[int]) -> bool:
        if self._optimism is None:
            return False
        self._store(self._optimism.choose(query))
        return self._optimism.enough(query)

    def _done(self, query: Query[int], seconds: float) -> None:
        self._lookedUp = True
        self.requests += query.asked
        optimism = self._optimism
        self._store(query.nearest() if optimism is None else optimism.rest(query))
        self._check()

    def _store(self, nodes: Sequence[int]) -> None:
        self._sent += len(nodes)
        for each in nodes:
            self._simulation.ask(
                self._asker, each, self._target, partial(self._stored, each)
            )

    def _stored(self, node: int, answer: list[int] | None) -> None:
        self._ended += 1
        if answer is not None:
            self.holders.add(node)
        self._check()

    def _check(self) -> None:
        most = self._sent if self._optimism is None else min(self._sent, ENOUGH)
        if self._lookedUp and self._ended >= most and self.seconds is None:
            self.seconds = self._simulation.now - self._began
            self.requests += self._sent


def _sizeOf(simulation: Simulation, count: int) -> float:
    """
    Return the size of a network, as a node estimates it.
    """
    size = NetworkSize(K)

    def ended(query: Query[int], seconds: float) -> None:
        if query.ending is Ending.COMPLETED:
            size.observe(query.target, query.nearest(), 0.0)

    random = Random(2)
    askers = _honest(simulation)
    for _ in range(count):
        simulation.lookUp(random.choice(askers), random.getrandbits(256), ended)
        simulation.run()
    found = size.estimate(0.0)
    assert found is not None
    return found


def _honest(simulation: Simulation) -> list[int]:
    faulty = simulation.silent | simulation.liars
    return [each for each in simulation.nodes if each not in faulty]


def announce(
    make: Callable[[], Simulation], scenario: str, way: str, count: int
) -> Announcements:
    """
    Announce random keys, each by a random node.

    @param make: returns the network.
    """
    simulation = make()
    simulation.suffer(SCENARIOS[scenario])
    honest = _honest(simulation)
    size = None if way == WAYS[0] else _sizeOf(simulation, 15)
    random = Random(3)
    announced = []
    for number in range(count):
        digest = sha256(b"content %d" % number).digest()
        target = int.from_bytes(digest, "big")
        asker = random.choice(honest)
        announced.append(_Announcing(simulation, asker, target, size))
        simulation.run()
    recalls = []
    for each in announced:
        others = (node for node in honest if node != each._asker)
        truth = heapq.nsmallest(K, others, key=each._target.__xor__)
        recalls.append(len(each.holders.intersection(truth)) / K)
    seconds = [each.seconds for each in announced if each.seconds is not None]
    return Announcements(
        len(simulation.nodes),
        scenario,
        way,
        round(mean(each.requests for each in announced), 1),
        (round(percentile(seconds, 0.5), 2), round(percentile(seconds, 0.95), 2)),
        round(mean(recalls), 4),
    )


def main(arguments: Sequence[str]) -> None:
    """
    Run the simulation, and print each outcome as a line of JSON.
    """
    parser = argparse.ArgumentParser(prog="benchmarks.kademliaprovide")
    parser.add_argument("--nodes", type=int, nargs="+", default=[1000])
    parser.add_argument("--announcements", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    for nodes in options.nodes:
        base = Simulation(options.seed)
        base.join(nodes)
        for scenario in SCENARIOS:
            for way in WAYS:
                outcome = announce(
                    partial(base.copy, options.seed),
                    scenario,
                    way,
                    options.announcements,
                )
                print(json.dumps(asdict(outcome)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
