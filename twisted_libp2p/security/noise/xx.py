# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The handshake C{Noise_XX_25519_ChaChaPoly_SHA256} of the Noise Protocol
Framework, revision 34 (noiseprotocol.org), without the parts of libp2p.
"""

from __future__ import annotations

from hashlib import sha256
from struct import Struct
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from twisted_libp2p.errors import InvalidInput

__all__ = ["NONCE", "TAG_SIZE", "SymmetricState", "XXHandshake"]

PROTOCOL_NAME: Final = b"Noise_XX_25519_ChaChaPoly_SHA256"

# The initiator sends the first and the third message.  In a token of two letters the
# first names a key of the initiator, the second one a key of the responder.
MESSAGES: Final = (("e",), ("e", "ee", "s", "es"), ("s", "se"))

#: Makes the nonce of ChaCha20-Poly1305 from the number of a message.
NONCE: Final = Struct("<4xQ")

#: The number of bytes that sealing adds to a message.
TAG_SIZE: Final = 16

_KEY_SIZE: Final = 32

_SHA256: Final = SHA256()


class SymmetricState:
    """
    The present keys of a handshake, and the hash of all its messages.
    """

    __slots__ = ("_chainingKey", "_cipher", "_nonce", "hash")

    def __init__(self, prologue: bytes) -> None:
        # The name of the protocol has exactly the length of a hash.
        self.hash = self._chainingKey = PROTOCOL_NAME
        self._cipher: ChaCha20Poly1305 | None = None
        self._nonce = 0
        self.mixHash(prologue)

    def mixHash(self, data: bytes) -> None:
        """
        Mix data into the hash, which both sides must agree on.
        """
        self.hash = sha256(self.hash + data).digest()

    def mixKey(self, material: bytes) -> None:
        """
        Mix a shared secret into all later keys.
        """
        self._chainingKey, key = self._derive(material)
        self._cipher = ChaCha20Poly1305(key)
        self._nonce = 0

    def _derive(self, material: bytes) -> tuple[bytes, bytes]:
        """
        Derive two keys by HKDF.
        """
        keys = HKDF(_SHA256, 2 * _KEY_SIZE, self._chainingKey, b"").derive(material)
        return keys[:_KEY_SIZE], keys[_KEY_SIZE:]

    def seal(self, plaintext: bytes) -> bytes:
        """
        Encrypt, as soon as a key is set, and mix the result into the hash.
        """
        if self._cipher is None:
            sealed = plaintext
        else:
            nonce = NONCE.pack(self._nonce)
            sealed = self._cipher.encrypt(nonce, plaintext, self.hash)
            self._nonce += 1
        self.mixHash(sealed)
        return sealed

    def open(self, sealed: bytes) -> bytes:
        """
        Undo L{seal}.

        @raise InvalidTag: the other side's keys or hash are not ours.
        """
        if self._cipher is None:
            plaintext = sealed
        else:
            nonce = NONCE.pack(self._nonce)
            plaintext = self._cipher.decrypt(nonce, sealed, self.hash)
            self._nonce += 1
        self.mixHash(sealed)
        return plaintext

    def split(self) -> tuple[bytes, bytes]:
        """
        Derive the keys of the channel.

        @return: the key of the initiator's messages, and of the responder's.
        """
        return self._derive(b"")


class XXHandshake:
    """
    One side of the handshake: the messages are written and read in turns.

    @ivar symmetric: the keys and the hash.
    @ivar remoteStatic: the peer's static key, once it was received.
    """

    __slots__ = (
        "_ephemeral",
        "_initiator",
        "_messages",
        "_private",
        "_public",
        "remoteStatic",
        "symmetric",
    )

    def __init__(
        self,
        initiator: bool,
        static: X25519PrivateKey,
        ephemeral: X25519PrivateKey | None = None,
        prologue: bytes = b"",
    ) -> None:
        """
        @param static: our lasting key.
        @param ephemeral: our key for this handshake alone, to repeat a known
            handshake in a test; None makes one.
        @param prologue: data that both sides must know before.
        """
        self._initiator = initiator
        self._private = {"s": static}
        self._public: dict[str, X25519PublicKey] = {}
        self._ephemeral = ephemeral
        self._messages = iter(MESSAGES)
        self.remoteStatic: bytes | None = None
        self.symmetric = SymmetricState(prologue)

    def write(self, payload: bytes) -> bytes:
        """
        Write the next message; the turn is ours.

        @raise InvalidInput: a key of the peer does not give a secret.  The handshake
            has failed then.
        """
        symmetric = self.symmetric
        message = b""
        for token in next(self._messages):
            if token == "e":
                ephemeral = self._ephemeral or X25519PrivateKey.generate()
                self._private["e"] = ephemeral
                public = ephemeral.public_key().public_bytes_raw()
                symmetric.mixHash(public)
                message += public
            elif token == "s":
                public = self._private["s"].public_key().public_bytes_raw()
                message += symmetric.seal(public)
            else:
                symmetric.mixKey(self._exchange(token))
        return message + symmetric.seal(payload)

    def read(self, message: bytes) -> bytes:
        """
        Read the next message; the turn is the peer's.

        @return: the payload.
        @raise InvalidInput: the message is too short, is not sealed with the right
            keys, or has a key that does not give a secret.  The handshake has failed
            then.
        """
        symmetric = self.symmetric
        offset = 0
        try:
            for token in next(self._messages):
                if token == "e":
                    public = message[:_KEY_SIZE]
                    offset = _KEY_SIZE
                    symmetric.mixHash(public)
                    self._public["e"] = _publicKey(public)
                elif token == "s":
                    end = offset + _KEY_SIZE + TAG_SIZE
                    public = symmetric.open(message[offset:end])
                    offset = end
                    self._public["s"] = _publicKey(public)
                    self.remoteStatic = public
                else:
                    symmetric.mixKey(self._exchange(token))
            return symmetric.open(message[offset:])
        except InvalidTag:
            raise InvalidInput("it is not sealed with the keys agreed on") from None

    def _exchange(self, token: str) -> bytes:
        ours, theirs = (token[0], token[1]) if self._initiator else (token[1], token[0])
        try:
            return self._private[ours].exchange(self._public[theirs])
        except ValueError:
            # The result is zero whatever our key is.
            raise InvalidInput("its public key is of low order") from None


def _publicKey(data: bytes) -> X25519PublicKey:
    if len(data) != _KEY_SIZE:
        raise InvalidInput("it ends inside a public key")
    return X25519PublicKey.from_public_bytes(data)
