# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Ports of Unix sockets.

This module needs a system that has such sockets: L{twisted_libp2p.transport.unix
.transport} imports it when it is used.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from typing import Any

from twisted.internet import tcp, unix
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["UnixServerEndpoint"]

#: Number of connections that the system may hold ready for us to accept.
BACKLOG = 1024


class _Port(unix.Port):
    """
    A port that removes its own file, if it may.

    The port of Twisted removes any file of its path, also that of a successor, and
    fails if it may not: a program that has given up root leaves the file to its
    successor.
    """

    _file: tuple[int, int] | None = None

    def startListening(self) -> None:
        """
        Listen, and record which file is ours.
        """
        super().startListening()
        self._file = _numbers(self._bindPath)

    def connectionLost(self, reason: Failure) -> None:
        """
        Remove our file, and close the socket.
        """
        if self._file is not None and _numbers(self._bindPath) == self._file:
            with suppress(OSError):
                os.unlink(self._bindPath)
        tcp.Port.connectionLost(self, reason)


def _numbers(path: bytes) -> tuple[int, int] | None:
    """
    Return the device and the inode of a file; None if it does not exist.
    """
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


@implementer(IStreamServerEndpoint)
class UnixServerEndpoint:
    """
    Listens on a Unix socket.
    """

    def __init__(
        self, reactor: Any, path: str, mode: int, owner: tuple[int, int] | None
    ) -> None:
        """
        @param path: the file to make; a file of a process that has ended is replaced.
        @param mode: the mode of the file.
        @param owner: the user and the group of the file; None for those of the process.
        """
        self._reactor = reactor
        self._path = path
        self._mode = mode
        self._owner = owner

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Listen.

        @return: fails with C{CannotListenError}, also if another process listens.
        """
        return Deferred.fromCoroutine(self._listen(protocolFactory))

    async def _listen(self, factory: IProtocolFactory) -> IListeningPort:
        path = self._path
        try:
            _removeStale(path)
            # Nobody can connect before the file has its mode.
            port = _Port(os.fsencode(path), factory, BACKLOG, self._mode, self._reactor)
            port.startListening()
            if self._owner is not None:
                try:
                    os.chown(path, *self._owner)
                except OSError:
                    await maybeDeferred(port.stopListening)
                    raise
        except CannotListenError as error:
            raise _refused(path, error.socketError) from None
        except OSError as error:
            raise _refused(path, error.strerror or error) from None
        listening: IListeningPort = port
        return listening


def _refused(path: str, problem: object) -> CannotListenError:
    return CannotListenError("unix", path, problem)


def _removeStale(path: str) -> None:
    """
    Remove the socket of a process that has ended.

    @raise OSError: a process listens on it, or it is another kind of file.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError("another kind of file is there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            # Its backlog is full.
            pass
    raise FileExistsError("another process listens there")
