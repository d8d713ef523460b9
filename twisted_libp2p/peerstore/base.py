# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The common base of the books in memory.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from twisted_libp2p.peerstore.book import Book
from twisted_libp2p.peerstore.records import Limits

__all__ = ["MemoryBook"]


class MemoryBook:
    """
    A part of the peerstore in memory: all parts of one store share its records.

    @ivar clock: the source of the time.
    @ivar limits: the bounds.
    """

    def __init__(self, clock: IReactorTime, limits: Limits | None = None) -> None:
        """
        Begin with an empty book.

        @param clock: the source of the time.
        @param limits: the bounds; those of L{Limits} by default.
        """
        self.clock = clock
        self.limits = limits or Limits()
        self._book = Book(clock, self.limits)
