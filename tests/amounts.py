# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
How much the heavy tests do.

What they look for shows itself in a small part of the full amount already; the full one
shows also what is rare or small.  C{make test} does the small part, and C{.ci/run},
which sets C{LIBP2P_ROUNDS} to ten thousand, does all.
"""

from __future__ import annotations

import os
from typing import Final

__all__ = ["ROUNDS", "amount"]

_FULL: Final = 10_000

#: The connections of the test of endurance, by which all other amounts go.
ROUNDS: Final = int(os.environ.get("LIBP2P_ROUNDS", "1000"))


def amount(full: int, least: int) -> int:
    """
    Return how often to do something.

    @param full: how often in a full run.
    @param least: how often it is in any case, so that the test says something.
    """
    return max(least, full * ROUNDS // _FULL)
