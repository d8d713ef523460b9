# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The key space: the places of keys and peers, and the distance between them.

The place of a key is its SHA-256 as a number; the distance of two places is their
exclusive or.  See ipfs/specs, src/routing/kad-dht.md.
"""

from __future__ import annotations

from hashlib import sha256
from random import Random
from typing import Final

__all__ = ["BITS", "RefreshKeys", "commonPrefix", "keyUnder", "placeOf"]

#: The number of bits of a place.
BITS: Final = 256

#: The most keys that are tried for one refresh: 10 milliseconds.  About one key in
#: 2 ** (prefix + 1) lies at the wanted place, so a deep prefix gets the best key found.
_TRIES: Final = 1 << 13

# A key that is looked up has to look like a peer id: a multihash of SHA-256.
_MULTIHASH: Final = b"\x12\x20"


def placeOf(key: bytes) -> int:
    """
    Return the place of a key.

    @param key: the binary peer id, the multihash of provided content, or the whole key
        of a value with its prefix.
    """
    return int.from_bytes(sha256(key).digest(), "big")


def commonPrefix(one: int, other: int) -> int:
    """
    Return the number of leading bits that two places share.
    """
    return BITS - (one ^ other).bit_length()


def keyUnder(prefix: int, bits: int, random: Random) -> bytes | None:
    """
    Return a key whose place begins with some bits; None if none is found soon, or can
    be expected.

    @param prefix: the bits as a number.
    @param bits: how many they are.
    @param random: makes the keys.
    """
    for _ in range(_TRIES if bits < _TRIES.bit_length() else 0):
        key = _MULTIHASH + random.randbytes(32)
        if placeOf(key) >> (BITS - bits) == prefix:
            return key
    return None


class RefreshKeys:
    """
    Finds keys that share a number of leading bits with our own place.

    A request carries the key and not its place, so such a key has to be searched for.
    Found keys are kept.
    """

    def __init__(self, own: int, random: Random) -> None:
        """
        Begin without a key.

        @param own: our own place.
        @param random: makes the keys.
        """
        self._own = own
        self._random = random
        self._found: dict[int, bytes] = {}

    def key(self, prefix: int) -> bytes:
        """
        Return a key that shares exactly this many leading bits with our own place; or,
        if none is found soon, the key that shares the most.

        @param prefix: a number of bits, from 0.
        """
        for _ in range(_TRIES):
            if prefix in self._found:
                break
            key = _MULTIHASH + self._random.randbytes(32)
            self._found.setdefault(commonPrefix(self._own, placeOf(key)), key)
        if prefix in self._found:
            return self._found[prefix]
        return self._found[max(each for each in self._found if each < prefix)]
