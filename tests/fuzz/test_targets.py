# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Runs every target: with its corpus, and with what comes of it by accident.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from tests.examples import explained
from tests.fuzz import corpus
from tests.fuzz.targets import TARGETS

#: How many inputs are tried, besides the corpus.
RUNS = 200 * int(os.environ.get("EXAMPLES", "1"))


class TargetTests(SynchronousTestCase):
    """
    Nothing is wrong with any of these inputs.
    """

    def attack(self, name: str) -> None:
        """
        Run one target.
        """
        for data in corpus.inputs(name, RUNS):
            with explained(data.hex):
                TARGETS[name](data)


def _test(name: str) -> Callable[[TargetTests], None]:
    def test(self: TargetTests) -> None:
        self.attack(name)

    test.__doc__ = TARGETS[name].__doc__
    return test


for each in TARGETS:
    setattr(TargetTests, f"test_{each}", _test(each))
