# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{benchmarks.published}: small networks in virtual time.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.published import RUNS, simulate, table


class PublishedTests(SynchronousTestCase):
    """
    Each run, with few nodes.
    """

    def test_table(self) -> None:
        """
        Under the conditions of each run all messages arrive, and the table has the
        simulated figures below the published ones.
        """
        runs = [replace(each, nodes=24, dials=5) for each in RUNS]
        done = [(each, simulate(each, 1)) for each in runs]
        for _, figures in done:
            self.assertEqual(figures.delivered, 1.0)
        text = table(done)
        self.assertEqual(text.count("   * - simulated\n"), len(RUNS))
        self.assertIn("     - 6.29\n", text)

    def test_before(self) -> None:
        """
        The time before a message leaves its author is a part of its latency.
        """
        [run] = [each for each in RUNS if each.before]
        run = replace(run, nodes=3, dials=2)
        figures = simulate(run, 1)
        # A line of 38 Mbit/s, 100 ms, and the proof; the receiver validates.
        last = 1000 * (figures.percentile(1.0) + 0.15)
        self.assertIn(f"     - {last:.0f} ms\n", table([(run, figures)]))
        self.assertGreater(last, 262)
