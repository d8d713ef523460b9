# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A listener and a dialer of the same implementation, as two processes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from benchmarks.contenders import Contender
from benchmarks.network import Network
from benchmarks.peers.orders import Order
from benchmarks.placement import apart, fixed, pinned
from tests.account import cpuSeconds, residentBytes
from tests.interop.process import ForeignPeer
from tests.tun import HERE, THERE

__all__ = ["Done", "Pair", "Refused"]

#: Seconds in which a process is ready, and in which a work is done.
LIMIT = 120.0


class Refused(Exception):
    """
    A dialer did not do what it was told.
    """


@dataclass(frozen=True)
class Done:
    """
    What a work took.

    @ivar order: what was done.
    @ivar seconds: by the clock on the wall.
    @ivar dialerCPU: seconds of CPU of the dialer.
    @ivar listenerCPU: the same of the listener.
    @ivar times: microseconds of each single one, if these are told.
    """

    order: Order
    seconds: float
    dialerCPU: float
    listenerCPU: float
    times: Sequence[float] = field(default=(), repr=False)

    @property
    def rate(self) -> float:
        """
        How much of the amount was done in a second.
        """
        return self.order.amount / self.seconds


async def _kill(peer: ForeignPeer) -> None:
    """
    End a process, if it has not ended yet.
    """
    if peer.status is None:
        peer.transport.signalProcess("KILL")
    await peer.ended


class Pair:
    """
    Two processes, which end with this one.
    """

    def __init__(
        self, clock: IReactorTime, listener: ForeignPeer, dialer: ForeignPeer
    ) -> None:
        self._clock = clock
        self._listener = listener
        self._dialer = dialer

    @classmethod
    async def start(
        cls,
        reactor: Any,
        contender: Contender,
        stack: str,
        *,
        by: Contender | None = None,
        crowd: int | None = None,
        link: Network | None = None,
        pin: bool = False,
    ) -> Pair:
        """
        Start them.

        @param contender: who listens.
        @param stack: the security protocol and the muxer, with a plus between.
        @param by: who dials, if that is somebody else.
        @param crowd: how many connections, or streams on one, they have to bear.
        @param link: what is between them, if it is not loopback.
        @param pin: keep each on a core of its own, where that is possible.
        @raise PeerEnded: the listener does not start.
        @raise twisted.internet.defer.TimeoutError: it takes too long.
        """

        def start(one: Contender, core: int, *arguments: str) -> ForeignPeer:
            within = link.within if link is not None else ()
            place = pinned(core) if pin and apart() else ()
            command = (*within, *fixed(), *place, *one.command, "bench", *arguments)
            return ForeignPeer.start(reactor, command, *one.options(stack, crowd))

        host = ("--host", HERE) if link is not None else ()
        listener = start(contender, 0, "listen", *host)
        try:
            told = await listener.line().addTimeout(LIMIT, reactor)
        except BaseException:
            await _kill(listener)
            raise
        address = told["addrs"][0].replace(HERE, THERE)
        dialer = start(by or contender, 1, "dial", address)
        return cls(reactor, listener, dialer)

    def do(self, order: Order) -> Deferred[Done]:
        """
        Do something.

        @return: fires with what it took; fails with L{Refused}, with
            L{PeerEnded<tests.interop.process.PeerEnded>}, or with
            L{twisted.internet.defer.TimeoutError}.
        """
        return Deferred.fromCoroutine(self._do(order)).addTimeout(LIMIT, self._clock)

    async def _do(self, order: Order) -> Done:
        before = self._cpu()
        self._dialer.transport.write(json.dumps(asdict(order)).encode() + b"\n")
        told = await self._dialer.line()
        if "error" in told:
            raise Refused(told["error"])
        after = self._cpu()
        return Done(
            order,
            told["seconds"],
            after[0] - before[0],
            after[1] - before[1],
            told.get("times", ()),
        )

    def _cpu(self) -> tuple[float, float]:
        return cpuSeconds(self._dialer.transport.pid), self.listenerCPU

    @property
    def listenerCPU(self) -> float:
        """
        How many seconds of CPU the listener has taken so far.
        """
        return cpuSeconds(self._listener.transport.pid)

    @property
    def listenerBytes(self) -> int:
        """
        How much memory the listener has.
        """
        return residentBytes(self._listener.transport.pid)

    async def stop(self) -> None:
        """
        End both, by force: nothing of them is wanted any more.
        """
        for peer in (self._dialer, self._listener):
            await _kill(peer)
