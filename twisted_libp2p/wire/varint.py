# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Unsigned varints as the multiformats define them.

Each byte has seven bits, the least significant group first; its high bit says that
another byte follows.  A varint has at most nine bytes, 63 bits, and is as short
as its value allows.  See multiformats/unsigned-varint.
"""

from __future__ import annotations

from twisted_libp2p.errors import InvalidInput

__all__ = ["MAX_BYTES", "MAX_VALUE", "decode", "encode"]

MAX_BYTES = 9
MAX_VALUE = (1 << 7 * MAX_BYTES) - 1


def encode(value: int) -> bytes:
    """
    Encode a number in as few bytes as it needs.

    @param value: 0 to L{MAX_VALUE}.
    @raise InvalidInput: the value is out of this range.
    """
    if not 0 <= value <= MAX_VALUE:
        raise InvalidInput(f"varint: {value} is not in 0..2**63-1")
    # Nearly all are lengths and numbers of streams, which have at most three bytes; for
    # them the loop would cost more than the rest.
    if value < 0x80:
        return bytes((value,))
    if value < 0x4000:
        return bytes((value & 0x7F | 0x80, value >> 7))
    if value < 0x200000:
        return bytes((value & 0x7F | 0x80, value >> 7 & 0x7F | 0x80, value >> 14))
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def decode(
    data: bytes | bytearray | memoryview, offset: int = 0
) -> tuple[int, int] | None:
    """
    Decode the number that begins at an offset.

    @return: the number and the offset after it; None if the data ends before the
        number does.
    @raise InvalidInput: the number takes more bytes than it needs, or more than
        L{MAX_BYTES}; the latter is raised as soon as so many have arrived.
    """
    end = len(data)
    if offset >= end:
        return None
    value: int = data[offset]
    if value < 0x80:
        return value, offset + 1
    if offset + 1 >= end:
        return None
    value &= 0x7F
    byte: int = data[offset + 1]
    if 0 < byte < 0x80:
        return value | byte << 7, offset + 2
    if byte and offset + 2 < end:
        third: int = data[offset + 2]
        if 0 < third < 0x80:
            return value | (byte & 0x7F) << 7 | third << 14, offset + 3
    shift = 7
    for position in range(offset + 1, min(end, offset + MAX_BYTES)):
        byte = data[position]
        if byte < 0x80:
            if not byte:
                raise InvalidInput("varint: longer than its value needs")
            return value | byte << shift, position + 1
        value |= (byte & 0x7F) << shift
        shift += 7
    if end - offset >= MAX_BYTES:
        raise InvalidInput(f"varint: longer than {MAX_BYTES} bytes")
    return None
