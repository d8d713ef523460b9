# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The handshake of C{/noise}: three messages in frames, each side's identity
in the last one that it sends::

    initiator                                    responder
        1   e                                       ->
        <-                 e, ee, s, es, payload    2
        3   s, se, payload                          ->
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from twisted_libp2p.errors import HandshakeFailed, InvalidInput
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import Handshake, Role, Secured
from twisted_libp2p.security.machine import HandshakeMachine
from twisted_libp2p.security.messages import MessageBuffer
from twisted_libp2p.security.noise.channel import LENGTH, PROTOCOL_ID, NoiseChannel
from twisted_libp2p.security.noise.ciphercache import CipherCache
from twisted_libp2p.security.noise.payload import StaticKey, chooseMuxer, decode
from twisted_libp2p.security.noise.xx import XXHandshake

__all__ = ["LONGEST_HANDSHAKE_MESSAGE", "NoiseHandshake"]

#: The size of the largest handshake message that is accepted, in bytes.  The
#: largest honest payload has a key and a signature of RSA with 8192 bits, about
#: 2 KiB, and the names of some muxers.
LONGEST_HANDSHAKE_MESSAGE: Final = 8 * 1024

# The minimum and maximum size of each message, in bytes.  The first has no payload:
# nothing in it would be secret or proven (rust-libp2p refuses one, too).
_SIZES: Final = (
    (32, 32),
    (32 + 48 + 16, LONGEST_HANDSHAKE_MESSAGE),
    (48 + 16, LONGEST_HANDSHAKE_MESSAGE),
)


class NoiseHandshake(HandshakeMachine):
    """
    One side of one handshake: a L{HandshakeMachine
    <twisted_libp2p.security.machine.HandshakeMachine>}.  It holds at most one message
    and one read of the transport.

    @ivar handshakeHash: the hash that only this handshake has, when it is complete.
    """

    protocolID = PROTOCOL_ID

    def __init__(
        self,
        handshake: Handshake,
        static: StaticKey,
        ephemeral: X25519PrivateKey | None = None,
        prologue: bytes = b"",
        ciphers: CipherCache | None = None,
    ) -> None:
        """
        @param static: our static key, signed by C{handshake.identity}.
        @param ephemeral: our key for this handshake alone, to repeat a known
            handshake in a test; None makes one.
        @param prologue: bytes that both sides have to know beforehand; empty except in
            WebRTC.
        @param ciphers: bounds the channels of a node that keep their ciphers.
        """
        self.handshakeHash = b""
        self._handshake = handshake
        self._static = static
        self._ciphers = ciphers
        self._initiator = handshake.role is Role.CLIENT
        self._xx = XXHandshake(self._initiator, static.private, ephemeral, prologue)
        # The number of messages that were sent or received.
        self._turn = 0
        self._buffer = MessageBuffer(LENGTH)

    def start(self) -> bytes:
        """
        Return the first message, if we are the initiator.
        """
        return self._write(b"") if self._initiator else b""

    def receive(self, data: bytes) -> bytes:
        """
        Take in bytes of the peer.

        @return: our next message, or nothing.
        @raise HandshakeFailed: the peer did not follow the protocol; L{PeerMismatch}
            if it is not the expected peer.
        """
        self._buffer.feed(data)
        answer = b""
        while self.secured is None:
            message = self._nextMessage()
            if message is None:
                return answer
            try:
                answer += self._take(message)
            except InvalidInput as error:
                raise HandshakeFailed(
                    PROTOCOL_ID, f"handshake message {self._turn}: {error}"
                ) from error
        self.trailing = self._buffer.rest()
        return answer

    def _nextMessage(self) -> bytes | None:
        """
        Cut off the next message.

        @return: None if it is not complete.
        """
        length = self._buffer.length
        if length is None:
            return None
        minimum, maximum = _SIZES[self._turn]
        if not minimum <= length <= maximum:
            raise HandshakeFailed(
                PROTOCOL_ID,
                f"handshake message {self._turn + 1} of {length} bytes",
            )
        return self._buffer.take()

    def _take(self, message: bytes) -> bytes:
        """
        Read a complete message.

        @return: the answer.
        """
        self._turn += 1
        payload = self._xx.read(message)
        if self._turn == 1:
            return self._write(self._static.payload(self._handshake.muxers))
        secured = self._authenticate(payload)
        answer = b""
        if self._turn == 2:
            answer = self._write(self._static.payload(self._handshake.muxers))
        keys = self._xx.symmetric.split()
        sendKey, receiveKey = keys if self._initiator else reversed(keys)
        self.channel = NoiseChannel(sendKey, receiveKey, self._ciphers)
        self.handshakeHash = self._xx.symmetric.hash
        self.secured = secured
        return answer

    def _write(self, payload: bytes) -> bytes:
        message = self._xx.write(payload)
        self._turn += 1
        return LENGTH.pack(len(message)) + message

    def _authenticate(self, payload: bytes) -> Secured:
        """
        Check the identity of the peer, and choose the muxer.
        """
        handshake = self._handshake
        assert self._xx.remoteStatic is not None
        key, muxers = decode(payload, self._xx.remoteStatic)
        peer = PeerID.fromKey(key)
        handshake.meet(PROTOCOL_ID, peer)
        if self._initiator:
            muxer = chooseMuxer(handshake.muxers, muxers)
        else:
            muxer = chooseMuxer(muxers, handshake.muxers)
        return Secured(PROTOCOL_ID, peer, key, muxer)
