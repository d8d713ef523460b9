# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Serving WebTransport on a socket of QUIC.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from twisted_libp2p.interfaces import Handshake, IQuicConnections
from twisted_libp2p.quic.certified import CertifiedListener, CertifiedServing
from twisted_libp2p.quic.hub import QuicHub
from twisted_libp2p.quic.webtransport.addresses import webAddress
from twisted_libp2p.quic.webtransport.endpoint import WebTransportEndpoint
from twisted_libp2p.security.noise.handshake import NoiseHandshake

__all__ = ["WebListener", "WebServing"]


class WebServing(CertifiedServing):
    """
    Serves WebTransport on the sockets of a transport.
    """

    def _listener(self, hub: QuicHub) -> WebListener:
        """
        Make the port of a listener.
        """
        return WebListener(hub, self._stopped)

    def _begin(
        self,
        below: IQuicConnections,
        handle: int,
        handshake: Handshake,
        early: Sequence[tuple[object, ...]],
    ) -> WebTransportEndpoint:
        """
        Begin HTTP/3 on a connection.  The handshake of Noise names all hashes that our
        addresses have or had before the last change, so that nobody can put another
        certificate between.
        """

        def noise() -> NoiseHandshake:
            static = replace(self._static, certhashes=self.window.proven())
            return NoiseHandshake(replace(handshake, muxers=()), static)

        return WebTransportEndpoint(below, handle, noise, early)


class WebListener(CertifiedListener):
    """
    A socket at which browsers may connect by WebTransport.
    """

    def __init__(
        self, hub: QuicHub, stopped: Callable[[CertifiedListener], object]
    ) -> None:
        """
        @param stopped: called when nobody listens any longer.
        """
        super().__init__(hub, stopped)
        self._host = webAddress(self._host)
