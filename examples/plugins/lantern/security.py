# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The security protocol C{/lantern/1.0.0}: an example.

Each side sends the public half of a fresh X25519 key at once, then, encrypted
under what the two keys agree on, a signed envelope: who it is, and that it
means this very exchange.  After that come the application's bytes, in frames
of a length (16 bits) and a ChaCha20-Poly1305 box.

Nobody has reviewed it and no other implementation speaks it.  It lacks
Noise's early choice of the muxer, and a key that lasts longer than its
connection is not renewed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from twisted.internet.interfaces import IProtocolFactory, IReactorTime
from zope.interface import implementer

from twisted_libp2p.errors import (
    HandshakeFailed,
    InvalidInput,
    ProtocolViolation,
)
from twisted_libp2p.identity import Envelope, PeerID
from twisted_libp2p.interfaces import Handshake, ISecurity, Role, Secured
from twisted_libp2p.security import Channel, HandshakeMachine, SecureFactory

PROTOCOL_ID = "/lantern/1.0.0"

# The sizes of a public key, of what an envelope may have, and of what fits into
# one frame beside the tag of the box, in bytes.
HELLO = 32
LONGEST_ENVELOPE = 4 * 1024
LONGEST_BODY = 0xFFFF - 16


class LanternChannel(Channel):
    """
    Both directions of a connection after the keys were agreed.
    """

    def __init__(self, sendKey: bytes, receiveKey: bytes) -> None:
        self._encrypt = ChaCha20Poly1305(sendKey).encrypt
        self._decrypt = ChaCha20Poly1305(receiveKey).decrypt
        self._sealed = self._opened = 0
        self._partial = b""

    @property
    def truncated(self) -> bool:  # type: ignore[override]
        """
        Whether an end here and now would be inside a frame.
        """
        return bool(self._partial)

    def seal(self, pieces: Sequence[bytes]) -> list[bytes]:
        """
        Encrypt what is to be sent, into as few frames as will do.
        """
        data = b"".join(pieces)
        frames = []
        for start in range(0, len(data), LONGEST_BODY):
            nonce = self._sealed.to_bytes(12)
            box = self._encrypt(nonce, data[start : start + LONGEST_BODY], None)
            self._sealed += 1
            frames += [len(box).to_bytes(2), box]
        return frames

    def open(self, data: bytes, opened: list[bytes]) -> None:
        """
        Decrypt the frames that are whole; keep the beginning of the next.
        """
        data = self._partial + data
        offset = 0
        while offset + 2 <= len(data):
            end = offset + 2 + int.from_bytes(data[offset : offset + 2])
            if end > len(data):
                break
            nonce = self._opened.to_bytes(12)
            try:
                opened.append(self._decrypt(nonce, data[offset + 2 : end], None))
            except InvalidTag:
                raise ProtocolViolation(PROTOCOL_ID, "a frame was changed") from None
            self._opened += 1
            offset = end
        self._partial = data[offset:]


class LanternHandshake(HandshakeMachine):
    """
    One side of one handshake.
    """

    protocolID = PROTOCOL_ID

    def __init__(self, handshake: Handshake) -> None:
        self.channel: LanternChannel | None = None
        self._handshake = handshake
        self._initiator = handshake.role is Role.CLIENT
        self._key = x25519.X25519PrivateKey.generate()
        self._hello = self._key.public_key().public_bytes_raw()
        self._hellos = b""

    def start(self) -> bytes:
        """
        Both sides say hello without waiting for the other.
        """
        return self._hello

    def receive(self, data: bytes) -> bytes:
        """
        Answer the peer's hello by our envelope, and its envelope by nothing.
        """
        self.trailing += data
        answer = b""
        if self.channel is None and len(self.trailing) >= HELLO:
            hello, self.trailing = self.trailing[:HELLO], self.trailing[HELLO:]
            self.channel = self._agree(hello)
            envelope = Envelope.seal(
                self._handshake.identity,
                PROTOCOL_ID,
                b"",
                self._claim(self._initiator),
            )
            answer = b"".join(self.channel.seal([envelope.toBytes()]))
        if self.channel is not None and len(self.trailing) >= 2:
            end = 2 + int.from_bytes(self.trailing[:2])
            if end > LONGEST_ENVELOPE:
                raise HandshakeFailed(PROTOCOL_ID, f"an envelope of {end} bytes")
            if len(self.trailing) >= end:
                sealed, self.trailing = self.trailing[:end], self.trailing[end:]
                self.secured = self._authenticate(self.channel, sealed)
        return answer

    def _agree(self, hello: bytes) -> LanternChannel:
        """
        Make one key for each direction, of this exchange and no other.
        """
        ours = (self._hello, hello)
        self._hellos = b"".join(ours if self._initiator else ours[::-1])
        peer = x25519.X25519PublicKey.from_public_bytes(hello)
        try:
            shared = self._key.exchange(peer)
        except ValueError:
            raise HandshakeFailed(PROTOCOL_ID, "the peer's key is no key") from None
        info = PROTOCOL_ID.encode()
        keys = HKDF(SHA256(), 64, self._hellos, info).derive(shared)
        if self._initiator:
            return LanternChannel(keys[:32], keys[32:])
        return LanternChannel(keys[32:], keys[:32])

    def _claim(self, initiator: bool) -> bytes:
        """
        What a side signs: its role, and both hellos.
        """
        return bytes([initiator]) + self._hellos

    def _authenticate(self, channel: LanternChannel, sealed: bytes) -> Secured:
        """
        Learn from the peer's envelope who it is.
        """
        try:
            opened: list[bytes] = []
            channel.open(sealed, opened)
            envelope = Envelope.fromBytes(opened[0])
            claim = envelope.open(PROTOCOL_ID)
        except (ProtocolViolation, InvalidInput) as error:
            raise HandshakeFailed(PROTOCOL_ID, str(error)) from error
        if claim != self._claim(not self._initiator):
            raise HandshakeFailed(PROTOCOL_ID, "the envelope is of another exchange")
        peer = PeerID.fromKey(envelope.publicKey)
        self._handshake.meet(PROTOCOL_ID, peer)
        return Secured(PROTOCOL_ID, peer, envelope.publicKey)


@implementer(ISecurity)
class Lantern:
    """
    What a node is given.
    """

    protocolID = PROTOCOL_ID
    insecure = False

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock

    def wrap(
        self, handshake: Handshake, wrappedFactory: IProtocolFactory
    ) -> SecureFactory:
        """
        Give a factory whose protocols shake hands on their transport.
        """
        machine = partial(LanternHandshake, handshake)
        return SecureFactory(handshake, wrappedFactory, machine, self._clock)
