# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the table of attacks, and of the tables that are made from its results.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import twisted_libp2p
from tests.attacks.arena import Result
from tests.attacks.report import comparison, listed, printed
from tests.attacks.rows.table import ROWS, chosen

PACKAGE = Path(twisted_libp2p.__file__).parent
MANUAL = Path(__file__).parents[2] / "docs" / "attacks.inc"


class NameTests(SynchronousTestCase):
    """
    A row has a name, and the first rows keep their numbers beside.
    """

    def test_rooms(self) -> None:
        """
        Each name is that of a room or of a service of the package, and of an attack.
        """
        rooms = {each.stem for each in PACKAGE.iterdir()}
        rooms |= {each.stem for each in (PACKAGE / "protocols").iterdir()}
        for each in ROWS:
            room, attack = each.name.split(".")
            self.assertIn(room, rooms)
            self.assertRegex(attack, r"^[a-z0-9]+(_[a-z0-9]+)*$")

    def test_unique(self) -> None:
        """
        No two rows share a name, as results are stored by it.
        """
        names = [each.name for each in ROWS]
        self.assertEqual(len(names), len(set(names)))

    def test_numbers(self) -> None:
        """
        The first 24 rows have their numbers, and no later row has one.
        """
        numbers = [each.number for each in ROWS]
        self.assertEqual(numbers[:24], list(range(1, 25)))
        self.assertEqual(set(numbers[24:]) - {0}, set())

    def test_choice(self) -> None:
        """
        A row is chosen by its name, a pattern or its number, and comes once.
        """
        self.assertEqual(chosen([]), list(ROWS))
        self.assertEqual(
            [
                each.name
                for each in chosen(["muxer.yamux_*", "12", "identify.messages"])
            ],
            ["muxer.yamux_frames", "muxer.yamux_floods", "identify.messages"],
        )

    def test_unknown(self) -> None:
        """
        A name that no row has is refused, with the names that there are.
        """
        for name in ("muxer.none", "25", "0", ""):
            error = self.assertRaises(ValueError, chosen, [name])
            self.assertIn("peerstore.flood (13)", str(error))


class ReportTests(SynchronousTestCase):
    """
    Results are shown by the names of their rows.
    """

    result = Result("muxer.yamux_frames", "ours", seen=["11 ended"], memory=1 << 20)

    def test_terminal(self) -> None:
        """
        A terminal shows the name with the number beside.
        """
        self.assertTrue(printed(self.result).startswith("muxer.yamux_frames (7) "))

    def test_manual(self) -> None:
        """
        So do the tables of the manual.
        """
        label = "   * - muxer.yamux_frames (7)"
        self.assertIn(label, listed([self.result]).splitlines())
        other = Result("muxer.yamux_frames", "go")
        both = comparison({"ours": [self.result], "go": [other]})
        self.assertIn(label, both.splitlines())

    def test_complete(self) -> None:
        """
        The manual shows every row.
        """
        first = MANUAL.read_text().split(".. list-table::")[1]
        labels = [
            line.removeprefix("   * - ")
            for line in first.splitlines()
            if line.startswith("   * - ")
        ]
        self.assertEqual(labels, ["row", *(each.label for each in ROWS)])
