# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The costs of the peerstore by the number of its peers, and those of trimming by the
number of connections; in this process, without a network.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence

from twisted.internet.task import Clock

from benchmarks.contenders import OURS
from benchmarks.progress import Progress
from benchmarks.rows import Row
from tests.account import residentBytes
from tests.connmanager.doubles import CrowdedClock, FakeConnection, peer
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connmanager import ConnectionManager, ConnectionPolicy
from twisted_libp2p.events import EventBus
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import Source
from twisted_libp2p.limits import Limits as ConnectionLimits
from twisted_libp2p.peerstore.memory import MemoryPeerStore
from twisted_libp2p.peerstore.records import TTLS, Limits

__all__ = ["books"]

#: The numbers of known peers, and of connections.
PEERS = (100, 1000, 10_000, 100_000, 1_000_000)
CONNECTIONS = (10, 100, 1000, 10_000)

#: How often each operation is repeated.
OFTEN = 50

KIB = 1024


def books(progress: Progress) -> list[Row]:
    """
    Measure both.
    """
    return [*_peers(progress), *_trimming(progress)]


def _addresses(number: int) -> list[Multiaddr]:
    """
    Make up the addresses of a peer.
    """
    a, b, c = number >> 16 & 255, number >> 8 & 255, number & 255
    return [Multiaddr(f"/ip4/10.{a}.{b}.{c}/tcp/{port}") for port in (4001, 4002)]


def _peers(progress: Progress) -> Iterator[Row]:
    clock = Clock()
    limits = Limits(peers=PEERS[-1], memory=1 << 40)
    store = MemoryPeerStore(clock, limits)
    base = residentBytes(os.getpid())
    where = _addresses(PEERS[-1])

    def add(who: PeerID) -> None:
        store.addAddresses(who, where)

    count = 0
    for size in PEERS:
        name = f"{size} peers"
        progress.show("growth: peers", str(size))
        while count < size:
            store.addAddresses(peer(count), _addresses(count))
            count += 1
        held = (residentBytes(os.getpid()) - base) / KIB / size
        yield _row(f"{name}: memory of each", "KiB", held)
        several = [peer(number * size // OFTEN) for number in range(OFTEN)]
        found = _each(store.addresses, several)
        yield _row(f"{name}: look-up of addresses", "us", found)
        yield _row(f"{name}: addresses added", "us", _each(add, several))
    # Above, no peer had to be dropped.  Now each new peer replaces another one: first
    # because there are too many, then because all have expired.
    new = [peer(count + number) for number in range(2 * OFTEN)]
    name = f"{PEERS[-1]} peers"
    yield _row(f"{name}: one for another", "us", _each(add, new[:OFTEN]))
    clock.advance(TTLS[Source.DISCOVERED] + 1)
    yield _row(f"{name}: one when all have expired", "us", _each(add, new[OFTEN:]))


def _trimming(progress: Progress) -> Iterator[Row]:
    for size in CONNECTIONS:
        progress.show("growth: trimming", str(size))
        clock = CrowdedClock()
        policy = ConnectionPolicy(lowWater=size // 2, highWater=2 * size)
        manager = ConnectionManager(
            clock, EventBus(), policy=policy, limits=ConnectionLimits.none()
        )
        for number in range(size):
            FakeConnection(manager, peer(number + 1)).open()
        clock.advance(policy.grace + 1)
        begin = time.process_time()
        trimmed = manager.trim()
        took = (time.process_time() - begin) * 1e6
        yield _row(
            f"{size} connections: each that is trimmed", "us", took / len(trimmed)
        )


def _each(do: Callable[[PeerID], object], several: Sequence[PeerID]) -> float:
    """
    Return the microseconds of CPU that an operation takes for each peer.
    """
    gc.collect()
    gc.disable()
    try:
        begin = time.process_time()
        for each in several:
            do(each)
        return (time.process_time() - begin) * 1e6 / len(several)
    finally:
        gc.enable()


def _row(work: str, unit: str, value: float) -> Row:
    return Row.of(work, "", OURS.name, unit, [value])
