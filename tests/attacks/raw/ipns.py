# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Records of IPNS.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.attacks.raw.identity import Identity
from tests.attacks.raw.wire import field

__all__ = ["nameOf", "record"]


def nameOf(identity: Identity) -> bytes:
    """
    Return the key of the name of a peer.
    """
    return b"/ipns/" + identity.peerID


def _head(kind: int, number: int) -> bytes:
    """
    Write the head of a value of CBOR.
    """
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 24:
            return bytes((kind << 5 | number,))
        if number < 1 << 8 * size:
            return bytes((kind << 5 | code,)) + number.to_bytes(size, "big")
    raise ValueError(number)


def _cbor(value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return _head(0, value)
    if isinstance(value, str):
        return _head(3, len(value)) + value.encode()
    return _head(2, len(value)) + value


def record(identity: Identity, sequence: int, seconds: float) -> bytes:
    """
    Make a record.

    @param seconds: the time after which it expires.
    """
    end = datetime.now(UTC) + timedelta(seconds=seconds)
    content: dict[str, int | bytes] = {
        "TTL": 60_000_000_000,
        "Value": b"/ipfs/bafkqaaa",
        "Sequence": sequence,
        "Validity": end.strftime("%Y-%m-%dT%H:%M:%S.000000000Z").encode(),
        "ValidityType": 0,
    }
    data = _head(5, len(content))
    for name, value in content.items():
        data += _cbor(name) + _cbor(value)
    return field(8, identity.sign(b"ipns-signature:" + data)) + field(9, data)
