# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Stdin and stdout as the other end of a stream.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import connectionDone
from twisted.internet.stdio import StandardIO
from twisted.python.failure import Failure

from twisted_libp2p.connection.building import StreamFactory
from twisted_libp2p.interfaces import IConnection
from twisted_libp2p.protocols.forward import Pipe, Traffic

__all__ = ["joinStandard"]


class _Stream(Pipe):
    """
    The half of the pipe that is a stream.

    @ivar over: fires with the reason when the stream has ended.
    """

    def __init__(self) -> None:
        self.over: Deferred[Any] = Deferred()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        self.over.callback(reason.value)


class _Console(Pipe):
    """
    The half of the pipe that is stdin and stdout.

    @ivar written: fires when everything is written to stdout.
    """

    def __init__(self) -> None:
        self.written: Deferred[None] = Deferred()

    def writeConnectionLost(self) -> None:
        super().writeConnectionLost()
        self._finish()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        self._finish()

    def _finish(self) -> None:
        if not self.written.called:
            self.written.callback(None)


async def joinStandard(
    reactor: Any,
    connection: IConnection,
    protocol: str,
    limits: Traffic | None = None,
) -> None:
    """
    Join stdin and stdout with a stream, until both directions have ended.

    @param limits: the limits of the stream.
    @raise Exception: the stream was lost.
    """
    stream = _Stream()
    await connection.openStream(
        protocol, StreamFactory(lambda: stream), allowLimited=True
    )
    console = _Console()
    StandardIO(console, reactor=reactor)
    if limits is not None:
        stream.limit(console, limits)
    stream.join(console)
    reason = await stream.over
    await console.written
    if not isinstance(reason, ConnectionDone):
        raise reason
