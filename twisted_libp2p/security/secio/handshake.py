# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The handshake of C{/secio/1.0.0}.  Both sides say the same things, each as soon
as it can, in frames of four bytes of length::

    proposal    a nonce, our public key, our algorithms
    exchange    our ephemeral key; our signature over both proposals and it
    nonce       the peer's nonce, in the first packet of the channel

The peer is authenticated by its signature, but only its first packet shows
that the signature was made for us, now, and that both sides have the same keys.
"""

from __future__ import annotations

import hmac
import os
from enum import Enum
from hashlib import sha256
from typing import ClassVar, Final

from google.protobuf.message import DecodeError

from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.identity import PeerID, PublicKey
from twisted_libp2p.interfaces import Handshake, Secured
from twisted_libp2p.security.messages import MessageBuffer
from twisted_libp2p.security.secio.ephemeral import EphemeralKey
from twisted_libp2p.security.secio.frame import LENGTH, PROTOCOL_ID, SecioChannel
from twisted_libp2p.security.secio.stretch import stretch
from twisted_libp2p.security.secio.suite import Offer, Suite
from twisted_libp2p.security.steps import Effects, MessageHandshake
from twisted_libp2p.wire.secio_pb2 import Exchange, Propose

__all__ = [
    "LONGEST_HANDSHAKE_MESSAGE",
    "NONCE_SIZE",
    "SECIO",
    "SecioHandshake",
    "SecioState",
]

#: The size of a nonce, in bytes.
NONCE_SIZE: Final = 16

#: The size of the largest proposal or exchange that is accepted, in bytes.  The
#: largest honest ones have a key or a signature of RSA with 8192 bits, about
#: 1 KiB.
LONGEST_HANDSHAKE_MESSAGE: Final = 4 * 1024


class SecioState(Enum):
    """
    The state of one side of a handshake.
    """

    NEW = "new"
    AWAITS_PROPOSAL = "proposal"
    AWAITS_EXCHANGE = "exchange"
    AWAITS_NONCE = "nonce"
    SECURED = "secured"
    FAILED = "failed"


#: The next state, and the effect of the transition, for each state and event.
SECIO: Final[dict[tuple[SecioState, str], tuple[SecioState, str | None]]] = {
    (SecioState.NEW, "start"): (SecioState.AWAITS_PROPOSAL, "propose"),
    (SecioState.AWAITS_PROPOSAL, "proposal"): (
        SecioState.AWAITS_EXCHANGE,
        "choose, send the exchange",
    ),
    (SecioState.AWAITS_EXCHANGE, "exchange"): (
        SecioState.AWAITS_NONCE,
        "verify, send the nonce",
    ),
    (SecioState.AWAITS_NONCE, "nonce"): (SecioState.SECURED, "compare"),
    (SecioState.AWAITS_PROPOSAL, "failure"): (SecioState.FAILED, None),
    (SecioState.AWAITS_EXCHANGE, "failure"): (SecioState.FAILED, None),
    (SecioState.AWAITS_NONCE, "failure"): (SecioState.FAILED, None),
}


class SecioHandshake(MessageHandshake):
    """
    One side of one handshake.

    @ivar suite: the negotiated algorithms; None so far.
    """

    protocolID = PROTOCOL_ID
    table = SECIO
    state = SecioState.NEW

    def __init__(
        self, handshake: Handshake, offer: Offer, nonce: bytes | None = None
    ) -> None:
        """
        @param offer: our algorithms.
        @param nonce: a number that no one has sent before, to repeat a known handshake
            in a test; None makes one.
        """
        self.channel: SecioChannel | None = None
        self.suite: Suite | None = None
        self._handshake = handshake
        self._offer = offer
        self._nonce = nonce or os.urandom(NONCE_SIZE)
        self._proposal = Propose(
            rand=self._nonce,
            pubkey=handshake.identity.publicKey.toBytes(),
            exchanges=",".join(offer.exchanges),
            ciphers=",".join(offer.ciphers),
            hashes=",".join(offer.hashes),
        ).SerializeToString()
        self._buffer = MessageBuffer(LENGTH)
        # The results of the first two steps.
        self._remoteProposal = b""
        self._remoteNonce = b""
        self._preferred = False
        self._remoteKey: PublicKey
        self._ephemeral: EphemeralKey

    def start(self) -> bytes:
        """
        Return our proposal.
        """
        return self.happened("start")

    def _propose(self, _: bytes) -> bytes:
        return _frame(self._proposal)

    def _sizes(self) -> tuple[int, int]:
        if self.channel is None:
            return 0, LONGEST_HANDSHAKE_MESSAGE
        size = NONCE_SIZE + self.channel.macSize
        return size, size

    def _takeProposal(self, message: bytes) -> bytes:
        """
        Choose the algorithms.

        @return: our exchange.
        """
        propose = Propose()
        try:
            propose.ParseFromString(message)
        except DecodeError:
            raise InvalidInput("it is not a protobuf message") from None
        if len(propose.rand) != NONCE_SIZE:
            raise InvalidInput(f"a nonce of {len(propose.rand)} bytes")
        self._remoteKey = PublicKey.fromBytes(propose.pubkey)
        self._remoteProposal = message
        self._remoteNonce = propose.rand
        self._handshake.meet(PROTOCOL_ID, PeerID.fromKey(self._remoteKey))
        ours = self._handshake.identity.publicKey.toBytes()
        first = sha256(propose.pubkey + self._nonce).digest()
        second = sha256(ours + propose.rand).digest()
        if first == second:
            raise InvalidInput("it is our own")
        self._preferred = first > second
        offer = Offer(
            _names(propose.exchanges), _names(propose.ciphers), _names(propose.hashes)
        )
        if self._preferred:
            self.suite = self._offer.agree(offer)
        else:
            self.suite = offer.agree(self._offer)
        self._ephemeral = EphemeralKey(self.suite.exchange)
        public = self._ephemeral.public
        signature = self._handshake.identity.sign(
            self._proposal + self._remoteProposal + public
        )
        return _frame(Exchange(epubkey=public, signature=signature).SerializeToString())

    def _takeExchange(self, message: bytes) -> bytes:
        """
        Check the identity of the peer, and agree on keys.

        @return: the peer's nonce, in a packet.
        """
        exchange = Exchange()
        try:
            exchange.ParseFromString(message)
        except DecodeError:
            raise InvalidInput("it is not a protobuf message") from None
        self._remoteKey.verify(
            exchange.signature, self._remoteProposal + self._proposal + exchange.epubkey
        )
        assert self.suite is not None
        ours, theirs = stretch(self._ephemeral.agree(exchange.epubkey), self.suite)
        if not self._preferred:
            ours, theirs = theirs, ours
        self.channel = SecioChannel(self.suite.hash, ours, theirs)
        return b"".join(self.channel.seal((self._remoteNonce,)))

    def _takeNonce(self, message: bytes) -> bytes:
        """
        Check that the peer answers our own nonce.
        """
        assert self.channel is not None
        if not hmac.compare_digest(self.channel.openPacket(message), self._nonce):
            raise InvalidInput("it is not ours")
        self.secured = Secured(
            PROTOCOL_ID, PeerID.fromKey(self._remoteKey), self._remoteKey
        )
        return b""

    effects: ClassVar[Effects] = {
        "propose": _propose,
        "choose, send the exchange": _takeProposal,
        "verify, send the nonce": _takeExchange,
        "compare": _takeNonce,
    }


def _frame(message: bytes) -> bytes:
    return LENGTH.pack(len(message)) + message


def _names(listed: str | bytes) -> tuple[str, ...]:
    """
    Take apart a list of names.
    """
    if not isinstance(listed, str):
        # Protobuf returns bytes for a string that is not UTF-8.
        raise InvalidInput("a list of names that is not text")
    return tuple(listed.split(","))
