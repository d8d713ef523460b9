# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The wire between the public addresses of a laboratory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from heapq import heappop, heappush
from ipaddress import ip_address
from random import Random
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["Link", "Wire"]

#: How many packets of one interface are carried before the others have their turn.
TURN = 64


@dataclass(slots=True)
class Link:
    """
    The properties of one end of the wire.  Those of both ends of a way add up.

    @ivar delay: seconds that each packet takes.
    @ivar jitter: maximum of the additional seconds, which are random.
    @ivar loss: the fraction of the packets that is lost.
    @ivar up: whether any packet passes.
    """

    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    up: bool = True


@implementer(IReadDescriptor)
class _Interface:
    """
    One interface on the wire.
    """

    def __init__(self, file: int, link: Link, wire: Wire) -> None:
        self.file = file
        self.link = link
        self._wire = wire

    def fileno(self) -> int:
        """
        Return the file of the interface.
        """
        return self.file

    def logPrefix(self) -> str:
        """
        Return a name.
        """
        return "wire"

    def doRead(self) -> None:
        """
        Carry the waiting packets.
        """
        with suppress(BlockingIOError):
            for _ in range(TURN):
                self._wire.carry(self, os.read(self.file, 2048))

    def connectionLost(self, reason: Failure) -> None:
        """
        Do nothing: L{Wire.cut} closes the file.
        """


class Wire:
    """
    Carries packets of IP between interfaces by their destination.

    @ivar carried: the number of carried packets.
    @ivar lost: the number of lost packets.
    @ivar tap: called with each packet that is carried.
    """

    def __init__(self, reactor: Any, seed: int = 0) -> None:
        """
        @param seed: the beginning of the random numbers of jitter and loss.
        """
        self._reactor = reactor
        self._random = Random(seed)
        self._interfaces: list[_Interface] = []
        self._to: dict[bytes, _Interface] = {}
        self._queue: list[tuple[float, int, _Interface, bytes]] = []
        self._call: IDelayedCall | None = None
        self.carried = 0
        self.lost = 0
        self.tap: Callable[[bytes], object] | None = None

    def join(self, file: int, addresses: Iterable[str], link: Link) -> None:
        """
        Add an interface.

        @param file: the file of the interface; the wire closes it.
        @param addresses: the addresses whose packets it takes.
        """
        interface = _Interface(file, link, self)
        self._interfaces.append(interface)
        self._reactor.addReader(interface)
        for each in addresses:
            self._to[ip_address(each).packed] = interface

    def route(self, address: str, by: str) -> None:
        """
        Lead one more address to the interface of another.
        """
        self._to[ip_address(address).packed] = self._to[ip_address(by).packed]

    def carry(self, source: _Interface, packet: bytes) -> None:
        """
        Take a packet of an interface, and deliver it in its time, or lose it.
        """
        start, end = (16, 20) if packet[0] >> 4 == 4 else (24, 40)
        target = self._to.get(packet[start:end])
        if target is None:
            return
        delay = 0.0
        for link in (source.link, target.link):
            if not link.up or (link.loss and self._random.random() < link.loss):
                self.lost += 1
                return
            delay += link.delay + link.jitter * self._random.random()
        self.carried += 1
        if self.tap is not None:
            self.tap(packet)
        if not delay:
            self._deliver(target, packet)
            return
        due = self._reactor.seconds() + delay
        heappush(self._queue, (due, self.carried, target, packet))
        if self._queue[0][1] == self.carried:
            self._wait()

    def _deliver(self, target: _Interface, packet: bytes) -> None:
        # A full queue of an interface loses packets, as that of a router does.
        with suppress(OSError):
            os.write(target.file, packet)

    def _wait(self) -> None:
        """
        Wait until the first packet is due.
        """
        if self._call is not None:
            self._call.cancel()
        wait = max(0.0, self._queue[0][0] - self._reactor.seconds())
        self._call = self._reactor.callLater(wait, self._deliverDue)

    def _deliverDue(self) -> None:
        self._call = None
        now = self._reactor.seconds()
        while self._queue and self._queue[0][0] <= now:
            _, _, target, packet = heappop(self._queue)
            self._deliver(target, packet)
        if self._queue:
            self._wait()

    def cut(self) -> None:
        """
        End: no further packet is carried.
        """
        if self._call is not None:
            self._call.cancel()
            self._call = None
        for each in self._interfaces:
            self._reactor.removeReader(each)
            os.close(each.file)
        self._interfaces.clear()
        self._to.clear()
        self._queue.clear()
