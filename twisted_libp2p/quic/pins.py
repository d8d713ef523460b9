# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The certificates that an address names by their multihashes.  SHA-256 alone counts.

I{Pins} are the digests of such certificates, joined.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

__all__ = ["isPinned", "multihash", "pinsOf"]

#: The beginning of a multihash of SHA-256, and the bytes of a digest.
_SHA256: Final = b"\x12\x20"
_DIGEST: Final = 32


def multihash(certificate: bytes) -> bytes:
    """
    Return the multihash by which addresses name a certificate.

    @param certificate: the certificate in DER.
    """
    return _SHA256 + sha256(certificate).digest()


def pinsOf(hashes: frozenset[bytes]) -> bytes:
    """
    Return the pins of the multihashes that an address names.

    @raise ValueError: none of them is of SHA-256.
    """
    usable = [
        each[len(_SHA256) :]
        for each in sorted(hashes)
        if each.startswith(_SHA256) and len(each) == len(_SHA256) + _DIGEST
    ]
    if not usable:
        raise ValueError("it names no certificate by SHA-256")
    return b"".join(usable)


def isPinned(certificate: bytes, pins: bytes) -> bool:
    """
    Check whether an address names a certificate.

    @param certificate: the certificate in DER.
    """
    digests = {pins[at : at + _DIGEST] for at in range(0, len(pins), _DIGEST)}
    return sha256(certificate).digest() in digests
