# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The algorithms of SECIO, and how two sides choose the same ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from twisted_libp2p.errors import ConfigurationError, InvalidInput

__all__ = ["CIPHERS", "EXCHANGES", "HASHES", "Offer", "Suite"]

#: The curves of the ephemeral keys, in the order of preference.
EXCHANGES: Final[Mapping[str, ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}

#: The sizes of the ciphers' keys in bytes, in the order of preference.
CIPHERS: Final[Mapping[str, int]] = {"AES-256": 32, "AES-128": 16}

#: The names of the hashes in the package hashlib, in the order of preference.
HASHES: Final[Mapping[str, str]] = {"SHA256": "sha256", "SHA512": "sha512"}


@dataclass(frozen=True, slots=True)
class Suite:
    """
    The algorithms that two sides have agreed on.

    @ivar exchange: one of L{EXCHANGES}.
    @ivar cipher: one of L{CIPHERS}.
    @ivar hash: one of L{HASHES}.
    """

    exchange: str
    cipher: str
    hash: str


@dataclass(frozen=True, slots=True)
class Offer:
    """
    The algorithms of one side, in its order of preference.
    """

    exchanges: tuple[str, ...]
    ciphers: tuple[str, ...]
    hashes: tuple[str, ...]

    @classmethod
    def ours(
        cls, exchanges: Iterable[str], ciphers: Iterable[str], hashes: Iterable[str]
    ) -> Offer:
        """
        Make an offer of our own.

        @raise ConfigurationError: one of the lists is empty, or names an unknown
            algorithm.
        """
        return cls(
            _known("exchange", exchanges, EXCHANGES),
            _known("cipher", ciphers, CIPHERS),
            _known("hash", hashes, HASHES),
        )

    def agree(self, other: Offer) -> Suite:
        """
        Choose the algorithms of both sides by the preferences of this one.

        @raise InvalidInput: the sides have no algorithm in common.
        """
        return Suite(
            _first("exchange", self.exchanges, other.exchanges),
            _first("cipher", self.ciphers, other.ciphers),
            _first("hash", self.hashes, other.hashes),
        )


def _known(
    kind: str, names: Iterable[str], known: Mapping[str, object]
) -> tuple[str, ...]:
    chosen = tuple(names)
    unknown = [name for name in chosen if name not in known]
    if unknown or not chosen:
        what = ", ".join(map(repr, unknown)) or "is given"
        raise ConfigurationError(
            f"SECIO: no {kind} {what}: choose from {', '.join(known)}"
        )
    return chosen


def _first(kind: str, preferred: Sequence[str], other: Sequence[str]) -> str:
    for name in preferred:
        if name in other:
            return name
    raise InvalidInput(f"no {kind} in common")
