# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Lookups along disjoint paths, which the package does not have: the figures that say why.

From the command line, at the root of the repository::

    python -m benchmarks.kademliapaths --nodes 1000 --liars 0.2

Each node that a lookup hears of belongs to the path of the first node that has named
it, and each path searches by itself; see S/Kademlia (Baumgart and Mies, 2007).  Liars
name three nodes that do not exist, or the nearest of the other liars.
"""

from __future__ import annotations

import argparse
import heapq
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial

from benchmarks.kademlia import K, Outcome, Scenario, Simulation
from twisted_libp2p.dht.query import Ending, Phase, Query, State, _Candidate, _Event

__all__ = ["Colluding", "PathQuery", "main", "measure"]


class PathQuery(Query[int]):
    """
    A lookup whose search has several paths.
    """

    def __init__(
        self,
        target: int,
        own: int | None,
        seeds: Iterable[tuple[int, int]],
        paths: int = 1,
    ) -> None:
        self._paths = paths
        self._path: dict[int, int] = {}
        super().__init__(target, own, seeds)

    def _add(self, peer: int, place: int, referrer: _Candidate[int] | None) -> None:
        super()._add(peer, place, referrer)
        if referrer is not None:
            self._path.setdefault(peer, self._path[referrer.peer])
        else:
            self._path.setdefault(peer, len(self._path) % self._paths)

    def _done(self, count: int) -> bool:
        if self.phase is not Phase.SEARCHING or not (self._waiting or self._unasked):
            return super()._done(count)
        seen = [0] * self._paths
        for each in self._order:
            path = self._path[each.peer]
            if each.state is not State.LATE and seen[path] < count:
                if each.state is not State.ANSWERED:
                    return False
                seen[path] += 1
        return True

    def _start(self) -> list[int]:
        if self.phase is not Phase.SEARCHING:
            return super()._start()
        free = [max(1, self.bounds.alpha // self._paths)] * self._paths
        for each in self._order:
            free[self._path[each.peer]] -= each.state is State.WAITING
        asked = []
        for each in self._order:
            path = self._path[each.peer]
            if each.state is State.HEARD and free[path] > 0:
                free[path] -= 1
                asked.append(each.peer)
        asked = asked[: self.bounds.asked - self.asked]
        for peer in asked:
            self._move(peer, _Event.ASK)
        self.asked += len(asked)
        if self.asked >= self.bounds.asked and not self._waiting:
            self._end(Ending.BOUNDED)
        return asked


class Colluding(Simulation):
    """
    A network whose liars name each other.
    """

    def ask(
        self,
        asker: int,
        node: int,
        target: int,
        answered: Callable[[list[int] | None], None],
    ) -> None:
        """
        Send a request.
        """
        if node not in self.liars:
            super().ask(asker, node, target, answered)
            return

        def answer() -> None:
            others = self.liars - {node, asker}
            answered(heapq.nsmallest(K, others, key=target.__xor__))

        self.later(self._random.uniform(0.02, 0.2), answer)


def measure(
    base: Simulation, kind: type[Simulation], paths: int, share: float, count: int
) -> Outcome:
    """
    Do lookups along some paths, in a network with the tables of another.
    """
    simulation = base.copy(1, kind)
    simulation.query = partial(PathQuery, paths=paths)
    simulation.spoil(Scenario(liars=share))
    return simulation.measure(f"{kind.__name__}, {paths} paths", count)


def main(arguments: Sequence[str]) -> None:
    """
    Run the simulation, and print each outcome as a line of JSON.
    """
    parser = argparse.ArgumentParser(prog="benchmarks.kademliapaths")
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--lookups", type=int, default=200)
    parser.add_argument("--liars", type=float, default=0.2)
    options = parser.parse_args(arguments)
    base = Simulation(1)
    base.join(options.nodes)
    for kind in (Simulation, Colluding):
        for paths in (1, 2, 4, 10):
            outcome = measure(base, kind, paths, options.liars, options.lookups)
            print(json.dumps(asdict(outcome)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
