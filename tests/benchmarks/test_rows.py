# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{benchmarks.rows} and L{benchmarks.table}.
"""

from __future__ import annotations

import json
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from benchmarks import rows, table
from benchmarks.rows import Row


class RowTests(SynchronousTestCase):
    """
    Tests for L{Row}.
    """

    def test_of(self) -> None:
        """
        A row tells the median, the smallest and the largest round.
        """
        row = Row.of("upload", "noise+yamux", "go", "MiB/s", [3.0, 1.0, 8.0])
        self.assertEqual((row.median, row.min, row.max, row.rounds), (3.0, 1.0, 8.0, 3))

    def test_better(self) -> None:
        """
        More is better of a rate, less of anything else.
        """
        fast, slow = (
            Row.of("upload", "", "", "MiB/s", [value]) for value in (6.0, 2.0)
        )
        self.assertEqual(fast.better(slow), 3.0)
        quick, late = (
            Row.of("ping p50", "", "", "us", [value]) for value in (2.0, 6.0)
        )
        self.assertEqual(quick.better(late), 3.0)

    def test_kept(self) -> None:
        """
        Rows are kept as a list of objects.
        """
        path = Path(self.mktemp())
        row = Row.of("upload", "noise+yamux", "go", "MiB/s", [1.5])
        rows.save([row], path)
        self.assertEqual(
            json.loads(path.read_text()),
            [
                {
                    "work": "upload",
                    "stack": "noise+yamux",
                    "peer": "go",
                    "unit": "MiB/s",
                    "median": 1.5,
                    "min": 1.5,
                    "max": 1.5,
                    "rounds": 1,
                }
            ],
        )
        self.assertEqual(rows.load(path), [row])


class TableTests(SynchronousTestCase):
    """
    Tests for L{table.lines}.
    """

    def test_lines(self) -> None:
        """
        Each work has a line of medians, with how many times as good ours is,
        and a line of ranges; who was not measured has a dash.
        """
        measured = [
            Row.of("upload", "noise+yamux", "ours", "MiB/s", [600.0, 500.0, 700.0]),
            Row.of("upload", "noise+yamux", "py", "MiB/s", [100.0]),
            Row.of("streams", "noise+yamux", "ours", "1/s", [12345.0]),
        ]
        stack, peers, upload, ranges, streams = [
            line.split() for line in table.lines(measured) if line and line.strip()
        ][:5]
        self.assertEqual(stack, ["noise+yamux"])
        self.assertEqual(peers, ["unit", "ours", "py"])
        self.assertEqual(upload, ["upload", "MiB/s", "600", "100", "6.00", "x"])
        self.assertEqual(ranges, ["[500-700]"])
        self.assertEqual(streams, ["streams", "1/s", "12", "345", "-"])
