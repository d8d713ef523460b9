# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.tools.progress}.
"""

from __future__ import annotations

import io

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.tools.progress import Progress, sizeText


class Terminal(io.StringIO):
    """
    Text on a terminal.
    """

    def isatty(self) -> bool:
        """
        Be one.
        """
        return True


class ProgressTests(SynchronousTestCase):
    """
    The progress of a file.
    """

    def test_lines(self) -> None:
        """
        Without a terminal there is a line for each tenth.
        """
        clock, out = Clock(), io.StringIO()
        progress = Progress(clock, out, "a", 1_000_000)
        for done in range(250_000, 1_000_001, 50_000):
            progress.update(done)
            clock.advance(1)
        progress.close()
        lines = out.getvalue().splitlines()
        self.assertEqual(len(lines), 8)
        self.assertEqual(lines[0], "a: 30 % of 1.0 MB, 50.0 kB/s")
        self.assertEqual(lines[-1], "a: 100 % of 1.0 MB, 50.0 kB/s")

    def test_bar(self) -> None:
        """
        A terminal has one line, which changes a few times in a second.
        """
        clock, out = Clock(), Terminal()
        progress = Progress(clock, out, "a", 100)
        for done in (0, 1, 2, 50, 100):
            progress.update(done)
            clock.advance(0.1)
        progress.close()
        *shown, end = out.getvalue().split("\r\x1b[K")[1:]
        self.assertEqual(
            shown,
            [f"a [{'.' * 30}] 0 % of 100 bytes",
             f"a [{'.' * 30}] 2 % of 100 bytes, 10 bytes/s"],
        )  # fmt: skip
        self.assertEqual(end, f"a [{'#' * 30}] 100 % of 100 bytes, 250 bytes/s\n")

    def test_empty(self) -> None:
        """
        An empty file is there at once.
        """
        for out in (io.StringIO(), Terminal()):
            progress = Progress(Clock(), out, "a", 0)
            progress.update(0)
            progress.close()
            self.assertNotIn("Traceback", out.getvalue())

    def test_sizes(self) -> None:
        """
        Numbers of bytes have a unit.
        """
        self.assertEqual(
            [sizeText(each) for each in (0, 999, 1000, 1.5e6, 2e9, 3e13)],
            ["0 bytes", "999 bytes", "1.0 kB", "1.5 MB", "2.0 GB", "30.0 TB"],
        )
