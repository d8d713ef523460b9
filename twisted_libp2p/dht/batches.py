# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Many keys announced at their nearest servers: one exploration of each region of the key
space, and many keys on each stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from random import Random
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from twisted_libp2p.dht.gathering import allOf
from twisted_libp2p.dht.keyspace import placeOf
from twisted_libp2p.dht.operations import Operations
from twisted_libp2p.dht.sweep import Placed, Sweep
from twisted_libp2p.identity import PeerID

__all__ = ["BATCH", "PAUSE", "Batches"]

#: The most keys that a server gets on one stream.
BATCH: Final = 100

#: Seconds between two batches of one region: a server of ours takes 100 requests of a
#: peer in a second.
PAUSE: Final = 1.0


class Batches:
    """
    Announces keys by regions.
    """

    def __init__(
        self, clock: IReactorTime, operations: Operations, random: Random
    ) -> None:
        """
        Begin without a key.

        @param clock: the time.
        @param operations: looks up keys, and announces them.
        @param random: makes keys to look up.
        """
        self._clock = clock
        self._operations = operations
        self._random = random

    async def announce(
        self,
        due: Iterable[bytes],
        keys: Sequence[tuple[int, bytes]],
        stored: Callable[[bytes], object],
    ) -> None:
        """
        Announce keys.

        @param due: the keys to announce.
        @param keys: all our keys and their places, in the order of the places; those of
            the same regions are announced too.
        @param stored: called with each key that at least one server has stored.
        @raise NotFound: this node has no address, or no server is known.
        """
        sweep: Sweep[PeerID] = Sweep(due, keys, self._operations.k, self._random)
        while (key := sweep.next()) is not None:
            report = await self._operations.closest(key)
            nearest = [(each, placeOf(each.toBytes())) for each in report.nearest]
            placed = iter(sweep.found(nearest) if nearest else sweep.failed())
            while batch := list(islice(placed, BATCH)):
                await self._send(batch, stored)
                if len(batch) == BATCH:
                    await deferLater(self._clock, PAUSE)

    async def _send(
        self, batch: Sequence[Placed[PeerID]], stored: Callable[[bytes], object]
    ) -> None:
        """
        Announce some keys, at all of their servers at once.
        """
        perServer: dict[PeerID, list[bytes]] = {}
        for key, servers in batch:
            self._operations.own(key)
            for each in servers:
                perServer.setdefault(each, []).append(key)
        results = await allOf(
            self._operations.announce(server, *keys)
            for server, keys in perServer.items()
        )
        done: dict[bytes, None] = {}
        for keys, (success, _) in zip(perServer.values(), results, strict=True):
            if success:
                done.update(dict.fromkeys(keys))
        for key in done:
            stored(key)
