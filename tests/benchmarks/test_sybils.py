# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{benchmarks.sybils}: small networks in virtual time.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import fromstring

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.sybils import line, main, plot, table
from twisted_libp2p.testing.topics import SCENARIOS, play


class ScenarioTests(SynchronousTestCase):
    """
    Few nodes, and few messages.
    """

    def test_line(self) -> None:
        """
        An attack has a line, and a row of the table for each setting.
        """
        outcome = play(SCENARIOS[0], honest=12, rate=1.0, before=2, seconds=20)
        text = line("no attack", True, outcome)
        self.assertIn("no attack, with scores: 100.00 % delivered", text)
        rows = table([("no attack", False, outcome), ("no attack", True, outcome)])
        self.assertEqual(rows.count("\n   * - "), 3)
        self.assertIn("   * - no attack\n     - off\n", rows)
        for late in ("192 ms", "165 ms"):
            self.assertIn(f"     - {late}\n", rows)

    def test_picture(self) -> None:
        """
        An attack has four marks in the picture: two of the report, and two of ours.
        """
        outcome = play(SCENARIOS[0], honest=12, rate=1.0, before=2, seconds=20)
        both = [("no attack", False, outcome), ("no attack", True, outcome)]
        legend = plot([])
        picture = plot(both)
        fromstring(picture)
        self.assertEqual(picture.count("<circle") - legend.count("<circle"), 4)

    def test_command(self) -> None:
        """
        The command plays the chosen attacks, and writes the table.
        """
        path = Path(self.mktemp())
        options = "--honest 8 --rate 1 --seconds 10 --only censor --table"
        main([*options.split(), str(path)])
        self.assertIn("   * - censor\n", path.read_text())
