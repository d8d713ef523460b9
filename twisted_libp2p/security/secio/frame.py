# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The packets of SECIO, and the channel that they carry after the handshake.

A packet is its length in four bytes, the ciphertext, and a MAC over the
ciphertext; the length counts both.  The ciphertexts of one direction are one
key stream; the MACs are independent of each other.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import new
from struct import Struct
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.security.machine import Channel
from twisted_libp2p.security.secio.stretch import Keys
from twisted_libp2p.security.secio.suite import HASHES

__all__ = ["LENGTH", "LONGEST_PACKET", "PROTOCOL_ID", "SecioChannel"]

#: The protocol id of SECIO.
PROTOCOL_ID: Final = "/secio/1.0.0"

#: The length of a message or packet, in front of it.
LENGTH: Final = Struct(">I")

#: The size of the largest packet that is accepted, in bytes without its length:
#: the specification's.
LONGEST_PACKET: Final = 0x800000 - 1

# The size of the largest packet that we send.  A peer has to receive all of it before
# it can check it.
_LONGEST_SENT: Final = 64 * 1024


class SecioChannel(Channel):
    """
    A connection after the exchange of keys.

    Of the received bytes only an incomplete packet is kept, and only the bytes that
    have arrived, whatever length it claims.

    @ivar macSize: the size of a MAC, in bytes.
    """

    __slots__ = (
        "_decrypt",
        "_encrypt",
        "_hash",
        "_longestPlaintext",
        "_partial",
        "_receiveMAC",
        "_sendMAC",
        "macSize",
    )

    def __init__(self, hash: str, sendKeys: Keys, receiveKeys: Keys) -> None:
        """
        @param hash: one of L{HASHES}.
        """
        self._hash = HASHES[hash]
        self.macSize = new(self._hash).digest_size
        self._longestPlaintext = _LONGEST_SENT - self.macSize
        self._encrypt = _cipher(sendKeys).encryptor().update
        self._decrypt = _cipher(receiveKeys).decryptor().update
        self._sendMAC = sendKeys.mac
        self._receiveMAC = receiveKeys.mac
        self._partial = bytearray()

    @property
    def truncated(self) -> bool:  # type: ignore[override]
        """
        Whether the last packet that has begun is not complete.
        """
        return bool(self._partial)

    def seal(self, pieces: Sequence[bytes]) -> list[bytes]:
        """
        Put data into as few packets as possible.
        """
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        size = len(data)
        frames: list[bytes] = []
        if size <= self._longestPlaintext:
            self._sealPacket(data, frames)
        else:
            view = memoryview(data)
            for start in range(0, size, self._longestPlaintext):
                self._sealPacket(view[start : start + self._longestPlaintext], frames)
        return frames

    def _sealPacket(self, data: bytes | memoryview, frames: list[bytes]) -> None:
        ciphertext = self._encrypt(data)
        frames.append(LENGTH.pack(len(ciphertext) + self.macSize))
        frames.append(ciphertext)
        frames.append(hmac.digest(self._sendMAC, ciphertext, self._hash))

    def open(self, data: bytes, opened: list[bytes]) -> None:
        """
        Decrypt the packets that these bytes complete.  A packet without
        content is legal, and skipped.

        @raise ProtocolViolation: a length that no packet has, or a packet that
            the peer did not seal.
        """
        view = memoryview(data)
        size = len(view)
        offset = 0
        partial = self._partial
        if partial:
            # Only the packet that straddles two reads is joined.
            if len(partial) < LENGTH.size:
                offset = LENGTH.size - len(partial)
                partial += view[:offset]
                if offset > size:
                    return
            missing = self._packetEnd(partial, 0) - len(partial)
            partial += view[offset : offset + missing]
            offset += missing
            if offset > size:
                return
            self._deliver(memoryview(partial)[LENGTH.size :], opened)
            self._partial = bytearray()
        while size - offset >= LENGTH.size:
            end = self._packetEnd(view, offset)
            if end > size:
                break
            self._deliver(view[offset + LENGTH.size : end], opened)
            offset = end
        if offset < size:
            self._partial += view[offset:]

    def openPacket(self, packet: bytes | memoryview) -> bytes:
        """
        Decrypt one packet without its length.

        @raise ProtocolViolation: the peer did not seal it.
        """
        ciphertext = memoryview(packet)[: -self.macSize]
        mac = hmac.digest(self._receiveMAC, ciphertext, self._hash)
        if not hmac.compare_digest(mac, packet[-self.macSize :]):
            raise ProtocolViolation(
                PROTOCOL_ID, "a packet that was not sealed by the peer"
            )
        return self._decrypt(ciphertext)

    def _deliver(self, packet: memoryview, opened: list[bytes]) -> None:
        plaintext = self.openPacket(packet)
        if plaintext:
            opened.append(plaintext)

    def _packetEnd(self, data: bytearray | memoryview, offset: int) -> int:
        """
        Return the offset of the end of a packet, which begins with its length.
        """
        length: int = LENGTH.unpack_from(data, offset)[0]
        if not self.macSize <= length <= LONGEST_PACKET:
            raise ProtocolViolation(PROTOCOL_ID, f"a packet of {length} bytes")
        return offset + LENGTH.size + length


def _cipher(keys: Keys) -> Cipher[CTR]:
    return Cipher(AES(keys.key), CTR(keys.iv))
