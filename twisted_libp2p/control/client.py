# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The other end of a control socket.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from twisted_libp2p.connection.building import StreamFactory
from twisted_libp2p.control.messages import LineBuffer, writeMessage
from twisted_libp2p.errors import ConfigurationError, InvalidInput
from twisted_libp2p.pacing import addTimeout
from twisted_libp2p.transport.unix.transport import MAX_PATH

__all__ = ["ask"]

#: Seconds for an answer.
ANSWER_TIME = 10.0


class _Asking(Protocol):
    """
    Sends a request.

    @ivar answer: fires with the answer.
    """

    transport: Any

    def __init__(self, request: dict[str, Any]) -> None:
        self._request = request
        self._buffer = LineBuffer()
        self.answer: Deferred[dict[str, Any]] = Deferred()

    def connectionMade(self) -> None:
        self.transport.write(writeMessage(self._request))

    def dataReceived(self, data: bytes) -> None:
        try:
            answer = self._buffer.feed(data)
        except InvalidInput:
            self._end(Failure())
            return
        if answer is not None:
            self._end(answer)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._end(Failure(InvalidInput("the node has not answered")))

    def _end(self, result: Any) -> None:
        if not self.answer.called:
            self.transport.loseConnection()
            self.answer.callback(result)


async def ask(reactor: Any, path: str, command: str, **facts: Any) -> dict[str, Any]:
    """
    Ask a running node.

    @param path: the path of its control socket.
    @raise ConfigurationError: no node answers there, or it refuses; or the path is too
        long.
    """
    asking = _Asking({"command": command, **facts})
    if len(os.fsencode(path)) > MAX_PATH:
        # Twisted would wait for the end of its time.
        raise ConfigurationError(
            f"{path}: the path of a socket has at most {MAX_PATH} bytes: choose a"
            " shorter --data"
        )
    endpoint = UNIXClientEndpoint(reactor, path)
    try:
        await endpoint.connect(StreamFactory(lambda: asking))
        addTimeout(asking.answer, ANSWER_TIME, reactor)
        answer = await asking.answer
    except (ConnectError, InvalidInput, TimeoutError) as error:
        raise ConfigurationError(
            f"no node answers at {path}: twist libp2p --data FOLDER runs one ({error})"
        ) from None
    if "error" in answer:
        raise ConfigurationError(str(answer["error"]))
    return answer
