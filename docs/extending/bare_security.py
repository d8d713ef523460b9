# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

from __future__ import annotations

from functools import partial

from zope.interface import implementer

from twisted_libp2p.errors import HandshakeFailed, InvalidInput, PeerMismatch
from twisted_libp2p.identity import PeerID, PublicKey
from twisted_libp2p.interfaces import ISecurity, Secured
from twisted_libp2p.security import Channel, HandshakeMachine, SecureFactory
from twisted_libp2p.wire import FrameBuffer, delimit

PROTOCOL_ID = "/bare/1.0.0"


class BareHandshake(HandshakeMachine):
    """
    Each side sends its public key, and believes the other.  (A real one proves
    that the private half is there.)
    """

    protocolID = PROTOCOL_ID

    def __init__(self, handshake):
        self._handshake = handshake
        self._frames = FrameBuffer(2048)

    def start(self):
        return delimit(self._handshake.identity.publicKey.toBytes())

    def receive(self, data):
        self._frames.feed(data)
        try:
            message = next(self._frames, None)
            if message is None:
                return b""
            key = PublicKey.fromBytes(message)
        except InvalidInput as error:
            raise HandshakeFailed(PROTOCOL_ID, str(error)) from error
        peer, expected = PeerID.fromKey(key), self._handshake.expected
        if expected not in (None, peer):
            raise PeerMismatch(PROTOCOL_ID, str(expected), str(peer))
        self.secured = Secured(PROTOCOL_ID, peer, key)
        self.channel = BareChannel()
        self.trailing = self._frames.trailingData
        return b""


class BareChannel(Channel):
    """
    Both directions after that: nothing is changed, nothing is checked.
    """

    def seal(self, pieces):
        return list(pieces)

    def open(self, data, opened):
        opened.append(data)


@implementer(ISecurity)
class Bare:
    """
    The security protocol as a node sees it.
    """

    protocolID = PROTOCOL_ID
    insecure = True  # so it is proposed behind all others

    def __init__(self, clock):
        self._clock = clock

    def wrap(self, handshake, wrappedFactory):
        machine = partial(BareHandshake, handshake)
        return SecureFactory(handshake, wrappedFactory, machine, self._clock)
