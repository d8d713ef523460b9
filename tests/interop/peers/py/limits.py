# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
How much, and how long at most; times are in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio

__all__ = [
    "BACK_BYTES",
    "CLOSE_LIMIT",
    "CONNECT_LIMIT",
    "MANY_BYTES",
    "MANY_STREAMS",
    "PING_COUNT",
    "TASK_LIMIT",
    "TOTAL_LIMIT",
    "within",
]

BACK_BYTES = 1000
MANY_STREAMS = 100
MANY_BYTES = 1000
PING_COUNT = 3

CONNECT_LIMIT = 20
TASK_LIMIT = 60
TOTAL_LIMIT = 120
CLOSE_LIMIT = 3


@contextmanager
def within(limit: float) -> Iterator[None]:
    """
    Do something, but not for longer than so many seconds.

    @raise TimeoutError: it was not done by then
    """
    with trio.move_on_after(limit) as scope:
        yield
    if scope.cancelled_caught:
        raise TimeoutError(f"not done within {limit:g}s")
