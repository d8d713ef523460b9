# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Plaintext, for tests and for debugging: the peers exchange their ids, without any
proof.

See libp2p/specs, plaintext/README.md.
"""

from __future__ import annotations

from enum import Enum
from functools import partial
from typing import ClassVar, Final

from google.protobuf.message import DecodeError
from twisted.internet.interfaces import IProtocolFactory, IReactorTime
from zope.interface import implementer

from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.identity import PeerID, PublicKey
from twisted_libp2p.interfaces import Handshake, ISecurity, Secured
from twisted_libp2p.security.factory import SecureFactory
from twisted_libp2p.security.machine import OpenChannel
from twisted_libp2p.security.steps import Effects, SteppedHandshake
from twisted_libp2p.wire.frames import FrameBuffer, delimit
from twisted_libp2p.wire.plaintext_pb2 import Exchange

__all__ = [
    "LONGEST_EXCHANGE",
    "PLAINTEXT",
    "PROTOCOL_ID",
    "Plaintext",
    "PlaintextHandshake",
    "PlaintextState",
]

#: The protocol id of plaintext.
PROTOCOL_ID: Final = "/plaintext/2.0.0"

#: The size of the largest exchange that is accepted, in bytes: a key of RSA
#: with 8192 bits takes about 1 KiB.
LONGEST_EXCHANGE: Final = 2 * 1024


class PlaintextState(Enum):
    """
    The state of one side of an exchange of ids.
    """

    NEW = "new"
    AWAITS_EXCHANGE = "exchange"
    SECURED = "secured"
    FAILED = "failed"


#: The next state, and the effect of the transition, for each state and event.
PLAINTEXT: Final[
    dict[tuple[PlaintextState, str], tuple[PlaintextState, str | None]]
] = {
    (PlaintextState.NEW, "start"): (PlaintextState.AWAITS_EXCHANGE, "send our id"),
    (PlaintextState.AWAITS_EXCHANGE, "exchange"): (
        PlaintextState.SECURED,
        "believe the id",
    ),
    (PlaintextState.AWAITS_EXCHANGE, "failure"): (PlaintextState.FAILED, None),
}


class PlaintextHandshake(SteppedHandshake):
    """
    One side of one exchange of ids.

    rust-libp2p accepts at most 100 bytes of an exchange: RSA and ECDSA keys are too
    long for it, Ed25519 and secp256k1 keys fit.
    """

    protocolID = PROTOCOL_ID
    table = PLAINTEXT
    state = PlaintextState.NEW

    def __init__(self, handshake: Handshake) -> None:
        self._handshake = handshake
        self._frames = FrameBuffer(LONGEST_EXCHANGE)

    def start(self) -> bytes:
        """
        Return the message with our id and key, our only one.
        """
        return self.happened("start")

    def _introduce(self, _: bytes) -> bytes:
        identity = self._handshake.identity
        exchange = Exchange(
            id=identity.peerID.toBytes(), pubkey=identity.publicKey.toBytes()
        )
        return delimit(exchange.SerializeToString())

    def _receive(self, data: bytes) -> bytes:
        self._frames.feed(data)
        for message in self._frames:
            self.happened("exchange", message)
            self.trailing = self._frames.trailingData
            break
        return b""

    def _believe(self, message: bytes) -> bytes:
        self.secured = self._authenticate(message)
        self.channel = OpenChannel()
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

    effects: ClassVar[Effects] = {"send our id": _introduce, "believe the id": _believe}


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
