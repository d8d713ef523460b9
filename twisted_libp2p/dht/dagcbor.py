# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A reader of the small part of DAG-CBOR in which IPNS records are signed: one map of
numbers, bytes and texts.

See ipld/specs, block-layer/codecs/dag-cbor.md, and RFC 8949.
"""

from __future__ import annotations

from typing import Final

from twisted_libp2p.errors import InvalidRecord

__all__ = ["readMap"]

#: The most entries of a map.
_MAX_ENTRIES: Final = 64

#: The sizes in bytes of lengths and numbers that follow the first byte.
_SIZES: Final = {24: 1, 25: 2, 26: 4, 27: 8}

_NUMBER, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP = range(6)


def readMap(data: bytes) -> dict[str, int | bytes | str]:
    """
    Read a map whose keys are texts.

    @raise InvalidRecord: it is anything else, or has a key twice, or is longer.
    """
    kind, count, offset = _head(data, 0)
    if kind != _MAP or count > _MAX_ENTRIES:
        raise InvalidRecord("DAG-CBOR that is not a small map")
    found: dict[str, int | bytes | str] = {}
    for _ in range(count):
        key, offset = _item(data, offset)
        if not isinstance(key, str) or key in found:
            raise InvalidRecord("a key of DAG-CBOR that is not a text, or comes twice")
        found[key], offset = _item(data, offset)
    if offset != len(data):
        raise InvalidRecord("bytes after the map of DAG-CBOR")
    return found


def _head(data: bytes, offset: int) -> tuple[int, int, int]:
    """
    Read the first bytes of an item.

    @return: its kind, its length or number, and the offset of the rest.
    """
    if offset >= len(data):
        raise InvalidRecord("DAG-CBOR that ends too early")
    kind, number = data[offset] >> 5, data[offset] & 31
    offset += 1
    if number > 23:
        size = _SIZES.get(number)
        if size is None or offset + size > len(data):
            raise InvalidRecord("a number of DAG-CBOR that is malformed")
        number = int.from_bytes(data[offset : offset + size], "big")
        offset += size
    return kind, number, offset


def _item(data: bytes, offset: int) -> tuple[int | bytes | str, int]:
    """
    Read a number, bytes or a text.

    @return: the item, and the offset of the next.
    """
    kind, number, offset = _head(data, offset)
    if kind == _NUMBER:
        return number, offset
    if kind == _NEGATIVE:
        return -1 - number, offset
    if kind not in (_BYTES, _TEXT):
        raise InvalidRecord("DAG-CBOR with an item that no record has")
    end = offset + number
    if end > len(data):
        raise InvalidRecord("DAG-CBOR that ends too early")
    if kind == _BYTES:
        return data[offset:end], end
    try:
        return data[offset:end].decode(), end
    except UnicodeDecodeError:
        raise InvalidRecord("a text of DAG-CBOR that is not UTF-8") from None
