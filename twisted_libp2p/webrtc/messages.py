# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The messages of a stream in a channel of WebRTC (libp2p/specs, webrtc/README.md).

They are a stream of bytes: go-libp2p and js-libp2p send the length of a message apart
from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.wire import varint

__all__ = [
    "LARGEST",
    "PIECE",
    "SMALL_PIECE",
    "Flag",
    "Message",
    "MessageReader",
    "encode",
]

#: The most bytes of a message: without its length if it is the peer's, and with it if
#: it is ours.
LARGEST = 16 * 1024

#: The most bytes of data in a message of ours: before them are the length of the
#: message, of two bytes, and a field with a length of two bytes as well.
PIECE = LARGEST - 5

#: The same for a peer that may be rust-libp2p 0.57.  It resets a stream if a message of
#: SCTP has more than 8192 bytes: libp2p-webrtc-utils 0.5.0 (src/stream.rs, Stream::new)
#: clones the channel, and the clone forgets the size of its buffer (webrtc-data 0.17.2,
#: src/data_channel/mod.rs, PollDataChannel).
SMALL_PIECE = 8192 - 5

#: The most bytes that go-libp2p 0.49 reads of one message of SCTP if they begin with a
#: length; for more, it has to be apart.
_WHOLE = 4096

_MAX_LENGTH = 3

_FLAG, _DATA, _CODE = 0x08, 0x12, 0x18
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class Flag(IntEnum):
    """
    What a message says besides its data.
    """

    #: No data follows.
    FIN = 0
    #: The sender of this reads no longer.
    STOP_SENDING = 1
    #: No data follows, and what was sent is void.
    RESET = 2
    #: The answer to C{FIN}.
    FIN_ACK = 3


class Message(NamedTuple):
    """
    One message.

    @ivar data: the bytes for the application.
    @ivar flag: None without one; unknown ones are None, too.
    @ivar code: the reason of C{RESET} or C{STOP_SENDING}; 0 for none.
    """

    data: bytes
    flag: Flag | None = None
    code: int = 0


_FLAGS = {int(each): each for each in Flag}


def encode(
    data: bytes | memoryview = b"", flag: Flag | None = None, code: int = 0
) -> tuple[bytes, ...]:
    """
    Encode a message.

    @param data: at most L{PIECE} bytes.
    @return: the messages of SCTP to send.
    """
    parts: list[bytes | memoryview] = []
    if flag is not None:
        parts.append(bytes((_FLAG, flag)))
    if data:
        parts += [b"\x12", varint.encode(len(data)), data]
    if code:
        parts += [b"\x18", varint.encode(code & 0xFFFFFFFF)]
    body = b"".join(parts)
    length = varint.encode(len(body))
    if len(length) + len(body) <= _WHOLE:
        return (length + body,)
    return length, body


class MessageReader:
    """
    Cuts bytes into messages.
    """

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """
        Take bytes, and yield the messages that are complete.

        @raise InvalidInput: a message is too long, or broken; those before it count.
        """
        buffer = self._buffer
        buffer += data
        place = 0
        try:
            while (head := _length(buffer, place)) is not None:
                size, begin = head
                if size > LARGEST:
                    raise InvalidInput(
                        f"a message of WebRTC has {size} bytes; {LARGEST} are allowed"
                    )
                if begin + size > len(buffer):
                    return
                place = begin + size
                yield _decode(bytes(buffer[begin:place]))
        finally:
            del buffer[:place]


def _length(data: bytes | bytearray, place: int) -> tuple[int, int] | None:
    """
    Read a varint.

    @return: its value, and where it ends; None if it is not complete.
    @raise InvalidInput: it is longer than that of any message.
    """
    value = 0
    for index in range(_MAX_LENGTH):
        if place + index >= len(data):
            return None
        byte = data[place + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, place + index + 1
    raise InvalidInput("a message of WebRTC begins with a length that does not end")


def _number(data: bytes, place: int) -> tuple[int, int]:
    """
    Read a varint of a field.
    """
    value = shift = 0
    while place < len(data) and shift < 70:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
    raise InvalidInput("a message of WebRTC is broken")


def _decode(data: bytes) -> Message:
    """
    Decode a message, as protobuf does: the last value of a field is that of it, and
    unknown fields are skipped.
    """
    content, flag, code = b"", None, 0
    place = 0
    while place < len(data):
        key, place = _number(data, place)
        kind = key & 7
        if kind == _VARINT:
            value, place = _number(data, place)
            if key == _FLAG:
                flag = _FLAGS.get(value)
            elif key == _CODE:
                code = value & 0xFFFFFFFF
            continue
        if kind == _BYTES:
            size, begin = _number(data, place)
        elif kind in (_FIXED64, _FIXED32):
            size, begin = (8 if kind == _FIXED64 else 4), place
        else:
            raise InvalidInput("a message of WebRTC is broken")
        place = begin + size
        if place > len(data):
            raise InvalidInput("a message of WebRTC is broken")
        if key == _DATA:
            content = data[begin:place]
    return Message(content, flag, code)
