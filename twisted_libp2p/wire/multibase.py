# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Binary data as text whose first character names its base.

Only the bases that peers use in peer ids and multiaddrs are known, and only the
canonical spelling is accepted: no padding, no white space, no stray bits.  See
multiformats/multibase.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Final

import base58

from twisted_libp2p.errors import InvalidInput

__all__ = ["decode", "encode"]

_Codec = tuple[Callable[[bytes], str], Callable[[str], bytes]]

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def _encode36(data: bytes) -> str:
    number = int.from_bytes(data, "big")
    digits = []
    while number:
        number, digit = divmod(number, 36)
        digits.append(_DIGITS[digit])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "0" * zeros + "".join(reversed(digits))


def _decode36(text: str) -> bytes:
    if not set(text).issubset(_DIGITS):
        raise ValueError("not in base 36")
    number = int(text, 36) if text else 0
    zeros = len(text) - len(text.lstrip("0"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def _padded(text: str, block: int) -> str:
    return text + "=" * (-len(text) % block)


_CODECS: Final[dict[str, _Codec]] = {
    "f": (bytes.hex, bytes.fromhex),
    "b": (
        lambda data: base64.b32encode(data).decode().rstrip("=").lower(),
        lambda text: base64.b32decode(_padded(text.upper(), 8)),
    ),
    "k": (_encode36, _decode36),
    "z": (lambda data: base58.b58encode(data).decode(), base58.b58decode),
    "m": (
        lambda data: base64.b64encode(data).decode().rstrip("="),
        lambda text: base64.b64decode(_padded(text, 4)),
    ),
    "u": (
        lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="),
        lambda text: base64.urlsafe_b64decode(_padded(text, 4)),
    ),
}

# Bases without distinction of case have a second prefix, for upper case.
_UPPER: Final = {"F": "f", "B": "b", "K": "k"}


def encode(base: str, data: bytes) -> str:
    """
    Encode data, with the prefix.

    @param base: the prefix of the base: C{"f"} (base16), C{"b"} (base32),
        C{"k"} (base36), C{"z"} (base58btc), C{"m"} (base64) or C{"u"}
        (base64url).
    """
    return base + _CODECS[base][0](data)


def decode(text: str) -> bytes:
    """
    Decode text with its prefix.

    For base36 and base58btc the time grows with the square of the length, which the
    caller has to bound.

    @raise InvalidInput: the base is not known, or the text is not the
        canonical spelling of any data.
    """
    base = text[:1]
    canonical = text
    if base in _UPPER:
        if text != text.upper():
            raise InvalidInput(f"multibase: mixed case in {text!r}")
        canonical = text.lower()
        base = _UPPER[base]
    if base not in _CODECS:
        raise InvalidInput(f"multibase: unknown base {base!r}")
    toText, toBytes = _CODECS[base]
    body = canonical[1:]
    try:
        data = toBytes(body)
    except ValueError:
        raise InvalidInput(f"multibase: not in base {base!r}: {text!r}") from None
    # The decoders above are lenient, each in its own way.
    if toText(data) != body:
        raise InvalidInput(f"multibase: not canonical in base {base!r}: {text!r}")
    return data
