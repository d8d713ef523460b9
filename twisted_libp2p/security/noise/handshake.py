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

from enum import Enum
from typing import ClassVar, Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from twisted_libp2p.errors import TwoInitiators
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import Handshake, Role, Secured
from twisted_libp2p.security.messages import MessageBuffer
from twisted_libp2p.security.noise.channel import LENGTH, PROTOCOL_ID, NoiseChannel
from twisted_libp2p.security.noise.ciphercache import CipherCache
from twisted_libp2p.security.noise.payload import StaticKey, chooseMuxer, decode
from twisted_libp2p.security.noise.xx import XXHandshake
from twisted_libp2p.security.steps import Effects, MessageHandshake

__all__ = ["LONGEST_HANDSHAKE_MESSAGE", "NOISE", "NoiseHandshake", "NoiseState"]

#: The size of the largest handshake message that is accepted, in bytes.  The
#: largest honest payload has a key and a signature of RSA with 8192 bits, about
#: 2 KiB, and the names of some muxers.
LONGEST_HANDSHAKE_MESSAGE: Final = 8 * 1024


class NoiseState(Enum):
    """
    The state of one side of a handshake.
    """

    # Enum's own is a function of Python, and states are keys of a table.
    __hash__ = object.__hash__

    NEW = "new"
    #: The responder waits for the ephemeral key of the initiator.
    AWAITS_FIRST = "first message"
    #: The initiator waits for the keys and the identity of the responder.
    AWAITS_SECOND = "second message"
    #: The responder waits for the key and the identity of the initiator.
    AWAITS_THIRD = "third message"
    SECURED = "secured"
    FAILED = "failed"


#: The next state, and the effect of the transition, for each state and event.
NOISE: Final[dict[tuple[NoiseState, str], tuple[NoiseState, str | None]]] = {
    (NoiseState.NEW, "initiate"): (NoiseState.AWAITS_SECOND, "send the first"),
    (NoiseState.NEW, "respond"): (NoiseState.AWAITS_FIRST, None),
    (NoiseState.AWAITS_FIRST, "first message"): (
        NoiseState.AWAITS_THIRD,
        "send the second",
    ),
    (NoiseState.AWAITS_SECOND, "second message"): (
        NoiseState.SECURED,
        "authenticate, send the third",
    ),
    (NoiseState.AWAITS_THIRD, "third message"): (NoiseState.SECURED, "authenticate"),
    (NoiseState.AWAITS_FIRST, "failure"): (NoiseState.FAILED, None),
    (NoiseState.AWAITS_SECOND, "failure"): (NoiseState.FAILED, None),
    (NoiseState.AWAITS_THIRD, "failure"): (NoiseState.FAILED, None),
}

#: The size of the first message, in bytes.
_FIRST: Final = 32

# The minimum and maximum size of each message, in bytes.  The first has no payload:
# nothing in it would be secret or proven (rust-libp2p refuses one, too).
_SIZES: Final[dict[Enum, tuple[int, int]]] = {
    NoiseState.AWAITS_FIRST: (_FIRST, _FIRST),
    NoiseState.AWAITS_SECOND: (32 + 48 + 16, LONGEST_HANDSHAKE_MESSAGE),
    NoiseState.AWAITS_THIRD: (48 + 16, LONGEST_HANDSHAKE_MESSAGE),
}


class NoiseHandshake(MessageHandshake):
    """
    One side of one handshake.

    @ivar handshakeHash: the hash that only this handshake has, when it is complete.
    @ivar certhashes: the multihashes that the peer has named of its certificates of
        WebTransport.
    """

    protocolID = PROTOCOL_ID
    table = NOISE
    state = NoiseState.NEW

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
        self.certhashes: tuple[bytes, ...] = ()
        self._handshake = handshake
        self._static = static
        self._ciphers = ciphers
        self._initiator = handshake.role is Role.CLIENT
        self._xx = XXHandshake(self._initiator, static.private, ephemeral, prologue)
        self._buffer = MessageBuffer(LENGTH)

    def start(self) -> bytes:
        """
        Return the first message, if we are the initiator.
        """
        return self.happened("initiate" if self._initiator else "respond")

    def _sizes(self) -> tuple[int, int]:
        if self.state is NoiseState.AWAITS_SECOND and self._buffer.length == _FIRST:
            # An abort could keep our own first message from the peer.
            self.farewell = b""
            raise TwoInitiators(PROTOCOL_ID)
        return _SIZES[self.state]

    def _sendFirst(self, _: bytes) -> bytes:
        return self._write(b"")

    def _sendSecond(self, message: bytes) -> bytes:
        self._xx.read(message)
        return self._write(self._static.payload(self._handshake.muxers))

    def _sendThird(self, message: bytes) -> bytes:
        secured = self._authenticate(self._xx.read(message))
        answer = self._write(self._static.payload(self._handshake.muxers))
        self._complete(secured)
        return answer

    def _readThird(self, message: bytes) -> bytes:
        self._complete(self._authenticate(self._xx.read(message)))
        return b""

    def _complete(self, secured: Secured) -> None:
        """
        Make the channel.
        """
        keys = self._xx.symmetric.split()
        sendKey, receiveKey = keys if self._initiator else reversed(keys)
        self.channel = NoiseChannel(sendKey, receiveKey, self._ciphers)
        self.handshakeHash = self._xx.symmetric.hash
        self.secured = secured

    def _write(self, payload: bytes) -> bytes:
        message = self._xx.write(payload)
        return LENGTH.pack(len(message)) + message

    def _authenticate(self, payload: bytes) -> Secured:
        """
        Check the identity of the peer, and choose the muxer.
        """
        handshake = self._handshake
        assert self._xx.remoteStatic is not None
        key, muxers, self.certhashes = decode(payload, self._xx.remoteStatic)
        peer = PeerID.fromKey(key)
        handshake.meet(PROTOCOL_ID, peer)
        if self._initiator:
            muxer = chooseMuxer(handshake.muxers, muxers)
        else:
            muxer = chooseMuxer(muxers, handshake.muxers)
        return Secured(PROTOCOL_ID, peer, key, muxer)

    effects: ClassVar[Effects] = {
        "send the first": _sendFirst,
        "send the second": _sendSecond,
        "authenticate, send the third": _sendThird,
        "authenticate": _readThird,
    }
