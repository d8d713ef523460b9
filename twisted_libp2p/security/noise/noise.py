# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Noise, as nodes use it.
"""

from __future__ import annotations

from functools import partial

from twisted.internet.interfaces import IProtocolFactory, IReactorTime
from zope.interface import implementer

from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import Handshake, ISecurity
from twisted_libp2p.security.factory import SecureFactory
from twisted_libp2p.security.noise.channel import PROTOCOL_ID
from twisted_libp2p.security.noise.ciphercache import CipherCache
from twisted_libp2p.security.noise.handshake import NoiseHandshake
from twisted_libp2p.security.noise.payload import StaticKey

__all__ = ["Noise"]


@implementer(ISecurity)
class Noise:
    """
    The security protocol C{/noise} of libp2p.

    The static keys live as long as this object, one for each identity: making
    and signing a new one for each connection would add nothing to the secrecy,
    which the ephemeral keys provide.
    """

    protocolID = PROTOCOL_ID
    insecure = False

    def __init__(self, clock: IReactorTime) -> None:
        """
        @param clock: the reactor, which ends the turn in which small writes are joined.
        """
        self._clock = clock
        self._statics: dict[PeerID, StaticKey] = {}
        self._ciphers = CipherCache()

    def wrap(
        self, handshake: Handshake, wrappedFactory: IProtocolFactory
    ) -> SecureFactory:
        """
        Return a factory whose protocols do the handshake on their transport.
        """
        static = self._staticKey(handshake.identity)
        machine = partial(NoiseHandshake, handshake, static, ciphers=self._ciphers)
        return SecureFactory(handshake, wrappedFactory, machine, self._clock)

    def _staticKey(self, identity: Identity) -> StaticKey:
        static = self._statics.get(identity.peerID)
        if static is None:
            static = self._statics[identity.peerID] = StaticKey.sign(identity)
        return static
