# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
From the secret that two sides have agreed on to the keys of both directions.
"""

from __future__ import annotations

import hmac
from typing import Final, NamedTuple

from twisted_libp2p.security.secio.suite import CIPHERS, HASHES, Suite

__all__ = ["Keys", "stretch"]

_SEED: Final = b"key expansion"

_IV_SIZE: Final = 16
_MAC_KEY_SIZE: Final = 20


class Keys(NamedTuple):
    """
    The keys of one direction.

    @ivar iv: the first counter block, 16 bytes.
    @ivar key: the key of the cipher.
    @ivar mac: the key of the MAC, 20 bytes whatever the hash.
    """

    iv: bytes
    key: bytes
    mac: bytes

    def __repr__(self) -> str:
        return "<Keys>"


def stretch(secret: bytes, suite: Suite) -> tuple[Keys, Keys]:
    """
    Derive the keys: first those with which the side sends whose preferences
    counted, then those with which the other does.
    """
    digest = HASHES[suite.hash]
    keySize = CIPHERS[suite.cipher]
    size = _IV_SIZE + keySize + _MAC_KEY_SIZE
    stretched = b""
    chain = hmac.digest(secret, _SEED, digest)
    while len(stretched) < 2 * size:
        stretched += hmac.digest(secret, chain + _SEED, digest)
        chain = hmac.digest(secret, chain, digest)

    def keys(start: int) -> Keys:
        key = start + _IV_SIZE
        mac = key + keySize
        return Keys(
            stretched[start:key], stretched[key:mac], stretched[mac : start + size]
        )

    return keys(0), keys(size)
