# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Bytes that go to a peer and come from it, and how that ends.
"""

from __future__ import annotations

import selectors
import socket
import struct
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

__all__ = ["TCP", "Ended", "Fate", "Pipe", "connect", "connectAs", "watch"]

#: Seconds to wait for something that an honest peer gives at once.
PATIENCE = 20.0


class Ended(Exception):
    """
    Nothing more comes: C{"closed"}, C{"reset"}, or C{"silent"} if the peer had its
    time and said nothing.
    """

    @property
    def how(self) -> str:
        """
        In one word.
        """
        return str(self.args[0])


class Fate(NamedTuple):
    """
    What became of a connection.

    @ivar how: C{"closed"}, C{"reset"} or C{"silent"}.
    @ivar seconds: after how long.
    @ivar said: what came before.
    """

    how: str
    seconds: float
    said: bytes

    @property
    def ended(self) -> bool:
        """
        Whether the peer has ended it.
        """
        return self.how != "silent"

    def __str__(self) -> str:
        return f"{self.how} after {self.seconds:.1f} s"


class Pipe(ABC):
    """
    A reliable stream of bytes.
    """

    def __init__(self) -> None:
        self._buffer = b""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """
        Send bytes.

        @raise Ended: the peer takes none.
        """

    @abstractmethod
    def more(self) -> bytes:
        """
        Receive some bytes.

        @raise Ended: none come.
        """

    @abstractmethod
    def patience(self, seconds: float) -> None:
        """
        Set how long to wait for bytes.
        """

    @abstractmethod
    def close(self) -> None:
        """
        Hang up.
        """

    def exactly(self, size: int) -> bytes:
        """
        Receive so many bytes.

        @raise Ended: fewer came.
        """
        while len(self._buffer) < size:
            self._buffer += self.more()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def some(self) -> bytes:
        """
        Receive what comes next.

        @raise Ended: nothing does.
        """
        data, self._buffer = self._buffer, b""
        return data or self.more()

    def message(self) -> bytes:
        """
        Receive a message with its length.

        @raise Ended: it does not come whole.
        """
        length = shift = 0
        while True:
            byte = self.exactly(1)[0]
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return self.exactly(length)

    def fate(self, seconds: float) -> Fate:
        """
        Wait for the end, and take note of what is said before.
        """
        began = time.monotonic()
        said = b""
        while True:
            left = began + seconds - time.monotonic()
            if left <= 0:
                return Fate("silent", seconds, said)
            self.patience(left)
            try:
                said += self.some()
            except Ended as end:
                return Fate(end.how, time.monotonic() - began, said)


class TCP(Pipe):
    """
    A socket.

    @ivar began: when it was connected.
    """

    def __init__(self, connected: socket.socket) -> None:
        super().__init__()
        self.socket = connected
        self.began = time.monotonic()
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.settimeout(PATIENCE)

    def send(self, data: bytes) -> None:
        """
        Send bytes.
        """
        try:
            self.socket.sendall(data)
        except TimeoutError:
            raise Ended("silent") from None
        except OSError:
            raise Ended("reset") from None

    def more(self) -> bytes:
        """
        Receive some bytes.
        """
        try:
            data = self.socket.recv(1 << 16)
        except TimeoutError:
            raise Ended("silent") from None
        except OSError:
            raise Ended("reset") from None
        if not data:
            raise Ended("closed")
        return data

    def patience(self, seconds: float) -> None:
        """
        Set how long to wait for bytes.
        """
        self.socket.settimeout(max(seconds, 0.001))

    def close(self) -> None:
        """
        Hang up, and wake up a thread that reads.
        """
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def abort(self) -> None:
        """
        Hang up with a RST.
        """
        self.socket.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.socket.close()


def connect(address: tuple[str, int]) -> TCP:
    """
    Connect to where a peer listens.

    @raise Ended: nobody answers.
    """
    return connectAs(None, address)


def connectAs(source: str | None, address: tuple[str, int]) -> TCP:
    """
    Connect from a certain address of ours.

    @raise Ended: nobody answers.
    """
    try:
        return TCP(
            socket.create_connection(
                address, PATIENCE, None if source is None else (source, 0)
            )
        )
    except TimeoutError:
        raise Ended("silent") from None
    except OSError:
        raise Ended("reset") from None


def watch(pipes: Sequence[TCP], seconds: float) -> list[Fate]:
    """
    Wait for the ends of many sockets at once.

    @return: what became of each; the seconds are those since it was connected.
    """
    began = time.monotonic()
    said = [b""] * len(pipes)
    fates: dict[int, Fate] = {}
    with selectors.DefaultSelector() as selector:
        for number, pipe in enumerate(pipes):
            selector.register(pipe.socket, selectors.EVENT_READ, number)
        while len(fates) < len(pipes):
            left = began + seconds - time.monotonic()
            if left <= 0:
                break
            for key, _ in selector.select(left):
                number = key.data
                try:
                    said[number] += pipes[number].some()
                except Ended as end:
                    selector.unregister(key.fileobj)
                    fates[number] = Fate(
                        end.how,
                        time.monotonic() - pipes[number].began,
                        said[number],
                    )
    return [
        fates.get(number) or Fate("silent", seconds, said[number])
        for number in range(len(pipes))
    ]
