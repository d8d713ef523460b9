# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The frames of C{/noise}, and the channel that they carry after the handshake.

A frame is the length of a message in two bytes, and the message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.security.machine import Channel
from twisted_libp2p.security.noise.ciphercache import CipherCache
from twisted_libp2p.security.noise.xx import NONCE, TAG_SIZE

__all__ = ["LENGTH", "LONGEST_MESSAGE", "PROTOCOL_ID", "NoiseChannel"]

#: What Noise is called on the wire.
PROTOCOL_ID: Final = "/noise"

#: The length of a message, in front of it.
LENGTH: Final = Struct(">H")

#: The size of the largest message, in bytes.
LONGEST_MESSAGE: Final = 65535

_LONGEST_PLAINTEXT: Final = LONGEST_MESSAGE - TAG_SIZE

# The nonce, the data, and what else is authenticated.
_Cipher = Callable[[bytes, bytes | memoryview, None], bytes]


class NoiseChannel(Channel):
    """
    A connection after its handshake.

    It holds at most the beginning of one received frame, of 64 KiB.
    """

    __slots__ = (
        "__weakref__",
        "_ciphers",
        "_decrypt",
        "_encrypt",
        "_partial",
        "_receiveKey",
        "_received",
        "_sendKey",
        "_sent",
    )

    def __init__(
        self, sendKey: bytes, receiveKey: bytes, ciphers: CipherCache | None = None
    ) -> None:
        """
        @param ciphers: bounds the channels that keep their ciphers.
        """
        self._ciphers = CipherCache() if ciphers is None else ciphers
        self._sendKey = sendKey
        self._receiveKey = receiveKey
        self._encrypt: _Cipher | None = None
        self._decrypt: _Cipher | None = None
        # The number of messages in each direction.  2 ** 64 - 1, where
        # Noise has to stop, is beyond what a connection lives to see.
        self._sent = 0
        self._received = 0
        self._partial = bytearray()

    def _prepare(self) -> tuple[_Cipher, _Cipher]:
        encrypt = self._encrypt = ChaCha20Poly1305(self._sendKey).encrypt
        decrypt = self._decrypt = ChaCha20Poly1305(self._receiveKey).decrypt
        self._ciphers.add(self)
        return encrypt, decrypt

    def rest(self) -> None:
        """
        Drop the ciphers; the next call that needs them makes them again.
        """
        self._encrypt = self._decrypt = None

    @property
    def truncated(self) -> bool:  # type: ignore[override]
        """
        Whether the last frame that has begun is not complete.
        """
        return bool(self._partial)

    def seal(self, pieces: Sequence[bytes]) -> list[bytes]:
        """
        Put the pieces into as few frames as possible.
        """
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        view = memoryview(data)
        encrypt = self._encrypt or self._prepare()[0]
        frames = []
        for start in range(0, len(view) or 1, _LONGEST_PLAINTEXT):
            piece = view[start : start + _LONGEST_PLAINTEXT]
            frames.append(LENGTH.pack(len(piece) + TAG_SIZE))
            frames.append(encrypt(NONCE.pack(self._sent), piece, None))
            self._sent += 1
        return frames

    def open(self, data: bytes, opened: list[bytes]) -> None:
        """
        Decrypt the frames that these bytes complete.  A frame without content
        is legal, and skipped.

        @raise ProtocolViolation: a length that no frame has, or a frame that
            the peer did not seal as the next one.
        """
        try:
            self._open(data, opened)
        except InvalidTag:
            raise ProtocolViolation(
                PROTOCOL_ID, "a frame that was not sealed by the peer"
            ) from None

    def _open(self, data: bytes, opened: list[bytes]) -> None:
        view = memoryview(data)
        size = len(view)
        offset = 0
        decrypt = self._decrypt or self._prepare()[1]
        partial = self._partial
        if partial and size:
            # Only the frame that straddles two reads is joined.
            if len(partial) < LENGTH.size:
                partial += view[:1]
                offset = 1
            (length,) = LENGTH.unpack_from(partial)
            if length < TAG_SIZE:
                raise _tooShort(length)
            missing = LENGTH.size + length - len(partial)
            partial += view[offset : offset + missing]
            offset += missing
            if offset > size:
                return
            self._partial = bytearray()
            sealed = memoryview(partial)[LENGTH.size :]
            plaintext = decrypt(NONCE.pack(self._received), sealed, None)
            self._received += 1
            if plaintext:
                opened.append(plaintext)
        # A peer may send many small frames, so nothing is looked up in here.
        received = self._received
        nonce = NONCE.pack
        lengthAt = LENGTH.unpack_from
        prefix = LENGTH.size
        last = size - prefix
        while offset <= last:
            (length,) = lengthAt(view, offset)
            if length < TAG_SIZE:
                raise _tooShort(length)
            start = offset + prefix
            end = start + length
            if end > size:
                break
            plaintext = decrypt(nonce(received), view[start:end], None)
            received += 1
            if plaintext:
                opened.append(plaintext)
            offset = end
        self._received = received
        if offset < size:
            self._partial += view[offset:]


def _tooShort(length: int) -> ProtocolViolation:
    """
    Return the error for a length that no sealed message has.
    """
    return ProtocolViolation(PROTOCOL_ID, f"a frame of {length} bytes")
