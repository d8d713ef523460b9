# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Noise_XX_25519_ChaChaPoly_SHA256, as libp2p speaks it, from both ends.
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from tests.attacks.raw.identity import Identity
from tests.attacks.raw.pipe import Ended, Pipe
from tests.attacks.raw.wire import field, fields

__all__ = [
    "PROTOCOL_ID",
    "Handshake",
    "Noise",
    "accept",
    "dial",
    "frame",
    "payload",
    "read",
]

PROTOCOL_ID = "/noise"

NAME = b"Noise_XX_25519_ChaChaPoly_SHA256"

LONGEST_PLAINTEXT = 65519


def _nonce(count: int) -> bytes:
    return b"\0\0\0\0" + count.to_bytes(8, "little")


class Handshake:
    """
    The state of one end; XX is C{-> e}, C{<- e ee s es}, C{-> s se}.
    """

    def __init__(
        self,
        initiator: bool,
        static: X25519PrivateKey | None = None,
        ephemeral: X25519PrivateKey | None = None,
    ) -> None:
        self._initiator = initiator
        self.static = static or X25519PrivateKey.generate()
        self._ephemeral = ephemeral or X25519PrivateKey.generate()
        self._key = b""
        self._count = 0
        self._chain = self._hash = NAME
        self._mix(b"")

    def _mix(self, data: bytes) -> None:
        self._hash = hashlib.sha256(self._hash + data).digest()

    def _derive(self, material: bytes) -> tuple[bytes, bytes]:
        secret = hmac.digest(self._chain, material, "sha256")
        first = hmac.digest(secret, b"\x01", "sha256")
        return first, hmac.digest(secret, first + b"\x02", "sha256")

    def _agree(self, ours: X25519PrivateKey, theirs: bytes) -> None:
        shared = ours.exchange(X25519PublicKey.from_public_bytes(theirs))
        self._chain, self._key = self._derive(shared)
        self._count = 0

    def _seal(self, plain: bytes) -> bytes:
        sealed = plain
        if self._key:
            cipher = ChaCha20Poly1305(self._key)
            sealed = cipher.encrypt(_nonce(self._count), plain, self._hash)
            self._count += 1
        self._mix(sealed)
        return sealed

    def _open(self, sealed: bytes) -> bytes:
        plain = sealed
        if self._key:
            cipher = ChaCha20Poly1305(self._key)
            plain = cipher.decrypt(_nonce(self._count), sealed, self._hash)
            self._count += 1
        self._mix(sealed)
        return plain

    def first(self) -> bytes:
        """
        Write the initiator's C{e}.
        """
        own = self._ephemeral.public_key().public_bytes_raw()
        self._mix(own)
        return own + self._seal(b"")

    def firstReceived(self, message: bytes) -> None:
        """
        Read it.
        """
        self._remote = message[:32]
        self._mix(self._remote)
        self._open(message[32:])

    def second(self, payload: bytes) -> bytes:
        """
        Write the responder's C{e, ee, s, es}.
        """
        own = self._ephemeral.public_key().public_bytes_raw()
        self._mix(own)
        self._agree(self._ephemeral, self._remote)
        static = self._seal(self.static.public_key().public_bytes_raw())
        self._agree(self.static, self._remote)
        return own + static + self._seal(payload)

    def secondReceived(self, message: bytes) -> bytes:
        """
        Read it.

        @return: the payload.
        """
        self._remote = message[:32]
        self._mix(self._remote)
        self._agree(self._ephemeral, self._remote)
        static = self._open(message[32:80])
        self._agree(self._ephemeral, static)
        return self._open(message[80:])

    def third(self, payload: bytes) -> bytes:
        """
        Write the initiator's C{s, se}.
        """
        static = self._seal(self.static.public_key().public_bytes_raw())
        self._agree(self.static, self._remote)
        return static + self._seal(payload)

    def thirdReceived(self, message: bytes) -> bytes:
        """
        Read it.

        @return: the payload.
        """
        static = self._open(message[:48])
        self._agree(self._ephemeral, static)
        return self._open(message[48:])

    def keys(self) -> tuple[bytes, bytes]:
        """
        @return: what to send with, and what to receive with.
        """
        first, second = self._derive(b"")
        return (first, second) if self._initiator else (second, first)


class Noise(Pipe):
    """
    The channel behind a handshake.

    @ivar muxers: what the peer has named in the handshake.
    @ivar peerID: who it says it is.
    """

    def __init__(self, lower: Pipe, handshake: Handshake, said: bytes) -> None:
        super().__init__()
        self.lower = lower
        sending, receiving = handshake.keys()
        self._seal = ChaCha20Poly1305(sending)
        self._open = ChaCha20Poly1305(receiving)
        self._sent = self._received = 0
        self.muxers: list[str] = []
        for number, value in fields(said):
            if number == 4 and isinstance(value, bytes):
                self.muxers += [
                    each.decode()
                    for inner, each in fields(value)
                    if inner == 2 and isinstance(each, bytes)
                ]

    def send(self, data: bytes) -> None:
        """
        Send bytes, in as few messages as will do.
        """
        frames = []
        for start in range(0, len(data), LONGEST_PLAINTEXT):
            plain = data[start : start + LONGEST_PLAINTEXT]
            frames.append(frame(self._seal.encrypt(_nonce(self._sent), plain, None)))
            self._sent += 1
        self.lower.send(b"".join(frames))

    def more(self) -> bytes:
        """
        Receive a message.
        """
        while True:
            sealed = read(self.lower)
            try:
                plain = self._open.decrypt(_nonce(self._received), sealed, None)
            except InvalidTag:
                raise Ended("forged") from None
            self._received += 1
            if plain:
                return plain

    def patience(self, seconds: float) -> None:
        """
        Set how long to wait for bytes.
        """
        self.lower.patience(seconds)

    def close(self) -> None:
        """
        Hang up.
        """
        self.lower.close()


def frame(message: bytes) -> bytes:
    """
    Put the length in front of a message.
    """
    return len(message).to_bytes(2, "big") + message


def read(pipe: Pipe) -> bytes:
    """
    Receive a message of the handshake, or of the channel.
    """
    return pipe.exactly(int.from_bytes(pipe.exactly(2), "big"))


def payload(
    handshake: Handshake,
    identity: Identity,
    muxers: tuple[str, ...] = (),
    signer: Identity | None = None,
) -> bytes:
    """
    Make what a handshake carries.

    @param muxers: the early muxers to name.
    @param signer: who signs; the identity itself, if one is honest.
    """
    static = handshake.static.public_key().public_bytes_raw()
    signature = (signer or identity).sign(b"noise-libp2p-static-key:" + static)
    extensions = b"".join(field(2, each.encode()) for each in muxers)
    return (
        field(1, identity.publicKey)
        + field(2, signature)
        + (field(4, extensions) if muxers else b"")
    )


def dial(
    pipe: Pipe,
    identity: Identity,
    muxers: tuple[str, ...] = (),
    said: bytes | None = None,
) -> Noise:
    """
    Do the handshake of whoever has connected.

    @param said: the payload, if not the honest one.
    """
    handshake = Handshake(True)
    pipe.send(frame(handshake.first()))
    theirs = handshake.secondReceived(read(pipe))
    ours = payload(handshake, identity, muxers) if said is None else said
    pipe.send(frame(handshake.third(ours)))
    return Noise(pipe, handshake, theirs)


def accept(pipe: Pipe, identity: Identity, muxers: tuple[str, ...] = ()) -> Noise:
    """
    Do the handshake of whoever was connected to.
    """
    handshake = Handshake(False)
    handshake.firstReceived(read(pipe))
    pipe.send(frame(handshake.second(payload(handshake, identity, muxers))))
    theirs = handshake.thirdReceived(read(pipe))
    return Noise(pipe, handshake, theirs)
