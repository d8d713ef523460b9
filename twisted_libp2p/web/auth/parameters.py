# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The headers of the scheme C{libp2p-PeerID}, and the signatures in them.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Final

from twisted_libp2p.errors import InvalidInput, ProtocolViolation
from twisted_libp2p.identity import Identity, PublicKey
from twisted_libp2p.wire import varint

__all__ = [
    "MAX_HEADER",
    "MIN_CHALLENGE",
    "SCHEME",
    "decode",
    "encode",
    "keyOf",
    "parseParameters",
    "sign",
    "signedData",
    "verify",
    "writeParameters",
]

#: The name of the scheme.
SCHEME: Final = "libp2p-PeerID"

#: Maximum size of a header, in bytes.
MAX_HEADER: Final = 2048

#: Minimum size of a challenge as text, in bytes.
MIN_CHALLENGE: Final = 32

_PARAMETER = re.compile(r'[\s,]*([A-Za-z0-9-]+)="([^"\\]*)"(?=[\s,]|$)')
_SCHEME = re.compile(rf"(?:^|,)\s*{SCHEME}(?=\s|$)", re.I)
_BASE64 = re.compile(r"[A-Za-z0-9_-]*={0,2}")


def encode(data: bytes) -> str:
    """
    Write bytes in base64url, with padding.
    """
    return urlsafe_b64encode(data).decode()


def decode(text: str) -> bytes:
    """
    Read base64url, with or without padding.

    @raise ProtocolViolation: it is something else.
    """
    bare = text.rstrip("=")
    if not _BASE64.fullmatch(text) or len(bare) % 4 == 1:
        raise ProtocolViolation(SCHEME, "a parameter is not in base64url")
    return urlsafe_b64decode(bare + "=" * (-len(bare) % 4))


def keyOf(text: str) -> PublicKey:
    """
    Read a public key in base64url.

    @raise ProtocolViolation: there is no valid key.
    """
    try:
        return PublicKey.fromBytes(decode(text))
    except InvalidInput as error:
        raise ProtocolViolation(SCHEME, f"public-key: {error}") from None


def parseParameters(header: str) -> dict[str, str]:
    """
    Read the parameters of this scheme from a header, which may have others.

    @return: empty if the header does not have the scheme.
    @raise ProtocolViolation: it is too long, or has a parameter twice.
    """
    if len(header) > MAX_HEADER:
        raise ProtocolViolation(SCHEME, f"a header of over {MAX_HEADER} bytes")
    scheme = _SCHEME.search(header)
    found: dict[str, str] = {}
    if scheme is None:
        return found
    end = scheme.end()
    # The parameters end where another scheme begins, which has no equals sign.
    while (parameter := _PARAMETER.match(header, end)) is not None:
        name, value = parameter.groups()
        if name in found:
            raise ProtocolViolation(SCHEME, f"{name} is there twice")
        found[name] = value
        end = parameter.end()
    return found


def writeParameters(parameters: Mapping[str, str]) -> str:
    """
    Write a header.
    """
    pairs = ", ".join(f'{name}="{value}"' for name, value in parameters.items())
    return f"{SCHEME} {pairs}"


def signedData(parameters: Mapping[str, bytes]) -> bytes:
    """
    Return the bytes that are signed for some parameters.
    """
    parts = [SCHEME.encode()]
    for name, value in sorted(parameters.items()):
        part = name.encode() + b"=" + value
        parts += [varint.encode(len(part)), part]
    return b"".join(parts)


def sign(identity: Identity, parameters: Mapping[str, bytes]) -> str:
    """
    Sign parameters, and return the signature in base64url.
    """
    return encode(identity.sign(signedData(parameters)))


def verify(key: PublicKey, parameters: Mapping[str, bytes], signature: str) -> None:
    """
    Check a signature.

    @raise ProtocolViolation: it is malformed, or not one of this key.
    """
    try:
        key.verify(decode(signature), signedData(parameters))
    except InvalidInput:
        raise ProtocolViolation(SCHEME, "a wrong signature") from None
