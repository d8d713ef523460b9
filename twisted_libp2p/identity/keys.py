# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The keys from which peer ids are made, in libp2p's one encoding.

See libp2p/specs, peer-ids/peer-ids.md.
"""

from __future__ import annotations

from typing import Any, Final

import cryptography.exceptions
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from google.protobuf.message import DecodeError

from twisted_libp2p.errors import InvalidKey, InvalidSignature
from twisted_libp2p.identity.algorithms import ALGORITHMS, KeyType
from twisted_libp2p.wire import keys_pb2

__all__ = ["KeyType", "PrivateKey", "PublicKey"]

# The beginning of the encoding of an Ed25519 key; its 32 bytes follow.
_ED25519: Final = b"\x08\x01\x12\x20"
_ED25519_SIZE: Final = len(_ED25519) + 32

_loadEd25519: Final = ALGORITHMS[KeyType.ED25519].loadPublic

# The errors of the package cryptography for keys that it cannot use.
_REFUSALS = (ValueError, TypeError, UnsupportedAlgorithm, InternalError)


class PublicKey:
    """
    A public key: immutable, and equal to any other key of the same bytes.
    """

    __slots__ = ("_encoded", "_key", "_type")

    def __init__(self, type: KeyType, key: Any) -> None:
        """
        Wrap a key of the package cryptography.

        @param type: the type of the key.
        @param key: the public key as the package cryptography has it.
        @raise InvalidKey: it is not of this type, or it is refused: RSA keys
            need 2048 to 8192 bits, ECDSA keys the curve P-256.
        """
        algorithm = ALGORITHMS[type]
        try:
            algorithm.check(key)
            data = algorithm.dumpPublic(key)
        except _REFUSALS as error:
            raise InvalidKey(f"{type.name} key: {error}") from None
        message = keys_pb2.PublicKey(Type=type, Data=data)  # type: ignore[arg-type]
        self._type = type
        self._key = key
        self._encoded = message.SerializeToString(deterministic=True)

    @classmethod
    def fromBytes(cls, data: bytes) -> PublicKey:
        """
        Read a key from its protobuf encoding.

        A peer id is a hash of this encoding, so a key must have only one: any encoding
        is refused that L{toBytes} would not return.

        @raise InvalidKey: the data is not a key, not canonical, or a key that
            is refused.
        """
        if len(data) == _ED25519_SIZE and data.startswith(_ED25519):
            # Nearly all keys are of this type, which has only one encoding.
            public = cls.__new__(cls)
            public._type = KeyType.ED25519
            try:
                public._key = _loadEd25519(data[len(_ED25519) :])
            except ValueError as error:
                raise InvalidKey(f"ED25519 key: {error}") from None
            public._encoded = bytes(data)
            return public
        message = keys_pb2.PublicKey()
        type, body = _parse(message, data)
        try:
            key = ALGORITHMS[type].loadPublic(body)
        except _REFUSALS as error:
            raise InvalidKey(f"{type.name} key: {error}") from None
        public = cls(type, key)
        if public._encoded != data:
            raise InvalidKey(f"{type.name} key: its encoding is not canonical")
        return public

    @property
    def type(self) -> KeyType:
        """
        The type of the key.
        """
        return self._type

    def toBytes(self) -> bytes:
        """
        Return the protobuf encoding in its canonical form.
        """
        return self._encoded

    def verify(self, signature: bytes, data: bytes) -> None:
        """
        Check a signature.

        @raise InvalidSignature: the private half of this key did not sign
            this data.
        """
        try:
            ALGORITHMS[self._type].verify(self._key, signature, data)
        except (cryptography.exceptions.InvalidSignature, *_REFUSALS):
            raise InvalidSignature(
                f"the signature was not made by this {self._type.name} key"
            ) from None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PublicKey):
            return NotImplemented
        return self._encoded == other._encoded

    def __hash__(self) -> int:
        return hash(self._encoded)

    def __repr__(self) -> str:
        return f"<PublicKey {self._type.name} {self._encoded.hex()}>"


class PrivateKey:
    """
    A private key: immutable, and never shown.

    @ivar public: the public half.
    """

    __slots__ = ("_key", "_public", "_type")

    def __init__(self, type: KeyType, key: Any) -> None:
        """
        Wrap a key of the package cryptography.

        @param type: the type of the key.
        @param key: the private key as the package cryptography has it.
        @raise InvalidKey: it is not of this type, or it is refused.
        """
        algorithm = ALGORITHMS[type]
        if not isinstance(key, algorithm.privateClass):
            raise InvalidKey(f"{type.name} key: another type of key is given")
        self._type = type
        self._key = key
        self._public = PublicKey(type, key.public_key())

    @classmethod
    def generate(cls, type: KeyType = KeyType.ED25519, bits: int = 2048) -> PrivateKey:
        """
        Make a new key.

        @param bits: the size of an RSA key; keys of other types have one size.
        @raise InvalidKey: there are no RSA keys of this size.
        """
        try:
            return cls(type, ALGORITHMS[type].generate(bits))
        except _REFUSALS as error:
            raise InvalidKey(f"{type.name} key: {error}") from None

    @classmethod
    def fromBytes(cls, data: bytes) -> PrivateKey:
        """
        Read a key from its protobuf encoding, in which the other implementations
        store keys in files.

        @raise InvalidKey: the data is not a key, or a key that is refused.
        """
        message = keys_pb2.PrivateKey()
        type, body = _parse(message, data)
        try:
            key = ALGORITHMS[type].loadPrivate(body)
        except _REFUSALS as error:
            raise InvalidKey(f"private {type.name} key: {error}") from None
        return cls(type, key)

    @classmethod
    def fromPEM(cls, data: bytes) -> PrivateKey:
        """
        Read a key from PEM: PKCS#8 of any type, or the older forms.

        @raise InvalidKey: the data is not a key, is encrypted, or is a key of a type
            that libp2p does not have.
        """
        try:
            key = load_pem_private_key(data, None)
        except TypeError:
            raise InvalidKey("the PEM is encrypted") from None
        except _REFUSALS:
            raise InvalidKey("the PEM holds no private key") from None
        for type, algorithm in ALGORITHMS.items():
            if isinstance(key, algorithm.privateClass) and (
                not isinstance(key, EllipticCurvePrivateKey)
                or (key.curve.name == "secp256k1") == (type is KeyType.SECP256K1)
            ):
                return cls(type, key)
        raise InvalidKey("the PEM holds a key of a type that libp2p does not have")

    @property
    def type(self) -> KeyType:
        """
        The type of the key.
        """
        return self._type

    @property
    def public(self) -> PublicKey:
        """
        The public half.
        """
        return self._public

    def toBytes(self) -> bytes:
        """
        Return the protobuf encoding.  It is secret, and is never sent.
        """
        return keys_pb2.PrivateKey(
            Type=self._type,  # type: ignore[arg-type]
            Data=ALGORITHMS[self._type].dumpPrivate(self._key),
        ).SerializeToString(deterministic=True)

    def toPEM(self) -> bytes:
        """
        Return the key as PKCS#8 in PEM, not encrypted.
        """
        pem: bytes = self._key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        return pem

    def sign(self, data: bytes) -> bytes:
        """
        Sign data with the algorithm of this type of key.
        """
        return ALGORITHMS[self._type].sign(self._key, data)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PrivateKey):
            return NotImplemented
        return self._public == other._public

    def __hash__(self) -> int:
        return hash(self._public)

    def __repr__(self) -> str:
        return f"<PrivateKey {self._type.name}>"


def _parse(
    message: keys_pb2.PublicKey | keys_pb2.PrivateKey, data: bytes
) -> tuple[KeyType, bytes]:
    """
    Read the type and the data, which have the same fields in both messages.
    """
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise InvalidKey("a key that is not a protobuf message") from None
    if not message.HasField("Type"):
        raise InvalidKey("a key of no known type")
    if not message.HasField("Data"):
        raise InvalidKey("a key without data")
    return KeyType(message.Type), message.Data
