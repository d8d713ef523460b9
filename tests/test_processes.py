# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the programs under test.
"""

from __future__ import annotations

import sys
from signal import SIGKILL

from twisted.trial.unittest import TestCase

from tests.processes import outputOf

WRITE = "import os, sys; sys.stdout.write('out'); sys.stderr.write('err'); "
FLUSH = "sys.stdout.flush(); sys.stderr.flush(); "


class OutputTests(TestCase):
    """
    The output of a program, and how it ended.
    """

    async def test_code(self) -> None:
        """
        A program has an exit code.
        """
        for code in (0, 3):
            ended = await outputOf(sys.executable, "-c", f"{WRITE}sys.exit({code})")
            self.assertEqual(ended, (b"out", b"err", code))

    async def test_signal(self) -> None:
        """
        The signal that ended a program is a negative number, and its output is kept.
        """
        kill = f"os.kill(os.getpid(), {SIGKILL})"
        ended = await outputOf(sys.executable, "-c", WRITE + FLUSH + kill)
        self.assertEqual(ended, (b"out", b"err", -SIGKILL))

    async def test_path(self) -> None:
        """
        A program runs in the given folder.
        """
        script = "import os; print(os.getcwd())"
        out, _, code = await outputOf(sys.executable, "-c", script, path="/")
        self.assertEqual((out, code), (b"/\n", 0))
