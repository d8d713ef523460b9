# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Two protocols connected in memory, and a hand pump that moves their bytes.

Nothing moves by itself: L{Pump.flush} runs all calls that are due and moves bytes until
there are none, L{Pump.advance} lets time pass.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from twisted.internet.error import ConnectionAborted, ConnectionLost
from twisted.internet.interfaces import IAddress, IProtocol
from twisted.internet.task import Clock
from zope.interface import implementer

from twisted_libp2p.transport.memory import HIGH_WATER, MemoryEnd

__all__ = ["Pump", "PumpAddress", "PumpTransport", "byteByByte", "inReads", "pieces"]


def pieces(size: int) -> Callable[[bytes], Iterator[bytes]]:
    """
    Return a function that cuts bytes into pieces.

    @param size: the size of a piece, in bytes.
    """

    def cut(data: bytes) -> Iterator[bytes]:
        for offset in range(0, len(data), size):
            yield data[offset : offset + size]

    return cut


#: Cuts bytes as a socket does.
inReads = pieces(HIGH_WATER)

#: Cuts bytes into single bytes.
byteByByte = pieces(1)


@implementer(IAddress)
@dataclass(frozen=True, slots=True)
class PumpAddress:
    """
    One end of a connection in memory.

    @ivar name: C{client} or C{server}.
    """

    name: str


class PumpTransport(MemoryEnd):
    """
    One end of a connection in memory, whose bytes the pump delivers.

    @ivar sent: all bytes that were written here so far, if the pump keeps them.
    @ivar peak: the highest value of C{waiting} so far.
    """

    def __init__(self, pump: Pump, name: str, protocol: IProtocol) -> None:
        super().__init__(PumpAddress(name), protocol)
        self.sent = bytearray()
        self.peak = 0
        self._pump = pump

    def _now(self) -> float:
        return 0.0

    def _schedule(self) -> None:
        """
        Do nothing: the pump asks.
        """

    def _cut(self) -> None:
        self._pump.aborted(self)

    def _split(self, data: bytes) -> Iterable[bytes]:
        return self._pump.split(data)

    def _accept(self, data: bytes) -> None:
        if self._pump.record:
            self.sent += data
        self.peak = max(self.peak, self.waiting + len(data))
        super()._accept(data)

    def stroke(self, size: int = sys.maxsize) -> bool:
        """
        Deliver the waiting bytes to the other end; close if that is due.

        @param size: maximum number of bytes.
        @return: whether anything happened.
        """
        if self.silent or self.stalled:
            return False
        moved = False
        while delivered := self._deliver(size):
            moved = True
            size -= delivered
        return self._settle(moved) or moved


class Pump:
    """
    A connection in memory.

    @ivar clock: the time.
    @ivar client: the transport of the first protocol.
    @ivar server: the transport of the second protocol.
    @ivar split: cuts bytes into reads.
    @ivar record: whether transports keep all written bytes.
    """

    def __init__(
        self,
        client: IProtocol,
        server: IProtocol,
        *,
        clock: Clock | None = None,
        split: Callable[[bytes], Iterable[bytes]] = inReads,
        record: bool = True,
    ) -> None:
        """
        @param client: connected first.
        @param server: connected second.
        @param clock: the clock of the timers of both protocols.
        @param split: cuts bytes into reads; by default as a socket does.
        @param record: whether to keep all written bytes.
        """
        self.clock = Clock() if clock is None else clock
        self.split = split
        self.record = record
        self.client = PumpTransport(self, "client", client)
        self.server = PumpTransport(self, "server", server)
        self.client.other, self.server.other = self.server, self.client
        self._aborted: list[PumpTransport] = []

    def connect(self) -> None:
        """
        Connect both protocols.  Nothing moves yet.
        """
        self.client.protocol.makeConnection(self.client)
        self.server.protocol.makeConnection(self.server)

    def aborted(self, transport: PumpTransport) -> None:
        """
        A transport was aborted; it closes at the next stroke.
        """
        self._aborted.append(transport)

    def flush(self) -> None:
        """
        Run all calls that are due and move bytes, until there are none.
        """
        moved = True
        while moved:
            self.clock.advance(0)
            moved = bool(self._aborted)
            while self._aborted:
                transport = self._aborted.pop()
                transport.lose(ConnectionAborted())
                transport.other.lose(ConnectionLost())
            for transport in (self.client, self.server):
                moved = transport.stroke() or moved

    def advance(self, seconds: float) -> None:
        """
        Let time pass at one stroke, then L{flush}.
        """
        self.clock.advance(seconds)
        self.flush()
