# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Varints and the fields of protobuf messages.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["delimited", "field", "fields", "varint"]


def varint(number: int) -> bytes:
    """
    Encode a number, of any size.
    """
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def delimited(data: bytes) -> bytes:
    """
    Put the length in front.
    """
    return varint(len(data)) + data


def field(number: int, value: int | bytes) -> bytes:
    """
    Encode a field of a message: a number, or bytes.
    """
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + delimited(value)


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """
    Go through the fields of a message that holds only such.
    """
    offset = 0

    def take() -> int:
        nonlocal offset
        number = shift = 0
        while True:
            byte = message[offset]
            offset += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while offset < len(message):
        tag = take()
        value = take()
        if tag & 7 == 2:
            yield tag >> 3, message[offset : offset + value]
            offset += value
        else:
            yield tag >> 3, value
