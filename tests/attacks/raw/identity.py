# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Who a raw peer is, or says it is: keys, peer ids, signed records.
"""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.attacks.raw.wire import delimited, field

__all__ = ["Identity", "base58", "der", "multiaddr", "peerID", "rsaKey"]

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

ED25519 = 1


class Identity:
    """
    An Ed25519 key.

    @ivar publicKey: its message.
    @ivar peerID: the id that it gives, in bytes.
    """

    def __init__(self, seed: bytes | None = None) -> None:
        self._key = (
            Ed25519PrivateKey.generate()
            if seed is None
            else Ed25519PrivateKey.from_private_bytes(seed)
        )
        raw = self._key.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )
        self.publicKey = field(1, ED25519) + field(2, raw)
        self.peerID = peerID(self.publicKey)

    def sign(self, data: bytes) -> bytes:
        """
        Sign something.
        """
        return self._key.sign(data)

    def record(
        self, sequence: int, addresses: list[bytes], about: Identity | None = None
    ) -> bytes:
        """
        Make a signed record of where a peer listens: an envelope.

        @param about: whom it is about; oneself, if one is honest.
        """
        payload = field(1, (about or self).peerID) + field(2, sequence)
        for each in addresses:
            payload += field(3, field(1, each))
        kind = b"\x03\x01"
        signed = b"".join(map(delimited, (b"libp2p-peer-record", kind, payload)))
        return (
            field(1, self.publicKey)
            + field(2, kind)
            + field(3, payload)
            + field(5, self.sign(signed))
        )


def peerID(publicKey: bytes) -> bytes:
    """
    Give the peer id of a key.
    """
    if len(publicKey) <= 42:
        return b"\x00" + delimited(publicKey)
    return b"\x12\x20" + hashlib.sha256(publicKey).digest()


def base58(data: bytes) -> str:
    """
    Write a peer id as text.
    """
    number = int.from_bytes(data, "big")
    text = ""
    while number:
        number, digit = divmod(number, 58)
        text = _ALPHABET[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def multiaddr(host: str, port: int) -> bytes:
    """
    Give the multiaddr C{/ip4/HOST/tcp/PORT}.
    """
    address = bytes(int(part) for part in host.split("."))
    return b"\x04" + address + b"\x06" + port.to_bytes(2, "big")


def der(tag: int, content: bytes) -> bytes:
    """
    Encode one value of ASN.1.
    """
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def rsaKey(modulus: int, exponent: int) -> bytes:
    """
    Make the SubjectPublicKeyInfo of any RSA key, such as nobody would make.
    """

    def integer(number: int) -> bytes:
        return der(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))

    rsaEncryption = bytes.fromhex("06092a864886f70d010101")
    algorithm = der(0x30, rsaEncryption + der(5, b""))
    key = der(0x30, integer(modulus) + integer(exponent))
    return der(0x30, algorithm + der(3, b"\0" + key))
