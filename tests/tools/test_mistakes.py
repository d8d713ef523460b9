# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for the mistakes of people: docs/howto/mistakes.rst.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.__main__ import main
from twisted_libp2p.options import ToolOptions

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "mistakes.rst"

ROW = re.compile(r"   \* - ``(\w+)``\n     - (.+)\n     - ``(.+)``\n     - ``(.+)``\n")


class MistakeTests(SynchronousTestCase):
    """
    The table.
    """

    def run_(self, *arguments: str) -> tuple[object, str]:
        """
        Run a tool that ends before it needs a reactor.

        @return: the exit code, or the line on stderr that stands for 1; and the output.
        """
        out = io.StringIO()
        self.patch(sys, "stdout", out)
        end = self.assertRaises(SystemExit, main, list(arguments))
        return end.code, out.getvalue()

    def test_table(self) -> None:
        """
        The table has each tool once, with its help, and the answer to a mistake.
        """
        rows = ROW.findall(PAGE.read_text())
        self.assertEqual(
            [(name, help) for name, help, *_ in rows],
            [(name, help) for name, _, _, help in ToolOptions.subCommands],
        )
        for name, _, mistake, line in rows:
            self.assertEqual(mistake.partition(" ")[0], name)
            code, out = self.run_(*mistake.split())
            self.assertEqual((code, out), (f"libp2p: {line}", ""))

    def test_help(self) -> None:
        """
        Each tool has a help, which lists each option once.
        """
        for name, *_ in ToolOptions.subCommands:
            code, out = self.run_(name, "--help")
            self.assertEqual(code, 0)
            self.assertTrue(out.startswith(f"Usage: libp2p {name} [options]"), out)
            options = re.findall(r"^ +(?:-\w, )?--([\w-]+)", out, re.M)
            self.assertEqual(len(options), len(set(options)), name)
