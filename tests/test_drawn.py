# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the examples that tests draw.
"""

from __future__ import annotations

import time
from itertools import count

from hypothesis import strategies
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn


class DrawnTests(SynchronousTestCase):
    """
    A test that draws examples.
    """

    def test_slow(self) -> None:
        """
        A machine that is very slow, or stands still for a minute, does not let it fail.
        """
        seen = []

        @drawn(20, strategies.integers())
        def trying(case: DrawnTests, number: int) -> None:
            seen.append(number)

        clock = count(step=60)
        self.patch(time, "perf_counter", lambda: float(next(clock)))
        trying(self)
        self.assertEqual(len(seen), 20)
