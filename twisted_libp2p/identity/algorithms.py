# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The types of keys: their data on the wire, and their signatures::

    type       public data               private data            signature
    ---------  ------------------------  ----------------------  ----------------
    RSA        SubjectPublicKeyInfo DER  PKCS#1 DER              SHA-256, PKCS#1
                                                                 v1.5
    Ed25519    32 bytes                  64 bytes: seed, public  RFC 8032
    Secp256k1  compressed point          32 bytes                SHA-256, DER
    ECDSA      SubjectPublicKeyInfo DER  SEC 1 DER               SHA-256, DER

See libp2p/specs, peer-ids/peer-ids.md.  The specification says that private
ECDSA keys are PKIX; its own example, and every implementation, has SEC 1.

The functions here raise the errors of the package cryptography, and C{ValueError};
L{twisted_libp2p.identity.keys} turns them into the errors of this package.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final, Generic, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

__all__ = ["ALGORITHMS", "Algorithm", "KeyType"]


class KeyType(IntEnum):
    """
    The types of keys, by their numbers on the wire.
    """

    RSA = 0
    ED25519 = 1
    SECP256K1 = 2
    ECDSA = 3


_Public = TypeVar("_Public")
_Private = TypeVar("_Private")


class Algorithm(ABC, Generic[_Public, _Private]):
    """
    One type of key.

    @cvar privateClass: the class of its private keys in the package cryptography.
    """

    privateClass: type[_Private]

    @abstractmethod
    def generate(self, bits: int) -> _Private:
        """
        Make a new key.

        @param bits: the size of an RSA key; ignored for other types.
        """

    @abstractmethod
    def check(self, key: _Public) -> None:
        """
        Raise an error if a public key should not be used.
        """

    @abstractmethod
    def loadPublic(self, data: bytes) -> _Public:
        """
        Read the data of a public key; only its canonical form is accepted.
        """

    @abstractmethod
    def dumpPublic(self, key: _Public) -> bytes:
        """
        Return the data of a public key.
        """

    @abstractmethod
    def loadPrivate(self, data: bytes) -> _Private:
        """
        Read the data of a private key.
        """

    @abstractmethod
    def dumpPrivate(self, key: _Private) -> bytes:
        """
        Return the data of a private key.
        """

    @abstractmethod
    def sign(self, key: _Private, data: bytes) -> bytes:
        """
        Sign data.
        """

    @abstractmethod
    def verify(self, key: _Public, signature: bytes, data: bytes) -> None:
        """
        Raise an error unless the private half of this key has signed the data.
        """


class _Ed25519(Algorithm[ed25519.Ed25519PublicKey, ed25519.Ed25519PrivateKey]):
    """
    A public key is a point of the curve: its y coordinate, and the sign of x in
    the highest bit.  OpenSSL accepts any 32 bytes.
    """

    privateClass = ed25519.Ed25519PrivateKey

    #: The prime of the field.  A y that is not below it has another encoding.
    prime = 2**255 - 19

    # The y coordinate of two of the points of order 8.
    _eighth = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826

    #: The y coordinates of the eight points whose order divides 8.  A signature that
    #: is valid for such a key can be made without its private half: for all messages,
    #: or for one of a few.
    smallOrder = frozenset({0, 1, prime - 1, _eighth, prime - _eighth})

    def generate(self, bits: int) -> ed25519.Ed25519PrivateKey:
        return ed25519.Ed25519PrivateKey.generate()

    def check(self, key: ed25519.Ed25519PublicKey) -> None:
        self._checkPoint(key.public_bytes_raw())

    def loadPublic(self, data: bytes) -> ed25519.Ed25519PublicKey:
        key = ed25519.Ed25519PublicKey.from_public_bytes(data)
        self._checkPoint(data)
        return key

    def _checkPoint(self, data: bytes) -> None:
        """
        Refuse an encoding that is not canonical, and a point of small order.
        The two points at which x is 0, and its sign must not be set, are of
        small order.
        """
        y = int.from_bytes(data, "little") & (1 << 255) - 1
        if y >= self.prime:
            raise ValueError("its encoding is not canonical")
        if y in self.smallOrder:
            raise ValueError("a point of small order, for which anybody can sign")

    def dumpPublic(self, key: ed25519.Ed25519PublicKey) -> bytes:
        return key.public_bytes_raw()

    def loadPrivate(self, data: bytes) -> ed25519.Ed25519PrivateKey:
        # Old versions of go-libp2p wrote the public half twice: 96 bytes.
        if len(data) not in (64, 96):
            raise ValueError(f"{len(data)} bytes instead of 64")
        key = ed25519.Ed25519PrivateKey.from_private_bytes(data[:32])
        public = self.dumpPublic(key.public_key())
        if data[32:] != public * (len(data) // 32 - 1):
            raise ValueError("the public half is not that of the seed")
        return key

    def dumpPrivate(self, key: ed25519.Ed25519PrivateKey) -> bytes:
        return key.private_bytes_raw() + self.dumpPublic(key.public_key())

    def sign(self, key: ed25519.Ed25519PrivateKey, data: bytes) -> bytes:
        return key.sign(data)

    def verify(
        self, key: ed25519.Ed25519PublicKey, signature: bytes, data: bytes
    ) -> None:
        key.verify(signature, data)


class _RSA(Algorithm[rsa.RSAPublicKey, rsa.RSAPrivateKey]):
    """
    The limits are those of go-libp2p: verifying with a stranger's key costs more the
    larger the key is (CVE-2023-39533).
    """

    privateClass = rsa.RSAPrivateKey

    minimumBits = 2048
    maximumBits = 8192
    maximumExponent = (1 << 31) - 1
    # The modulus of the largest key, and the DER around it.
    maximumBytes = maximumBits // 8 + 64

    def generate(self, bits: int) -> rsa.RSAPrivateKey:
        self._checkBits(bits)
        return rsa.generate_private_key(public_exponent=65537, key_size=bits)

    def _checkBits(self, bits: int) -> None:
        if not self.minimumBits <= bits <= self.maximumBits:
            raise ValueError(
                f"{bits} bits instead of {self.minimumBits} to {self.maximumBits}"
            )

    def check(self, key: rsa.RSAPublicKey) -> None:
        self._checkBits(key.key_size)
        numbers = key.public_numbers()
        if not (3 <= numbers.e <= self.maximumExponent and numbers.e % 2):
            raise ValueError("the public exponent is not an odd number of 31 bits")
        if not numbers.n % 2:
            raise ValueError("the modulus is even")

    def loadPublic(self, data: bytes) -> rsa.RSAPublicKey:
        if len(data) > self.maximumBytes:
            raise ValueError(f"more than {self.maximumBits} bits")
        key = load_der_public_key(data)
        if not isinstance(key, rsa.RSAPublicKey):
            raise ValueError("the DER holds another type of key")
        return key

    def dumpPublic(self, key: rsa.RSAPublicKey) -> bytes:
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def loadPrivate(self, data: bytes) -> rsa.RSAPrivateKey:
        key = load_der_private_key(data, None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ValueError("the DER holds another type of key")
        return key

    def dumpPrivate(self, key: rsa.RSAPrivateKey) -> bytes:
        return key.private_bytes(
            Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        )

    def sign(self, key: rsa.RSAPrivateKey, data: bytes) -> bytes:
        return key.sign(data, padding.PKCS1v15(), SHA256())

    def verify(self, key: rsa.RSAPublicKey, signature: bytes, data: bytes) -> None:
        key.verify(signature, data, padding.PKCS1v15(), SHA256())


class _Elliptic(Algorithm[ec.EllipticCurvePublicKey, ec.EllipticCurvePrivateKey]):
    """
    The common part of the two uses of ECDSA.
    """

    privateClass = ec.EllipticCurvePrivateKey

    curve: ec.EllipticCurve
    curveName: str

    def generate(self, bits: int) -> ec.EllipticCurvePrivateKey:
        return ec.generate_private_key(self.curve)

    def check(self, key: ec.EllipticCurvePublicKey) -> None:
        if key.curve.name != self.curve.name:
            raise ValueError(f"curve {key.curve.name} instead of {self.curveName}")

    def sign(self, key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
        return key.sign(data, ec.ECDSA(SHA256()))

    def verify(
        self, key: ec.EllipticCurvePublicKey, signature: bytes, data: bytes
    ) -> None:
        key.verify(signature, data, ec.ECDSA(SHA256()))


class _Secp256k1(_Elliptic):
    curve = ec.SECP256K1()
    curveName = "secp256k1"

    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

    def loadPublic(self, data: bytes) -> ec.EllipticCurvePublicKey:
        if len(data) != 33:
            raise ValueError(f"{len(data)} bytes instead of 33")
        return ec.EllipticCurvePublicKey.from_encoded_point(self.curve, data)

    def dumpPublic(self, key: ec.EllipticCurvePublicKey) -> bytes:
        return key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)

    def loadPrivate(self, data: bytes) -> ec.EllipticCurvePrivateKey:
        if len(data) != 32:
            raise ValueError(f"{len(data)} bytes instead of 32")
        return ec.derive_private_key(int.from_bytes(data, "big"), self.curve)

    def dumpPrivate(self, key: ec.EllipticCurvePrivateKey) -> bytes:
        return key.private_numbers().private_value.to_bytes(32, "big")

    def sign(self, key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
        # With s, order - s is a signature as well; some implementations accept
        # only the lower one.
        r, s = decode_dss_signature(super().sign(key, data))
        return encode_dss_signature(r, min(s, self.order - s))


class _ECDSA(_Elliptic):
    curve = ec.SECP256R1()
    curveName = "P-256"

    def loadPublic(self, data: bytes) -> ec.EllipticCurvePublicKey:
        key = load_der_public_key(data)
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise ValueError("the DER holds another type of key")
        return key

    def dumpPublic(self, key: ec.EllipticCurvePublicKey) -> bytes:
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def loadPrivate(self, data: bytes) -> ec.EllipticCurvePrivateKey:
        key = load_der_private_key(data, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the DER holds another type of key")
        return key

    def dumpPrivate(self, key: ec.EllipticCurvePrivateKey) -> bytes:
        return key.private_bytes(
            Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        )


ALGORITHMS: Final[Mapping[KeyType, Algorithm[Any, Any]]] = {
    KeyType.RSA: _RSA(),
    KeyType.ED25519: _Ed25519(),
    KeyType.SECP256K1: _Secp256k1(),
    KeyType.ECDSA: _ECDSA(),
}
