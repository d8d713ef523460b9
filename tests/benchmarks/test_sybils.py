# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{benchmarks.sybils}: small networks in virtual time.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from benchmarks import sybils
from benchmarks.sybils import SCENARIOS, play


class ScenarioTests(SynchronousTestCase):
    """
    Few nodes, and few messages.
    """

    def setUp(self) -> None:
        self.patch(sybils, "RATE", 1)
        self.patch(sybils, "PHASE", 2)

    def test_played(self) -> None:
        """
        Each scenario has a share for each phase; a seed gives the same result again.
        """
        for scenario in SCENARIOS:
            shares = list(play(scenario, 12, 6, True))
            self.assertEqual(len(shares), sybils.PHASES)
            self.assertTrue(all(0 <= each <= 1 for each in shares), shares)
        self.assertEqual(list(play(scenario, 12, 6, True)), shares)
