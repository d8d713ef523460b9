# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A TLS peer that is not ours, and has no manners: it seals what OpenSSL does not
send.
"""

from __future__ import annotations

import hmac
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from OpenSSL import SSL

from tests.security.tls.foreign import makeContext
from tests.security.tls.forgery import forge

__all__ = ["ALERT", "DATA", "HANDSHAKE", "Sealer", "watchedContext"]

# Types of content.
ALERT: Final = 21
HANDSHAKE: Final = 22
DATA: Final = 23


def watchedContext(secrets: list[bytes]) -> SSL.Context:
    """
    Make a context with the cipher that is known here.

    @param secrets: where the secrets of connections go.
    """
    context = makeContext(forge())
    context.set_tls13_ciphersuites(b"TLS_AES_128_GCM_SHA256")
    context.set_keylog_callback(lambda _, line: secrets.append(line))
    return context


class Sealer:
    """
    The peer after its handshake, which OpenSSL has done for it.
    """

    def __init__(
        self, secrets: list[bytes], initiator: bool, sent: bytes = b""
    ) -> None:
        """
        @param secrets: those of this connection.
        @param initiator: whether this side has opened the connection.
        @param sent: what was sealed with its keys already.
        """
        side = b"CLIENT" if initiator else b"SERVER"
        (line,) = (
            line for line in secrets if line.startswith(side + b"_TRAFFIC_SECRET_0 ")
        )
        self._derive(bytes.fromhex(line.rpartition(b" ")[2].decode()))
        while sent:
            self._number += 1
            sent = sent[5 + int.from_bytes(sent[3:5]) :]

    def _derive(self, secret: bytes) -> None:
        self._secret = secret
        self._cipher = AESGCM(self._expand(b"key", 16))
        self._iv = int.from_bytes(self._expand(b"iv", 12))
        self._number = 0

    def _expand(self, label: bytes, size: int) -> bytes:
        label = b"tls13 " + label
        info = size.to_bytes(2) + bytes((len(label),)) + label + b"\x00\x01"
        return hmac.digest(self._secret, info, "sha256")[:size]

    def seal(self, kind: int, content: bytes) -> bytes:
        """
        Make a record.

        @param kind: the type of its content.
        """
        header = b"\x17\x03\x03" + (len(content) + 17).to_bytes(2)
        nonce = (self._iv ^ self._number).to_bytes(12)
        self._number += 1
        return header + self._cipher.encrypt(nonce, content + bytes((kind,)), header)

    def update(self, asking: bool) -> bytes:
        """
        Go on to the next key.

        @param asking: whether the other side has to do so as well.
        """
        record = self.seal(HANDSHAKE, b"\x18\x00\x00\x01" + bytes((asking,)))
        self._derive(self._expand(b"traffic upd", 32))
        return record
