# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The key of an account, and the requests that it signs (RFC 7515, RFC 8555 section 6.2).
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from twisted_libp2p.errors import ConfigurationError

__all__ = ["AccountKey", "encode"]

#: The size of each of the two numbers of a point or a signature, in bytes.
_SIZE = 32


def encode(data: bytes) -> str:
    """
    Write bytes in base64url, without padding.
    """
    return urlsafe_b64encode(data).decode().rstrip("=")


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


class AccountKey:
    """
    A key of P-256 that signs by ES256.
    """

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        point = key.public_key().public_numbers()
        self.jwk = {
            "crv": "P-256",
            "kty": "EC",
            "x": encode(point.x.to_bytes(_SIZE, "big")),
            "y": encode(point.y.to_bytes(_SIZE, "big")),
        }

    @classmethod
    def generate(cls) -> AccountKey:
        """
        Make a new key.
        """
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def parse(cls, pem: bytes) -> AccountKey:
        """
        Read a key.

        @raise ConfigurationError: it is not one of P-256, in PEM.
        """
        try:
            key = load_pem_private_key(pem, None)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(
            key.curve, ec.SECP256R1
        ):
            raise ConfigurationError("no key of P-256 in PEM")
        return cls(key)

    def toPEM(self) -> bytes:
        """
        Write the key.
        """
        return self._key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )

    @property
    def thumbprint(self) -> str:
        """
        The thumbprint of the public key (RFC 7638).
        """
        return encode(sha256(_json(self.jwk)).digest())

    def digest(self, token: str) -> str:
        """
        Return the content of the TXT record for a token of dns-01 (RFC 8555, section
        8.4).
        """
        return encode(sha256(f"{token}.{self.thumbprint}".encode()).digest())

    def sign(self, url: str, nonce: str, account: str | None, payload: Any) -> bytes:
        """
        Write the body of a request.

        @param account: the URL of the account; None before there is one.
        @param payload: a value for JSON; None to read what is at the URL.
        """
        head: dict[str, Any] = {"alg": "ES256", "nonce": nonce, "url": url}
        if account is None:
            head["jwk"] = self.jwk
        else:
            head["kid"] = account
        protected = encode(_json(head))
        content = "" if payload is None else encode(_json(payload))
        pair = decode_dss_signature(
            self._key.sign(f"{protected}.{content}".encode(), ec.ECDSA(SHA256()))
        )
        signature = b"".join(each.to_bytes(_SIZE, "big") for each in pair)
        return _json(
            {"protected": protected, "payload": content, "signature": encode(signature)}
        )
