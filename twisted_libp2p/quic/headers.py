# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The parts of a QUIC packet that are readable without keys: connection ids and versions.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = [
    "CONNECTION_ID_SIZE",
    "LARGEST_CONNECTION_ID",
    "MINIMUM_INITIAL",
    "VERSION_1",
    "connectionID",
    "isInitial",
    "isLong",
    "runs",
    "sourceID",
    "version",
]

#: The bytes of each connection id that we issue.
CONNECTION_ID_SIZE = 8

#: The most bytes of a connection id of QUIC version 1.
LARGEST_CONNECTION_ID = 20

#: The least bytes of a datagram that begins a connection (RFC 9000, 14.1).
MINIMUM_INITIAL = 1200

#: QUIC version 1, which all peers of libp2p speak.
VERSION_1 = 1

_LONG = 0x80
_TYPE = 0x30


def isLong(data: bytes, start: int = 0) -> bool:
    """
    Check whether a packet has a long header: those of a handshake do.
    """
    return bool(data[start] & _LONG)


def isInitial(data: bytes) -> bool:
    """
    Check whether a packet of version 1 with a long header is an Initial.
    """
    return not data[0] & _TYPE


def version(data: bytes) -> int:
    """
    Return the version in a long header; -1 if it is cut off.
    """
    return int.from_bytes(data[1:5], "big") if len(data) >= 5 else -1


def connectionID(data: bytes, start: int = 0) -> bytes:
    """
    Return the receiver's connection id of the packet that begins here; empty if it is
    cut off.

    @param data: one or several datagrams.
    @param start: the first byte of the packet.
    """
    if start >= len(data):
        return b""
    if data[start] & _LONG:
        begin = start + 6
        size = data[start + 5] if len(data) > start + 5 else 0
    else:
        begin, size = start + 1, CONNECTION_ID_SIZE
    found = data[begin : begin + size]
    return found if len(found) == size else b""


def sourceID(data: bytes) -> bytes | None:
    """
    Return the sender's connection id of a long header; None if it is cut off.
    """
    begin = 6 + data[5] if len(data) > 5 else len(data)
    if begin >= len(data):
        return None
    found = data[begin + 1 : begin + 1 + data[begin]]
    return found if len(found) == data[begin] else None


def runs(data: bytes, segment: int) -> Iterator[tuple[bytes, int, int]]:
    """
    Split datagrams that were received together (GRO) into runs of one connection: such
    a buffer may hold datagrams of several connections of the same two addresses.

    @param segment: the bytes of each datagram but the last; 0 if there is one.
    @return: the connection id of each run, its first byte, and the byte after its last.
    """
    size = len(data)
    if not 0 < segment < size:
        yield connectionID(data), 0, size
        return
    start = 0
    while start < size:
        first, end = connectionID(data, start), start + segment
        while end < size and connectionID(data, end) == first:
            end += segment
        yield first, start, min(end, size)
        start = end
