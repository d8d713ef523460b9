# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Our own identity: a private key, and the file in which it is stored.
"""

from __future__ import annotations

import os

from twisted_libp2p.errors import ConfigurationError, InvalidKey
from twisted_libp2p.identity.keys import KeyType, PrivateKey, PublicKey
from twisted_libp2p.identity.peerid import PeerID
from twisted_libp2p.identity.secrets import createSecret, readSecret

__all__ = ["Identity"]

# Several times the PEM of an RSA key of 8192 bits.
_LARGEST_FILE = 1 << 16


class Identity:
    """
    A key pair and the peer id that belongs to it.

    @ivar privateKey: the key that signs for this peer.
    @ivar publicKey: the key with which others verify these signatures.
    @ivar peerID: the id of this peer.
    """

    __slots__ = ("peerID", "privateKey", "publicKey")

    def __init__(self, privateKey: PrivateKey) -> None:
        self.privateKey = privateKey
        self.publicKey: PublicKey = privateKey.public
        self.peerID = PeerID.fromKey(privateKey.public)

    @classmethod
    def generate(cls, type: KeyType = KeyType.ED25519) -> Identity:
        """
        Make a new identity.
        """
        return cls(PrivateKey.generate(type))

    @classmethod
    def fromFile(
        cls, path: str | os.PathLike[str], owner: tuple[int, int] | None = None
    ) -> Identity:
        """
        Load the identity from a file; at the first start, make one and store it
        there.

        The file is PEM (PKCS#8, not encrypted) of mode 0600; the protobuf files of the
        other implementations are read too.  Processes that start at the same time
        agree on one key.

        A warning is logged if others can read the file.

        @param path: the file.
        @param owner: the user and the group that a new file belongs to; those of
            the process by default.
        @raise ConfigurationError: the file cannot be read or made, or does not hold a
            key of a peer.
        """
        try:
            try:
                return cls._load(path)
            except FileNotFoundError:
                made = cls.generate()
                try:
                    createSecret(path, made.privateKey.toPEM(), owner)
                except FileExistsError:
                    return cls._load(path)
                return made
        except OSError as error:
            raise ConfigurationError(
                f"identity file {os.fspath(path)}: {error.strerror}"
            ) from None

    @classmethod
    def _load(cls, path: str | os.PathLike[str]) -> Identity:
        data = readSecret("Identity file", path, _LARGEST_FILE)
        try:
            if len(data) > _LARGEST_FILE:
                raise InvalidKey("it is too large to be a key")
            if b"-----BEGIN" in data:
                key = PrivateKey.fromPEM(data)
            else:
                key = PrivateKey.fromBytes(data)
        except InvalidKey as error:
            raise ConfigurationError(
                f"identity file {os.fspath(path)} holds no key of a peer: {error}"
            ) from None
        return cls(key)

    def toFile(self, path: str | os.PathLike[str]) -> None:
        """
        Store the identity in a new file.

        @raise ConfigurationError: the file cannot be made, or there is one of
            that name: a key is never overwritten.
        """
        try:
            createSecret(path, self.privateKey.toPEM())
        except OSError as error:
            raise ConfigurationError(
                f"identity file {os.fspath(path)}: {error.strerror}"
            ) from None

    def sign(self, data: bytes) -> bytes:
        """
        Sign data with the private key.
        """
        return self.privateKey.sign(data)

    def __repr__(self) -> str:
        return f"<Identity {self.peerID}>"
