# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Plaintext, for tests and for debugging: the peers exchange their ids, without any
proof.

See libp2p/specs, plaintext/README.md.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from google.protobuf.message import DecodeError
from twisted.internet.interfaces import IProtocolFactory, IReactorTime
from zope.interface import implementer

from twisted_libp2p.errors import HandshakeFailed, InvalidInput
from twisted_libp2p.identity import PeerID, PublicKey
from twisted_libp2p.interfaces import Handshake, ISecurity, Secured
from twisted_libp2p.security.factory import SecureFactory
from twisted_libp2p.security.machine import HandshakeMachine, OpenChannel
from twisted_libp2p.wire.frames import FrameBuffer, delimit
from twisted_libp2p.wire.plaintext_pb2 import Exchange

__all__ = [
    "LONGEST_EXCHANGE",
    "PROTOCOL_ID",
    "Plaintext",
    "PlaintextHandshake",
]

#: The protocol id of plaintext.
PROTOCOL_ID: Final = "/plaintext/2.0.0"

#: The size of the largest exchange that is accepted, in bytes: a key of RSA
#: with 8192 bits takes about 1 KiB.
LONGEST_EXCHANGE: Final = 2 * 1024


class PlaintextHandshake(HandshakeMachine):
    """
    One side of one exchange of ids: a L{HandshakeMachine
    <twisted_libp2p.security.machine.HandshakeMachine>}.

    rust-libp2p accepts at most 100 bytes of an exchange: RSA and ECDSA keys are too
    long for it, Ed25519 and secp256k1 keys fit.
    """

    protocolID = PROTOCOL_ID

    def __init__(self, handshake: Handshake) -> None:
        self._handshake = handshake
        self._frames = FrameBuffer(LONGEST_EXCHANGE)

    def start(self) -> bytes:
        """
        Return the message with our id and key.
        """
        identity = self._handshake.identity
        exchange = Exchange(
            id=identity.peerID.toBytes(), pubkey=identity.publicKey.toBytes()
        )
        return delimit(exchange.SerializeToString())

    def receive(self, data: bytes) -> bytes:
        """
        Process bytes of the peer.

        @return: nothing; L{start} returns our only message.
        @raise HandshakeFailed: the message of the peer contradicts itself; for another
            peer than the expected one, a L{PeerMismatch}.
        """
        self._frames.feed(data)
        try:
            message = next(self._frames, None)
            if message is not None:
                self.secured = self._authenticate(message)
                self.channel = OpenChannel()
                self.trailing = self._frames.trailingData
        except InvalidInput as error:
            raise HandshakeFailed(PROTOCOL_ID, f"the exchange: {error}") from error
        return b""

    def _authenticate(self, message: bytes) -> Secured:
        """
        Believe the id of the peer, unless it contradicts the key.
        """
        exchange = Exchange()
        try:
            exchange.ParseFromString(message)
        except DecodeError:
            raise InvalidInput("it is not a protobuf message") from None
        peer = PeerID.fromBytes(exchange.id)
        key = PublicKey.fromBytes(exchange.pubkey)
        if not peer.matches(key):
            raise InvalidInput(f"{peer} is not the id of the key that came with it")
        self._handshake.meet(PROTOCOL_ID, peer)
        return Secured(PROTOCOL_ID, peer, key)


@implementer(ISecurity)
class Plaintext:
    """
    The security protocol C{/plaintext/2.0.0} of libp2p, which does not protect
    anything: everybody on the way can read, change and forge all data.

    Only for tests.  The specification forbids it in production.
    """

    protocolID = PROTOCOL_ID
    insecure = True

    def __init__(self, clock: IReactorTime) -> None:
        """
        @param clock: ends the turn of the reactor in which small writes are joined.
        """
        self._clock = clock

    def wrap(
        self, handshake: Handshake, wrappedFactory: IProtocolFactory
    ) -> SecureFactory:
        """
        Return a factory whose protocols exchange ids on their transport.
        """
        machine = partial(PlaintextHandshake, handshake)
        return SecureFactory(handshake, wrappedFactory, machine, self._clock)
