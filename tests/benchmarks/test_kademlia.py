# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{benchmarks.kademlia}: a small network in virtual time.
"""

from __future__ import annotations

from functools import partial

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.kademlia import SCENARIOS, Simulation, plot, simulate
from benchmarks.kademliapaths import Colluding, measure
from benchmarks.kademliaprovide import WAYS, announce
from benchmarks.kademliasweep import sweep


class SimulationTests(SynchronousTestCase):
    """
    Lookups among some nodes.
    """

    def test_faultless(self) -> None:
        """
        Without faults a lookup finds all of the nearest nodes; a seed gives the same
        result each time.
        """
        first, second = (simulate(80, 20, ["no faults"]) for _ in range(2))
        self.assertEqual(first, second)
        [outcome] = first
        self.assertEqual((outcome.recall, outcome.nearest, outcome.bounded), (1, 1, 0))
        self.assertIn("80 nodes", plot(first))

    def test_faults(self) -> None:
        """
        With faults each lookup ends.
        """
        simulation = Simulation(3)
        simulation.join(80)
        simulation.leave(0.1)
        self.assertEqual(len(simulation.nodes), 72)
        simulation.spoil(SCENARIOS["all three"])
        self.assertEqual((len(simulation.silent), len(simulation.liars)), (10, 14))
        outcome = simulation.measure("all three", 20)
        self.assertGreater(outcome.recall, 0.5)
        self.assertEqual(simulation._events, [])


class AnnouncementTests(SynchronousTestCase):
    """
    Announcements among some nodes.
    """

    def test_early(self) -> None:
        """
        An announcement during the lookup takes fewer requests and less time, and is
        stored by most of the nearest nodes.
        """
        base = Simulation(5)
        base.join(100)
        late, early = (
            announce(partial(base.copy, 5), "no faults", way, 10) for way in WAYS
        )
        self.assertEqual(late.recall, 1)
        self.assertLess(early.requests, late.requests)
        self.assertLess(early.seconds, late.seconds)
        self.assertGreater(early.recall, 0.6)

    def test_sweep(self) -> None:
        """
        A sweep of many keys saves most of the lookups, and finds the nearest nodes.
        """
        simulation = Simulation(5)
        simulation.join(100)
        swept = sweep(simulation, 200)
        self.assertLess(swept.lookups, 40)
        self.assertLess(swept.requests, swept.alone / 4)
        self.assertGreater(swept.recall, 0.99)


class PathTests(SynchronousTestCase):
    """
    Lookups along disjoint paths.
    """

    def test_paths(self) -> None:
        """
        More paths take more requests; liars who name each other end no lookup early.
        """
        base = Simulation(5)
        base.join(80)
        one, four = (measure(base, Colluding, paths, 0.2, 20) for paths in (1, 4))
        self.assertEqual((one.nearest, four.nearest), (1, 1))
        self.assertLess(one.requests, four.requests)
