# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Faults of a network: the ways of bytes from one side of a handshake to the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

__all__ = [
    "GARBAGE",
    "Middle",
    "Way",
    "flip",
    "instead",
    "splitAt",
    "straight",
    "truncate",
]

# The first bytes of other protocols.
GARBAGE = (
    b"\x00" * 200,
    b"\xff" * 200,
    b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n" * 5,
    b"\x13/multistream/1.0.0\n" * 10,
    bytes(range(256)),
)

# Takes the number of bytes that were sent before, and bytes; returns the reads in which
# they arrive.
Way = Callable[[int, bytes], Iterable[bytes]]


def straight(start: int, data: bytes) -> list[bytes]:
    """
    Change nothing.
    """
    return [data]


def splitAt(place: int) -> Way:
    """
    End a read before one byte.
    """

    def way(start: int, data: bytes) -> list[bytes]:
        cut = min(max(0, place - start), len(data))
        return [data[:cut], data[cut:]]

    return way


def flip(place: int) -> Way:
    """
    Change a bit of one byte.
    """

    def way(start: int, data: bytes) -> list[bytes]:
        changed = bytearray(data)
        if start <= place < start + len(data):
            changed[place - start] ^= 1 << place % 8
        return [bytes(changed)]

    return way


def instead(script: bytes) -> Way:
    """
    Deliver other bytes instead, of the same number.
    """

    def way(start: int, data: bytes) -> list[bytes]:
        return [script[start : start + len(data)]]

    return way


def truncate(place: int) -> Way:
    """
    Deliver nothing from one byte on.
    """

    def way(start: int, data: bytes) -> list[bytes]:
        return [data[: max(0, place - start)]]

    return way


class Middle(Protocol):
    """
    An attacker in the middle, directly before one side.

    @ivar heard: all bytes that the other side has sent.
    @ivar way: the changes to them.
    """

    def __init__(self, side: IProtocol, way: Way) -> None:
        self.heard = bytearray()
        self.way = way
        self._side = side

    def makeConnection(self, transport: Any) -> None:
        """
        Connect the side to the transport itself.
        """
        self._side.makeConnection(transport)

    def dataReceived(self, data: bytes) -> None:
        """
        Pass on the changed data.
        """
        start = len(self.heard)
        self.heard += data
        for read in self.way(start, data):
            if read:
                self._side.dataReceived(read)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Report the end to the side.
        """
        self._side.connectionLost(reason)
