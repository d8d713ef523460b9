# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The security protocol SECIO, as nodes use it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from twisted.internet.interfaces import IProtocolFactory, IReactorTime
from zope.interface import implementer

from twisted_libp2p.interfaces import Handshake, ISecurity
from twisted_libp2p.security.factory import SecureFactory
from twisted_libp2p.security.secio.frame import PROTOCOL_ID
from twisted_libp2p.security.secio.handshake import SecioHandshake
from twisted_libp2p.security.secio.suite import CIPHERS, EXCHANGES, HASHES, Offer

__all__ = ["SECIO"]


@implementer(ISecurity)
class SECIO:
    """
    The security protocol C{/secio/1.0.0} of libp2p.

    Use it only for peers that have no other: L{twisted_libp2p.security.secio} lists its
    weaknesses.  The muxer is always negotiated afterwards.
    """

    protocolID = PROTOCOL_ID
    insecure = False

    def __init__(
        self,
        clock: IReactorTime,
        exchanges: Iterable[str] = EXCHANGES,
        ciphers: Iterable[str] = CIPHERS,
        hashes: Iterable[str] = HASHES,
    ) -> None:
        """
        @param clock: ends the turn of the reactor in which small writes are joined.
        @param exchanges: names of L{EXCHANGES}, in order of preference.
        @param ciphers: names of L{CIPHERS}, in order of preference.
        @param hashes: names of L{HASHES}, in order of preference.
        @raise ConfigurationError: a list is empty, or names an unknown algorithm.
        """
        self._clock = clock
        self._offer = Offer.ours(exchanges, ciphers, hashes)

    def wrap(
        self, handshake: Handshake, wrappedFactory: IProtocolFactory
    ) -> SecureFactory:
        """
        Return a factory whose protocols shake hands on their transport.
        """
        machine = partial(SecioHandshake, handshake, self._offer)
        return SecureFactory(handshake, wrappedFactory, machine, self._clock)
