# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What is done in alternating rounds.
"""

from __future__ import annotations

import statistics
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks import memory
from benchmarks.pair import Done
from benchmarks.peers.orders import BLOCK_SIZE, Order

__all__ = ["QUIC", "STACKS", "WEBSOCKET", "WORKS", "Figure", "Work", "isMeasured"]

#: Over WebSocket, one stack shows what the transport costs.
WEBSOCKET = "ws+noise+yamux"

#: It has security and streams of its own.
QUIC = "quic"

#: The security protocols and muxers, over TCP unless a transport is named.
STACKS = ("noise+yamux", "noise+mplex", "tls+yamux", "tls+mplex", WEBSOCKET, QUIC)

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


class Figure(NamedTuple):
    """
    One of the things that a round tells.
    """

    work: str
    unit: str
    value: float


@dataclass(frozen=True)
class Work(ABC):
    """
    Something that all do.

    @ivar name: what tables call it.
    @ivar do: what dialers call it.
    @ivar start: how much of it is done to warm up.
    @ivar lanes: how many at once.
    @ivar block: how many bytes are written at once.
    @ivar plain: whether those without libp2p can do it, too.
    """

    name: str
    do: str
    start: int
    lanes: int = 1
    block: int = BLOCK_SIZE
    plain: bool = False

    @property
    def pinned(self) -> bool:
        """
        Whether each of the two processes is kept on a core of its own: one that does
        one thing at a time needs no other, and would show what the scheduler does.
        """
        return self.lanes == 1 and not isinstance(self, Transfer)

    def order(self, amount: int) -> Order:
        """
        Give the order to do so much of it, or a little more.
        """
        share = -(-amount // self.lanes)
        return Order(self.do, share * self.lanes, self.lanes, self.block)

    @abstractmethod
    def figures(self, done: Done) -> Iterator[Figure]:
        """
        Tell what a round has shown.
        """

    def _cpu(self, done: Done, unit: str, scale: float) -> Iterator[Figure]:
        """
        Tell what it has cost each side.

        @param scale: units of C{unit} for a CPU second for one of the amount.
        """
        each = scale / done.order.amount
        yield Figure(f"{self.name}: dialer", unit, done.dialerCPU * each)
        yield Figure(f"{self.name}: listener", unit, done.listenerCPU * each)


class Transfer(Work):
    """
    Bytes in one direction.
    """

    def figures(self, done: Done) -> Iterator[Figure]:
        """
        Tell the throughput, and the CPU that a GiB takes.
        """
        yield Figure(self.name, "MiB/s", done.rate / MIB)
        yield from self._cpu(done, "CPU s/GiB", GIB)


class Openings(Work):
    """
    Connections, or streams.
    """

    def figures(self, done: Done) -> Iterator[Figure]:
        """
        Tell how many there were in a second, and the CPU that one takes.
        """
        yield Figure(self.name, "1/s", done.rate)
        yield from self._cpu(done, "CPU ms", 1000)


class Pings(Work):
    """
    Round trips.
    """

    def figures(self, done: Done) -> Iterator[Figure]:
        """
        Tell how long one takes.
        """
        percentiles = statistics.quantiles(done.times, n=100)
        yield Figure(f"{self.name} p50", "us", percentiles[49])
        yield Figure(f"{self.name} p99", "us", percentiles[98])


#: All of them.
WORKS: tuple[Work, ...] = (
    Transfer("upload", "upload", 4 * MIB, plain=True),
    Transfer("download", "download", 4 * MIB, plain=True),
    Transfer("upload, 100 streams", "upload", 4 * MIB, lanes=100),
    Transfer("download, 100 streams", "download", 4 * MIB, lanes=100),
    Transfer("upload, writes of 100 B", "upload", 128 * KIB, block=100, plain=True),
    Transfer("upload, writes of 1400 B", "upload", MIB, block=1400, plain=True),
    Openings("handshakes", "handshakes", 8),
    Openings("handshakes, 32 at once", "handshakes", 64, lanes=32),
    Openings("streams", "streams", 32),
    Openings("streams, 32 at once", "streams", 320, lanes=32),
    Pings("ping", "ping", 100, plain=True),
)

# What a WebSocket makes a difference to.
_OVER_WEBSOCKET = ("upload", "download", memory.NAME)


def isMeasured(work: str, stack: str) -> bool:
    """
    Decide whether a work is measured on a stack.
    """
    return stack != WEBSOCKET or work in _OVER_WEBSOCKET
