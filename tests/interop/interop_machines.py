# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Our machines beside those of rust-libp2p, told the same: a fixed number of inputs.
C{make fuzz} searches for more.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.examples import explained
from tests.fuzz import corpus
from tests.fuzz.targets import DIFFERENTIAL

#: How many inputs are tried, besides the corpus.
RUNS = 3000 * int(os.environ.get("EXAMPLES", "1"))


@pytest.mark.parametrize("name", DIFFERENTIAL)
def test_machines(name: str, command: Callable[[str], list[str]]) -> None:
    """
    Both do the same with each of these inputs.
    """
    command("machines")
    for data in corpus.inputs(name, RUNS):
        with explained(data.hex):
            DIFFERENTIAL[name](data)
