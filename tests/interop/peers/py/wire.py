# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A stream as plain reads and writes, whose three ways to end can be told apart.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import trio
from libp2p.network.stream.exceptions import StreamEOF, StreamError
from libp2p.stream_muxer.mplex.mplex_stream import MplexStream
from libp2p.transport.quic.stream import QUICStream

__all__ = ["ConnectionLost", "StreamWasReset", "Wire"]

READ_SIZE = 64 * 1024


class StreamWasReset(Exception):
    """
    The remote has reset the stream.
    """


class ConnectionLost(Exception):
    """
    The stream has ended with its connection.
    """


class TwoLocks:
    """
    Lets a stream write while a read waits, which the lock of the package for
    mplex does not.
    """

    def __init__(self) -> None:
        self._reading = trio.Lock()
        self._writing = trio.Lock()

    def read_lock(self) -> AbstractAsyncContextManager[object]:
        """
        Hold back other reads only.
        """
        return self._reading

    def write_lock(self) -> AbstractAsyncContextManager[object]:
        """
        Hold back other writes only.
        """
        return self._writing


class Wire:
    """
    A stream of the package.

    @ivar received: how many bytes were read
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._muxed = stream.muxed_stream
        self.received = 0
        if isinstance(self._muxed, MplexStream):
            self._muxed.rw_lock = TwoLocks()

    async def _ending(self, error: StreamError) -> Exception | None:
        """
        Find out what an error of the package means, which may tell of a reset
        or of a lost connection as of an end.

        @return: what to raise, or C{None} for a half-close
        """
        clean = isinstance(error, StreamEOF)
        if isinstance(self._muxed, QUICStream):
            return self._endingOfQuic(error, clean)
        if isinstance(self._muxed, MplexStream):
            # It notes what has ended the stream only after it has told.
            if clean:
                await self._muxed.event_remote_closed.wait()
            wasReset = self._muxed.event_reset.is_set()
        else:
            wasReset = self._muxed.reset_received
        if self._stream.muxed_conn.event_shutting_down.is_set():
            return ConnectionLost("connection lost")
        if wasReset:
            return StreamWasReset("stream reset by the remote")
        return None if clean else error

    def _endingOfQuic(self, error: StreamError, clean: bool) -> Exception | None:
        """
        Do the same over QUIC, where a stream that has ended in both directions reports
        a reset.
        """
        if self._stream.muxed_conn.is_closed:
            return ConnectionLost("connection lost")
        if self._muxed.is_reset():
            return StreamWasReset("stream reset by the remote")
        ended = clean or self._muxed.is_closed() or not self._muxed.can_read()
        return None if ended else error

    async def read(self, size: int = READ_SIZE) -> bytes:
        """
        Read what is there.

        @return: at most so many bytes, or none at the end
        @raise StreamWasReset: the remote has reset the stream
        @raise ConnectionLost: there is no connection any more
        """
        data = b""
        while not data:
            try:
                data = await self._stream.read(size)
            except StreamError as error:
                ending = await self._ending(error)
                if ending is not None:
                    raise ending from error
                break
        self.received += len(data)
        return data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """
        Read to the end.
        """
        while chunk := await self.read():
            yield chunk

    async def drain(self) -> int:
        """
        Read to the end and forget it.

        @return: how many bytes came
        """
        before = self.received
        async for _ in self:
            pass
        return self.received - before

    async def readAll(self) -> bytes:
        """
        Read to the end.
        """
        return b"".join([chunk async for chunk in self])

    async def readExactly(self, size: int) -> bytes:
        """
        Read so many bytes.

        @raise EOFError: the stream ended before
        """
        data = b""
        while len(data) < size:
            chunk = await self.read(size - len(data))
            if not chunk:
                raise EOFError(f"the stream ended after {len(data)} of {size} bytes")
            data += chunk
        return data

    async def write(self, data: bytes) -> None:
        """
        Write all of it, as fast as the stream takes it.

        @raise StreamWasReset: the remote has reset the stream
        @raise ConnectionLost: there is no connection any more
        """
        try:
            await self._stream.write(data)
        except StreamError as error:
            raise await self._ending(error) or error from error

    async def closeWrite(self) -> None:
        """
        Half-close: close the writing side.
        """
        await self._stream.close_write()

    async def close(self) -> None:
        """
        Close what is open and forget the stream.
        """
        await self._stream.close()

    async def reset(self) -> None:
        """
        End the stream at once, in both directions.
        """
        await self._stream.reset()
