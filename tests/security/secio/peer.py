# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A second SECIO, written from the specification alone: the tests compare the
first with it, and let it misbehave.
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from twisted_libp2p.identity import Identity, PublicKey
from twisted_libp2p.wire.secio_pb2 import Exchange, Propose

__all__ = ["Peer", "cut", "frame", "xCoordinate"]

CURVES: dict[str, ec.EllipticCurve] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
KEY_SIZES = {"AES-128": 16, "AES-256": 32}


def frame(message: bytes) -> bytes:
    """
    Put the length of a message in front of it.
    """
    return len(message).to_bytes(4, "big") + message


def cut(data: bytes) -> list[bytes]:
    """
    Take apart whole frames.
    """
    messages = []
    while data:
        end = 4 + int.from_bytes(data[:4], "big")
        assert len(data) >= end, "a frame is not complete"
        messages.append(data[4:end])
        data = data[end:]
    return messages


def xCoordinate(private: ec.EllipticCurvePrivateKey, public: bytes) -> int:
    """
    Find the X coordinate of the product.
    """
    point = ec.EllipticCurvePublicKey.from_encoded_point(private.curve, public)
    return int.from_bytes(private.exchange(ec.ECDH(), point), "big")


class _Direction:
    """
    Encrypts, or decrypts, in one direction, block by block.
    """

    def __init__(self, iv: bytes, key: bytes, mac: bytes, hash: str) -> None:
        self._counter = int.from_bytes(iv, "big")
        self._encryptor = Cipher(AES(key), ECB()).encryptor()
        self._left = b""
        self._mac = mac
        self._hash = hash

    def apply(self, data: bytes) -> bytes:
        """
        Mask with the key stream.
        """
        while len(self._left) < len(data):
            self._left += self._encryptor.update(self._counter.to_bytes(16, "big"))
            self._counter = (self._counter + 1) % (1 << 128)
        mask, self._left = self._left[: len(data)], self._left[len(data) :]
        return bytes(a ^ b for a, b in zip(data, mask, strict=True))

    def mac(self, ciphertext: bytes) -> bytes:
        """
        Protect one packet.
        """
        return hmac.new(self._mac, ciphertext, self._hash).digest()


class Peer:
    """
    One side, whose steps are to be taken by hand.
    """

    def __init__(
        self,
        identity: Identity,
        nonce: bytes = bytes(16),
        exchanges: str = "P-256,P-384,P-521",
        ciphers: str = "AES-256,AES-128",
        hashes: str = "SHA256,SHA512",
    ) -> None:
        self.identity = identity
        self.nonce = nonce
        self.message = Propose(
            rand=nonce,
            pubkey=identity.publicKey.toBytes(),
            exchanges=exchanges,
            ciphers=ciphers,
            hashes=hashes,
        )

    def propose(self) -> bytes:
        """
        @return: our proposal.
        """
        self.proposal = self.message.SerializeToString()
        return self.proposal

    def takeProposal(self, proposal: bytes) -> Exchange:
        """
        @return: our exchange.
        """
        self.remoteProposal = proposal
        self.remote = Propose.FromString(proposal)
        ours = self.identity.publicKey.toBytes()
        first = hashlib.sha256(self.remote.pubkey + self.nonce).digest()
        second = hashlib.sha256(ours + self.remote.rand).digest()
        self.preferred = first > second
        self.chosen = []
        for name in ("exchanges", "ciphers", "hashes"):
            lists = [
                getattr(side, name).split(",") for side in (self.message, self.remote)
            ]
            best, other = lists if self.preferred else reversed(lists)
            self.chosen.append(next(each for each in best if each in other))
        self.private = ec.generate_private_key(CURVES[self.chosen[0]])
        return self.exchange()

    def exchange(self) -> Exchange:
        """
        @return: our exchange.
        """
        public = self.private.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )
        signature = self.identity.sign(self.proposal + self.remoteProposal + public)
        return Exchange(epubkey=public, signature=signature)

    def takeExchange(self, message: bytes) -> None:
        """
        Check who the other side is, and find the keys.
        """
        exchange = Exchange.FromString(message)
        PublicKey.fromBytes(self.remote.pubkey).verify(
            exchange.signature, self.remoteProposal + self.proposal + exchange.epubkey
        )
        x = xCoordinate(self.private, exchange.epubkey)
        secret = x.to_bytes((x.bit_length() + 7) // 8, "big")
        _, cipher, hash = self.chosen
        hash = hash.lower()
        keySize = KEY_SIZES[cipher]
        size = 16 + keySize + 20

        def mac(data: bytes) -> bytes:
            return hmac.new(secret, data, hash).digest()

        stretched, chain = b"", mac(b"key expansion")
        while len(stretched) < 2 * size:
            stretched += mac(chain + b"key expansion")
            chain = mac(chain)
        halves = [stretched[:size], stretched[size : 2 * size]]
        if not self.preferred:
            halves.reverse()
        self.sending, self.receiving = (
            _Direction(half[:16], half[16:-20], half[-20:], hash) for half in halves
        )

    def seal(self, data: bytes) -> bytes:
        """
        @return: a packet, with its length.
        """
        ciphertext = self.sending.apply(data)
        return frame(ciphertext + self.sending.mac(ciphertext))

    def open(self, packet: bytes) -> bytes:
        """
        @param packet: without its length.
        """
        size = len(self.receiving.mac(b""))
        ciphertext, mac = packet[:-size], packet[-size:]
        assert mac == self.receiving.mac(ciphertext), "the MAC is wrong"
        return self.receiving.apply(ciphertext)
