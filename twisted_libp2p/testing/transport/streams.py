# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the bytes on a connection, and of its end.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from twisted_libp2p.errors import SessionEnded
from twisted_libp2p.testing.producer import Producer
from twisted_libp2p.testing.transport.base import TransportBase

__all__ = ["StreamTests"]

#: Number of bytes that fit no buffer on the way.
MUCH = 4 * 1024 * 1024


class StreamTests(TransportBase):
    """
    Streams, and the end of connections.
    """

    # Streams

    async def test_echo(self) -> None:
        """
        Bytes arrive in order, in both directions at once.
        """
        near, far = await self.stream()
        pattern = bytes(range(256)) * 1024
        for application in (near, far):
            stream: Any = application.transport
            stream.write(pattern)
            stream.writeSequence([pattern[:7], pattern[7:]])
        for application in (near, far):
            await application.received(2 * len(pattern))
            self.assertEqual(application.data, 2 * pattern)

    async def test_halfClose(self) -> None:
        """
        Each half of a stream ends by itself, after all of its bytes.
        """
        near, far = await self.stream()
        ours: Any = near.transport
        theirs: Any = far.transport
        ours.write(b"question")
        ours.loseWriteConnection()
        await far.ended("read")
        self.assertEqual(far.data, b"question")
        theirs.write(b"answer")
        theirs.loseConnection()
        for application in (near, far):
            await application.ended("lost")
            assert application.reason is not None
            application.reason.trap(type(connectionDone.value))
        self.assertEqual(near.data, b"answer")

    async def test_backPressure(self) -> None:
        """
        A reader that pauses stops the writer; nothing is lost when it resumes.
        """
        near, far = await self.stream()
        ours: Any = near.transport
        theirs: Any = far.transport
        theirs.pauseProducing()
        producer = Producer()
        ours.registerProducer(producer, True)
        written = 0
        while producer.calls[-1:] != ["pause"] and written < MUCH:
            ours.write(bytes(16384))
            written += 16384
            if written % (64 * 1024) == 0:
                await deferLater(self.reactor, 0)
        self.assertEqual(producer.calls[-1:], ["pause"])
        self.assertEqual(len(far.data), 0)
        theirs.resumeProducing()
        await far.received(written)
        self.assertEqual(len(far.data), written)
        self.assertEqual(producer.calls[-1:], ["resume"])
        ours.unregisterProducer()

    async def test_reset(self) -> None:
        """
        A stream can be reset; the connection goes on.
        """
        near, far = await self.stream()
        ours: Any = near.transport
        ours.abortConnection()
        for application in (near, far):
            await application.ended("lost")
            self.assertNotEqual(application.reason, connectionDone)
        self.assertTrue(ours.connection.connected)

    # The end

    async def test_close(self) -> None:
        """
        Either side can close the connection in order; the other side learns that it was
        closed, and both forget it.
        """
        for side in range(2):
            dialer, listener, *ends = await self.connected()
            closing, other = ends[side], ends[1 - side]
            closed = other.whenClosed()
            await closing.close()
            await closed
            self.assertFalse(closing.connected or other.connected)
            assert other.reason is not None
            other.reason.trap(type(connectionDone.value), SessionEnded)
            for node in (dialer, listener):
                self.assertEnded(node)

    async def test_abort(self) -> None:
        """
        Either side can end the connection at once.
        """
        for side in range(2):
            dialer, listener, *ends = await self.connected()
            waiting = [each.whenClosed() for each in ends]
            ends[side].abort(Failure(ValueError("enough")))
            for each in waiting:
                await each
            for node in (dialer, listener):
                self.assertEnded(node)

    async def test_unsent(self) -> None:
        """
        Bytes that were written before an orderly close arrive.
        """
        near, far = await self.stream()
        ours: Any = near.transport
        ours.write(b"the last words")
        ours.connection.close()
        await far.ended("lost")
        self.assertEqual(far.data, b"the last words")
