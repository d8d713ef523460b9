# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The announcements of many keys of one node, among thousands of nodes in virtual time.

From the command line, at the root of the repository::

    python -m benchmarks.kademliasweep --nodes 1000 10000 --keys 100 1000 10000

The lookups of a sweep are counted, and those of keys that are each looked
up by themselves.
"""

from __future__ import annotations

import argparse
import heapq
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from random import Random
from statistics import mean

from benchmarks.kademlia import K, Simulation
from twisted_libp2p.dht.keyspace import placeOf
from twisted_libp2p.dht.query import Query
from twisted_libp2p.dht.sweep import Sweep

__all__ = ["Swept", "main", "sweep"]

#: Keys that are looked up by themselves, to know the cost of one, and keys whose recall
#: is computed.
SAMPLE = 100


@dataclass(frozen=True)
class Swept:
    """
    The announcements of one node.

    @ivar nodes: number of nodes.
    @ivar keys: number of keys.
    @ivar lookups: lookups of the sweep.
    @ivar requests: requests of these lookups.
    @ivar alone: requests of the lookups if each key has its own: the mean of some keys,
        times the number of keys.
    @ivar recall: mean share of the 20 nearest nodes of a key that the sweep has found.
    """

    nodes: int
    keys: int
    lookups: int
    requests: int
    alone: int
    recall: float


def _lookUp(simulation: Simulation, asker: int, key: bytes) -> Query[int]:
    """
    Look up a key.
    """
    found: list[Query[int]] = []
    simulation.lookUp(asker, placeOf(key), lambda query, _: found.append(query))
    simulation.run()
    return found[0]


def sweep(simulation: Simulation, count: int) -> Swept:
    """
    Announce keys.
    """
    asker = next(iter(simulation.nodes))
    keys = [b"\x12\x20" + sha256(b"key %d" % each).digest() for each in range(count)]
    placed: dict[bytes, Sequence[int]] = {}
    lookups = requests = 0
    places = sorted((placeOf(each), each) for each in keys)
    sweeping: Sweep[int] = Sweep(keys, places, K, Random(1))
    while (key := sweeping.next()) is not None:
        query = _lookUp(simulation, asker, key)
        lookups += 1
        requests += query.asked
        placed.update(sweeping.found([(each, each) for each in query.nearest()]))
    sample = keys[:SAMPLE]
    alone = mean(_lookUp(simulation, asker, each).asked for each in sample)
    others = [each for each in simulation.nodes if each != asker]
    recalls = []
    for each in sample:
        truth = heapq.nsmallest(K, others, key=placeOf(each).__xor__)
        recalls.append(len(set(placed[each]).intersection(truth)) / K)
    return Swept(
        len(simulation.nodes),
        count,
        lookups,
        requests,
        round(alone * count),
        round(mean(recalls), 4),
    )


def main(arguments: Sequence[str]) -> None:
    """
    Run the simulation, and print each result as a line of JSON.
    """
    parser = argparse.ArgumentParser(prog="benchmarks.kademliasweep")
    parser.add_argument("--nodes", type=int, nargs="+", default=[1000])
    parser.add_argument("--keys", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    for nodes in options.nodes:
        simulation = Simulation(options.seed)
        simulation.join(nodes)
        for count in options.keys:
            print(json.dumps(asdict(sweep(simulation, count))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
