# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.autotls.jose}.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from twisted.trial.unittest import SynchronousTestCase

from tests.autotls.servers import unbase, unsigned, verify
from twisted_libp2p.autotls.jose import AccountKey
from twisted_libp2p.errors import ConfigurationError


class AccountKeyTests(SynchronousTestCase):
    """
    Keys and signatures.
    """

    def test_thumbprint(self) -> None:
        """
        The key of RFC 7515, appendix A.3, has the thumbprint that other programs
        compute for it.
        """
        d = int.from_bytes(unbase("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"), "big")
        key = AccountKey(ec.derive_private_key(d, ec.SECP256R1()))
        self.assertEqual(
            key.jwk,
            {
                "kty": "EC",
                "crv": "P-256",
                "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
            },
        )
        self.assertEqual(key.thumbprint, "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U")

    def test_sign(self) -> None:
        """
        A request without an account has the key, another one the account; both verify.
        """
        key = AccountKey.generate()
        first = key.sign("https://a.example/", "n1", None, {"a": 1})
        verify(first, key.jwk)
        head, content = unsigned(first)
        self.assertEqual(head["jwk"], key.jwk)
        self.assertEqual(content, {"a": 1})
        later = key.sign("https://a.example/", "n2", "https://a.example/1", None)
        verify(later, key.jwk)
        head, content = unsigned(later)
        self.assertEqual(
            head,
            {
                "alg": "ES256",
                "kid": "https://a.example/1",
                "nonce": "n2",
                "url": "https://a.example/",
            },
        )
        self.assertIsNone(content)

    def test_file(self) -> None:
        """
        A key is read as it was written; others are refused.
        """
        key = AccountKey.generate()
        self.assertEqual(AccountKey.parse(key.toPEM()).jwk, key.jwk)
        other = ec.generate_private_key(ec.SECP384R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        for pem in (b"", b"nonsense", other):
            self.assertRaises(ConfigurationError, AccountKey.parse, pem)
