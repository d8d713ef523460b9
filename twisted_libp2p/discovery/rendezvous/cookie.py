# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Cookies without a memory: the answers of a point are continued where they ended, and
nothing is kept for it.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Final

__all__ = ["Cookies"]

_NUMBER: Final = 8
_TAG: Final = 32


class Cookies:
    """
    Makes and reads cookies: the number of the last registration, signed together with
    the namespace.
    """

    def __init__(self, secret: bytes) -> None:
        """
        Begin with a secret.

        @param secret: 32 random bytes.
        """
        self._secret = secret

    def make(self, namespace: str | None, number: int) -> bytes:
        """
        Make a cookie.

        @param namespace: the namespace; None for all of them.
        @param number: the number of the last registration that was sent.
        """
        head = number.to_bytes(_NUMBER, "big")
        return head + self._tag(namespace, head)

    def read(self, namespace: str | None, cookie: bytes) -> int | None:
        """
        Read a cookie.

        @return: the number; None if it was not made here, or for another namespace.
        """
        head, tag = cookie[:_NUMBER], cookie[_NUMBER:]
        if not hmac.compare_digest(tag, self._tag(namespace, head)):
            return None
        return int.from_bytes(head, "big")

    def _tag(self, namespace: str | None, head: bytes) -> bytes:
        # A namespace is never empty.
        text = b"" if namespace is None else namespace.encode("utf-8")
        # rust-libp2p 0.57 refuses a cookie whose bytes after the eighth are not text.
        return hmac.digest(self._secret, head + text, sha256).hex()[:_TAG].encode()
