# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Two protocols connected in memory, and a hand pump that moves their bytes.

Nothing moves by itself: L{Pump.flush} runs whatever is due and moves bytes
until all is quiet, L{Pump.advance} lets time pass.  The two transports behave
as Twisted's do: they pause a producer when they are full, stop delivery when
the reader is paused, and close when what was written is delivered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IProtocol,
    IPushProducer,
    ITransport,
)
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.interfaces import IFlushable
from twisted_libp2p.pacing.below import Switchable

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
inReads = pieces(64 * 1024)

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


@implementer(ITransport, IConsumer, IPushProducer, IFlushable)
class PumpTransport(Switchable):
    """
    One end of a connection in memory.

    @cvar capacity: more bytes than this make a transport full.
    @ivar protocol: who is connected to this end.
    @ivar peer: the other end.
    @ivar sent: all that was written here so far, if the pump keeps it.
    @ivar waiting: how many written bytes have not been delivered yet.
    @ivar peak: the most that C{waiting} ever was.
    @ivar stalled: set it to keep all that is written here from arriving, as a
        network does that has died.
    @ivar disconnecting: whether C{loseConnection} was called.
    @ivar disconnected: whether the connection is over.
    """

    capacity = 64 * 1024
    peer: PumpTransport
    protocol: IProtocol

    def __init__(self, pump: Pump, name: str, protocol: IProtocol) -> None:
        self._address = PumpAddress(name)
        self.protocol = protocol
        self.sent = bytearray()
        self.waiting = 0
        self.peak = 0
        self.stalled = False
        self.disconnecting = False
        self.disconnected = False
        self._pump = pump
        self._aborted = False
        self._written: list[bytes] = []
        self._reading = True
        self._producer: Any = None
        self._streaming = False
        self._producerPaused = False

    # ITransport

    def write(self, data: bytes) -> None:
        """
        Let these bytes wait for the pump.
        """
        self.writeSequence((data,))

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """
        Let these bytes wait for the pump.

        @raise TypeError: they are not C{bytes}; sockets do not take others.
        """
        data = b"".join(self._checked(piece) for piece in iovec)
        # A close waits for what a producer still has to say.
        closing = self.disconnecting and self._producer is None
        if not data or closing or self._aborted or self.disconnected:
            return
        self._written.append(data)
        if self._pump.record:
            self.sent += data
        self.waiting += len(data)
        self.peak = max(self.peak, self.waiting)
        if self.waiting > self.capacity:
            self._pauseProducer()

    def writeNow(self, data: bytes) -> None:
        """
        Let these bytes wait for the pump: nothing moves by itself.
        """
        self.writeSequence((data,))

    def flush(self) -> None:
        """
        Do nothing: the written bytes wait for the pump.
        """

    def _checked(self, data: bytes) -> bytes:
        if not isinstance(data, bytes):
            raise TypeError(f"a transport takes bytes, not {type(data).__name__}")
        return data

    def loseConnection(self) -> None:
        """
        Close when all that was written is delivered and no producer is
        registered.
        """
        self.disconnecting = True

    def abortConnection(self) -> None:
        """
        Drop what waits and close, at the pump's next stroke.
        """
        self.disconnecting = True
        self._aborted = True
        self._written.clear()
        self.waiting = 0
        self._pump.aborted(self)

    def getPeer(self) -> PumpAddress:
        """
        Tell which end the other one is.
        """
        return self.peer.getHost()

    def getHost(self) -> PumpAddress:
        """
        Tell which end this one is.
        """
        return self._address

    # IConsumer

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """
        Pause this producer when the transport is full.
        """
        if self._producer is not None:
            raise RuntimeError("a producer is registered already")
        if self.disconnected:
            producer.stopProducing()
            return
        self._producer = producer
        self._streaming = streaming
        if not streaming:
            producer.resumeProducing()

    def unregisterProducer(self) -> None:
        """
        There is no producer any more.
        """
        self._producer = None

    def _pauseProducer(self) -> None:
        if self._producer is not None and self._streaming and not self._producerPaused:
            self._producerPaused = True
            self._producer.pauseProducing()

    def _resumeProducer(self) -> None:
        if self._producer is not None and (self._producerPaused or not self._streaming):
            self._producerPaused = False
            self._producer.resumeProducing()

    # IPushProducer

    def pauseProducing(self) -> None:
        """
        Deliver nothing to this end's protocol.
        """
        self._reading = False

    def resumeProducing(self) -> None:
        """
        Deliver to this end's protocol again.
        """
        self._reading = True

    def stopProducing(self) -> None:
        """
        Close.
        """
        self.loseConnection()

    # The pump's side

    def stroke(self, size: int | None = None) -> bool:
        """
        Deliver the waiting bytes to the other end; close if that is due.

        @param size: maximum number of bytes; by default all of them.
        @return: whether anything happened.
        """
        if self.disconnected or self.stalled or self._aborted:
            return False
        moved = self._deliver(size)
        if not self._written and not self.disconnected:
            if moved:
                self._resumeProducer()
            if self.disconnecting and self._producer is None and not self._written:
                self.lose(ConnectionDone())
                self.peer.lose(ConnectionDone())
                return True
        return moved

    def _deliver(self, size: int | None) -> bool:
        """
        Deliver written bytes to the other end as long as it reads.

        @return: whether there were any.
        """
        moved = False
        peer = self.peer
        while self._written and size != 0 and peer._reading and not peer.disconnected:
            moved = True
            batch, self._written = self._written, []
            data, rest = b"".join(batch), b""
            if size is not None:
                data, rest = data[:size], data[size:]
                size -= len(data)
            left: list[bytes] = []
            for piece in self._pump.split(data):
                if peer._reading and not peer.disconnected:
                    self.waiting -= len(piece)
                    peer.protocol.dataReceived(piece)
                else:
                    left.append(piece)
            self._written[:0] = [*left, rest] if rest else left
        return moved

    def lose(self, error: Exception) -> None:
        """
        Report the end of the connection to the protocol of this end, once.
        """
        if not self.disconnected:
            self.disconnected = True
            producer, self._producer = self._producer, None
            if producer is not None:
                producer.stopProducing()
            self.protocol.connectionLost(Failure(error))


class Pump:
    """
    A connection in memory.

    @ivar clock: the time.
    @ivar client: the transport of the first protocol.
    @ivar server: the transport of the second protocol.
    @ivar split: how bytes are cut on their way.
    @ivar record: whether transports keep all that was written to them.
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
        @param clock: what the protocols run their timers with.
        @param split: cuts what is delivered; by default as a socket would.
        @param record: whether to keep all that is written.
        """
        self.clock = Clock() if clock is None else clock
        self.split = split
        self.record = record
        self.client = PumpTransport(self, "client", client)
        self.server = PumpTransport(self, "server", server)
        self.client.peer, self.server.peer = self.server, self.client
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
        Run what is due and move bytes until all is quiet.
        """
        moved = True
        while moved:
            self.clock.advance(0)
            moved = bool(self._aborted)
            while self._aborted:
                transport = self._aborted.pop()
                transport.lose(ConnectionAborted())
                transport.peer.lose(ConnectionLost())
            for transport in (self.client, self.server):
                moved = transport.stroke() or moved

    def advance(self, seconds: float) -> None:
        """
        Let time pass at one stroke, then L{flush}.
        """
        self.clock.advance(seconds)
        self.flush()
