# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
XSalsa20, the stream cipher of private networks.

Salsa20 itself comes from the package pycryptodome, which is needed by private
networks alone, and is loaded when there is one.  What makes XSalsa20 of it,
the nonce of 24 bytes, is done here once for each direction of a connection.

See D. J. Bernstein, I{Extending the Salsa20 nonce}.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Final

from twisted.python.reflect import requireModule

from twisted_libp2p.errors import ConfigurationError

__all__ = [
    "KEY_SIZE",
    "NONCE_SIZE",
    "Keystream",
    "hsalsa20",
    "salsa20",
    "xsalsa20",
]

#: Encrypts, or decrypts, the next bytes of one direction.
Keystream = Callable[[bytes], bytes]

#: The size of a key, in bytes.
KEY_SIZE: Final = 32

#: The size of a nonce of XSalsa20, in bytes.
NONCE_SIZE: Final = 24

_CONSTANTS: Final = (0x61707865, 0x3320646E, 0x79622D32, 0x6B206574)

_EIGHT_WORDS: Final = Struct("<8I")
_FOUR_WORDS: Final = Struct("<4I")

# The columns and the rows of the matrix, each from its diagonal on.
_QUARTERS: Final = (
    (0, 4, 8, 12),
    (5, 9, 13, 1),
    (10, 14, 2, 6),
    (15, 3, 7, 11),
    (0, 1, 2, 3),
    (5, 6, 7, 4),
    (10, 11, 8, 9),
    (15, 12, 13, 14),
)


def salsa20(key: bytes, nonce: bytes) -> Keystream:
    """
    Begin a key stream of Salsa20.

    @param key: 32 bytes.
    @param nonce: 8 bytes.
    @raise ConfigurationError: the package that has it is not installed.
    """
    module = requireModule("Crypto.Cipher.Salsa20")
    if module is None:
        raise ConfigurationError(
            "private networks need a package that is not installed:"
            " pip install 'twisted-libp2p[pnet]'"
        )
    keystream: Keystream = module.new(key, nonce).encrypt
    return keystream


def xsalsa20(key: bytes, nonce: bytes) -> Keystream:
    """
    Begin a key stream of XSalsa20.

    @param key: L{KEY_SIZE} bytes.
    @param nonce: L{NONCE_SIZE} bytes, never used before with this key.
    @raise ConfigurationError: see L{salsa20}.
    """
    return salsa20(hsalsa20(key, nonce[:16]), nonce[16:])


def hsalsa20(key: bytes, nonce: bytes) -> bytes:
    """
    Derive the key of Salsa20 that belongs to a key of XSalsa20 and the first
    16 bytes of its nonce.
    """
    k = _EIGHT_WORDS.unpack(key)
    n = _FOUR_WORDS.unpack(nonce)
    c = _CONSTANTS
    x = [c[0], *k[:4], c[1], *n, c[2], *k[4:], c[3]]
    for _ in range(10):
        for p, q, r, s in _QUARTERS:
            x[q] ^= _rotated(x[p] + x[s], 7)
            x[r] ^= _rotated(x[q] + x[p], 9)
            x[s] ^= _rotated(x[r] + x[q], 13)
            x[p] ^= _rotated(x[s] + x[r], 18)
    return _EIGHT_WORDS.pack(x[0], x[5], x[10], x[15], *x[6:10])


def _rotated(value: int, bits: int) -> int:
    """
    Rotate a sum to the left, within 32 bits.
    """
    value &= 0xFFFFFFFF
    return (value << bits | value >> 32 - bits) & 0xFFFFFFFF
