# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The test vectors of C{vectors.json}: bytes that other implementations, or the
specifications, put on the wire.

An entry is an object whose keys that end in C{_hex} hold bytes; C{source} tells
where they come from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from twisted_libp2p.identity import Identity, PrivateKey

__all__ = ["Vector", "hexBytes", "vector", "vectorIdentity", "vectors"]

Vector = Mapping[str, Any]

_ALL: Final[Mapping[str, Vector]] = json.loads(
    Path(__file__).with_name("vectors.json").read_text()
)


def vector(name: str) -> Vector:
    """
    Get one entry.
    """
    return _ALL[name]


def vectors(prefix: str) -> Iterator[tuple[str, Vector]]:
    """
    Iterate over the entries whose names begin in this way, such as C{"key."}.

    @raise KeyError: there are none; a test would have nothing to do.
    """
    found = [(name, entry) for name, entry in _ALL.items() if name.startswith(prefix)]
    if not found:
        raise KeyError(prefix)
    return iter(found)


def hexBytes(entry: Vector, key: str) -> bytes:
    """
    Get the bytes of one key, which is given without its C{_hex}.
    """
    return bytes.fromhex(entry[f"{key}_hex"])


def vectorIdentity(number: int) -> Identity:
    """
    Get one of the identities: 1, 2 and so on.
    """
    entry = vector(f"key.test_identity_0{number}")
    return Identity(PrivateKey.fromBytes(hexBytes(entry, "private")))
