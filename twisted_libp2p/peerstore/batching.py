# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Work on many rows, some in each turn of the reactor.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from secrets import randbits
from typing import Final

from twisted_libp2p.identity import PeerID
from twisted_libp2p.peerstore.book import Book
from twisted_libp2p.peerstore.journal import Entry
from twisted_libp2p.peerstore.rows import Row
from twisted_libp2p.peerstore.turn import Batch

__all__ = ["KEPT", "SLICE", "Comparison", "makeBatch"]

#: The number of rows that are made or merged in one turn of the reactor: a few
#: milliseconds.
SLICE: Final = 1000

#: The number of peers, with up to 64 addresses each, that are looked at in one turn.
KEPT: Final = 50


async def makeBatch(
    book: Book, entries: dict[PeerID, Entry], pause: Callable[[], Awaitable[None]]
) -> Batch:
    """
    Make the rows of changed peers.

    @param entries: the changes; a pause may drop some of them.
    @param pause: gives other work a turn of the reactor.
    """
    rows: list[Row] = []
    made = 0
    for peer, entry in list(entries.items()):
        if len(rows) - made >= SLICE:
            await pause()
            made = len(rows)
        if peer in entries:
            rows += book.rows(peer, entry)
    return Batch(
        randbits(63),
        [peer.toBytes() for peer, entry in entries.items() if entry.forgotten],
        rows,
        [
            (peer.toBytes(), name, learnt)
            for peer, entry in entries.items()
            for (_, name), learnt in (entry.trimmed or {}).items()
            if isinstance(name, bytes)
        ],
        book.stamp(),
    )


class Comparison:
    """
    Compares what a database has with what memory knows.

    @ivar lost: the peers about which memory knows more.
    """

    def __init__(self, book: Book, pause: Callable[[], Awaitable[None]]) -> None:
        """
        Begin with a database that has nothing.

        @param book: what memory knows.
        @param pause: gives other work a turn of the reactor.
        """
        self.lost = set(book.peers())
        self._book = book
        self._pause = pause

    async def compare(self, rows: Sequence[Row]) -> None:
        """
        Compare all rows about some peers.
        """
        families = groupby(sorted(rows, key=_peerOf), _peerOf)
        for count, (id, some) in enumerate(families):
            if count % KEPT == KEPT - 1:
                await self._pause()
            peer = self._book.covered(id, list(some))
            if peer is not None:
                self.lost.discard(peer)


def _peerOf(row: Row) -> bytes:
    return row.peer
