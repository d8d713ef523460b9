# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of nodes in a network that loses, repeats, delays and swaps packets, or is
parted.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SkipTest, TestCase

from tests import tun
from tests.faults import THOROUGH

ROOT = Path(__file__).parents[2]


class NetworkTests(TestCase):
    """
    TCP mends what it can; the keep-alive notices the rest.
    """

    if not THOROUGH:
        skip = "it takes a third of a minute: make faults"

    def test_network(self) -> None:
        """
        All bytes arrive unchanged, or the connection is ended, on both sides.
        """
        missing = tun.missing()
        if missing is not None:
            raise SkipTest(missing)
        done = subprocess.run(
            [*tun.NAMESPACE, sys.executable, "-m", "tests.faults.bad_network"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=600,
        )
        *lines, last = done.stdout.splitlines() or [""]
        expected = [
            f"{security} {muxer}: {fact}"
            for fact in (
                "all came through",
                "a short part did no harm",
                "a long one was noticed",
            )
            for security in ("noise", "tls")
            for muxer in ("yamux", "mplex")
        ]
        self.assertEqual(lines, expected, done.stderr)
        # The network did what it was to do, some of each.
        self.assertTrue(last.startswith("True "), last)
        self.assertEqual(done.stderr, "")
