# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
As much of HTTP/3 as WebTransport needs, without I/O: settings, frames, capsules, and
the head of one kind of request and of its answer (RFC 9114, RFC 9220,
draft-ietf-webtrans-http3).

There is no dynamic table of headers (RFC 9204): we grant the peer none, and use none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum

from pylsqpack import Decoder, DecompressionFailed, Encoder, StreamBlocked

from twisted_libp2p.errors import InvalidInput

__all__ = [
    "CONTROL",
    "MAX_HEAD",
    "NOT_FOUND",
    "OK",
    "PATH",
    "SETTINGS",
    "Capsule",
    "FrameType",
    "StreamType",
    "TypedParts",
    "acceptable",
    "decode",
    "encode",
    "readHead",
    "readSettings",
    "request",
    "sizeOf",
]

#: The most bytes of the head of a request.
MAX_HEAD = 16 * 1024

#: The path at which libp2p is served.
PATH = b"/.well-known/libp2p-webtransport?type=noise"

#: How clients name WebTransport: all of them the first one, go-libp2p 0.49 the second.
_PROTOCOLS = (b"webtransport", b"webtransport-h3")

#: A header by which clients offer draft 2; webtransport-go 0.9 refuses others.
_DRAFT_2 = (b"sec-webtransport-http3-draft02", b"1")


class FrameType(IntEnum):
    """
    The types of frames.
    """

    DATA = 0x00
    HEADERS = 0x01
    SETTINGS = 0x04
    #: Not a frame: the rest of a stream is that of a WebTransport session.
    WEBTRANSPORT_STREAM = 0x41


class StreamType(IntEnum):
    """
    The types of streams of one direction.
    """

    CONTROL = 0x00
    QPACK_ENCODER = 0x02
    QPACK_DECODER = 0x03


class Capsule(IntEnum):
    """
    The types of capsules (RFC 9297).
    """

    CLOSE_SESSION = 0x2843


def encode(value: int) -> bytes:
    """
    Encode a number as QUIC does (RFC 9000, 16).

    @param value: less than 2**62.
    """
    for size, mark in ((1, 0), (2, 1), (4, 2)):
        if value < 1 << 8 * size - 2:
            return (value | mark << 8 * size - 2).to_bytes(size, "big")
    return (value | 3 << 62).to_bytes(8, "big")


def sizeOf(first: int) -> int:
    """
    Return the bytes of a number, by the first of them.
    """
    size: int = 1 << (first >> 6)
    return size


def decode(
    data: bytes | bytearray | memoryview, offset: int = 0
) -> tuple[int, int] | None:
    """
    Decode the number at an offset.

    @return: the number and the offset after it; None if it is not complete.
    """
    if offset >= len(data):
        return None
    size = sizeOf(data[offset])
    end = offset + size
    if end > len(data):
        return None
    value = int.from_bytes(data[offset:end], "big")
    return value & (1 << 8 * size - 2) - 1, end


def _frame(kind: int, body: bytes) -> bytes:
    return encode(kind) + encode(len(body)) + body


#: The settings of WebTransport, each with the value 1, of all drafts that clients have;
#: each client looks for another one.
_SESSIONS = (
    0x2B603742,  # draft 2: Chromium 156, Firefox 153, go-libp2p 0.48
    0xC671706A,  # drafts 7 to 12: the number of sessions
    0x14E9CD29,  # drafts 13 and 14: Safari 26.4
    0x2C7CF000,  # draft 15 and later: go-libp2p 0.49
)
#: Extended CONNECT, and datagrams: Chromium needs them.
_SETTINGS = (0x08, 0x33, *_SESSIONS)

#: The frame of our settings, the first one on our control stream.
SETTINGS = _frame(
    FrameType.SETTINGS, b"".join(encode(each) + b"\x01" for each in _SETTINGS)
)

#: The first bytes of our control stream.
CONTROL = encode(StreamType.CONTROL) + SETTINGS

# Heads of answers: no dynamic table, and one entry of the static table each.
#: The answer C{:status 200}.
OK = _frame(FrameType.HEADERS, b"\x00\x00\xd9")
#: The answer C{:status 404}.
NOT_FOUND = _frame(FrameType.HEADERS, b"\x00\x00\xdb")


class TypedParts:
    """
    Splits bytes into parts with a type and a length: frames, and capsules inside them.
    Of types that nobody wants, nothing is kept.
    """

    def __init__(self, wanted: Mapping[int, int]) -> None:
        """
        @param wanted: the types to return, each with the most bytes that it may have.
        """
        self._wanted = wanted
        self._buffer = bytearray()
        self._skip = 0

    def split(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """
        Take bytes, as the parts are asked for.

        @return: the parts that are complete now, of wanted types.
        @raise InvalidInput: one of them has too many bytes; the parts before it come
            first, however the bytes were cut.
        """
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        buffer = self._buffer
        buffer += memoryview(data)[skipped:]
        begin = 0
        try:
            while not self._skip:
                head = self._head(begin)
                if head is None:
                    break
                kind, size, start = head
                if kind not in self._wanted:
                    here = min(size, len(buffer) - start)
                    self._skip = size - here
                    begin = start + here
                    continue
                if size > self._wanted[kind]:
                    raise InvalidInput(f"a part of type {kind:#x} with {size} bytes")
                if start + size > len(buffer):
                    break
                begin = start + size
                yield kind, bytes(buffer[start:begin])
        finally:
            del buffer[:begin]

    def _head(self, begin: int) -> tuple[int, int, int] | None:
        """
        Return type, length, and the offset of the bytes; None if they are incomplete.
        """
        kind = decode(self._buffer, begin)
        size = None if kind is None else decode(self._buffer, kind[1])
        return None if kind is None or size is None else (kind[0], *size)


def readHead(data: bytes) -> dict[bytes, bytes]:
    """
    Read the head of a request.

    @param data: the body of a frame of type HEADERS.
    @raise InvalidInput: it is malformed, or uses a dynamic table.
    """
    try:
        _, fields = Decoder(0, 0).feed_header(0, data)
    except (DecompressionFailed, StreamBlocked, ValueError) as error:
        raise InvalidInput(f"the head of a request: {error or 'malformed'}") from None
    return dict(fields)


def acceptable(head: Mapping[bytes, bytes]) -> bool:
    """
    Check whether a request opens a session of libp2p.
    """
    return (
        head.get(b":method") == b"CONNECT"
        and head.get(b":protocol") in _PROTOCOLS
        and head.get(b":path") == PATH
    )


def readSettings(data: bytes) -> frozenset[int]:
    """
    Read settings.

    @param data: the body of a frame of type SETTINGS.
    @return: the numbers of the settings with another value than 0.
    @raise InvalidInput: the last one is not complete.
    """
    found: set[int] = set()
    offset = 0
    while offset < len(data):
        number = decode(data, offset)
        value = None if number is None else decode(data, number[1])
        if number is None or value is None:
            raise InvalidInput("settings of HTTP/3 that are not complete")
        offset = value[1]
        if value[0]:
            found.add(number[0])
    return frozenset(found)


def request(authority: str, settings: frozenset[int]) -> bytes:
    """
    Return the frame that asks for a session of libp2p.

    @param authority: the host and the port of the listener.
    @param settings: the numbers of its settings.
    @raise InvalidInput: it has no WebTransport.
    """
    if settings.isdisjoint(_SESSIONS):
        raise InvalidInput("the peer serves no WebTransport")
    # Only from draft 15 on has it the other name.
    protocol = _PROTOCOLS[settings.isdisjoint(_SESSIONS[:-1])]
    head = [
        (b":method", b"CONNECT"),
        (b":protocol", protocol),
        (b":scheme", b"https"),
        (b":authority", authority.encode("ascii")),
        (b":path", PATH),
        _DRAFT_2,
    ]
    return _frame(FrameType.HEADERS, Encoder().encode(0, head)[1])
