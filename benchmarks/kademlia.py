# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A whole DHT in one process and in virtual time: lookups among thousands of nodes.

From the command line, at the root of the repository::

    python -m benchmarks.kademlia --nodes 1000 10000 --svg docs/kademlia.svg

Tables and lookups are those of the package; messages are delivered by a heap of events
after 20 to 200 ms, and a request to a silent node fails after two seconds.  All nodes
join one by one: each looks up its own place, and one key for each of the first eight
buckets.  The result is compared with the truth, which is known here.
"""

from __future__ import annotations

import argparse
import heapq
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random
from statistics import mean

from twisted_libp2p.dht.keyspace import BITS
from twisted_libp2p.dht.query import Ending, Query, State
from twisted_libp2p.dht.table import RoutingTable

__all__ = ["SCENARIOS", "K", "Outcome", "Scenario", "Simulation", "main", "percentile"]

#: Nearest nodes that a lookup is to find.
K = 20

#: Seconds after which a request to a silent node has failed.
SILENCE = 2.0

#: Buckets for which a new node looks up a key.
BUCKETS = 8

#: Names of one lie: what the limit on one network lets through.
NAMES = 3


@dataclass(frozen=True)
class Scenario:
    """
    The faults of a network.

    @ivar churn: share of the nodes that leave, and that as many new ones replace.
    @ivar silent: share that accepts requests and never answers.
    @ivar liars: share that names nodes which do not exist, nearer to the target than
        any that does.
    """

    churn: float = 0.0
    silent: float = 0.0
    liars: float = 0.0


SCENARIOS = {
    "no faults": Scenario(),
    "10 % replaced": Scenario(churn=0.1),
    "15 % silent": Scenario(silent=0.15),
    "20 % liars": Scenario(liars=0.2),
    "all three": Scenario(churn=0.1, silent=0.15, liars=0.2),
}


@dataclass(frozen=True)
class Outcome:
    """
    The lookups of one scenario.

    @ivar nodes: number of nodes.
    @ivar scenario: its name.
    @ivar lookups: number of lookups.
    @ivar requests: requests of a lookup: the median and the 95th percentile.
    @ivar hops: nodes on the way to the nearest one: median, 90th percentile, maximum.
    @ivar seconds: virtual time of a lookup: the median and the 95th percentile.
    @ivar recall: mean share of the 20 nearest answering nodes that were found.
    @ivar nearest: share of lookups that found the nearest one.
    @ivar bounded: share of lookups that a bound has ended.
    """

    nodes: int
    scenario: str
    lookups: int
    requests: tuple[int, int]
    hops: tuple[int, int, int]
    seconds: tuple[float, float]
    recall: float
    nearest: float
    bounded: float


def percentile(values: Iterable[float], share: float) -> float:
    """
    Return the value below which a share of the values lies.
    """
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Simulation:
    """
    A network of nodes, which are named by their places.

    @ivar nodes: the table of each node.
    @ivar now: the virtual time in seconds.
    @ivar query: makes a lookup of a place by a node, from its nearest nodes.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._named = 0
        self.now = 0.0
        self.query: Callable[[int, int, list[tuple[int, int]]], Query[int]] = Query
        self.nodes: dict[int, RoutingTable[int]] = {}
        self.silent: set[int] = set()
        self.liars: set[int] = set()

    # Events

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """
        Call a function after some virtual time.
        """
        self._count += 1
        heapq.heappush(self._events, (self.now + seconds, self._count, call))

    def run(self) -> None:
        """
        Let everything happen.
        """
        while self._events:
            self.now, _, call = heapq.heappop(self._events)
            call()

    # Nodes

    def join(self, count: int) -> None:
        """
        Let nodes join, one after the other, each by way of up to four others.
        """
        for _ in range(count):
            self._named += 1
            digest = sha256(b"node %d" % self._named).digest()
            place = int.from_bytes(digest, "big")
            table: RoutingTable[int] = RoutingTable(place, K)
            known = list(self.nodes)
            self.nodes[place] = table
            for each in self._random.sample(known, min(4, len(known))):
                table.offer(each, each, self.now)
            if known:
                self.lookUp(place, place)
                self.run()
                for prefix in range(BUCKETS):
                    rest = BITS - 1 - prefix
                    flipped = place ^ (1 << rest) ^ self._random.getrandbits(rest)
                    self.lookUp(place, flipped)
                self.run()

    def copy(self, seed: int, kind: type[Simulation] | None = None) -> Simulation:
        """
        Return a network with the same nodes and tables, at the beginning of time.

        @param kind: its class, if it has another.
        """
        simulation = (kind or Simulation)(seed)
        simulation._named = self._named
        for place, entries in self.nodes.items():
            table: RoutingTable[int] = RoutingTable(place, K)
            for each in entries:
                table.offer(each.peer, each.place, 0.0)
            simulation.nodes[place] = table
        return simulation

    def suffer(self, scenario: Scenario) -> None:
        """
        Let some nodes leave, and as many new ones join; give some nodes their faults.
        """
        if scenario.churn:
            count = len(self.nodes)
            self.leave(scenario.churn)
            self.join(count - len(self.nodes))
        self.spoil(scenario)

    def leave(self, share: float) -> None:
        """
        Remove some nodes, which the tables of others still have.
        """
        leaving = self._random.sample(list(self.nodes), int(len(self.nodes) * share))
        for each in leaving:
            del self.nodes[each]

    def spoil(self, scenario: Scenario) -> None:
        """
        Give some nodes their faults.
        """
        places = self._random.sample(list(self.nodes), len(self.nodes))
        silent, liars = (
            int(len(places) * share) for share in (scenario.silent, scenario.liars)
        )
        self.silent = set(places[:silent])
        self.liars = set(places[silent : silent + liars])

    # Requests

    def ask(
        self,
        asker: int,
        node: int,
        target: int,
        answered: Callable[[list[int] | None], None],
    ) -> None:
        """
        Send a request.

        @param answered: called with the named nodes; None if there is no answer.
        """
        if node not in self.nodes or node in self.silent:
            self.later(SILENCE, lambda: answered(None))
            return

        def answer() -> None:
            table = self.nodes[node]
            if node in self.liars:
                lies = [target ^ self._random.getrandbits(240) for _ in range(NAMES)]
                answered(lies)
                return
            found = [each for each in table.nearest(target, K + 1) if each != asker]
            table.offer(asker, asker, self.now)
            answered(found[:K])

        self.later(self._random.uniform(0.02, 0.2), answer)

    def lookUp(
        self,
        asker: int,
        target: int,
        done: Callable[[Query[int], float], None] | None = None,
        enough: Callable[[Query[int]], bool] | None = None,
    ) -> None:
        """
        Begin a lookup.

        @param done: called with the lookup and its virtual duration, if it is given.
        @param enough: called after each answer; returns whether the lookup may stop.
        """
        table = self.nodes[asker]
        seeds = [(each, each) for each in table.nearest(target, K)]
        query = self.query(target, asker, seeds)
        began = self.now
        reported = False

        def step() -> None:
            nonlocal reported
            for each in query.next():
                self.ask(asker, each, target, partial(took, each))
            if query.ending is not None and done is not None and not reported:
                reported = True
                done(query, self.now - began)

        def took(node: int, found: list[int] | None) -> None:
            if query.ending is not None:
                return
            if found is None:
                query.failed(node)
                table.remove(node)
            else:
                query.answered(node, [(each, each) for each in found])
                table.offer(node, node, self.now)
                if enough is not None and enough(query):
                    query.stop()
            step()

        step()

    def measure(self, name: str, count: int) -> Outcome:
        """
        Do lookups of random keys, 50 at a time.
        """
        good = [
            each
            for each in self.nodes
            if each not in self.silent and each not in self.liars
        ]
        results: list[tuple[int, Query[int], float]] = []

        def took(asker: int, query: Query[int], seconds: float) -> None:
            results.append((asker, query, seconds))

        for number in range(count):
            digest = sha256(b"key %d" % number).digest()
            target = int.from_bytes(digest, "big")
            asker = self._random.choice(good)
            self.lookUp(asker, target, partial(took, asker))
            if number % 50 == 49:
                self.run()
        self.run()
        recalls, nearest = [], []
        for asker, query, _ in results:
            truth = heapq.nsmallest(
                K,
                (each for each in good if each != asker),
                key=query.target.__xor__,
            )
            answering = [each for each, state in query if state is State.ANSWERED]
            recalls.append(len(set(truth) & set(answering)) / len(truth))
            nearest.append(truth[0] in answering)
        requests = [query.asked for _, query, _ in results]
        hops = [
            query.hops(found[0])
            for _, query, _ in results
            if (found := query.nearest())
        ]
        seconds = [each for *_, each in results]
        bounded = [query.ending is Ending.BOUNDED for _, query, _ in results]
        return Outcome(
            len(self.nodes),
            name,
            count,
            (int(percentile(requests, 0.5)), int(percentile(requests, 0.95))),
            (int(percentile(hops, 0.5)), int(percentile(hops, 0.9)), max(hops)),
            (
                round(percentile(seconds, 0.5), 2),
                round(percentile(seconds, 0.95), 2),
            ),
            round(mean(recalls), 4),
            round(mean(nearest), 4),
            round(mean(bounded), 4),
        )


def simulate(
    nodes: int, lookups: int, names: Sequence[str], seed: int = 1
) -> list[Outcome]:
    """
    Run scenarios, each on a network of its own that begins in the same way.
    """
    outcomes = []
    base = Simulation(seed)
    base.join(nodes)
    for name in names:
        simulation = base.copy(seed)
        simulation.suffer(SCENARIOS[name])
        outcomes.append(simulation.measure(name, lookups))
        print(json.dumps(asdict(outcomes[-1])), file=sys.stderr, flush=True)
    return outcomes


def plot(outcomes: Sequence[Outcome]) -> str:
    """
    Draw the recall and the requests of each outcome as SVG.
    """
    width, row, left = 720, 26, 210
    sizes = sorted({each.nodes for each in outcomes})
    names = list(dict.fromkeys(each.scenario for each in outcomes))
    colours = ("#4878a8", "#b0682c", "#5a8f5a")
    height = 40 + len(names) * (row * len(sizes) + 14)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        ' font-family="sans-serif" font-size="12">',
        '<text x="8" y="16">share of the 20 nearest nodes that a lookup finds;'
        " requests, and virtual seconds (medians)</text>",
    ]
    top = 32
    for name in names:
        for index, size in enumerate(sizes):
            for each in outcomes:
                if (each.nodes, each.scenario) != (size, name):
                    continue
                bar = round(each.recall * 260)
                parts += [
                    f'<text x="8" y="{top + 15}">{name}, {size} nodes</text>',
                    f'<rect x="{left}" y="{top + 3}" width="{bar}" height="16"'
                    f' fill="{colours[index % len(colours)]}"/>',
                    f'<text x="{left + 270}" y="{top + 15}">{each.recall:.1%};'
                    f" {each.requests[0]} requests; {each.seconds[0]} s</text>",
                ]
            top += row
        top += 14
    return "\n".join([*parts, "</svg>", ""])


def main(arguments: Sequence[str]) -> None:
    """
    Run the simulation, and print each outcome as a line of JSON.
    """
    parser = argparse.ArgumentParser(prog="benchmarks.kademlia")
    parser.add_argument("--nodes", type=int, nargs="+", default=[1000])
    parser.add_argument("--lookups", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--svg", type=Path)
    options = parser.parse_args(arguments)
    outcomes = [
        outcome
        for nodes in options.nodes
        for outcome in simulate(nodes, options.lookups, list(SCENARIOS), options.seed)
    ]
    for each in outcomes:
        print(json.dumps(asdict(each)))
    if options.svg is not None:
        options.svg.write_text(plot(outcomes))


if __name__ == "__main__":
    main(sys.argv[1:])
