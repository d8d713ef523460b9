# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
TLS as the rest of the house sees it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from twisted.internet.interfaces import IProtocolFactory, IReactorTime
from zope.interface import implementer

from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import Handshake, ISecurity
from twisted_libp2p.security.factory import SecureFactory
from twisted_libp2p.security.tls.certificate import HostCertificate
from twisted_libp2p.security.tls.context import Contexts
from twisted_libp2p.security.tls.handshake import TLSHandshake
from twisted_libp2p.security.tls.verdict import PROTOCOL_ID

__all__ = ["TLS"]


@implementer(ISecurity)
class TLS:
    """
    The security protocol C{/tls/1.0.0} of libp2p: TLS 1.3, and nothing older.

    The certificates, and OpenSSL's contexts with them, live as long as this
    object, one certificate for each identity.
    """

    protocolID = PROTOCOL_ID
    insecure = False

    def __init__(
        self, clock: IReactorTime, now: Callable[[], float] = time.time
    ) -> None:
        """
        @param clock: what ends a turn of the reactor, in which small writes are
            joined.
        @param now: returns the seconds since 1970, by which a certificate has expired
            or not.
        """
        self._clock = clock
        self._now = now
        self._contexts: dict[PeerID, Contexts] = {}

    def wrap(
        self, handshake: Handshake, wrappedFactory: IProtocolFactory
    ) -> SecureFactory:
        """
        Return a factory whose protocols shake hands on their transport.
        """
        contexts = self._contextsOf(handshake.identity)
        machine = partial(TLSHandshake, handshake, self._now, contexts)
        return SecureFactory(handshake, wrappedFactory, machine, self._clock)

    def _contextsOf(self, identity: Identity) -> Contexts:
        contexts = self._contexts.get(identity.peerID)
        if contexts is None:
            certificate = HostCertificate.sign(identity, self._now())
            contexts = self._contexts[identity.peerID] = Contexts(certificate)
        return contexts
