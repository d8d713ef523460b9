# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Streams for coroutines: reads and writes that are awaited.

A coroutine function serves a protocol, and a block uses a stream::

    async def double(talk):
        async for data in talk:
            await talk.write(data + data)

    node.serve("/double/1.0.0", double)

    async with node.open(peer, "/double/1.0.0") as talk:
        await talk.write(b"hello")
        print(await talk.readExactly(10))
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionClosed, ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.errors import (
    ErrorCode,
    Libp2pError,
    ProtocolViolation,
    untraced,
)
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import Stream
from twisted_libp2p.logger import Logger
from twisted_libp2p.muxer.outbox import HIGH_WATER

__all__ = ["Talk", "Talking"]

#: Number of unread bytes from which the peer is slowed down, and the default maximum
#: size of one read.
ENOUGH: Final = 64 * 1024

_log = Logger()


@implementer(IPushProducer)
class _Draining:
    """
    A write that waits until the stream takes more.
    """

    def __init__(self, transport: Stream) -> None:
        self._transport = transport
        self._paused = False
        self.done: Deferred[None] = Deferred(lambda _: self.unregister())
        transport.registerProducer(self, True)
        if not self._paused:
            self.resumeProducing()

    def pauseProducing(self) -> None:
        """
        Wait: the stream calls this at once if too much waits there.
        """
        self._paused = True

    def resumeProducing(self) -> None:
        """
        Report that the stream takes more.
        """
        self.unregister()
        if not self.done.called:
            self.done.callback(None)

    def stopProducing(self) -> None:
        """
        Wait for the reason, which L{Talk.connectionLost} gets.
        """
        self._paused = True

    def unregister(self) -> None:
        """
        Let the stream end, whether it takes more or not.
        """
        self._transport.unregisterProducer()


@implementer(IHalfCloseableProtocol)
class Talk(Protocol):
    """
    The two directions of a stream, for a coroutine.  One coroutine may read while
    another one writes.

    @ivar transport: the stream.
    """

    transport: Stream

    def __init__(self, function: Talking | None = None) -> None:
        """
        @param function: the coroutine function that uses the stream: the stream is
            closed when it returns, and reset when it raises.
        """
        self._function = function
        self._running: Deferred[None] | None = None
        self._unread = bytearray()
        self._wanted = 0
        self._paused = self._ended = self._shut = False
        self._lost: BaseException | None = None
        self._reading: Deferred[None] | None = None
        self._draining: _Draining | None = None
        self._closed: Deferred[None] | None = None

    @property
    def peer(self) -> PeerID:
        """
        The proven id of the other side.
        """
        return self.transport.getPeer().peerID

    # To read

    async def read(self, maximum: int = ENOUGH) -> bytes:
        """
        Wait for bytes.

        @return: the received bytes, up to a maximum number; none at the end.
        @raise ConnectionClosed: the stream was lost.
        """
        await self._until(lambda: bool(self._unread), 1)
        return self._take(min(len(self._unread), maximum))

    async def readExactly(self, size: int) -> bytes:
        """
        Wait for a number of bytes.

        @raise ProtocolViolation: the peer has ended its half before.
        @raise ConnectionClosed: the stream was lost.
        """
        await self._until(lambda: len(self._unread) >= size, size)
        if len(self._unread) < size:
            raise self._violation(f"it ends after {len(self._unread)} of {size} bytes")
        return self._take(size)

    async def readLine(self, maximum: int = ENOUGH) -> bytes:
        """
        Wait for a line, and return it without its end, which is C{\\n}.

        @param maximum: the size of the longest line in bytes.
        @raise ProtocolViolation: the line is longer, or has no end.
        @raise ConnectionClosed: the stream was lost.
        """
        limit = maximum + 1
        size, searched = -1, 0

        def ready() -> bool:
            nonlocal size, searched
            size = self._unread.find(b"\n", searched, limit)
            searched = len(self._unread)
            return size >= 0 or searched >= limit

        await self._until(ready, limit)
        if size >= 0:
            return self._take(size + 1)[:-1]
        if len(self._unread) > maximum:
            raise self._violation(f"a line is longer than {maximum} bytes")
        raise self._violation(f"it ends within a line, after {len(self._unread)} bytes")

    def __aiter__(self) -> Talk:
        return self

    async def __anext__(self) -> bytes:
        """
        Return the next bytes, as L{read}; the end of the peer's half ends the loop.
        """
        data = await self.read()
        if not data:
            raise StopAsyncIteration
        return data

    def _violation(self, text: str) -> ProtocolViolation:
        return ProtocolViolation(str(self.transport.protocolID), text)

    async def _until(self, ready: Callable[[], bool], wanted: int) -> None:
        """
        Wait for bytes, or for the end of the peer's half.

        @param wanted: number of bytes that have to be taken from the stream for it.
        @raise ConnectionClosed: the stream was lost before.
        """
        if self._reading is not None:
            raise RuntimeError("another coroutine reads from this stream already")
        while not (ready() or self._ended):
            self._checkLost()
            self._wanted = wanted
            if self._paused:
                self._paused = False
                self.transport.resumeProducing()
            self._reading = Deferred()
            try:
                await self._reading
            finally:
                self._reading = None
                self._wanted = 0

    def _take(self, size: int) -> bytes:
        data = bytes(self._unread[:size])
        del self._unread[:size]
        return data

    def _wake(self) -> None:
        reading = self._reading
        if reading is not None and not reading.called:
            reading.callback(None)

    # To write

    async def write(self, data: bytes) -> None:
        """
        Write, and wait as long as too many written bytes wait for the peer.

        @raise ConnectionClosed: the stream was lost, or our half has ended.
        """
        if self._draining is not None:
            raise RuntimeError("another coroutine writes to this stream already")
        self._checkLost()
        if self._shut:
            raise ConnectionDone("our half of the stream has ended")
        self.transport.write(data)
        if self.transport.unsentSize > HIGH_WATER:
            self._draining = draining = _Draining(self.transport)
            try:
                await draining.done
            finally:
                self._draining = None

    def _checkLost(self) -> None:
        if self._lost is not None:
            raise untraced(self._lost)

    def end(self) -> None:
        """
        End our half, when all written bytes are sent; the peer's may go on.
        """
        self._shut = True
        self.transport.loseWriteConnection()

    # A block, and a function

    async def __aenter__(self) -> Talk:
        return self

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        """
        Close the stream, and wait until all written bytes are sent; reset it after an
        error.

        @raise ConnectionClosed: the stream is lost while written bytes wait.
        """
        if kind is not None:
            self._shut = True
            self.transport.abortConnection()
        elif self._lost is None:
            closed: Deferred[None] = Deferred(
                lambda _: self.transport.abortConnection()
            )
            self._closed = closed
            self._close()
            await closed

    def _close(self) -> None:
        """
        Close the stream.  A write that waits does not keep it open for a peer that
        takes nothing.
        """
        self._shut = True
        self.transport.loseConnection()
        if self._draining is not None:
            self._draining.unregister()

    def connectionMade(self) -> None:
        """
        Run the function.
        """
        if self._function is not None:
            running = Deferred.fromCoroutine(self._function(self))
            self._running = running
            running.addCallbacks(self._finished, self._failed)

    def _finished(self, _: object) -> None:
        self._running = None
        self._close()

    def _failed(self, reason: Failure) -> None:
        """
        Reset the stream; log an error, unless the peer is at fault.
        """
        self._running = None
        self._shut = True
        code = ErrorCode.NONE
        if reason.check(ProtocolViolation):
            code = ErrorCode.PROTOCOL_VIOLATION
        elif not reason.check(Libp2pError, ConnectionClosed, CancelledError):
            _log.failure(
                "{protocol} has failed for {peer}",
                reason,
                protocol=self.transport.protocolID,
                peer=self.peer,
            )
        self.transport.abortConnection(code)

    # The protocol

    def dataReceived(self, data: bytes) -> None:
        """
        Keep bytes until they are read; slow the peer down if there are many.
        """
        self._unread += data
        if len(self._unread) >= max(ENOUGH, self._wanted) and not self._paused:
            self._paused = True
            self.transport.pauseProducing()
        self._wake()

    def readConnectionLost(self) -> None:
        """
        End the reads.
        """
        self._ended = True
        self._wake()

    def writeConnectionLost(self) -> None:
        """
        Do nothing: only our own end leads here.
        """

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        End everything that waits.  The function of a stream that was not closed in good
        order is cancelled.
        """
        self._lost = reason.value
        if reason.check(ConnectionDone):
            self._ended = True
        self._wake()
        draining, closed, running = self._draining, self._closed, self._running
        if draining is not None and not draining.done.called:
            draining.done.errback(reason)
        if closed is not None and not closed.called:
            closed.callback(None if reason.check(ConnectionDone) else reason)
        if running is not None and not reason.check(ConnectionDone):
            running.cancel()


#: Uses a stream to its end.
Talking = Callable[[Talk], Coroutine[Any, Any, None]]
