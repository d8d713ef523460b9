# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tokens by which a dialer proves that it receives at its address (RFC 9000, 8.1).

A token is sealed with a key that only we have, so it needs no state: that of a Retry
names the connection, is good for the same address and port, and for seconds; that of a
NEW_TOKEN is good for the next dials from the same IP address.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

__all__ = ["NEW_TOKEN_LIFE", "RETRY_LIFE", "Proof", "Tokens"]

#: Seconds for which the token of a Retry is good.
RETRY_LIFE = 15.0

#: Seconds for which a NEW_TOKEN is good.
NEW_TOKEN_LIFE = 24 * 3600.0

#: The most tokens of Retry packets whose use is remembered for L{RETRY_LIFE}.
_MAX_USED = 4096

_NONCE = 12
_RETRY, _NEW = 1, 2
_HEAD = struct.Struct("!BdHB")


@dataclass(frozen=True, slots=True)
class Proof:
    """
    The content of a good token.

    @ivar original: the connection id of the first Initial, before the Retry; None for a
        NEW_TOKEN, after which there was no Retry.
    """

    original: bytes | None


class Tokens:
    """
    The tokens of one endpoint.
    """

    def __init__(self, key: bytes, now: Callable[[], float]) -> None:
        """
        @param key: secret bytes.
        @param now: returns the seconds since 1970, since tokens survive a restart.
        """
        derived = HKDF(SHA256(), 16, None, b"libp2p quic token").derive(key)
        self._cipher = AESGCM(derived)
        self._now = now
        self._used: dict[bytes, float] = {}

    def retry(self, host: str, port: int, original: bytes, source: bytes) -> bytes:
        """
        Make the token of a Retry.

        @param original: the connection id of the Initial that it answers.
        @param source: our connection id in the Retry, which the dialer uses then.
        """
        return self._seal(
            _RETRY, host, port, bytes((len(original),)) + original + source
        )

    def new(self, host: str) -> bytes:
        """
        Make a NEW_TOKEN.
        """
        return self._seal(_NEW, host, 0, b"")

    def check(self, token: bytes, host: str, port: int, target: bytes) -> Proof | None:
        """
        Check a token.

        @param host: the IP address that sends it.
        @param port: the port that sends it.
        @param target: the connection id to which it is sent.
        @return: None if the token proves nothing.
        """
        nonce = token[:_NONCE]
        try:
            content = self._cipher.decrypt(nonce, token[_NONCE:], b"")
            kind, made, itsPort, size = _HEAD.unpack_from(content)
        except (InvalidTag, ValueError, struct.error):
            return None
        address = content[_HEAD.size : _HEAD.size + size]
        rest = content[_HEAD.size + size :]
        age = self._now() - made
        if address != _packed(host):
            return None
        if kind == _NEW:
            return Proof(None) if 0 <= age <= NEW_TOKEN_LIFE else None
        if itsPort != port or not 0 <= age <= RETRY_LIFE or not rest:
            return None
        original, source = rest[1 : 1 + rest[0]], rest[1 + rest[0] :]
        return Proof(original) if source == target and self._first(nonce) else None

    def _first(self, nonce: bytes) -> bool:
        """
        Note the use of a Retry's token.

        @return: whether it is the first one.
        """
        now, used = self._now(), self._used
        while used:
            oldest = next(iter(used))
            if len(used) < _MAX_USED and abs(now - used[oldest]) <= RETRY_LIFE:
                break
            del used[oldest]
        if nonce in used:
            return False
        used[nonce] = now
        return True

    def _seal(self, kind: int, host: str, port: int, rest: bytes) -> bytes:
        address = _packed(host)
        nonce = os.urandom(_NONCE)
        head = _HEAD.pack(kind, self._now(), port, len(address))
        return nonce + self._cipher.encrypt(nonce, head + address + rest, b"")


def _packed(host: str) -> bytes:
    """
    Return the bytes of an IP address, without its zone.
    """
    return ip_address(host.partition("%")[0]).packed
