# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What goes wrong with one of them is told in a line, and the rest is measured
nevertheless.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from twisted.internet.defer import TimeoutError as TookTooLong

from benchmarks.pair import Refused
from tests.interop.process import PeerEnded

__all__ = ["noted"]

#: What ends the part of one of them in a work.
FAILURES = (Refused, PeerEnded, TookTooLong)


@contextmanager
def noted(notes: list[str], what: str) -> Iterator[None]:
    """
    Try to measure something.

    @param notes: get a line if it fails.
    @param what: what is tried, and by whom.
    """
    try:
        yield
    except FAILURES as error:
        said = " ".join(str(error).split())
        notes.append(f"{what}: {type(error).__name__}: {said[:200]}")
