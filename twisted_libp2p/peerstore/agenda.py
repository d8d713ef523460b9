# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
An agenda: keys in the order in which they are due.

It finds the next key among millions without looking at the others; the price is that
it knows the time to a minute only.
"""

from __future__ import annotations

from heapq import heappop, heappush
from math import inf
from typing import Final, Generic, TypeVar

__all__ = ["Agenda"]

#: Seconds of one page.
_PAGE: Final = 60.0

K = TypeVar("K")


class Agenda(Generic[K]):
    """
    Keys, each on the page of the minute in which it is due.

    The caller keeps the page of each key, which saves a dictionary of all pages.

    @ivar count: the number of keys.
    """

    __slots__ = ("_order", "_pages", "count")

    def __init__(self) -> None:
        self.count = 0
        self._pages: dict[float, dict[K, None]] = {}
        # A heap of the pages.  An empty page stays until it is the first one, so no
        # page is ever in it twice.
        self._order: list[float] = []

    def move(self, key: K, page: float | None, due: float | None) -> float | None:
        """
        Add, move or remove a key.

        @param page: its present page; None if it has none.
        @param due: when it is due; None to remove it.
        @return: its new page; None if it has none.
        """
        after = None if due is None else due if due == inf else due // _PAGE
        if after == page:
            return page
        if page is not None:
            del self._pages[page][key]
            self.count -= 1
        if after is not None:
            if after not in self._pages:
                self._pages[after] = {}
                heappush(self._order, after)
            self._pages[after][key] = None
            self.count += 1
        return after

    def pop(self, now: float = inf) -> K | None:
        """
        Remove a key from the first page that has any.

        @param now: the time by which the whole page has to be due.
        @return: the key; None if no page is due.
        """
        while self._order and not self._pages[self._order[0]]:
            del self._pages[heappop(self._order)]
        if not self._order or (now != inf and (self._order[0] + 1) * _PAGE > now):
            return None
        self.count -= 1
        return self._pages[self._order[0]].popitem()[0]
