# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{benchmarks.placement}.
"""

from __future__ import annotations

import os
import subprocess
import sys
from unittest import skipUnless

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.placement import apart, fixed, pinned

#: The flag of C{/proc/self/personality} for addresses that are not randomized.
_FIXED = 0x0040000


def _run(prefix: tuple[str, ...], statement: str) -> str:
    return subprocess.run(
        [*prefix, sys.executable, "-c", statement],
        capture_output=True,
        check=True,
        text=True,
    ).stdout.strip()


class PlacementTests(SynchronousTestCase):
    """
    Tests for where a measured process runs.
    """

    @skipUnless(fixed(), "setarch -R cannot be run here")
    def test_fixed(self) -> None:
        """
        The addresses of the program are not randomized.
        """
        read = "print(open('/proc/self/personality').read())"
        self.assertTrue(int(_run(fixed(), read), 16) & _FIXED)

    @skipUnless(apart(), "there is one core, or taskset cannot be run here")
    def test_pinned(self) -> None:
        """
        Two programs run on a core each.
        """
        read = "import os; print(*os.sched_getaffinity(0))"
        cores = {_run(pinned(which), read) for which in (0, 1)}
        self.assertEqual(len(cores), 2)
        self.assertLessEqual({int(each) for each in cores}, os.sched_getaffinity(0))

    def test_noSuchCore(self) -> None:
        """
        A core that is not there pins nothing.
        """
        self.assertEqual(pinned(1_000_000), ())
