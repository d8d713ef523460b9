# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The control socket of a node.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from struct import Struct
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from twisted_libp2p.control.messages import LineBuffer, writeMessage
from twisted_libp2p.errors import ConfigurationError, InvalidInput, Libp2pError
from twisted_libp2p.logger import Logger
from twisted_libp2p.pacing import Deadline
from twisted_libp2p.transport.localservice import LocalService
from twisted_libp2p.transport.unix.transport import unixServer

__all__ = ["MAX_REQUEST", "REQUEST_TIME", "Command", "ControlService"]

#: Maximum size of a request, in bytes.
MAX_REQUEST = 4096

#: Seconds for a request.
REQUEST_TIME = 10.0

#: Returns the answer to a request, which has an entry C{command}, now or later.
Command = Callable[[dict[str, Any]], dict[str, Any] | Deferred[dict[str, Any]]]

# The process, the user and the group at the other end of a Unix socket of Linux.
_CREDENTIALS = Struct("3i")

_log = Logger()


def userOf(transport: Any) -> int | None:
    """
    Return the number of the user at the other end of a Unix socket; None if the system
    does not say.
    """
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    data = transport.getHandle().getsockopt(
        socket.SOL_SOCKET, option, _CREDENTIALS.size
    )
    _, user, _ = _CREDENTIALS.unpack(data)
    return int(user)


class _Conversation(Protocol):
    """
    One request and its answer.
    """

    transport: Any

    def __init__(self, service: ControlService) -> None:
        self._service = service
        self._buffer = LineBuffer(MAX_REQUEST)
        self._deadline: Deadline | None = None

    def connectionMade(self) -> None:
        """
        Refuse other users; the superuser may ask.
        """
        user = self._service.userOf(self.transport)
        if user not in (None, 0, os.geteuid()):
            _log.warn("the user {user} may not use the control socket", user=user)
            self._send({"error": "another user may not ask this node"})
            return
        self._deadline = Deadline(self._service.reactor, REQUEST_TIME, self._late)

    def _late(self) -> None:
        """
        Cut off a program that does not ask.
        """
        self._deadline = None
        self.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        """
        Read the request, and answer it.
        """
        if self._deadline is None:
            return
        try:
            request = self._buffer.feed(data)
        except InvalidInput as error:
            self._send({"error": str(error)})
            return
        if request is not None:
            self._stopClock()
            answering: Deferred[Any] = maybeDeferred(self._service.answer, request)
            answering.addErrback(_asError).addCallback(self._send)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Stop the clock.
        """
        self._stopClock()

    def _stopClock(self) -> None:
        deadline, self._deadline = self._deadline, None
        if deadline is not None:
            deadline.cancel()

    def _send(self, answer: dict[str, Any]) -> None:
        self._stopClock()
        self.transport.write(writeMessage(answer))
        self.transport.loseConnection()


def _asError(reason: Failure) -> dict[str, Any]:
    """
    Return the answer to a request that has failed.
    """
    if not reason.check(Libp2pError, OSError):
        _log.failure("a command has failed", reason)
    return {"error": reason.getErrorMessage()}


class ControlFactory(Factory):
    """
    Builds conversations.  Twisted logs the socket under the name of this class.
    """

    noisy = False

    def __init__(self, service: ControlService) -> None:
        self._service = service

    def buildProtocol(self, addr: IAddress | None) -> _Conversation:
        """
        Begin a conversation.
        """
        return _Conversation(self._service)


class ControlService(LocalService):
    """
    Answers the tools of the same user, at a Unix socket with the mode 600.
    """

    needed = False

    def __init__(
        self,
        reactor: Any,
        path: str,
        commands: Mapping[str, Command],
        userOf: Callable[[Any], int | None] = userOf,
    ) -> None:
        """
        @param path: the path of the socket.
        @param commands: the answers to requests, by the names of commands.
        @param userOf: returns the user at the other end of a transport.
        """
        super().__init__(reactor, None, unixServer(reactor, path, 0o600))
        self.setName("control socket")
        self.userOf = userOf
        self._commands = commands

    def makeFactory(self) -> Factory:
        """
        Make the factory of the conversations.
        """
        return ControlFactory(self)

    def answer(
        self, request: dict[str, Any]
    ) -> dict[str, Any] | Deferred[dict[str, Any]]:
        """
        Answer a request, now or later.

        @raise ConfigurationError: the command does not exist.
        """
        name = request.get("command")
        if not isinstance(name, str) or name not in self._commands:
            raise ConfigurationError(
                f"no command {name!r}: choose from {', '.join(sorted(self._commands))}"
            )
        return self._commands[name](request)
